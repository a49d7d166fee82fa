//! Secrets are found nowhere but where they belong: no file, log event, error, reply or debug text holds one.

use std::path::Path;
use std::sync::{Arc, Mutex};

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};
use otp::sender::Sent;
use otp::{Outcome, Service};
use testing::Folder;

const CODE: &str = "7391846250";
const SECOND_CODE: &str = "8264019375";
const TOKEN: &str = "canary-token-Qm7xT2";
const PHONE: &str = "393331234567";
const PHONE_AS_TYPED: &str = "+39 333 123-4567";
const MESSENGER: &str = "8192836451047";
const SUBJECT: &str = "canary-subject-Hd93kP";
const CONTEXT: &str = "canary-context-250.00-EUR-to-Zw81";
const PARAM: &str = "canary-param-Rosalind";
const CLIENT: &str = "canary-client-203.0.113.77";
const IDEMPOTENCY: &str = "canary-idempotency-Vb20";
const KEY: &[u8; 32] = b"canary-key-0123456789-canary-key";

/// What must not be found, with the name to tell it by.
fn canaries() -> Vec<(String, Vec<u8>)> {
    let texts = [
        ("code", CODE),
        ("second code", SECOND_CODE),
        ("token", TOKEN),
        ("phone", PHONE),
        ("phone as typed", PHONE_AS_TYPED),
        ("Messenger id", MESSENGER),
        ("subject", SUBJECT),
        ("context", CONTEXT),
        ("param", PARAM),
        ("client", CLIENT),
        ("idempotency key", IDEMPOTENCY),
    ];
    let mut found = vec![("key".to_owned(), KEY.to_vec())];
    found.extend(texts.map(|(name, text)| (name.to_owned(), text.as_bytes().to_vec())));
    let mut forms = Vec::new();
    for (name, bytes) in &found {
        let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        forms.push((format!("{name} in upper case hex"), hex.to_uppercase().into_bytes()));
        forms.push((format!("{name} in hex"), hex.into_bytes()));
        let hash = ring::digest::digest(&ring::digest::SHA256, bytes);
        forms.push((format!("unkeyed hash of {name}"), hash.as_ref()[..16].to_vec()));
        for base64 in [STANDARD, URL_SAFE] {
            // Without the end, which depends on what comes after.
            let text = base64.encode(bytes);
            forms.push((format!("{name} in Base64"), text.as_bytes()[..bytes.len() / 3 * 4].to_vec()));
        }
    }
    for (name, digits) in [("phone", PHONE), ("Messenger id", MESSENGER), ("code", CODE), ("second code", SECOND_CODE)]
    {
        forms.extend(numbers(name, digits));
    }
    found.extend(forms);
    found
}

/// A number as machines keep it: as binary number, and two digits in a byte.
fn numbers(name: &str, digits: &str) -> Vec<(String, Vec<u8>)> {
    let number = digits.parse::<u64>().unwrap();
    let big: Vec<u8> = number.to_be_bytes().into_iter().skip_while(|byte| *byte == 0).collect();
    let little = big.iter().rev().copied().collect();
    let digits: Vec<u8> = digits.bytes().map(|digit| digit - b'0').collect();
    let pack = |digits: &[u8], swapped: bool| -> Vec<u8> {
        let pairs = digits.chunks_exact(2);
        pairs.map(|pair| if swapped { pair[1] << 4 | pair[0] } else { pair[0] << 4 | pair[1] }).collect()
    };
    // An odd number of digits may begin in either half of a byte.
    [("binary", big), ("binary, little end first", little)]
        .into_iter()
        .chain([0, 1].into_iter().flat_map(|from| {
            [("packed", pack(&digits[from..], false)), ("packed, halves swapped", pack(&digits[from..], true))]
        }))
        .map(|(form, bytes)| (format!("{name}, {form}"), bytes))
        .collect()
}

fn holds(bytes: &[u8], canary: &[u8]) -> bool {
    bytes.windows(canary.len()).any(|window| window == canary)
}

/// Fails when a canary other than those allowed is in there.
fn check(place: &str, bytes: &[u8], canaries: &[(String, Vec<u8>)], allowed: &[&str]) {
    for (name, canary) in canaries {
        assert!(allowed.contains(&name.as_str()) || !holds(bytes, canary), "{place} holds the {name}");
    }
}

fn check_files(when: &str, folder: &Path, canaries: &[(String, Vec<u8>)]) -> usize {
    let mut files = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files += check_files(when, &path, canaries);
            continue;
        }
        let bytes = std::fs::read(&path).unwrap();
        check(&format!("{when}: {}", path.display()), &bytes, canaries, &[]);
        check("a file's name", path.as_os_str().as_encoded_bytes(), canaries, &[]);
        files += usize::from(!bytes.is_empty());
    }
    files
}

/// All that the library said, with what each may say.
#[derive(Default)]
struct Heard(Mutex<Vec<(String, String, &'static [&'static str])>>);

impl Heard {
    fn add(&self, place: &str, text: String, allowed: &'static [&'static str]) {
        self.0.lock().unwrap().push((place.to_owned(), text, allowed));
    }

    fn error<T>(&self, place: &str, answer: otp::Result<T>) {
        let error = answer.err().unwrap_or_else(|| panic!("{place}: no error"));
        self.add(place, format!("{error} {error:?} {}", error.detail()), &[]);
    }

    fn reply<T: serde::Serialize>(&self, place: &str, reply: &T, allowed: &'static [&'static str]) {
        self.add(place, serde_json::to_string(reply).unwrap(), allowed);
    }
}

fn config(repository: &str, sender: &str, key: bool) -> String {
    let message = "Hello {who}, your code is {code}";
    let mut options = serde_json::json!({"ownCodes": true, "maxAttempts": 10, "message": message});
    if key {
        options["key"] = STANDARD.encode(KEY).into();
    }
    testing::config(repository, sender, options)
}

fn request(code: &str, phone: &str) -> String {
    format!(
        r#"{{"phoneNumber":"{phone}","messengerId":"{MESSENGER}","subject":"{SUBJECT}","context":"{CONTEXT}",
            "params":{{"who":"{PARAM}"}},"client":"{CLIENT}","idempotencyKey":"{IDEMPOTENCY} {code}","code":"{code}"}}"#
    )
}

/// What goes wrong is told without repeating what was given.
fn go_wrong(service: &Service, heard: &Heard) {
    let request = |member: &str| format!(r#"{{"phoneNumber":"{PHONE}",{member}}}"#);
    let bad = [
        request(&format!(r#""token":"{TOKEN}""#)),
        request(&format!(r#""phoneNumber":"{PHONE}""#)),
        request(&format!(r#""code":"{}""#, CODE.repeat(2))),
        request(&format!(r#""locale":"{}""#, SUBJECT.repeat(4))),
        request(&format!(r#""params":{{"other":"{PARAM}"}}"#)),
        request(&format!(r#""params":{{"a-b":"{PARAM}"}}"#)),
        request(&format!(r#""params":["{PARAM}"]"#)),
        request(&format!(r#""context":"{}""#, CONTEXT.repeat(200))),
        request(&format!(r#""subject":"{SUBJECT}\n""#)),
        request(&format!(r#""client":7391846250,"idempotencyKey":"{IDEMPOTENCY}\u0000""#)),
        format!(r#"{{"phoneNumber":"{PHONE} x"}}"#),
        format!(r#"{{"phoneNumber":{PHONE}}}"#),
        format!(r#"{{"phoneNumber":"{PHONE}","code":"{CODE}"#),
        format!(r#""{TOKEN} {CODE}""#),
        format!(r#"{{"subject":"{SUBJECT}","code":"{CODE}","params":{{"who":"{PARAM}"}}}} {MESSENGER}"#),
    ];
    for (number, request) in bad.iter().enumerate() {
        heard.error(&format!("error of request {number}"), service.create(TOKEN, Some(request)));
    }
    heard.error("error of a token", service.create(&format!("{TOKEN}\n"), Some("{}")));
    heard.error("error of a long token", service.verify(&TOKEN.repeat(20), CODE, None));
    heard.error("error of a code", service.verify(TOKEN, &CODE.repeat(7), None));
    heard.error("error of a context", service.verify(TOKEN, CODE, Some(&CONTEXT.repeat(200))));
    heard.error("error of a subject", service.unlock(&format!("{SUBJECT}\n")));
    heard.error("error of a recipient", service.erase(&format!("{PHONE}\u{1}")));
    heard.error("error of a webhook", service.webhook(Some(TOKEN), CODE.as_bytes()));
}

/// Everything once, and back again. The files are looked at while codes live, and when they are over.
fn run(service: &Service, heard: &Heard, look: impl Fn(&str)) {
    let message: &'static [&'static str] = &["token", "code", "second code", "phone", "Messenger id", "param"];
    let allowed = if service.hands_over() { message } else { &[] };
    let created = service.create(TOKEN, Some(&request(CODE, PHONE_AS_TYPED))).unwrap();
    assert_eq!(created.outcome, Outcome::Ok);
    heard.reply("reply of create", &created, allowed);
    look("live");
    for _ in 0..3 {
        let wrong = service.verify(TOKEN, SECOND_CODE, Some(CONTEXT)).unwrap();
        assert_eq!(wrong.outcome, Outcome::NotValid);
        heard.add("debug of a verify", format!("{wrong:?}"), &[]);
        heard.reply("reply of a verify", &wrong, &[]);
    }
    heard.reply("reply of the same create", &service.create(TOKEN, Some(&request(CODE, PHONE))).unwrap(), allowed);
    heard.reply("reply of resend", &service.resend(TOKEN).unwrap(), allowed);
    look("sent again");
    go_wrong(service, heard);
    let used = service.verify(TOKEN, CODE, Some(CONTEXT)).unwrap();
    assert_eq!(used.outcome, Outcome::Ok);
    heard.reply("reply of verify", &used, &[]);
    look("used");
    let second = service.create(TOKEN, Some(&request(SECOND_CODE, PHONE))).unwrap();
    heard.reply("reply of a second create", &second, allowed);
    let status = service.status(TOKEN).unwrap();
    heard.add("debug of a status", format!("{status:?}"), &["token"]);
    heard.reply("reply of a status", &status, &["token"]);
    heard.reply("reply of cancel", &service.cancel(TOKEN).unwrap(), &[]);
    look("cancelled");
    heard.reply("reply of run_due", &service.run_due().unwrap(), &[]);
    heard.reply("reply of unlock", &service.unlock(SUBJECT).unwrap(), &[]);
    heard.reply("reply of erase", &service.erase(PHONE_AS_TYPED).unwrap(), &[]);
    look("erased");
}

fn listen(service: &Service, heard: &Arc<Heard>) {
    let log = heard.clone();
    service.on_log(4, Some(Arc::new(move |_, event| log.add("log", event.to_owned(), &[])))).unwrap();
}

fn campaign(kind: &str, sender: &str) {
    let canaries = canaries();
    let folder = Folder::new(&format!("secrets-{kind}-{sender}"));
    let repository = folder.repository(kind);
    let service = Service::open(Some(&config(&repository, sender, true))).unwrap().0;
    let heard = Arc::new(Heard::default());
    listen(&service, &heard);
    if sender == "host" {
        let seen = Mutex::new(0);
        let send = move |message: &otp::sender::Message| {
            assert!(message.text.contains(PARAM) && message.text.contains(message.code.as_str()));
            let mut seen = seen.lock().unwrap();
            *seen += 1;
            [Sent::Sent, Sent::NotSent, Sent::Sent, Sent::InDoubt][*seen % 4]
        };
        service.on_send(Some(Arc::new(send))).unwrap();
    }
    let files = Mutex::new(0);
    run(&service, &heard, |when| *files.lock().unwrap() += check_files(when, folder.path(), &canaries));
    drop(service);
    assert!(check_files("closed", folder.path(), &canaries) > 0 && *files.lock().unwrap() > 5, "no files were seen");
    // Whoever opens it with another key is told so without hearing either.
    heard.error("error of a foreign key", Service::open(Some(&config(&repository, sender, false))));
    let bad_key = format!(r#"{{"repository":"{repository}","key":"{}"}}"#, String::from_utf8_lossy(KEY));
    heard.error("error of a bad key", Service::open(Some(&bad_key)));
    let heard = heard.0.lock().unwrap();
    assert!(heard.iter().filter(|(place, _, _)| place == "log").count() > 20, "the log was not heard");
    for (place, text, allowed) in heard.iter() {
        check(&format!("{place}: {text}"), text.as_bytes(), &canaries, allowed);
    }
}

#[test]
fn no_secret_leaves_its_place_with_sqlite() {
    campaign("sqlite", "none");
    campaign("sqlite", "host");
}

#[test]
fn no_secret_leaves_its_place_with_json() {
    campaign("json", "none");
    campaign("json", "host");
}

/// The key that the library makes is in its file and nowhere else.
#[test]
fn a_made_key_is_in_its_file_alone() {
    for kind in ["sqlite", "json"] {
        let folder = Folder::new(&format!("secrets-key-{kind}"));
        let service = Service::open(Some(&config(&folder.repository(kind), "none", false))).unwrap().0;
        let heard = Arc::new(Heard::default());
        listen(&service, &heard);
        let file = folder.path().join(if kind == "sqlite" { "otp.db.key" } else { "otp.key" });
        let text = std::fs::read(&file).unwrap();
        let text = text.trim_ascii().to_vec();
        let key = STANDARD.decode(&text).unwrap();
        let canaries = [("key".to_owned(), key), ("key as text".to_owned(), text)];
        let kept = folder.path().join("kept.key");
        run(&service, &heard, |when| {
            // Out of the way, since it may hold what no other file may.
            std::fs::rename(&file, &kept).unwrap();
            let hidden = std::fs::read(&kept).unwrap();
            std::fs::remove_file(&kept).unwrap();
            assert!(check_files(when, folder.path(), &canaries) > 0);
            std::fs::write(&file, hidden).unwrap();
        });
        for (place, text, _) in heard.0.lock().unwrap().iter() {
            check(place, text.as_bytes(), &canaries, &[]);
        }
    }
}

/// The search finds what it is meant to find.
#[test]
fn the_search_finds_each_canary() {
    let canaries = canaries();
    for (name, canary) in &canaries {
        let text = [b"before".as_slice(), canary, b"after"].concat();
        let found = std::panic::catch_unwind(|| check("a text", &text, &canaries, &[])).is_err();
        assert!(found, "{name} is not found");
        assert!(canary.len() >= 4, "{name} is too short to be found by purpose");
    }
    assert!(canaries.iter().any(|(_, canary)| canary.as_slice() == [0x39, 0x33, 0x31, 0x23, 0x45, 0x67]));
    assert!(!holds(b"nothing", b"canary"));
}
