//! The table, row by row.

use super::*;

const SECRETS: [&str; 2] = ["63731", "393331234567"];

fn judged(status: u16, body: &str) -> (Answer, Again) {
    let reply = HttpReply { status, retry_after: None, body: Some(body.as_bytes().to_vec()) };
    judge("host", &reply, "message_uuid", &SECRETS)
}

fn kind(answer: &Answer) -> &'static str {
    match answer {
        Answer::Accepted { .. } => "accepted",
        Answer::NotTaken(_) => "not taken",
        Answer::InDoubt(_) => "in doubt",
        Answer::Refused(_) => "refused",
    }
}

fn failure(answer: Answer) -> SendFailure {
    match answer {
        Answer::Accepted { .. } => panic!("accepted"),
        Answer::NotTaken(failure) | Answer::InDoubt(failure) | Answer::Refused(failure) => failure,
    }
}

#[test]
fn every_status() {
    for status in 100..=999 {
        let (answer, again) = judged(status, "{}");
        let expected = if (400..=499).contains(&status) { "not taken" } else { "in doubt" };
        assert_eq!(kind(&answer), expected, "{status}");
        assert_eq!(again, if status == 429 { Again::Later(None) } else { Again::Never }, "{status}");
        assert_eq!(failure(answer).http_status, Some(status));
        let (answer, _) = judged(status, r#"{"message_uuid":"a-1"}"#);
        let expected = if (200..=299).contains(&status) { "accepted" } else { expected };
        assert_eq!(kind(&answer), expected, "{status}");
    }
}

#[test]
fn every_code() {
    let table = |code: &str| match code {
        "1000" => ("not taken", true),
        "1050" | "1160" | "1240" | "1470" | "1472" | "1473" | "1474" | "1475" => ("refused", false),
        "1320" => ("in doubt", false),
        _ => ("not taken", false),
    };
    for code in (900..1600).map(|code| code.to_string()).chain(["low-balance".to_owned(), "jwt-expired".to_owned()]) {
        let body = format!(r#"{{"type":"https://developer.vonage.com/api-errors/messages#{code}","title":"t"}}"#);
        let (expected, is_repeated) = table(&code);
        let (answer, again) = judged(422, &body);
        assert_eq!((kind(&answer), again != Again::Never), (expected, is_repeated), "{code}");
        assert_eq!(failure(answer).vendor_code, Some(code.clone()));
        // No code makes a server's failure certain, or a message that the carrier did not name.
        for status in [200, 302, 500, 503] {
            assert_eq!(kind(&judged(status, &body).0), "in doubt", "{code} {status}");
        }
        let (answer, again) = judged(429, &body);
        let is_over_soon = expected == "not taken" && !matches!(&*code, "1070" | "1241" | "1460" | "1461");
        assert_eq!((kind(&answer), again != Again::Never), (expected, is_over_soon), "{code} 429");
    }
}

#[test]
fn recorded_answers() {
    macro_rules! recorded {
        ($name:literal) => {
            include_str!(concat!("../../../../tests/data/carrier/", $name, ".json"))
        };
    }
    for (status, body, code, title) in [
        (401, recorded!("dotnet.Sms.SendSmsAsyncReturnsInvalidCredentials-response"), "unathorized", "You did not"),
        (422, recorded!("php.bad-request"), "invalid-json", "The request body"),
        (429, recorded!("php.rate-limit"), "1010", "Rate Limit Hit"),
        (422, recorded!("python.invalid_error"), "1150", "Invalid params"),
        (402, recorded!("python.low_balance_error"), "low-balance", "Low balance"),
        (404, recorded!("python.not_found"), "not-found", "Not Found"),
        (400, recorded!("spec-shape.05-error-400"), "InvalidParams", "Invalid Parameters"),
    ] {
        let (answer, again) = judged(status, body);
        assert_eq!((kind(&answer), again != Again::Never), ("not taken", status == 429), "{body}");
        let failure = failure(answer);
        assert_eq!(failure.detail, format!("host: status {status}: code {code}"));
        assert_eq!((failure.http_status, failure.vendor_code.as_deref()), (Some(status), Some(code)));
        assert!(failure.vendor_title.unwrap().starts_with(title));
    }
    let (answer, _) = judged(202, recorded!("python.send_message_with_failover"));
    assert!(matches!(answer, Answer::Accepted { uuid: Some(uuid) } if uuid == "d8f86df1-dec6-442f-870a-2241be27d721"));
}

#[test]
fn codes_and_titles_in_all_forms() {
    let long = format!(r#"{{"title":"{}"}}"#, "é".repeat(200));
    for (body, code, title) in [
        (r#"{"title":"1420"}"#, Some("1420"), Some("1420")),
        (r#"{"title":1420}"#, Some("1420"), Some("1420")),
        (r##"{"type":"x#","title":"1420"}"##, Some("1420"), Some("1420")),
        (r##"{"type":"x#a b","title":"14 20"}"##, None, Some("14 20")),
        (r##"{"type":"a#b#1300"}"##, Some("1300"), None),
        (r#"{"type":"about:blank"}"#, None, None),
        (r#"{"type":7,"title":""}"#, None, None),
        (r#"{"type":["a#1"],"title":{"a":"b"}}"#, None, None),
        (r#"{"type":true,"title":1.5}"#, None, None),
        ("{\"title\":\" a\\nb\\u0007c\\u001b[2J \"}", None, Some("a b c [2J")),
        (&long, None, Some(&"é".repeat(100))),
        ("no json", None, None),
        ("", None, None),
    ] {
        let failure = failure(judged(400, body).0);
        assert_eq!((failure.vendor_code.as_deref(), failure.vendor_title.as_deref()), (code, title), "{body}");
    }
}

#[test]
fn what_is_secret_is_not_repeated() {
    for body in [
        r##"{"type":"x#63731","title":"code 63731 for you"}"##,
        r##"{"type":"x#to-393331234567","title":"393331234567: invalid"}"##,
        r##"{"type":"x#63731","title":"+39 (333) 123-4567 is unknown"}"##,
        r##"{"type":"x#63731","title":"6 3 7 3 1"}"##,
        r##"{"type":"x#63731","title":"６３７３１"}"##,
        r#"{"title":"63731"}"#,
    ] {
        let failure = failure(judged(422, body).0);
        assert_eq!((failure.vendor_code, failure.vendor_title.as_deref()), (None, Some("withheld")), "{body}");
        assert_eq!(failure.detail, "host: status 422");
    }
}

#[test]
fn waits() {
    let reply = |status, retry_after| HttpReply { status, retry_after, body: None };
    for (status, retry_after, told, again) in [
        (429, Some(0), Some(1), Again::Later(Some(Duration::ZERO))),
        (429, Some(7), Some(7), Again::Later(Some(Duration::from_secs(7)))),
        (429, None, None, Again::Later(None)),
        (503, Some(7), Some(7), Again::Never),
        (422, Some(7), Some(7), Again::Never),
    ] {
        let (answer, actual) = judge("host", &reply(status, retry_after), "message_uuid", &[]);
        assert_eq!((failure(answer).retry_after_seconds, actual), (told, again));
    }
}
