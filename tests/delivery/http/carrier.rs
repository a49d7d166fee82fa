//! The simulated carrier fails as it is told, and the sender knows what that says about a message.

use std::sync::Arc;
use std::sync::atomic::AtomicI64;
use std::time::Duration;

use otp::Outcome;
use serde_json::json;
use simulator::Fault;

use super::server::Server;
use crate::{T0, open};

#[test]
fn its_faults_leave_a_message_sent_or_not_or_in_doubt() {
    let server = Server::start();
    let config = json!({"repository": "memory:", "policy": {"cooldownSeconds": 0, "sendLimits": []},
        "sender": {"type": "http", "url": server.url("/send"), "json": {"to": "{to}", "text": "{text}"},
            "timeoutSeconds": 3, "refused": [422], "notTaken": [503]},
        "workflow": [{"channel": "sms"}]});
    // Each time from the beginning: a connection that is just being closed would leave the next message in doubt.
    let create = || {
        let service = open(&config.to_string(), &Arc::new(AtomicI64::new(T0)));
        service.create("t", Some(r#"{"phoneNumber": "+393331234567"}"#)).unwrap().outcome
    };
    server.on_request(|request| {
        if request.body.contains("393331234567") { (202, "{}".to_owned()) } else { (500, String::new()) }
    });
    let late = || Fault::Delay(Duration::from_millis(100));
    let cases: [(&str, Fault, Outcome); 9] = [
        ("slow", late(), Outcome::Ok),
        ("closed after the answer", Fault::Close, Outcome::Ok),
        ("refused", Fault::Status(422), Outcome::Refused),
        ("a status that nothing names", Fault::Status(500), Outcome::InDoubt),
        ("cut before an answer", Fault::Reset, Outcome::InDoubt),
        ("an answer that is lost", Fault::AnswerLost, Outcome::InDoubt),
        ("silence", Fault::Silence, Outcome::InDoubt),
        ("half an answer", Fault::Bytes(b"HTTP/1.1 202 Accepted\r\ncontent-le".to_vec()), Outcome::InDoubt),
        ("garbage", Fault::Bytes(b"\x00\xff no HTTP\r\n\r\n".to_vec()), Outcome::InDoubt),
    ];
    for (what, fault, expected) in cases {
        server.faults([fault]);
        assert_eq!(create(), expected, "{what}");
        server.take_one();
    }
    // What was certainly not taken is tried again; of three tries the last brings it.
    server.faults([Fault::Status(503), Fault::Status(503)]);
    assert_eq!((create(), server.take().len()), (Outcome::Ok, 3));
    // A handler decides what no fault and no answer decides.
    server.trouble(|| Some(Fault::Status(422)));
    assert_eq!(create(), Outcome::Refused);
    server.trouble(|| None);
    server.answers(&[(422, "{}")]);
    assert_eq!((create(), create()), (Outcome::Refused, Outcome::Ok));
}
