//! The virtual phone, by the requests of its page.

use std::net::{Ipv4Addr, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use testing::Folder;

use super::server::{Answer, Server, ask, request};
use super::wrong;

/// Longer than anything here takes, on any machine.
const HANGS: Duration = Duration::from_secs(60);

const NUMBER: &str = "+39 333 123 4567";

/// The phone, in a process and a folder of its own.
pub struct Phone {
    pub server: Server,
    folder: Folder,
}

impl Phone {
    pub fn start(name: &str) -> Self {
        let folder = Folder::new(name);
        let phone = Self { server: Server::with_phone(folder.path()), folder };
        // What is to pass is skipped, so that nothing depends on how fast this machine is.
        phone.post("speed", json!({"speed": 1}));
        phone
    }

    fn post(&self, action: &str, body: Value) -> Value {
        let answer = self.server.post(&format!("/phone/{action}"), &body.to_string());
        assert_eq!(answer.status, 200, "{action}: {}", answer.body);
        serde_json::from_str(&answer.body).unwrap()
    }

    fn create(&self, channels: &[&str]) -> Value {
        self.post("create", json!({"phoneNumber": NUMBER, "channels": channels}))
    }

    fn verify(&self, code: &str) -> Value {
        self.post("verify", json!({"code": code}))
    }

    fn state(&self) -> Value {
        serde_json::from_str(&self.server.get("/phone/state").body).unwrap()
    }

    fn minutes_pass(&self, minutes: u32) {
        (0..minutes).for_each(|_| drop(self.post("skip", json!({}))));
    }

    /// The first state for which this holds.
    fn wait(&self, what: &str, holds: impl Fn(&Value) -> bool) -> Value {
        let begun = Instant::now();
        loop {
            let state = self.state();
            if holds(&state) {
                return state;
            }
            assert!(begun.elapsed() < HANGS, "no {what}: {state}");
            thread::sleep(Duration::from_millis(20));
        }
    }

    /// The newest message by this channel, once it is there.
    fn message(&self, channel: &str) -> Value {
        let is_it = |message: &&Value| message["channel"] == channel;
        let find = |state: &Value| state["messages"].as_array().unwrap().iter().find(is_it).cloned();
        find(&self.wait(channel, |state| find(state).is_some())).unwrap()
    }

    /// Opens the newest message by this channel, and gives the code in it.
    fn read(&self, channel: &str) -> String {
        let unread = self.message(channel);
        assert_eq!(unread["text"], Value::Null, "who does not open a message does not see what it says");
        self.post("read", json!({"id": unread["id"]}));
        let text = self.message(channel)["text"].as_str().unwrap().to_owned();
        let digits: String = text.chars().filter(char::is_ascii_digit).take(6).collect();
        assert_eq!(digits.len(), 6, "{text}");
        digits
    }

    fn ignore(&self, channel: &str) {
        let id = self.message(channel)["id"].clone();
        self.post("ignore", json!({"id": id}));
        assert_eq!(self.message(channel)["seen"], "ignored");
    }
}

/// Channel and status of each step that was asked for and was begun, or called off.
fn steps(state: &Value) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let steps = state["status"]["delivery"]["steps"].as_array().unwrap();
    let steps = steps.iter().map(|step| (text(&step["channel"]), text(&step["status"])));
    let asked = state["asked"]["channels"].as_array().unwrap();
    steps.filter(|(channel, _)| asked.iter().any(|asked| asked == channel)).collect()
}

fn are(state: &Value, expected: &[(&str, &str)]) -> bool {
    steps(state).iter().map(|(channel, status)| (channel.as_str(), status.as_str())).eq(expected.iter().copied())
}

/// How many messages by a channel are on the phone.
fn count(state: &Value, channel: &str) -> usize {
    state["messages"].as_array().unwrap().iter().filter(|message| message["channel"] == channel).count()
}

#[test]
fn an_ignored_message_is_followed_and_a_code_works_once() {
    let phone = Phone::start("phone-story");
    assert_eq!(phone.verify("111111"), json!({"result": "OTP_NOT_VALID", "message": "Not found"}));
    assert_eq!(phone.create(&["messenger", "sms", "voice"])["result"], "OTP_OK");
    phone.ignore("messenger");
    phone.minutes_pass(2);
    phone.wait("receipt", |state| are(state, &[("messenger", "delivered"), ("sms", "delivered")]));
    let code = phone.read("sms");
    let guess = phone.verify(&wrong(&code));
    assert_eq!((&guess["result"], &guess["attemptsLeft"]), (&json!("OTP_NOT_VALID"), &json!(4)));
    assert_eq!(phone.state()["subject"]["failures"], 1);
    phone.minutes_pass(2);
    // Nobody types it in time: the phone rings, and the voice says the same digits, apart and twice.
    assert_eq!(phone.read("voice"), code);
    let said = phone.message("voice")["text"].as_str().unwrap().to_owned();
    let digits: String = said.chars().filter(char::is_ascii_digit).collect();
    assert_eq!(digits, code.repeat(2));
    phone.wait("answered call", |state| {
        are(state, &[("messenger", "delivered"), ("sms", "delivered"), ("voice", "delivered")])
    });
    assert_eq!(phone.verify(&code)["result"], "OTP_OK");
    assert_eq!(phone.verify(&code)["result"], "OTP_CHECKED");
    let state = phone.state();
    assert_eq!((&state["status"]["state"], &state["subject"]["failures"]), (&json!("checked"), &json!(0)));
    assert_eq!(state["sends"][1]["count"], 2, "the SMS and the call went to one number: {}", state["sends"]);
    let Phone { server, folder } = phone;
    server.stop();
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "it leaves nothing behind");
}

#[test]
fn a_message_that_is_read_ends_the_workflow() {
    let phone = Phone::start("phone-read");
    for (channel, others) in [("messenger", ["sms", "voice"]), ("whatsapp", ["email", "voice"])] {
        phone.post("reset", json!({}));
        assert_eq!(phone.create(&[channel, others[0], others[1]])["result"], "OTP_OK");
        phone.read(channel);
        phone.wait("read", |state| are(state, &[(channel, "read"), (others[0], "stopped"), (others[1], "stopped")]));
        phone.wait("state in which no step is due", |state| state["dueMs"].is_null());
    }
    // What a call is to the phone number, an e-mail is to the address: the same code, and no receipt.
    phone.post("reset", json!({}));
    assert_eq!(phone.create(&["email"])["result"], "OTP_OK");
    let code = phone.read("email");
    assert!(are(&phone.state(), &[("email", "accepted")]));
    assert_eq!(phone.verify(&code)["result"], "OTP_OK");
}

#[test]
fn a_code_is_sent_again_and_by_a_call_instead() {
    let phone = Phone::start("phone-again");
    assert_eq!(phone.post("resend", json!({}))["result"], "OTP_UNKNOWN");
    phone.create(&["messenger", "voice"]);
    let code = phone.read("messenger");
    assert_eq!(phone.post("resend", json!({}))["result"], "OTP_RATE_LIMITED", "to the same Messenger id");
    assert_eq!(phone.post("resend", json!({"channel": "sms"}))["result"], "OTP_E_ARGUMENT", "it was not asked for");
    let called = phone.post("resend", json!({"channel": "voice"}));
    assert_eq!((&called["result"], &called["delivery"]["channel"]), (&json!("OTP_OK"), &json!("voice")));
    assert_eq!(phone.read("voice"), code);
    assert_eq!(phone.message("messenger")["isOld"], false);
}

#[test]
fn carriers_fail_and_no_message_is_sent_twice() {
    let phone = Phone::start("phone-failures");
    phone.post("carrier", json!({"name": "vonage", "mode": "refuses"}));
    phone.post("carrier", json!({"name": "texts", "mode": "down"}));
    assert_eq!(phone.create(&["messenger", "sms", "voice"])["result"], "OTP_OK");
    let state = phone.state();
    assert!(are(&state, &[("messenger", "failed"), ("sms", "failed"), ("voice", "accepted")]), "{:?}", steps(&state));
    let modes: Vec<_> = state["carriers"].as_array().unwrap().iter().map(|carrier| &carrier["mode"]).collect();
    assert_eq!(modes, ["works", "down", "works", "works"], "one message was refused; who is down stays down");

    phone.post("reset", json!({}));
    phone.post("carrier", json!({"name": "texts", "mode": "loses"}));
    assert_eq!(phone.create(&["sms", "voice"])["result"], "OTP_E_IN_DOUBT");
    let code = phone.read("sms");
    let state = phone.wait("receipt", |state| are(state, &[("sms", "delivered")]));
    assert_eq!((count(&state, "sms"), count(&state, "voice")), (1, 0));
    assert_eq!(phone.verify(&code)["result"], "OTP_OK");

    phone.post("reset", json!({}));
    phone.post("carrier", json!({"name": "mail", "mode": "down"}));
    assert_eq!(phone.create(&["email"])["result"], "OTP_E_SEND");
    assert_eq!(steps(&phone.state()), [("email".to_owned(), "failed".to_owned())]);
    phone.post("carrier", json!({"name": "texts", "mode": "refuses"}));
    assert_eq!(phone.create(&["sms"])["result"], "OTP_REFUSED");
    assert_eq!(steps(&phone.state()), [("sms".to_owned(), "failed".to_owned())]);
}

#[test]
fn limits_and_locks_are_the_library_s() {
    let phone = Phone::start("phone-limits");
    phone.create(&["sms"]);
    let early = phone.create(&["voice"]);
    assert_eq!(early["result"], "OTP_RATE_LIMITED", "the number is the same");
    assert!((1..=30).contains(&early["retryAfterSeconds"].as_u64().unwrap()));
    let state = phone.state();
    assert_eq!(state["asked"]["channels"], json!(["sms"]), "what was refused changes nothing");
    assert!(state["sends"][0]["cooldownMs"].as_i64().unwrap() > 0);

    let code = phone.read("sms");
    for left in (0..5).rev() {
        assert_eq!(phone.verify(&wrong(&code))["attemptsLeft"], left);
    }
    let locked = phone.verify(&code);
    assert_eq!((&locked["result"], &locked["locked"]), (&json!("OTP_LOCKED"), &json!("code")));
    // Five more failures, with another code, and the number is locked until somebody unlocks it.
    phone.minutes_pass(1);
    assert_eq!(phone.state()["sends"][0]["cooldownMs"], 0);
    assert_eq!(phone.create(&["sms"])["result"], "OTP_OK");
    let is_new = |state: &Value| count(state, "sms") == 2;
    assert_eq!(phone.wait("second SMS", is_new)["messages"][1]["isOld"], true);
    let code = phone.read("sms");
    (0..5).for_each(|_| drop(phone.verify(&wrong(&code))));
    assert_eq!(phone.state()["subject"]["locked"], "subject");
    assert_eq!(phone.create(&["email"])["locked"], "subject");
    phone.post("unlock", json!({}));
    assert_eq!(phone.state()["subject"], json!({"failures": 0}));
    assert_eq!(phone.create(&["email"])["result"], "OTP_OK");
    phone.post("reset", json!({}));
    assert_eq!(phone.create(&["sms"])["result"], "OTP_OK", "neither does the cool-down outlive it");
    let code = phone.read("sms");
    phone.minutes_pass(10);
    assert_eq!(phone.verify(&code)["result"], "OTP_EXPIRED");
    phone.post("reset", json!({}));
    let state = phone.state();
    assert_eq!((&state["status"], &state["messages"], &state["asked"]), (&Value::Null, &json!([]), &Value::Null));
}

#[test]
fn other_options_and_a_port_in_use_are_named() {
    let phone = Phone::start("phone-options");
    let folder = Folder::new("phone-refused");
    for options in [&["--phone"][..], &["--simulate", "phone"], &["--simulated"]] {
        let output = Server::command(folder.path()).args(options).output().unwrap();
        let err = String::from_utf8(output.stderr).unwrap();
        assert!(!output.status.success() && err.contains("--simulate --phone"), "{options:?}: {err}");
    }
    let mut second = Server::command(folder.path());
    let output = second.args(["--simulate", "--phone"]).env("PORT", phone.server.port.to_string()).output().unwrap();
    let err = String::from_utf8(output.stderr).unwrap();
    assert!(!output.status.success() && err.contains(&format!("127.0.0.1:{}: ", phone.server.port)), "{err}");
}

#[test]
fn nobody_but_a_browser_of_this_machine_on_this_page_is_answered() {
    let phone = Phone::start("phone-strangers");
    let port = phone.server.port;
    let send = |text: &str| ask(phone.server.connect(), text).status;
    let get = |host: &str| send(&request("GET", "/phone/state", "").replace("Host: localhost\r\n", host));
    for host in ["Host: localhost\r\n", &format!("Host: 127.0.0.1:{port}\r\n"), &format!("Host: localhost:{port}\r\n")]
    {
        assert_eq!(get(host), 200, "{host}");
    }
    let strange =
        ["Host: example.com\r\n", "Host: localhost.example.com\r\n", "Host: 127.0.0.1:1\r\n", "Host: \r\n", ""];
    for host in strange {
        assert!([400, 403].contains(&get(host)), "{host}");
    }
    let twice = format!("Host: localhost\r\nHost: localhost:{port}\r\n");
    assert!([400, 403].contains(&get(&twice)), "two names");
    assert!(TcpStream::connect((Ipv4Addr::new(127, 0, 0, 2), port)).is_err(), "listens on 127.0.0.1 alone");

    let speed = request("POST", "/phone/speed", r#"{"speed": 60}"#);
    // What a form of another page can send without asking.
    for kind in ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data"] {
        assert_eq!(send(&speed.replace("application/json", kind)), 415, "{kind}");
    }
    let unnamed = speed.replace("Content-Type: application/json\r\n", "");
    assert_eq!(send(&unnamed), 415);
    assert_eq!(phone.state()["speed"], 1, "none of these did anything");
    assert_eq!(send(&speed), 200);

    let long = format!(r#"{{"code": "{}"}}"#, "1".repeat(5000));
    let cases = [
        ("GET", "/phone/speed", "", 405),
        ("POST", "/phone/state", "{}", 405),
        ("PUT", "/phone/create", "{}", 405),
        ("POST", "/phone/nothing", "{}", 404),
        ("GET", "/otp/token/123456", "", 404),
        ("POST", "/phone/speed", r#"{"speed": 7}"#, 400),
        ("POST", "/phone/speed", r#"[10]"#, 400),
        ("POST", "/phone/reset", r#"{"more": 1}"#, 400),
        ("POST", "/phone/verify", &long, 413),
        ("POST", "/webhooks/message-status", "{}", 503),
    ];
    for (method, path, body, status) in cases {
        assert_eq!(send(&request(method, path, body)), status, "{method} {path}");
    }
    let refused = phone.post("create", json!({"phoneNumber": "nobody", "channels": ["sms"]}));
    assert_eq!(refused["result"], "OTP_E_ARGUMENT");
    assert!(!refused.to_string().contains("nobody"), "{refused}");
}

#[test]
fn the_page_loads_nothing_from_elsewhere_and_runs_no_other_script() {
    let phone = Phone::start("phone-page");
    let page = phone.server.get("/");
    let policy = page.header("Content-Security-Policy").unwrap();
    assert!(policy.starts_with("default-src 'none'; script-src 'self'; style-src 'self';"), "{policy}");
    assert!(!policy.contains("unsafe") && !policy.contains("http") && !policy.contains('*'), "{policy}");
    let files = ["/page.css", "/page.js", "/icon.svg"].map(|file| phone.server.get(file));
    for Answer { body, status, .. } in files.iter().chain([&page]) {
        assert_eq!(*status, 200);
        let outside = body.replace("http://www.w3.org/2000/svg", "");
        assert!(!outside.contains("http:") && !outside.contains("https:") && !outside.contains("url("), "{outside}");
    }
    let kinds = files.each_ref().map(|file| file.header("Content-Type").unwrap().to_owned());
    assert_eq!(kinds, ["text/css; charset=utf-8", "text/javascript; charset=utf-8", "image/svg+xml"]);
    for inline in [" style=", " onclick=", "<style", "<script>", "innerHTML"] {
        assert!(files.iter().chain([&page]).all(|file| !file.body.contains(inline)), "{inline}");
    }
}
