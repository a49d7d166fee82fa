//! `otp due`.

use std::io::{BufRead, BufReader};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use otp::Service;
use serde_json::{Value, json};
use testing::carrier::{BOTH, Carrier};
use testing::{Folder, Watchdog};

use super::command::{NUMBER, Site};

/// A repository with a code that is over a second after it was made, and then is not kept.
fn short_lived(kind: &str) -> Site {
    let more = json!({"validityTime": 1.0 / 60.0, "policy": {"retentionMinutes": 0}});
    let site = Site::with(kind, "none", more);
    let request = json!({"phoneNumber": NUMBER}).to_string();
    let _ = site.service().create("session 1", Some(&request)).unwrap();
    site
}

#[test]
fn what_is_past_its_time_is_removed_once() {
    for kind in ["sqlite", "json"] {
        let site = short_lived(kind);
        std::thread::sleep(Duration::from_millis(1100));
        let said = site.run(&["due"]);
        said.is_done("0 steps run, ");
        assert!(!said.out.contains("run, 0 rows removed"), "{said:?}");
        site.run(&["due"]).is_done("0 steps run, 0 rows removed\n");
        assert_eq!(site.json(&["due"]), json!({"result": "OTP_OK", "ran": 0, "purged": 0}));
    }
}

#[test]
fn only_due_sends_what_is_due() {
    // It takes its time over a test, and a thread in the background could do what is due meanwhile.
    let is_test = |message: &Value| message["to"] == "447400123456";
    let carrier = Carrier::with(move |message| {
        std::thread::sleep(Duration::from_secs(if is_test(message) { 2 } else { 0 }));
        true
    });
    let folder = Folder::another("tools");
    let config = |more: &str| carrier.config(&folder.repository("sqlite"), &format!(r#","validityTime":60{more}"#));
    let (service, _) = Service::open(Some(&config(""))).unwrap();
    // Three minutes ago, so that the second step is due.
    let since_1970 = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap() - Duration::from_secs(180);
    let then = i64::try_from(since_1970.as_millis()).unwrap();
    service.on_clock(Some(Arc::new(move || then))).unwrap();
    assert_eq!(service.create("session 1", Some(BOTH)).unwrap().outcome, otp::Outcome::Ok);
    drop(service);

    let site = Site { config: config(r#","background":true"#), folder };
    site.run(&["open"]).is_done("in the background");
    site.run(&["send-test", "+44 7400 123456"]).is_done("delivery by messages: accepted\n");
    let said = site.run(&["status", "session 1"]);
    assert!(!said.is_done("  messenger: accepted at ").out.contains("  sms: "), "{said:?}");
    site.run(&["due"]).is_done("1 step run, 0 rows removed");
    assert_eq!(carrier.channels(), ["messenger", "sms", "sms"]);
    site.run(&["due"]).is_done("0 steps run");
    site.run(&["status", "session 1"]).is_done("  sms: accepted at ");
}

#[test]
fn it_goes_on_until_a_signal() {
    let _watchdog = Watchdog::new("otp due --every", 60);
    for signal in [libc::SIGTERM, libc::SIGINT] {
        let site = short_lived("sqlite");
        let mut child = site.command(&["due", "--every", "100ms"]).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let line = lines.next().unwrap().unwrap();
        assert!(line.starts_with("0 steps run, ") && line.ends_with(" removed"), "{line}");
        // SAFETY: the child was not waited for, so the number is its own.
        assert_eq!(unsafe { libc::kill(child.id().try_into().unwrap(), signal) }, 0);
        assert_eq!(child.wait().unwrap().code(), Some(0));
        assert!(lines.next().is_none(), "rounds in which nothing is done are not told");
    }
}

#[test]
fn machines_are_told_of_every_round() {
    let _watchdog = Watchdog::new("otp due --every --json", 60);
    let site = Site::new("sqlite");
    let mut child = site.command(&["due", "--every", "100ms", "--json"]).spawn().unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    for line in lines.take(3) {
        assert_eq!(line.unwrap(), r#"{"result":"OTP_OK","ran":0,"purged":0}"#);
    }
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn a_wrong_time_is_refused() {
    let site = Site::new("sqlite");
    for time in ["1", "s", "0s", "99ms", "61m", "1h", "-1s", "99999999999999999999s", "18446744073709551615m"] {
        site.run(&["due", &format!("--every={time}")]).failed(2, "--every: must be a time");
    }
    site.run(&["due", "now"]).failed(2, "due takes no argument");
}
