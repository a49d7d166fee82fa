//! System calls that fail: at every call, in every way that its manual page allows, once or for a while.
//!
//! A worker runs through a phase (opening, creating, verifying, …) while one of its calls goes wrong, or is killed
//! there. Then the faults end, and its service has to work; then it is killed in any case, and another process holds
//! all that was acknowledged against what it finds. `OTP_TEST_POINT`, such as `sqlite verify pread64 3 Before Once
//! EIO`, runs one point and tells it all.

mod checks;
mod lab;
mod phases;
mod points;

use std::io::{BufRead, BufReader};
use std::process::Stdio;
use std::time::Instant;

use crate::trace;
use lab::Lab;
use points::Point;

/// A point that takes so many seconds is told of: locks that do not work are waited for.
const SLOW_SECONDS: u64 = 15;

/// The process of [`Lab`]: not a test of its own. Its role is a kind of repository and how many points to run.
#[test]
fn lab() {
    let Some(role) = testing::role() else { return };
    let (kind, wanted) = role.split_once('|').unwrap();
    if !trace::is_allowed() {
        return println!("\nSKIPPED");
    }
    let lab = Lab::new(kind);
    if wanted == "forgetting" {
        for phase in ["create", "replace", "verify", "wrong", "cancel", "erase", "child", "parent"] {
            println!("\nforgotten|{phase}|{}", lab.run_forgetting(phase).wrong.len());
        }
        return;
    }
    let points = lab.points();
    println!("\nall|{}", points.len());
    for point in chosen(&points, wanted.parse().unwrap()) {
        let begun = Instant::now();
        let found = lab.run(&point.phase, Some(point));
        println!("ran|{}|{point}", found.failed);
        found.wrong.iter().for_each(|wrong| println!("wrong|{kind} {point}|{wrong}"));
        if begun.elapsed().as_secs() >= SLOW_SECONDS {
            println!("slow|{kind} {point}|{}", begun.elapsed().as_secs());
        }
    }
}

/// So many points, spread evenly.
fn chosen(points: &[Point], wanted: usize) -> impl Iterator<Item = &Point> {
    let wanted = wanted.min(points.len());
    (0..wanted).filter_map(move |place| points.get(place * points.len() / wanted))
}

/// One point, told at length.
fn tell(text: &str) {
    let (kind, point) = text.split_once(' ').unwrap();
    let point = Point::read(point).expect("OTP_TEST_POINT is no point");
    let found = Lab::new(kind).run(&point.phase, Some(&point));
    found.story.iter().chain(&found.wrong).for_each(|line| testing::complain(line));
    assert!(found.wrong.is_empty());
}

/// Runs a lab, and hands over what it says, line by line.
fn listen(role: &str, mut hear: impl FnMut(&[&str], &str)) {
    let mut child = testing::child(testing::here!("lab"), role).stdout(Stdio::piped()).spawn().unwrap();
    for line in BufReader::new(child.stdout.take().unwrap()).lines() {
        let line = line.unwrap();
        match line.split('|').collect::<Vec<_>>().as_slice() {
            ["SKIPPED"] => testing::complain("SKIPPED: this machine does not let processes be traced"),
            words => hear(words, &line),
        }
    }
    assert!(child.wait().unwrap().success(), "the lab failed");
}

fn campaign(kind: &str, wanted: usize) {
    if let Ok(point) = std::env::var("OTP_TEST_POINT") {
        return if point.starts_with(kind) {
            tell(&point)
        };
    }
    let (mut all, mut ran, mut hit, mut calls) = (0, 0, 0, 0);
    let mut wrong = Vec::new();
    listen(&format!("{kind}|{wanted}"), |words, line| match words {
        ["all", count] => all = count.parse().unwrap(),
        ["ran", count, _] => {
            let count: usize = count.parse().unwrap();
            ran += 1;
            hit += usize::from(count > 0);
            calls += count;
        }
        ["wrong", ..] => {
            testing::complain(line);
            wrong.push(line.to_owned());
        }
        ["slow", ..] => testing::complain(line),
        _ => {}
    });
    testing::complain(&format!("faults, {kind}: {ran} of {all} points, {hit} hit, {calls} calls went wrong"));
    assert!(wrong.is_empty(), "{} of {ran} points went wrong: {:#?}", wrong.len(), wrong.first());
    // A call that is made in each run but one that went otherwise.
    assert!(hit * 10 >= ran * 9, "only {hit} of {ran} points were hit");
}

#[test]
fn faults_of_sqlite() {
    campaign("sqlite", testing::size(150, usize::MAX));
}

#[test]
fn faults_of_json() {
    campaign("json", testing::size(150, usize::MAX));
}

/// The campaign can fail: what is acknowledged and then forgotten is missed, in every phase that changes something.
#[test]
fn a_disk_that_forgets_is_found_out() {
    for kind in ["sqlite", "json"] {
        listen(&format!("{kind}|forgetting"), |words, _| {
            if let ["forgotten", phase, count] = words {
                assert_ne!(*count, "0", "{kind}: {phase} was forgotten, and nobody missed it");
            }
        });
    }
}
