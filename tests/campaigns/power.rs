//! The power fails: at any moment, with everything that was not synced there or not.
//!
//! A worker is recorded: each write, each change of a name, each sync, and in between what it acknowledged. From that,
//! folders are made as a disk may hold them at any moment, and opened: what was acknowledged until then must be
//! there. `OTP_TEST_POINT`, such as `sqlite life 9 1 43 1`, makes one image again and tells it all: script, first sync
//! that fails, how many do, number of events, and image.

mod checks;
mod disk;
mod lab;
mod record;
mod script;

use std::io::{BufRead, BufReader};
use std::process::Stdio;

use crate::trace;

/// The process of the lab: not a test of its own. Its role is a kind of repository, a limit of images, and how syncs
/// are taken.
#[test]
fn lab() {
    let Some(role) = testing::role() else { return };
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
    let mut child = testing::child(testing::here!("lab"), &format!("{kind}|{images}|{syncs}"))
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut found = Found::default();
    for line in BufReader::new(child.stdout.take().unwrap()).lines() {
        let line = line.unwrap();
        match line.split('|').collect::<Vec<_>>().as_slice() {
            ["SKIPPED"] => {
                testing::complain("SKIPPED: this machine does not let processes be traced");
                found.skipped = true;
            }
            ["images", count] => found.images += count.parse::<usize>().unwrap(),
            ["story", ..] => testing::complain(&line),
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
    let found = campaign(kind, testing::size(400, 30_000), "kept");
    found.wrong.iter().for_each(|line| testing::complain(line));
    testing::complain(&format!("power, {kind}: {} images", found.images));
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
