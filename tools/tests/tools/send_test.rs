//! `otp send-test`.

use std::net::TcpListener;

use serde_json::json;
use testing::carrier::simulator::smtp::{Inbox, Setup};

use super::command::{NUMBER, Said, Site};

fn token(said: &Said) -> &str {
    said.out.lines().find_map(|line| line.strip_prefix("token: ")).unwrap()
}

#[test]
fn a_message_is_sent_and_its_code_is_no_good() {
    for kind in ["sqlite", "json"] {
        let site = Site::with(kind, "console", json!({"policy": {"cooldownSeconds": 30}, "background": true}));
        let said = site.run_with(&["send-test", "-"], NUMBER);
        assert!(said.code == 0 && said.out.contains("delivery by console: accepted\n"), "{said:?}");
        // The console is what prints it.
        assert!(said.err.starts_with("[sms to 393331234567] ") && said.err.lines().count() == 1, "{said:?}");
        let code = said.err.trim().rsplit(' ').next().unwrap();
        assert!(!said.out.contains(code) && !said.out.contains("393331234567"), "{said:?}");
        site.run(&["status", token(&said)]).is_done("state: cancelled");

        let again = site.run(&["send-test", NUMBER]);
        assert!(again.code == 1 && again.out.starts_with("Too many codes requested\nagain in "), "{again:?}");
        let other = site.json(&["send-test", "8192836451", "--as", "messengerId"]);
        assert_eq!((&other["result"], &other["delivery"]["state"]), (&json!("OTP_OK"), &json!("accepted")), "{other}");
        assert!(other["token"].as_str().unwrap().starts_with("otp-send-test-"), "{other}");
    }
}

#[test]
fn named_senders_are_tried_in_their_order() {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let config = json!({
        "repository": "sqlite:otp.db",
        "senders": {"first": {"type": "messages", "apiKey": "account", "apiSecret": "the-password",
                              "baseUrl": format!("http://127.0.0.1:{port}")},
                    "second": {"type": "console"}},
        "workflow": [{"channel": "sms", "sender": "first"}, {"channel": "sms", "sender": "second"}]
    });
    let site = Site::new("sqlite");
    let said = site.run(&["send-test", NUMBER, "--config", &config.to_string()]);
    assert!(said.code == 0 && said.out.contains("delivery by second (console): accepted\n"), "{said:?}");
    assert!(said.err.contains("[sms to 393331234567] "), "{said:?}");
    let status = site.run(&["status", token(&said), "--config", &config.to_string()]);
    status.is_done("  sms by first: failed at ").is_done("  sms by second: accepted at ");
    let hosted = config.to_string().replace("console", "host");
    site.run(&["send-test", NUMBER, "--config", &hosted]).failed(3, "sender: host: your program delivers");
}

#[test]
fn a_mail_is_sent() {
    let inbox = Inbox::start(Setup::default()).unwrap();
    let sender = json!({"type": "smtp", "host": "127.0.0.1", "port": inbox.port, "tls": "none"});
    let workflow = json!([{"channel": "email", "from": "ACME <codes@acme.example>"}]);
    let site = Site::with("sqlite", "smtp", json!({"sender": sender, "workflow": workflow}));
    let said = site.run(&["send-test", "mario@b.example", "--as", "email"]);
    assert!(said.code == 0 && said.out.contains("delivery by smtp: accepted\n"), "{said:?}");
    let mails = inbox.messages();
    assert_eq!((mails.len(), &*mails[0].envelope.to, &*mails[0].subject), (1, "mario@b.example", "Your code"));
    assert_eq!(inbox.complaints(), [""; 0]);
    site.run(&["status", token(&said)]).is_done("state: cancelled").is_done("  email: accepted at ");
    site.run(&["send-test", "mario@b.example, c@d.example", "--as", "email"]).failed(2, "email: must be one e-mail");
    site.run(&["open"]).is_done("sender: smtp, a server for mail\n");
}

#[test]
fn what_was_not_sent_is_a_failure() {
    // Nobody listens once this is dropped.
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let sender = json!({"type": "messages", "apiKey": "account", "apiSecret": "the-password",
        "baseUrl": format!("http://127.0.0.1:{port}")});
    let more = json!({"sender": sender, "workflow": [{"channel": "sms"}]});
    let site = Site::with("sqlite", "messages", more);
    let said = site.run(&["send-test", NUMBER]);
    said.failed(3, "127.0.0.1");
    assert!(said.out.contains("delivery by messages: failed\n"), "{said:?}");
    site.run(&["status", token(&said)]).is_done("state: cancelled").is_done("  sms: failed at ");
    let reply = site.json(&["send-test", NUMBER]);
    assert_eq!(reply["result"], "OTP_E_SEND", "{reply}");
    assert!(!reply.to_string().contains("393331234567"), "{reply}");
}

#[test]
fn what_cannot_be_tried_is_refused() {
    for sender in ["none", "host"] {
        let site = Site::with("sqlite", sender, json!({}));
        site.run(&["send-test", NUMBER]).failed(3, &format!("sender: {sender}: your program delivers"));
    }
    let site = Site::with("sqlite", "console", json!({"policy": {"countries": ["44"]}}));
    let said = site.run(&["send-test", NUMBER]);
    assert_eq!((said.code, said.out.lines().next()), (1, Some("The recipient is not allowed")), "{said:?}");
    site.run(&["send-test", NUMBER, "--as", "nothing"]).failed(2, "nothing");
    site.run(&["send-test", "no number"]).failed(2, "phoneNumber");
}
