//! Calls. Twilio and Infobip as in their own files; `POST /calling/v1/callouts` by `packages/voice` of
//! sinch/sinch-sdk-node, affb35e (July 2026).

use otp::Outcome;
use serde_json::{Value, json};

use super::endpoint::body;
use super::page::Page;
use super::{CODE, Endpoint, InDoubt, NotTaken, Ours, PHONE, Recipe, Refused, holds, open};
use crate::http::server::Server;

/// Languages that the carriers' voices have, as each of them names these two.
const LANGUAGES: [&str; 2] = ["en-US", "it-IT"];

fn twilio() -> Recipe {
    let text = json!({"type": "string"});
    let optional = [
        "Method",
        "FallbackUrl",
        "FallbackMethod",
        "StatusCallback",
        "StatusCallbackMethod",
        "SendDigits",
        "Record",
        "MachineDetection",
        "Trim",
        "CallerId",
        "AsyncAmd",
        "CallReason",
        "TimeLimit",
    ];
    let said = r#"(<Say language="(en-US|it-IT)">[^<>&]+</Say>|<Pause length="[0-9]+"/>)+"#;
    let mut members = json!({
        "To": {"type": "string", "pattern": r"^\+[1-9][0-9]{1,14}$"},
        "From": {"type": "string", "pattern": r"^\+[1-9][0-9]{1,14}$"},
        "Timeout": {"type": "string", "pattern": "^[0-9]{1,3}$"},
        "Twiml": {"type": "string", "maxLength": 4000, "pattern": format!("^<Response>{said}</Response>$")}});
    optional.iter().for_each(|name| members[name] = text.clone());
    Recipe {
        page: "voice",
        place: 0,
        origin: "https://api.twilio.com",
        to: PHONE,
        endpoint: Endpoint {
            method: "POST",
            target: r"/2010-04-01/Accounts/AC[0-9a-fA-F]{32}/Calls\.json",
            headers: vec![
                ("authorization", "Basic [A-Za-z0-9+/]+=*"),
                ("content-type", "application/x-www-form-urlencoded"),
            ],
            body: json!({"type": "object", "required": ["To", "From", "Twiml"], "properties": members,
                "additionalProperties": false}),
        },
        good: (201, r#"{"sid": "CA0123456789abcdef0123456789abcdef", "status": "queued"}"#),
        message_id: Some("CA0123456789abcdef0123456789abcdef"),
        answers: &[
            ((429, r#"{"code": 20429, "status": 429}"#), NotTaken),
            ((400, r#"{"code": 21214, "status": 400}"#), Refused),
            ((400, r#"{"code": 21216, "status": 400}"#), Refused),
            ((400, r#"{"code": 21217, "status": 400}"#), Refused),
            ((400, r#"{"code": 21211, "status": 400}"#), InDoubt),
            ((500, ""), InDoubt),
        ],
    }
}

fn infobip() -> Recipe {
    let number = json!({"type": "string", "pattern": "^[1-9][0-9]{1,14}$"});
    let body = json!({"type": "object", "required": ["from", "to", "text"], "additionalProperties": false, "properties": {
        "from": number, "to": number, "audioFileUrl": {"type": "string"}, "voice": {"type": "object"},
        "language": {"enum": ["en", "it"]},
        "text": {"type": "string", "minLength": 1, "maxLength": 1400, "pattern": "^[^<>]+$"}}});
    Recipe {
        page: "voice",
        place: 1,
        origin: "https://example.api.infobip.com",
        to: PHONE,
        endpoint: Endpoint {
            method: "POST",
            target: "/tts/3/single",
            headers: vec![("authorization", "App .+"), ("content-type", "application/json")],
            body,
        },
        good: (200, r#"{"messages": [{"to": "393331234567", "messageId": "m1", "status": {"groupName": "PENDING"}}]}"#),
        message_id: Some("m1"),
        answers: &[
            ((200, r#"{"messages": [{"status": {"groupId": 5, "groupName": "REJECTED"}}]}"#), Refused),
            ((400, ""), Refused),
            ((401, ""), Ours),
            ((403, ""), Refused),
            ((429, ""), NotTaken),
            ((500, ""), InDoubt),
        ],
    }
}

fn sinch() -> Recipe {
    let destination = json!({"type": "object", "required": ["type", "endpoint"], "additionalProperties": false,
        "properties": {"type": {"const": "number"}, "endpoint": {"type": "string", "pattern": r"^\+[1-9][0-9]{1,14}$"}}});
    let callout = json!({"type": "object", "required": ["destination", "text"], "additionalProperties": false,
        "properties": {
            "cli": {"type": "string", "pattern": r"^\+[1-9][0-9]{1,14}$"}, "destination": destination,
            "dtmf": {"type": "string"}, "domain": {"enum": ["pstn", "mxp"]}, "custom": {"type": "string"},
            "locale": {"enum": LANGUAGES}, "prompts": {"type": "string"},
            "text": {"type": "string", "minLength": 1, "maxLength": 600},
            "enableAce": {"type": "boolean"}, "enableDice": {"type": "boolean"}, "enablePie": {"type": "boolean"}}});
    let body = json!({"type": "object", "required": ["method", "ttsCallout"], "additionalProperties": false,
        "properties": {"method": {"const": "ttsCallout"}, "ttsCallout": callout}});
    Recipe {
        page: "voice",
        place: 2,
        origin: "https://calling.api.sinch.com",
        to: PHONE,
        endpoint: Endpoint {
            method: "POST",
            target: "/calling/v1/callouts",
            headers: vec![("authorization", "Basic [A-Za-z0-9+/]+=*"), ("content-type", "application/json")],
            body,
        },
        good: (200, r#"{"callId": "1234567890"}"#),
        message_id: Some("1234567890"),
        answers: &[
            ((429, ""), InDoubt),
            ((400, r#"{"errorCode": 40001, "message": "no"}"#), Refused),
            ((401, ""), Ours),
            ((402, ""), InDoubt),
            ((403, ""), InDoubt),
            ((500, r#"{"errorCode": 50000}"#), InDoubt),
        ],
    }
}

#[test]
fn calls() {
    [twilio(), infobip(), sinch()].iter().for_each(holds);
}

/// What is said: the language and the text of each time, for one who has asked for this locale.
fn said(recipe: &Recipe, locale: Option<&str>) -> Vec<(String, String)> {
    let server = Server::start();
    let config = Page::read(recipe.page, recipe.place).configuration(&server, recipe.origin);
    let mut request = json!({PHONE.0: PHONE.1, "code": CODE});
    if let Some(locale) = locale {
        request["locale"] = json!(locale);
    }
    server.answers(&[recipe.good]);
    assert_eq!(open(&config).0.create("t", Some(&request.to_string())).unwrap().outcome, Outcome::Ok);
    let received = server.take_one();
    assert_eq!(recipe.endpoint.objections(&received), [""; 0]);
    let body = body(&received).unwrap();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    if let Value::String(markup) = &body["Twiml"] {
        let each = markup.split("<Say language=\"").skip(1).map(|say| say.split_once("\">").unwrap());
        return each
            .map(|(language, said)| (language.to_owned(), said.split('<').next().unwrap().to_owned()))
            .collect();
    }
    let callout = if body["ttsCallout"].is_null() { &body } else { &body["ttsCallout"] };
    let language = callout.get("language").or_else(|| callout.get("locale")).map(text).unwrap();
    let sentences = text(&callout["text"]);
    sentences.split_inclusive('.').map(|said| (language.clone(), said.trim().to_owned())).collect()
}

/// In the language of the voice, digit by digit, twice; in one that the voices have.
#[test]
fn a_code_is_said_twice_in_the_language_of_its_voice() {
    let (english, italian) = (["Your code is", "Once more"], ["Il codice è", "Ancora una volta"]);
    for recipe in [twilio(), infobip(), sinch()] {
        for (locale, language, words) in [
            (None, "en", english),
            (Some("en-GB"), "en", english),
            (Some("it"), "it", italian),
            (Some("IT_ch"), "it", italian),
            (Some("de"), "en", english),
            (Some("\"/><Hangup/>"), "en", english),
        ] {
            let said = said(&recipe, locale);
            assert_eq!(said.len(), 2, "{said:?}");
            for ((spoken, text), words) in said.iter().zip(words) {
                assert!(spoken.starts_with(language), "{locale:?}: {spoken}");
                assert_eq!(*text, format!("{words}: 1, 2, 3, 4, 5, 6."));
            }
        }
    }
}

/// A code of a host's own is said letter by letter, or not at all.
#[test]
fn no_code_becomes_markup() {
    let (recipe, server) = (twilio(), Server::start());
    let (service, _) = open(&Page::read(recipe.page, recipe.place).configuration(&server, recipe.origin));
    let mut said = 0;
    for (place, letter) in (b' '..=b'~').map(char::from).enumerate() {
        let request = json!({PHONE.0: PHONE.1, "code": format!("ab{letter}9")}).to_string();
        server.answers(&[recipe.good]);
        let outcome =
            service.create(&place.to_string(), Some(&request)).map_or_else(|error| error.outcome(), |it| it.outcome);
        let received = server.take();
        if letter.is_ascii_alphanumeric() {
            assert_eq!((outcome, received.len()), (Outcome::Ok, 1), "{letter}");
            let markup = body(&received[0]).unwrap()["Twiml"].as_str().unwrap().to_owned();
            assert_eq!(markup.matches(&format!(": a, b, {letter}, 9.</Say>")).count(), 2, "{markup}");
            said += 1;
        } else {
            assert_eq!((outcome, received.len()), (Outcome::Argument, 0), "{letter}");
        }
    }
    assert_eq!(said, 62);
}
