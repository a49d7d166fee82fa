//! Senders by name, by all of which something was sent, and states that a report alone brings about.

use std::sync::Mutex;

use otp::sender::{Message, Sent};

use super::*;
use testing::carrier::simulator::generic::Server;
use testing::carrier::simulator::smtp::{Inbox, Setup};

/// What the host's function was given last, and what it answers.
#[derive(Clone, Default)]
struct Host {
    given: Arc<Mutex<Vec<Message>>>,
    refuses: Arc<std::sync::atomic::AtomicBool>,
}

impl Host {
    fn listen(&self, service: &Service) {
        let host = self.clone();
        let send = move |message: &Message| {
            host.given.lock().unwrap().push(message.clone());
            if host.refuses.load(SeqCst) { Sent::NotSent } else { Sent::Sent }
        };
        service.on_send(Some(Arc::new(send))).unwrap();
    }

    fn newest(&self) -> Message {
        self.given.lock().unwrap().last().unwrap().clone()
    }
}

impl Story {
    /// Nothing here takes time: what comes after it has its own.
    pub(super) fn named_senders(&mut self) {
        let web = Server::start();
        let (host, service) = (Host::default(), self.open(workflow(&web.url("/"))));
        host.listen(&service);
        let create = |token: &str, channels: &[&str], digit: u8| {
            let request = json!({"messengerId": format!("819283646{digit}"), "channels": channels,
                "phoneNumber": format!("+39 333 100 003{digit}")});
            service.create(token, Some(&request.to_string())).unwrap().outcome
        };
        assert_eq!(create("timed", &["messenger", "whatsapp"], 1), Outcome::Ok);
        self.keep("timed", host.newest().code.to_string());
        self.keep("timed message", host.newest().client_ref.unwrap());

        assert_eq!(create("by http", &["sms"], 7), Outcome::Ok);
        self.keep(
            "by http",
            serde_json::from_str::<Value>(&web.take_one().body).unwrap()["code"].as_str().unwrap().to_owned(),
        );

        for (digit, status) in (2..).zip(["submitted", "delivered", "rejected", "undeliverable"]) {
            assert_eq!(create(status, &["viber_service"], digit), Outcome::Ok);
            self.keep(status, host.newest().code.to_string());
            let report = json!({"clientRef": host.newest().client_ref, "status": status, "error": "told so"});
            assert!(service.report(&report.to_string()).unwrap().known);
        }

        // The limit of the channel leaves nothing for the step in the middle.
        assert_eq!(create("skipped", &["whatsapp"], 6), Outcome::Ok);
        host.refuses.store(true, SeqCst);
        assert_eq!(create("skipped", &["messenger", "whatsapp", "rcs"], 6), Outcome::Ok);
        self.keep("skipped", host.newest().code.to_string());
    }

    pub(super) fn mail(&mut self) {
        let inbox = Inbox::start(Setup::default()).unwrap();
        let service = self.open(json!({
            "senders": {"mail": {"type": "smtp", "host": "127.0.0.1", "port": inbox.port, "tls": "none"}},
            "workflow": [{"channel": "email", "from": "Shop <shop@example.com>"}],
        }));
        let reply = service.create("by mail", Some(r#"{"email":"Ann.B@Example.com"}"#)).unwrap();
        assert_eq!(reply.outcome, Outcome::Ok);
        let mail = inbox.take().remove(0);
        self.keep("by mail", mail.text.trim_end().rsplit(' ').next().unwrap().to_owned());
    }

    /// A message from a user, which was heard.
    pub(super) fn inbound(&mut self, service: &Service) {
        let body = json!({"message_uuid": "aaaaaaaa-bbbb-4ccc-8ddd-111111111111", "from": "8192836457", "text": "hello",
            "channel": "messenger"});
        let body = body.to_string();
        let claims = json!({"iat": self.clock.load(SeqCst) / 1000, "jti": "inbound", "iss": "Vonage"});
        let authorization = testing::carrier::simulator::webhook::signed(SECRET, claims, body.as_bytes());
        let reply = service.webhook(Some(&authorization), body.as_bytes()).unwrap();
        assert_eq!(reply.duplicate, Some(false));
    }
}

fn workflow(web: &str) -> Value {
    json!({
        "policy": {"cooldownSeconds": 0,
            "sendLimits": [{"count": 9, "minutes": 60}, {"channel": "whatsapp", "count": 1, "minutes": 60}]},
        "senders": {"own": {"type": "host"}, "screen": {"type": "console"},
            "web": {"type": "http", "url": web, "json": {"to": "{to}", "code": "{code}"}, "messageId": "id"}},
        "workflow": [
            {"channel": "messenger", "sender": "own", "conditionStatus": "verified", "expiryTime": 3000},
            {"channel": "sms", "sender": "web"},
            {"channel": "whatsapp", "sender": "own"},
            {"channel": "viber_service", "sender": "own"},
            {"channel": "rcs", "sender": "screen"}],
    })
}
