//! Hosts whose clocks are an hour apart answer alike where they share a server: the time is the server's.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use otp::{Outcome, Service};
use serde_json::{Value, json};
use testing::Folder;
use testing::place::{Place, SERVERS};

const HOUR: &str = "3600";
const BEHIND: &str = "-3600";

/// A host with a clock of its own, which makes one call: not a test of its own.
#[test]
fn host() {
    let Some(role) = testing::role() else { return };
    let [repository, call, token, code] = role.split('|').collect::<Vec<_>>()[..] else { panic!() };
    let config = json!({"repository": repository, "sender": {"type": "none"}, "key": testing::place::KEY,
        "policy": {"retentionMinutes": 10}});
    let service = Service::open(Some(&config.to_string())).unwrap().0;
    let (outcome, reply) = match call {
        "create" => {
            let reply = service.create(token, Some(r#"{"phoneNumber":"393331234567"}"#)).unwrap();
            (reply.outcome, serde_json::to_value(&reply))
        }
        "verify" => {
            let reply = service.verify(token, code, None).unwrap();
            (reply.outcome, serde_json::to_value(reply))
        }
        "status" => {
            let reply = service.status(token).unwrap();
            (reply.outcome, serde_json::to_value(&reply))
        }
        _ => (Outcome::Ok, serde_json::to_value(service.run_due().unwrap())),
    };
    // Past the harness, which has begun a line.
    println!("\n{}", json!({"outcome": outcome.name(), "reply": reply.unwrap()}));
}

/// Hosts with wrong clocks, on one repository.
struct Hosts {
    place: Place,
    shim: PathBuf,
}

impl Hosts {
    /// Has the host with this clock make a call.
    fn ask(&self, shift: &str, call: &str, token: &str, code: &str) -> (String, Value) {
        let role = format!("{}|{call}|{token}|{code}", self.place.repository);
        let mut command = testing::child(testing::here!("host"), &role);
        command.env("LD_PRELOAD", &self.shim).env("OTP_SHIFT_SECONDS", shift);
        let output = command.stdin(Stdio::null()).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let printed = String::from_utf8(output.stdout).unwrap();
        let told = printed.lines().find_map(|line| serde_json::from_str::<Value>(line).ok()).unwrap();
        (told["outcome"].as_str().unwrap().to_owned(), told["reply"].clone())
    }

    fn create(&self, shift: &str, token: &str) -> String {
        let (outcome, reply) = self.ask(shift, "create", token, "");
        assert_eq!(outcome, "OTP_OK");
        reply["code"].as_str().unwrap().to_owned()
    }

    fn verify(&self, shift: &str, token: &str, code: &str) -> String {
        self.ask(shift, "verify", token, code).0
    }
}

fn shim(folder: &Path) -> Option<PathBuf> {
    let (compiler, path) = (testing::tool("cc")?, folder.join("shifted.so"));
    let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/campaigns/apart/shifted.c");
    let built = Command::new(compiler).args(["-shared", "-fPIC", "-O1", "-o"]).arg(&path).arg(source).status();
    assert!(built.unwrap().success());
    Some(path)
}

#[test]
fn hosts_an_hour_apart_answer_alike() {
    let folder = Folder::new("apart-hosts");
    let Some(shim) = shim(folder.path()) else { return };
    for kind in SERVERS {
        let Some(place) = Place::new(kind, "apart") else { continue };
        let hosts = Hosts { place, shim: shim.clone() };
        let code = hosts.create("0", "t");
        let expiry = &hosts.ask("0", "status", "t", "").1["expiryDate"];
        for shift in [HOUR, BEHIND] {
            let (outcome, reply) = hosts.ask(shift, "status", "t", "");
            assert_eq!((outcome.as_str(), &reply["state"]), ("OTP_OK", &json!("pending")), "{kind}, {shift}");
            assert_eq!(&reply["expiryDate"], expiry, "{kind}, {shift}");
            // The recipient was sent one a moment ago, whoever asks.
            let (outcome, reply) = hosts.ask(shift, "create", "u", "");
            let wait = reply["retryAfterSeconds"].as_u64().unwrap_or_default();
            assert!(outcome == "OTP_RATE_LIMITED" && (1..=30).contains(&wait), "{kind}, {shift}: {outcome} {reply}");
            // Nobody's clock makes a row old.
            assert_eq!(hosts.ask(shift, "run_due", "", "").1["purged"], 0, "{kind}, {shift}");
            assert_eq!(hosts.verify(shift, "t", "1234567"), "OTP_NOT_VALID");
        }
        assert_eq!(hosts.verify(HOUR, "t", &code), "OTP_OK", "{kind}");
        for shift in ["0", HOUR, BEHIND] {
            assert_eq!(hosts.verify(shift, "t", &code), "OTP_CHECKED", "{kind}, {shift}");
        }
    }
}

/// On a file the clock is the host's: the hosts of the test above do have other clocks.
#[test]
fn a_host_an_hour_ahead_finds_nothing_in_a_file() {
    let folder = Folder::new("apart-file");
    let Some(shim) = shim(folder.path()) else { return };
    let hosts = Hosts { place: Place::new("sqlite", "apart").unwrap(), shim };
    let code = hosts.create("0", "t");
    assert_eq!(hosts.verify(HOUR, "t", &code), "OTP_NOT_VALID");
}
