//! Dispatch: one request for the whole workflow, which the carrier runs.

use std::path::Path;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use otp::{DeliveryState, Outcome, Service};
use serde_json::{Value, json};

use super::{APPLICATION, BOTH, EXPIRY_MS, MESSENGER_ID, PRIVATE_KEY, Stage, T0, states, until};
use testing::Folder;
use testing::carrier::simulator::{self, Account, Habit};
use testing::carrier::uuid;

/// A part of a signed token.
fn part(token: &str, number: usize) -> Value {
    let part = token.strip_prefix("Bearer ").unwrap().split('.').nth(number).unwrap();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
}

/// The carrier checks the token by the public key, and refuses a wrong one.
#[test]
fn the_request_is_the_one_that_was_recorded_and_its_token_is_genuine() {
    let workflow = json!([
        {"channel": "messenger", "from": "YOUR_MESSENGER_ID", "expiryTime": 120, "conditionStatus": "read"},
        {"channel": "sms"}]);
    let stage = Stage::with("dispatch", json!({"repository": "memory:", "workflow": workflow, "ownCodes": true}));
    let request = r#"{"messengerId":"8192836451","phoneNumber":"393331234567","code":"63731"}"#;
    let reply = stage.service.create("123456789", Some(request)).unwrap();
    assert_eq!(reply.outcome, Outcome::Ok, "{:?}", reply.failure);
    assert_eq!(reply.delivery.unwrap().dispatch_uuid, Some(uuid(1)));
    let received = stage.carrier.received().pop().unwrap();
    assert_eq!((received.path.as_str(), received.status), ("/v0.1/dispatch", 202));
    let recorded: Value = serde_json::from_str(include_str!("../data/carrier/dispatch.messenger-sms.json")).unwrap();
    assert_eq!(received.body, recorded);
    assert_eq!(part(&received.authorization, 0), json!({"alg": "RS256", "typ": "JWT"}));
    let claims = part(&received.authorization, 1);
    let jti = claims["jti"].as_str().unwrap();
    let expected = json!({"application_id": APPLICATION, "iat": T0 / 1000, "exp": T0 / 1000 + 900, "jti": jti});
    assert_eq!(claims, expected);
    let (groups, variant) = (jti.split('-').map(str::len), &jti[19..20]);
    assert_eq!((groups.collect::<Vec<_>>(), &jti[14..15]), (vec![8, 4, 4, 4, 12], "4"), "{jti}");
    assert!("89ab".contains(variant), "{jti}");
}

/// The check of the carrier is one: it refuses what another key signed, and what names another application.
#[test]
fn tokens_of_others_are_refused() {
    let stage = Stage::new("dispatch");
    let genuine = super::config(&stage.carrier, "dispatch", json!({"repository": "memory:"}));
    let mut key = simulator::public_key(PRIVATE_KEY).unwrap();
    let place = key.len() / 2;
    key[place] ^= 1;
    let account = Account {
        api_key: "k".to_owned(),
        api_secret: "s".to_owned(),
        application_id: APPLICATION.to_owned(),
        public_key: key,
        signature_secret: String::new(),
        webhook_port: None,
    };
    let other = simulator::Carrier::start(account, Arc::new(|| T0)).unwrap();
    let elsewhere = format!("http://127.0.0.1:{}", other.port);
    for config in [genuine.replace(&stage.carrier.url(), &elsewhere), genuine.replace(APPLICATION, "another")] {
        let reply = super::open(&config, &stage.clock).create("t", Some(BOTH)).unwrap();
        assert_eq!((reply.outcome, reply.failure.unwrap().http_status), (Outcome::Send, Some(401)));
    }
    assert_eq!((other.received()[0].status, stage.carrier.received()[0].status), (401, 401));
    assert_eq!((other.tokens(), stage.carrier.tokens()), (0, 0));
}

fn step(channel: &str, more: Value) -> Value {
    let mut step = json!({"channel": channel, "from": "447700900000"});
    step.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    step
}

/// The tutorial put its callback into the array, which made a third message `null` of it.
#[test]
fn no_configuration_sends_anything_but_messages_in_the_workflow() {
    let (messenger, sms) = (step("messenger", json!({})), step("sms", json!({})));
    let delivered = step("messenger", json!({"conditionStatus": "delivered", "expiryTime": 15}));
    let (viber, whatsapp) = (step("viber_service", json!({})), step("whatsapp", json!({"template": "verify_code"})));
    let workflows = [
        None,
        Some(json!([messenger])),
        Some(json!([sms])),
        Some(json!([messenger, sms])),
        Some(json!([sms, messenger])),
        Some(json!([delivered, sms])),
        Some(json!([messenger, viber, whatsapp, sms])),
        Some(json!([messenger, messenger, messenger, messenger, sms])),
        Some(json!([{"channel": "messenger"}, {"channel": "sms"}])),
    ];
    let mut count = 0;
    for workflow in &workflows {
        let mut options = json!({"repository": "memory:", "message": {"en": "{code}", "it": "Codice: {code}"}});
        if let Some(workflow) = workflow {
            options["workflow"] = workflow.clone();
        }
        let stage = Stage::with("dispatch", options);
        for request in [
            json!({"phoneNumber": "393331234567"}),
            json!({"messengerId": "8192836451"}),
            json!({"messengerId": "8192836451", "phoneNumber": "+39 333 123 4567", "locale": "it"}),
        ] {
            let before = stage.carrier.received().len();
            let Ok(reply) = stage.service.create("t", Some(&request.to_string())) else {
                assert_eq!(stage.carrier.received().len(), before, "no step has an address: {workflow:?}");
                continue;
            };
            assert_eq!(reply.outcome, Outcome::Ok, "{workflow:?}: {:?}", reply.failure);
            let received = stage.carrier.received();
            let sent = &received[before];
            assert_eq!((received.len() - before, sent.status), (1, 202), "{workflow:?}");
            let members: Vec<_> = sent.body.as_object().unwrap().keys().map(String::as_str).collect();
            assert_eq!(members, ["template", "workflow"]);
            let messages = sent.body["workflow"].as_array().unwrap();
            for (place, message) in messages.iter().enumerate() {
                assert!(message["message"]["content"].is_object(), "{workflow:?}: {message}");
                assert_eq!(message.get("failover").is_some(), place + 1 < messages.len(), "{workflow:?}: {message}");
            }
            count += 1;
        }
    }
    assert!(count > workflows.len(), "few of the requests were sent: {count}");
}

/// The tutorial's own file, and its key beside it.
const NEXMO: &str = r#"{"apiKey": "k", "apiSecret": "s", "applicationId": "aaaaaaaa-bbbb-4ccc-8ddd-0123456789ab"}"#;

/// In a working directory of its own.
#[test]
fn the_tutorial_s_credentials_work_unchanged() {
    testing::alone(testing::here!("the_tutorial_s_credentials_work_unchanged"), || {
        let folder = Folder::new("delivery-tutorial");
        std::env::set_current_dir(folder.path()).unwrap();
        let refused = Service::open(Some(NEXMO)).err().unwrap();
        assert_eq!(refused.outcome(), Outcome::Config);
        assert!(refused.to_string().contains("private.key"), "{refused}");
        std::fs::write("private.key", PRIVATE_KEY).unwrap();
        let (service, warnings) = Service::open(Some(NEXMO)).unwrap();
        assert!(warnings.iter().any(|warning| warning.contains("messenger is left out")), "{warnings:?}");
        assert!(Path::new("otp.db").exists());
        drop(service);
        // The same members and the same file, sent to this machine in place of the carrier's.
        let mut sender: Value = serde_json::from_str(NEXMO).unwrap();
        let stage = Stage::new("dispatch");
        sender["type"] = "dispatch".into();
        sender["privateKey"] = "private.key".into();
        sender["baseUrl"] = stage.carrier.url().into();
        let service = super::open(&json!({ "sender": sender }).to_string(), &stage.clock);
        assert_eq!(service.create("123456789", Some(BOTH)).unwrap().outcome, Outcome::Ok);
        let received = stage.carrier.received().pop().unwrap();
        assert!(received.authorization.starts_with("Bearer "));
        let address = |kind: &str, number: &str| json!({"type": kind, "number": number});
        let workflow = received.body["workflow"].as_array().unwrap();
        assert_eq!((workflow.len(), &workflow[0]["from"]), (1, &address("sms", "NEXMO")));
        assert_eq!(workflow[0]["to"], address("sms", "393331234567"));
    });
}

/// A first message that was delivered. Nothing in its reports but the workflow's identifier says what they are about,
/// and that is not known before the answer is stored.
fn create_and_hear(stage: &Stage) {
    stage.carrier.hold();
    stage.create("t");
    assert_eq!(stage.carrier.wait_held(2, super::PATIENCE), 2);
    assert_eq!(stage.carrier.release(|_| {}), [200; 2]);
}

#[test]
fn the_carrier_fails_over_by_itself_and_reports_it() {
    let stage = Stage::new("dispatch");
    create_and_hear(&stage);
    stage.later(EXPIRY_MS - 1);
    assert_eq!(stage.run_due(), (0, None), "the carrier has the timer");
    assert_eq!(stage.carrier.shown().len(), 1);
    stage.later(1);
    let shown = stage.carrier.wait_shown(2, super::PATIENCE);
    assert_eq!((shown[1].channel.as_str(), shown[1].at_ms), ("sms", T0 + EXPIRY_MS));
    // Two of each message, and the last one of the workflow.
    stage.host.wait(5);
    let delivered = |channel| (channel, DeliveryState::Delivered);
    assert_eq!(stage.steps("t"), states(&[delivered("messenger"), delivered("sms")]));
    assert!(stage.host.heard().iter().all(|heard| (heard.status, heard.known) == (200, Some(true))));
    assert_eq!(stage.run_due(), (0, None));
    assert_eq!(stage.carrier.received().len(), 1);
}

#[test]
fn what_was_read_in_time_ends_the_carrier_s_workflow() {
    let stage = Stage::new("dispatch");
    stage.carrier.habit(MESSENGER_ID, Habit::Reads { after_seconds: 119 });
    create_and_hear(&stage);
    stage.later(119_000).host.wait(4);
    until("the step is not read", || stage.steps("t") == states(&[("messenger", DeliveryState::Read)]));
    stage.later(EXPIRY_MS);
    std::thread::sleep(super::QUIET);
    assert_eq!((stage.carrier.shown().len(), stage.carrier.received().len()), (1, 1));
}
