//! `otp due`.

use std::io::{BufRead, BufReader};
use std::os::unix::fs::{PermissionsExt, chown};
use std::process::Child;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use otp::Service;
use serde_json::{Value, json};
use testing::Watchdog;
use testing::carrier::{BOTH, Carrier};

use super::command::{NUMBER, Said, Site};
use super::owner::{NOBODY, give, is_root};

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
    let folder = super::command::folder();
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
        self::signal(&child, signal);
        assert_eq!(child.wait().unwrap().code(), Some(0));
        assert!(lines.next().is_none(), "rounds in which nothing is done are not told");
    }
}

#[test]
fn machines_are_told_of_rounds_that_did_something() {
    let _watchdog = Watchdog::new("otp due --every --json", 60);
    let site = short_lived("sqlite");
    let mut child = site.command(&["due", "--every", "100ms", "--json"]).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let line: Value = serde_json::from_str(&lines.next().unwrap().unwrap()).unwrap();
    assert!(line["result"] == "OTP_OK" && line["purged"].as_u64() >= Some(1), "{line}");
    signal(&child, libc::SIGTERM);
    assert_eq!(child.wait().unwrap().code(), Some(0));
    assert_eq!(lines.count(), 0);
}

#[test]
fn it_ends_once_there_is_no_repository() {
    let _watchdog = Watchdog::new("otp due --every", 60);
    for (kind, name) in [("sqlite", "otp.db"), ("json", "otp")] {
        let site = short_lived(kind);
        let child = at_work(&site);
        std::fs::rename(site.folder.path().join(name), site.folder.path().join("elsewhere")).unwrap();
        let ended = ended(child);
        assert!(ended.code == 3 && ended.err.ends_with("is not there\n"), "{ended:?}");
    }
    let site = short_lived("sqlite");
    let child = at_work(&site);
    site.run(&["copy", "json:moved", "--move", "--yes"]).is_done("moved");
    let ended = ended(child);
    assert!(ended.code == 3 && ended.err.contains("it was moved"), "{ended:?}");
}

/// Rounds over what is short-lived, the first of which is over.
fn at_work(site: &Site) -> Child {
    let mut child = site.command(&["due", "--every", "100ms"]).spawn().unwrap();
    let mut first = String::new();
    let _bytes = BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut first).unwrap();
    assert!(first.starts_with("0 steps run, "), "{first}");
    child
}

#[test]
fn a_repository_that_was_replaced_is_opened_again() {
    let _watchdog = Watchdog::new("otp due --every", 60);
    let site = short_lived("json");
    let other = short_lived("json");
    let file = site.folder.path().join("otp.json");
    std::fs::write(&file, &site.config).unwrap();
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
    if is_root() {
        // The owner of the repository cannot read the configuration that root could.
        [&site, &other].into_iter().for_each(|site| give(site, NOBODY));
        chown(&file, Some(0), Some(0)).unwrap();
    }
    let arguments = ["due", "--every", "100ms", "--config", file.to_str().unwrap()];
    let mut child = site.command(&arguments).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let _first = lines.next().unwrap().unwrap();
    // In one step, so that it is never gone.
    exchange(&site.folder.path().join("otp"), &other.folder.path().join("otp"));
    std::fs::rename(other.folder.path().join("otp.key"), site.folder.path().join("otp.key")).unwrap();
    let line = lines.next().unwrap().unwrap();
    assert!(line.starts_with("0 steps run, ") && !line.contains(" 0 rows"), "{line}");
    signal(&child, libc::SIGTERM);
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

/// Swaps two names.
fn exchange(one: &std::path::Path, other: &std::path::Path) {
    use std::os::unix::ffi::OsStrExt as _;
    let [one, other] = [one, other].map(|path| std::ffi::CString::new(path.as_os_str().as_bytes()).unwrap());
    // SAFETY: both are texts with a zero at their ends, and live through the call.
    let done = unsafe {
        libc::syscall(libc::SYS_renameat2, libc::AT_FDCWD, one.as_ptr(), libc::AT_FDCWD, other.as_ptr(), 2_u32)
    };
    assert_eq!(done, 0, "{}", std::io::Error::last_os_error());
}

#[test]
fn sighup_has_the_configuration_read_again() {
    let _watchdog = Watchdog::new("otp due --every", 60);
    let (first, second) = (short_lived("sqlite"), short_lived("sqlite"));
    let file = first.folder.path().join("otp.json");
    std::fs::write(&file, &first.config).unwrap();
    let mut child = first.command(&["due", "--every", "100ms", "--config", file.to_str().unwrap()]).spawn().unwrap();
    let (mut lines, mut errors) =
        (BufReader::new(child.stdout.take().unwrap()).lines(), BufReader::new(child.stderr.take().unwrap()).lines());
    let _first = lines.next().unwrap().unwrap();
    std::fs::write(&file, "{").unwrap();
    signal(&child, libc::SIGHUP);
    assert!(errors.next().unwrap().unwrap().contains("not one JSON object"), "it goes on with what it has");
    std::fs::write(&file, &second.config).unwrap();
    signal(&child, libc::SIGHUP);
    let line = lines.next().unwrap().unwrap();
    assert!(line.starts_with("0 steps run, ") && !line.contains(" 0 rows"), "{line}");
    signal(&child, libc::SIGTERM);
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

fn signal(child: &Child, signal: i32) {
    // SAFETY: the child was not waited for, so the number is its own.
    assert_eq!(unsafe { libc::kill(child.id().try_into().unwrap(), signal) }, 0);
}

/// What a process said that ends by itself.
fn ended(child: Child) -> Said {
    let output = child.wait_with_output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Said { code: output.status.code().unwrap_or(-1), out: text(output.stdout), err: text(output.stderr) }
}

#[test]
fn a_wrong_time_is_refused() {
    let site = Site::new("sqlite");
    for time in ["1", "s", "0s", "99ms", "61m", "1h", "-1s", "99999999999999999999s", "18446744073709551615m"] {
        site.run(&["due", &format!("--every={time}")]).failed(2, "--every: must be a time");
    }
    site.run(&["due", "now"]).failed(2, "due takes no argument");
}
