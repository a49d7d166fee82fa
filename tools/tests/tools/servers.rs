//! The command on repositories that many hosts share.

use serde_json::json;
use testing::place::{KEY, Place};

use super::command::{NUMBER, Site};

#[test]
fn redis() {
    works_on("redis");
}

#[test]
fn postgres() {
    works_on("postgres");
}

fn works_on(kind: &str) {
    let Some(place) = Place::new(kind, "tools") else { return };
    let site = Site::at(&place.repository);
    let server = format!("repository: on a server ({kind})");
    let none = site.run(&["open"]);
    none.is_done(&format!("{server}, and there is none yet: the first service begins it\n"));
    for command in [&["status", "any"][..], &["due"], &["subject", NUMBER], &["copy", "json:backup"]] {
        site.run(command).failed(3, "repository: is empty, and otp begins none");
    }
    site.run(&["check"]).is_refused("fault: it is empty: nothing was ever stored, or its copy never finished\n");
    drop(site.service());
    site.run(&["open"]).is_done(&format!("{server}\n")).is_done("key: in the configuration\n");
    assert!(!site.run(&["open"]).out.contains(&place.repository));
    let request = json!({"phoneNumber": NUMBER}).to_string();
    let message = site.service().create("session 1", Some(&request)).unwrap().message.unwrap();
    let _ = site.service().verify("session 1", "000000000", None).unwrap();
    site.run(&["status", "session 1"]).is_done("state: pending").is_done("wrong codes allowed: 4");
    site.run(&["subject", NUMBER]).is_done("failures in a row: 1\n");
    site.run(&["unlock", NUMBER]).is_done("are cleared");
    site.run(&["subject", NUMBER]).is_done("failures in a row: 0\n");
    site.run(&["due"]).is_done("0 steps run");
    site.run(&["metrics"]).is_done("otp_store_operations_total");

    site.run(&["copy", "json:backup"]).is_done("copied\n");
    let backup = json!({"repository": "json:backup", "key": KEY, "sender": {"type": "none"}}).to_string();
    site.run(&["status", "session 1", "--config", &backup]).is_done("state: expired");
    site.run(&["cancel", "session 1"]).is_done("the code is cancelled");
    assert_eq!(site.service().verify("session 1", &message.code, None).unwrap().outcome, otp::Outcome::Cancelled);
    site.run(&["erase", NUMBER, "--yes"]).is_done("records are removed");
    assert_eq!(site.run(&["status", "session 1"]).code, 1);
}
