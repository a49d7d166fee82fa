//! The campaign of lost power.

mod checks;
mod disk;
mod lab;
mod record;
mod script;
#[path = "../trace/mod.rs"]
mod trace;

use std::io::{BufRead, BufReader};
use std::process::Stdio;

use crate::common;

/// The process of the lab: not a test of its own. Its role is a kind of repository, a limit of images, and how syncs
/// are taken.
#[test]
fn lab() {
    let Some(role) = common::role() else { return };
    if !trace::is_allowed() {
        return println!("\nSKIPPED");
    }
    let words: Vec<_> = role.split('|').collect();
    let [kind, images, syncs] = words.as_slice() else { panic!("{role}") };
    let lab = lab::Lab::new(kind, *syncs == "ignored");
    match std::env::var("OTP_TEST_POINT") {
        Ok(point) => lab.again(point.split_once(' ').expect("OTP_TEST_POINT is no point").1),
        Err(_) => lab.campaign(images.parse().unwrap()),
    }
}

/// What a lab found.
#[derive(Default)]
struct Found {
    images: usize,
    wrong: Vec<String>,
    skipped: bool,
}

fn campaign(kind: &str, images: usize, syncs: &str) -> Found {
    let mut child =
        common::child("campaign::lab", &format!("{kind}|{images}|{syncs}")).stdout(Stdio::piped()).spawn().unwrap();
    let mut found = Found::default();
    for line in BufReader::new(child.stdout.take().unwrap()).lines() {
        let line = line.unwrap();
        match line.split('|').collect::<Vec<_>>().as_slice() {
            ["SKIPPED"] => {
                common::complain("SKIPPED: this machine does not let processes be traced");
                found.skipped = true;
            }
            ["images", count] => found.images += count.parse::<usize>().unwrap(),
            ["story", ..] => common::complain(&line),
            ["wrong", ..] => found.wrong.push(line),
            _ => {}
        }
    }
    assert!(child.wait().unwrap().success(), "the lab failed");
    found
}

fn loses_nothing(kind: &str) {
    if std::env::var("OTP_TEST_POINT").is_ok_and(|point| !point.starts_with(kind)) {
        return;
    }
    let found = campaign(kind, common::size(400, 30_000), "kept");
    found.wrong.iter().for_each(|line| common::complain(line));
    common::complain(&format!("power, {kind}: {} images", found.images));
    let first = found.wrong.first();
    assert!(found.wrong.is_empty(), "{} things wrong in {} images: {first:#?}", found.wrong.len(), found.images);
}

#[test]
fn power_loss_loses_nothing_with_sqlite() {
    loses_nothing("sqlite");
}

#[test]
fn power_loss_loses_nothing_with_json() {
    loses_nothing("json");
}

/// The campaign can fail: on a disk that takes no sync for one, acknowledged changes are lost.
#[test]
fn a_disk_that_ignores_syncs_is_found_out() {
    if std::env::var("OTP_TEST_POINT").is_ok() {
        return;
    }
    for kind in ["sqlite", "json"] {
        let found = campaign(kind, 150, "ignored");
        assert!(found.skipped || !found.wrong.is_empty(), "{kind}: nothing was lost in {} images", found.images);
    }
}
