//! `otp copy`.

use otp::Outcome;
use serde_json::json;

use super::command::{NUMBER, Said, Site};

/// A repository with a live code.
fn with_a_code(kind: &str) -> (Site, String) {
    let site = Site::new(kind);
    let request = json!({"phoneNumber": NUMBER}).to_string();
    let message = site.service().create("session 1", Some(&request)).unwrap().message.unwrap();
    (site, message.code.to_string())
}

/// The configuration of the copy, which has the key of the original.
fn of_copy(site: &Site, kind: &str, target: &str) -> String {
    let name = if kind == "sqlite" { "otp.db.key" } else { "otp.key" };
    let key = site.folder.path().join(name);
    json!({"repository": target, "keyFile": key, "sender": {"type": "none"}}).to_string()
}

fn in_copy(site: &Site, config: &str, arguments: &[&str]) -> Said {
    site.run(&[arguments, &["--config", config]].concat())
}

#[test]
fn a_backup_revives_no_code() {
    for (kind, target) in [("sqlite", "json:backup"), ("json", "sqlite:backup.db")] {
        let (site, code) = with_a_code(kind);
        site.run(&["copy", target]).is_done("rows copied\n");
        in_copy(&site, &of_copy(&site, kind, target), &["status", "session 1"]).is_done("state: expired");
        site.run(&["copy", target]).failed(2, "is not empty: it holds a whole copy of this one");
        assert_eq!(site.service().verify("session 1", &code, None).unwrap().outcome, Outcome::Ok);
    }
}

#[test]
fn a_move_needs_a_yes_and_ends_the_old_repository() {
    let (site, _) = with_a_code("sqlite");
    site.run(&["copy", "json:moved", "--move"]).failed(2, "it needs --yes");
    site.run(&["status", "session 1"]).is_done("state: pending");
    assert!(!site.folder.path().join("moved").exists());
    let said = site.run_with(&["copy", "-", "--move", "--yes"], "json:moved\n");
    said.is_done("rows moved\nevery call on the old repository fails from now on\n");
    site.run(&["status", "session 1"]).failed(3, "moved");
    in_copy(&site, &of_copy(&site, "sqlite", "json:moved"), &["status", "session 1"]).is_done("state: pending");
    site.run(&["copy", "json:other"]).failed(3, "moved");
}

/// What is damaged cannot be copied. Who makes backups must hear of it.
#[test]
fn what_was_left_out_is_a_failure() {
    let (site, _) = with_a_code("json");
    super::people::damage(&site);
    site.run(&["copy", "sqlite:backup.db"]).failed(3, "1 row is damaged and was left out; the copy is whole without");
    let reply = site.json(&["copy", "sqlite:another.db"]);
    assert_eq!((&reply["result"], &reply["skipped"]), (&json!("OTP_E_STORE"), &json!(1)), "{reply}");
    in_copy(&site, &of_copy(&site, "json", "sqlite:backup.db"), &["status", "any"]).is_refused("no such request");
}

#[test]
fn a_move_that_failed_says_what_became_of_the_source() {
    let (site, _) = with_a_code("sqlite");
    site.run(&["copy", "json:here/there/nowhere", "--move", "--yes"]).failed(3, "; the repository is as it was");
    site.run(&["status", "session 1"]).is_done("state: pending");
    // A folder that cannot be written into once the copy has begun is hard to come by: one that holds another's copy.
    site.run(&["copy", "json:moved", "--move", "--yes"]).is_done("moved");
    let said = site.run(&["copy", "json:moved", "--move", "--yes"]);
    said.failed(2, "it holds a whole copy of this one; the repository was moved already, and nothing was done");
    let said = site.run(&["copy", "json:another", "--move", "--yes"]);
    said.is_done("rows copied\nit was moved elsewhere before: this is a backup, in which live codes are expired\n");
    in_copy(&site, &of_copy(&site, "sqlite", "json:another"), &["status", "session 1"]).is_done("state: expired");
}

#[test]
fn a_copy_is_counted_for_machines() {
    let (site, _) = with_a_code("json");
    let reply = site.json(&["copy", "sqlite:backup.db"]);
    assert_eq!((&reply["result"], &reply["skipped"]), (&json!("OTP_OK"), &json!(0)), "{reply}");
    assert!(reply["rows"].as_u64().unwrap() >= 1, "{reply}");
    site.run(&["copy", "memory:"]).failed(2, "memory: would end with this call");
    assert_eq!(site.json(&["copy", "nonsense"])["result"], "OTP_E_ARGUMENT");
}
