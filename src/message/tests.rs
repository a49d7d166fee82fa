use super::{Texts, escaped_bytes, is_param_name};
use crate::channel::most_characters;
use crate::config::{Condition, StepConfig};
use crate::error::{Error, Result};
use crate::outcome::Outcome;
use crate::strict::parse;

fn read(json: &str) -> Result<Texts> {
    let mut object = parse(json, "config", Error::config)?.object()?;
    let texts = Texts::read(&mut object)?;
    object.finish()?;
    Ok(texts)
}

fn texts(json: &str) -> Texts {
    read(json).unwrap()
}

fn step(channel: &str, template: Option<&str>) -> StepConfig {
    StepConfig {
        channel: channel.to_owned(),
        sender: 0,
        from: None,
        subject: None,
        expiry_seconds: 120,
        condition: Some(Condition::Read),
        template: template.map(str::to_owned),
        provider_template: None,
        max_characters: None,
    }
}

fn render(texts: &Texts, channel: &str, params: &[(&str, &str)]) -> Result<String> {
    let params: Vec<_> = params.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    texts.render(&step(channel, None), None, "123456", 5, &params).map(|rendered| rendered.text.to_string())
}

/// The code of an origin-bound message for `example.com`, by the steps of WICG sms-one-time-codes, section 3.2.
fn web_otp_code(message: &str) -> Option<&str> {
    let line = message.rsplit(['\n', '\r']).next()?;
    let rest = line.strip_prefix("@example.com #")?;
    rest.split(['\t', '\u{c}', ' ']).next().filter(|code| !code.is_empty())
}

#[test]
fn default_text() {
    assert_eq!(render(&texts("{}"), "sms", &[]).unwrap(), "Insert the following code: 123456");
}

#[test]
fn placeholders() {
    let cases = [
        ("{code}", "123456"),
        ("{code} {code}", "123456 123456"),
        ("{minutes} min: {code}, {brand}", "5 min: 123456, A {code}"),
        ("{{code}}", "{123456}"),
        ("{ {code} }", "{ 123456 }"),
        ("{code}{", "123456{"),
        ("}{code}}", "}123456}"),
        ("{} {a b} {é} {code}", "{} {a b} {é} 123456"),
        ("{code} {\"json\": 1}", "123456 {\"json\": 1}"),
        ("{code} {amount}", "123456 {minutes}"),
        ("{code} {a_{amount}", "123456 {a_{minutes}"),
    ];
    for (template, expected) in cases {
        let json = serde_json::json!({"message": template, "brand": "A {code}"}).to_string();
        assert_eq!(render(&texts(&json), "sms", &[("amount", "{minutes}")]).unwrap(), expected, "{template}");
    }
}

#[test]
fn placeholder_without_value() {
    let texts = texts(r#"{"message": "{code} {amount}"}"#);
    let error = render(&texts, "sms", &[("payee", "secret")]).unwrap_err();
    assert_eq!((error.outcome(), error.detail()), (Outcome::Argument, "params: text for sms: no value for {amount}"));
}

#[test]
fn what_a_configuration_may_not_say() {
    for (json, expected) in [
        (r#"{"message": "no code"}"#, "message: must contain {code}"),
        (r#"{"message": ""}"#, "message: must contain {code}"),
        (r#"{"message": "{Code}"}"#, "message: must contain {code}"),
        (r#"{"message": "{code} {brand}"}"#, "message: {brand} needs the option brand"),
        (r#"{"message": {}}"#, "message: must hold a text"),
        (r#"{"message": ["{code}"]}"#, "message: must be a text"),
        (r#"{"message": "{code}\u0000"}"#, "message: must not contain a NUL"),
        (r#"{"message": {"en": "{code}", "it": "codice"}}"#, "message.it: must contain {code}"),
        (r#"{"message": {"en": "{code}", "en": "{code}"}}"#, "message.en: repeated"),
        (r#"{"message": {"en-us": "{code}", "en_US": "{code}"}}"#, "message.en_US: repeated in another spelling"),
        (r#"{"message": {"": "{code}"}}"#, "message.: not a locale"),
        (r#"{"message": {"e n": "{code}"}}"#, "message.(a name that is not shown): not a locale"),
        (r#"{"brand": ""}"#, "brand: must be a text of 1 to 64 bytes without control characters"),
        (r#"{"webOtpDomain": "https://example.com"}"#, "webOtpDomain: must be a host name"),
        (r#"{"androidHash": "FA+9qCX9VS"}"#, "androidHash: must be 11 characters of Base64"),
        (r#"{"androidHash": "FA+9qCX9VS="}"#, "androidHash: must be 11 characters of Base64"),
        (
            r#"{"androidHash": "FA+9qCX9VSu", "webOtpDomain": "a.b"}"#,
            "androidHash: not possible together with webOtpDomain",
        ),
    ] {
        let error = read(json).unwrap_err();
        assert_eq!((error.outcome(), error.detail()), (Outcome::Config, expected), "{json}");
    }
}

#[test]
fn locales() {
    let texts =
        texts(r#"{"message": {"it": "it {code}", "en": "en {code}", "pt_BR": "br {code}", "zh-Hant": "zh {code}"}}"#);
    for (wanted, text, locale) in [
        (Some("it"), "it 1", "it"),
        (Some("IT-ch"), "it 1", "it"),
        (Some("it_IT"), "it 1", "it"),
        (Some("pt-br"), "br 1", "pt_BR"),
        (Some("pt"), "br 1", "pt_BR"),
        (Some("zh-HK"), "zh 1", "zh-Hant"),
        (Some("zh-Hant-TW"), "zh 1", "zh-Hant"),
        (Some("zh-Hans"), "en 1", "en"),
        (Some("en-GB"), "en 1", "en"),
        (Some("i"), "en 1", "en"),
        (Some("-"), "en 1", "en"),
        (None, "en 1", "en"),
    ] {
        let rendered = texts.render(&step("sms", None), wanted, "1", 5, &[]).ok().unwrap();
        assert_eq!((rendered.text.as_str(), rendered.locale.as_deref()), (text, Some(locale)), "{wanted:?}");
    }
}

#[test]
fn first_text_without_english() {
    let texts = texts(r#"{"message": {"it": "it {code}", "de": "de {code}"}}"#);
    for (wanted, locale) in [(None, "it"), (Some("fr"), "it"), (Some("de-AT"), "de")] {
        let rendered = texts.render(&step("sms", None), wanted, "1", 5, &[]).ok().unwrap();
        assert_eq!(rendered.locale.as_deref(), Some(locale), "{wanted:?}");
    }
}

#[test]
fn a_step_may_have_its_own_text() {
    let texts = texts(r#"{"message": {"it": "it {code}"}, "brand": "A"}"#);
    let own = step("sms", Some("{brand}: {code}"));
    let rendered = texts.render(&own, Some("it"), "1", 5, &[]).ok().unwrap();
    assert_eq!((rendered.text.as_str(), rendered.locale), ("A: 1", None));
}

#[test]
fn web_otp_line() {
    let texts = texts(r#"{"message": "Code {code}\nfor {who}", "webOtpDomain": "example.com"}"#);
    let text = render(&texts, "sms", &[("who", "you")]).unwrap();
    assert_eq!(text, "Code 123456\nfor you\n@example.com #123456");
    for value in ["", "\n", "\r", "@example.com #999999", "x\n@example.com #999999\n"] {
        assert_eq!(web_otp_code(&render(&texts, "sms", &[("who", value)]).unwrap()), Some("123456"), "{value:?}");
    }
    assert_eq!(render(&texts, "messenger", &[("who", "you")]).unwrap(), "Code 123456\nfor you");
    assert!(texts.can_carry("a%b@c") && !texts.can_carry("12 34") && !texts.can_carry("12#34"));
    assert!(Texts::default().can_carry("12 #34"));
}

#[test]
fn android_hash() {
    let texts = texts(r#"{"message": "{code}{more}", "androidHash": "FA+9qCX9VSu"}"#);
    assert_eq!(render(&texts, "sms", &[("more", "")]).unwrap(), "123456\nFA+9qCX9VSu");
    assert_eq!(render(&texts, "whatsapp", &[("more", "")]).unwrap(), "123456");
    let room = 140 - 6 - 12;
    let full = render(&texts, "sms", &[("more", &"x".repeat(room))]).unwrap();
    assert!(full.len() == 140 && full.ends_with("\nFA+9qCX9VSu"));
    let error = render(&texts, "sms", &[("more", &"x".repeat(room + 1))]).unwrap_err();
    assert_eq!(error.outcome(), Outcome::Argument);
    assert!(render(&texts, "whatsapp", &[("more", &"x".repeat(200))]).is_ok());
    assert!(render(&texts, "sms", &[("more", &"é".repeat(room / 2 + 1))]).is_err());
}

#[test]
fn length_of_the_escaped_text() {
    let texts = texts(r#"{"message": "{code}{more}"}"#);
    let room = 2000 - 6;
    for (letter, bytes) in
        [("x", 1), ("é", 2), ("\"", 2), ("\\", 2), ("\n", 2), ("\u{8}", 2), ("\u{1}", 6), ("\u{7f}", 1)]
    {
        let fits = letter.repeat(room / bytes);
        assert!(render(&texts, "rcs", &[("more", &fits)]).is_ok(), "{letter:?}");
        let error = render(&texts, "rcs", &[("more", &(fits + letter))]).unwrap_err();
        assert_eq!(
            (error.outcome(), error.detail()),
            (Outcome::Argument, "params: text for rcs: longer than 2000 bytes")
        );
    }
    for letter in (0..0x300).filter_map(char::from_u32) {
        let text = letter.to_string();
        assert_eq!(escaped_bytes(&text), serde_json::to_string(&text).unwrap().len() - 2, "{letter:?}");
    }
}

#[test]
fn texts_that_are_always_too_long() {
    let long = |bytes: usize| "x".repeat(bytes);
    let shared = texts(&format!(r#"{{"message": {{"en": "{{code}}", "it": "{{code}}{{a}}{}"}}}}"#, long(1994)));
    assert!(shared.check_length(&step("sms", None), "000000", 5).is_ok());
    let error = shared.check_length(&step("sms", None), "0000000", 5).unwrap_err();
    assert_eq!(
        (error.outcome(), error.detail()),
        (Outcome::Config, "message.it: text for sms: longer than 2000 bytes")
    );
    assert!(shared.check_length(&step("sms", Some("{code}")), "0000000", 5).is_ok());
    let android = texts(r#"{"androidHash": "FA+9qCX9VSu"}"#);
    let own = step("sms", Some(&format!("{{code}}{}", long(123))));
    let error = android.check_length(&own, "000000", 5).unwrap_err();
    assert_eq!(error.detail(), "workflow: text for sms: longer than the 140 bytes that androidHash allows");
}

#[test]
fn what_a_channel_takes() {
    let texts = texts(r#"{"message": {"en": "{code}{more}", "it": "{code} {minutes}{more}"}}"#);
    for (channel, most) in [("messenger", 640), ("sms", 1000), ("viber_service", 1000)] {
        let limited = StepConfig { max_characters: most_characters(channel), ..step(channel, None) };
        let with = |step: &StepConfig, letter: &str, count: usize| {
            let params = [("more".to_owned(), letter.repeat(count))];
            texts
                .render(step, None, "123456", 5, &params)
                .err()
                .map(|error| (error.outcome(), error.detail().to_owned()))
        };
        let told = format!("params: text for {channel}: longer than the {most} characters that the channel allows");
        assert_eq!(with(&limited, "è", most - 6), None);
        assert_eq!(with(&limited, "x", most - 5), Some((Outcome::Argument, told)));
        assert_eq!(with(&step(channel, None), "x", most - 5), None);
    }
    let messenger = StepConfig { max_characters: Some(9), ..step("messenger", None) };
    assert!(texts.check_length(&messenger, "123456", 10).is_ok());
    let error = texts.check_length(&messenger, "123456", 100).unwrap_err();
    let told = "message.it: text for messenger: longer than the 9 characters that the channel allows";
    assert_eq!((error.outcome(), error.detail()), (Outcome::Config, told));
    for channel in ["whatsapp", "rcs", "pager"] {
        assert_eq!(most_characters(channel), None);
    }
}

#[test]
fn what_an_sms_costs() {
    let warning = |json: &str, template: Option<&str>| texts(json).sms_warning(&step("sms", template), "123456", 5);
    let long = "x".repeat(160);
    assert_eq!(warning("{}", None), None);
    assert_eq!(warning(r#"{"message": "Il codice è {code}"}"#, None), None);
    let told = |text: &str| Some(text.to_owned());
    assert_eq!(
        warning(r#"{"message": {"en": "{code}", "ru": "Код: {code}"}}"#, None),
        told("message.ru: an SMS takes 1 segment of UCS-2: not in GSM-7: Код")
    );
    assert_eq!(warning("{}", Some(&format!("{{code}}{long}"))), told("workflow: an SMS takes 2 segments"));
    assert_eq!(
        warning(&format!(r#"{{"message": "{{code}}’{long}", "webOtpDomain": "example.com"}}"#), None),
        told("message: an SMS takes 3 segments of UCS-2: not in GSM-7: ’")
    );
}

#[test]
fn names_of_params() {
    for name in ["a", "A_1", "amount", &"n".repeat(32)] {
        assert!(is_param_name(name), "{name}");
    }
    for name in ["", "code", "minutes", "brand", "a b", "a-b", "é", "{a}", &"n".repeat(33)] {
        assert!(!is_param_name(name), "{name}");
    }
}
