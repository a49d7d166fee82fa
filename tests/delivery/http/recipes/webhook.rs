//! A webhook of one's own: there is no description but the page.

use otp::Outcome;
use serde_json::{Value, json};

use super::page::Page;
use super::{CODE, open};
use crate::http::server::Server;

#[test]
fn a_webhook_of_one_s_own() {
    let server = Server::start();
    let mut config = Page::read("webhook", 0).configuration(&server, "http://127.0.0.1:8080");
    config["background"] = json!(false);
    let (service, warnings) = open(&config);
    assert!(warnings.len() == 1 && warnings[0].starts_with("background: off"), "{warnings:?}");
    server.answers(&[(410, ""), (204, "")]);
    let request = json!({"phoneNumber": "+39 333 123 4567", "code": CODE}).to_string();
    let reply = service.create("t", Some(&request)).unwrap();
    assert_eq!(reply.outcome, Outcome::Ok);
    let received = server.take();
    let channels = ["sms", "voice"];
    assert_eq!(received.len(), channels.len());
    for (received, channel) in received.iter().zip(channels) {
        let reference = received.target.strip_prefix("/messages/").unwrap();
        assert!(reference.len() == 66 && reference.bytes().all(|byte| byte.is_ascii_hexdigit()), "{reference}");
        let body: Value = serde_json::from_str(&received.body).unwrap();
        let expected = json!({"channel": channel, "to": "393331234567", "text": "Insert the following code: 123456",
            "code": CODE, "digits": "1, 2, 3, 4, 5, 6", "locale": "en", "minutes": "5"});
        assert_eq!((&*received.method, body), ("PUT", expected));
        assert_eq!(received.header("authorization"), Some("Bearer a-secret"));
    }
    assert_ne!(received[0].target, received[1].target);
}
