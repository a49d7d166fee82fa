//! Whoever can write the repository's file but has no key is given no yes by it: rows are changed in every way, and then
//! asked about.

mod repository;

use std::sync::Arc;

use otp::{Error, Outcome, Service};
use repository::{Kind, Rows, Stored};
use serde_json::{Value, json};
use testing::{Random, Watchdog};

const T0: i64 = 1_700_000_000_000;
const CONTEXT: &str = "10.00 EUR to Ann";
const OWN_CODE: &str = "own-code-7731";

/// What is known of a token.
struct Token {
    name: &'static str,
    /// The newest code.
    code: String,
    context: Option<&'static str>,
    /// The one it replaced.
    older: Option<String>,
}

/// A repository with codes in all states, as it was written.
struct Scene {
    stored: Stored,
    service: Service,
    tokens: Vec<Token>,
    rows: Rows,
    /// Which token a row is the record of, by place.
    owners: Vec<Option<usize>>,
}

impl Scene {
    fn new(kind: Kind) -> Self {
        let stored = Stored::new(kind);
        let service = open(&stored).unwrap();
        let tokens = tokens(&service);
        let rows = stored.rows();
        let owners = rows.iter().map(|(key, _)| {
            stored.remove(key);
            let is_gone = |token: &Token| service.status(token.name).unwrap().outcome == Outcome::Unknown;
            let owner = tokens.iter().position(is_gone);
            stored.restore(&rows);
            owner
        });
        let owners: Vec<_> = owners.collect();
        assert_eq!(owners.iter().flatten().count(), tokens.len());
        Self { stored, service, tokens, rows, owners }
    }

    fn verify(&self, token: &Token, code: &str, context: Option<&str>) -> Outcome {
        self.told(self.service.verify(token.name, code, context).map(|reply| reply.outcome))
    }

    /// The outcome; an error must be one of the data, and say where the repository is.
    fn told(&self, answer: Result<Outcome, Error>) -> Outcome {
        answer.unwrap_or_else(|error| {
            assert!(matches!(error.outcome(), Outcome::Store | Outcome::Config), "{error}");
            let names_it = error.detail().contains(self.stored.path().to_str().unwrap());
            assert!(error.outcome() != Outcome::Store || names_it, "it does not say where: {error}");
            error.outcome()
        })
    }

    /// The token whose row now has another value there, in JSON.
    fn edit(&self, name: &str, at: &str, value: Value) -> &Token {
        let owner = self.tokens.iter().position(|token| token.name == name).unwrap();
        let place = self.owners.iter().position(|place| *place == Some(owner)).unwrap();
        let (key, row) = &self.rows[place];
        let mut row: Value = serde_json::from_slice(row).unwrap();
        *row.pointer_mut(at).unwrap() = value;
        self.stored.put(key, row.to_string().as_bytes());
        &self.tokens[owner]
    }

    /// Asks all there is to ask, with the right code last, and before it with fewer wrong ones than lock the code.
    fn ask(&self, token: &Token, random: &mut Random, asked: &mut Asked) {
        let (cut, others) = (cut_codes(token), self.other_codes(token));
        let codes = [&cut[..], &cut, &cut, &others, &others].map(|codes| random.pick(codes));
        for (code, context) in codes.into_iter().zip([token.context, token.context, None, token.context, Some("")]) {
            assert_ne!(self.verify(token, code, context), Outcome::Ok, "{}: {code}, {context:?}", token.name);
        }
        for context in [None, Some(""), Some("10.00 EUR to Bob")].into_iter().filter(|it| *it != token.context) {
            assert_ne!(self.verify(token, &token.code, context), Outcome::Ok, "{}: {context:?}", token.name);
        }
        self.told(self.service.status(token.name).map(|reply| reply.outcome));
        self.told(self.service.resend(token.name).map(|reply| reply.outcome));
        self.told(self.service.run_due().map(|_| Outcome::Ok));
        asked.count(self.verify(token, &token.code, token.context));
        self.told(self.service.cancel(token.name).map(|reply| reply.outcome));
    }

    /// Codes longer than any, of other tokens, and of other times.
    fn other_codes(&self, token: &Token) -> Vec<String> {
        let mut codes = vec!["0".repeat(11), "0".repeat(20)];
        codes.extend(self.tokens.iter().filter(|other| other.code != token.code).map(|other| other.code.clone()));
        codes.extend(self.tokens.iter().filter_map(|token| token.older.clone()));
        codes
    }
}

/// Codes shorter than any, and ends of the right one, as a shorter length might cut it.
fn cut_codes(token: &Token) -> [String; 4] {
    ["0".to_owned(), "7".to_owned(), token.code[1..].to_owned(), token.code[2..].to_owned()]
}

/// Long codes, so that none is guessed by chance, and enough attempts for all that is asked.
fn open(stored: &Stored) -> Result<Service, Error> {
    let options = json!({"durability": "process", "ownCodes": true, "otpLength": 10, "maxAttempts": 10,
        "validityTime": 60, "policy": {"subjectFailures": {"lockAfter": 100}}});
    let service = Service::open(Some(&testing::config(&stored.url(), "none", options)))?.0;
    service.on_clock(Some(Arc::new(|| T0))).unwrap();
    Ok(service)
}

fn create(service: &Service, token: &str, request: &str) -> String {
    let reply = service.create(token, Some(request)).unwrap();
    assert_eq!(reply.outcome, Outcome::Ok);
    reply.message.unwrap().code.to_string()
}

fn tokens(service: &Service) -> Vec<Token> {
    let plain = |name, request: &str| Token { name, code: create(service, name, request), context: None, older: None };
    let phone = r#"{"phoneNumber":"393331234567"}"#;
    let with_context = format!(r#"{{"phoneNumber":"393331234567","context":"{CONTEXT}","idempotencyKey":"i"}}"#);
    let own = format!(r#"{{"code":"{OWN_CODE}","context":"{CONTEXT}","subject":"s"}}"#);
    let older = create(service, "replaced", phone);
    let own_older = create(service, "own", &own.replace("7731", "1377"));
    let tokens = vec![
        plain("live", phone),
        Token { context: Some(CONTEXT), ..plain("context", &with_context) },
        Token { older: Some(older), ..plain("replaced", r#"{"subject":"s"}"#) },
        Token { context: Some(CONTEXT), older: Some(own_older), ..plain("own", &own) },
        plain("used", phone),
        plain("cancelled", phone),
        plain("guessed", r#"{"messengerId":"8192836451","params":{"shop":"x"}}"#),
    ];
    assert_eq!(service.verify("used", &tokens[4].code, None).unwrap().outcome, Outcome::Ok);
    assert_eq!(service.cancel("cancelled").unwrap().outcome, Outcome::Ok);
    assert_eq!(service.verify("guessed", "0", None).unwrap().outcome, Outcome::NotValid);
    tokens
}

/// How often the right code got which answer, so that the campaign is known to have tried something.
#[derive(Debug, Default)]
struct Asked {
    right: usize,
    refused: usize,
    other: usize,
}

impl Asked {
    fn count(&mut self, outcome: Outcome) {
        match outcome {
            Outcome::Ok => self.right += 1,
            Outcome::Store | Outcome::Config => self.refused += 1,
            _ => self.other += 1,
        }
    }
}

/// The row in this place, changed up to three times.
fn change(scene: &Scene, place: usize, random: &mut Random) -> Vec<u8> {
    let other = random.pick(&scene.rows).1.clone();
    let mut row = scene.rows[place].1.clone();
    for _ in 0..=random.below(3) {
        row = scene.stored.change(&row, &other, &mut |below| random.below(below));
    }
    row
}

fn campaign(kind: Kind) {
    let rounds = testing::size(400, 50_000);
    let mut random = Random::from_environment();
    let scene = Scene::new(kind);
    let mut asked = Asked::default();
    for _ in 0..rounds {
        let _watchdog = Watchdog::new("a call about a changed row", 60);
        let place = random.below(scene.rows.len());
        let changed = change(&scene, place, &mut random);
        scene.stored.put(&scene.rows[place].0, &changed);
        let owner = scene.owners[place].unwrap_or_else(|| random.below(scene.tokens.len()));
        scene.ask(&scene.tokens[owner], &mut random, &mut asked);
        scene.stored.restore(&scene.rows);
    }
    testing::complain(&format!("values: {kind:?}: {rounds} changed rows, {asked:?}"));
    let enough = rounds / 20;
    assert!(asked.right > enough && asked.refused > enough && asked.other > enough, "{asked:?}");
}

#[test]
fn no_changed_row_of_sqlite_gives_a_wrong_yes() {
    campaign(Kind::Sqlite);
}

#[test]
fn no_changed_row_of_json_gives_a_wrong_yes() {
    campaign(Kind::Json);
}

/// What was tried by hand, with the answer that is right: no yes, no wait, and where to look.
#[test]
fn edits_by_hand_are_refused() {
    let scene = Scene::new(Kind::Json);
    let refused: [(&str, &str, Value); 8] = [
        ("live", "/record/code/secret/derived/length", json!(0)),
        ("live", "/record/code/secret/derived/length", json!(20)),
        ("live", "/record/code/maxAttempts", json!(200)),
        ("live", "/record/code/expires", json!(T0 + 25 * 60 * 60 * 1000)),
        ("used", "/record/code/state", json!("live")),
        ("cancelled", "/record/code/state", json!("live")),
        ("guessed", "/record/attempts", json!(11)),
        ("replaced", "/record/seen", json!(T0 - 1)),
    ];
    for (name, at, value) in refused {
        let token = scene.edit(name, at, value.clone());
        for code in ["0", "1234", &token.code] {
            assert_eq!(scene.verify(token, code, token.context), Outcome::Store, "{name} {at} {value} {code}");
        }
        scene.stored.restore(&scene.rows);
    }
    // Within the range, but not what the code was made with.
    let unlike: [(&str, &str, Value); 7] = [
        ("live", "/record/code/secret/derived/length", json!(9)),
        ("live", "/record/code/maxAttempts", json!(9)),
        ("live", "/record/code/expires", json!(T0 + 61 * 60 * 1000)),
        ("live", "/record/code/subject", json!("00000000000000000000000000000000")),
        ("own", "/record/code/subject", json!("00000000000000000000000000000000")),
        ("context", "/record/code/context", Value::Null),
        ("own", "/record/code/context", Value::Null),
    ];
    for (name, at, value) in unlike {
        let token = scene.edit(name, at, value.clone());
        for (code, context) in [(&token.code[..], None), (&token.code[1..], None), (&token.code[..], token.context)] {
            assert_eq!(scene.verify(token, code, context), Outcome::NotValid, "{name} {at} {value}");
        }
        // What it is now compared with is a code that nobody knows: it must not be sent.
        let sent = scene.told(scene.service.resend(token.name).map(|reply| reply.outcome));
        assert_eq!(sent, Outcome::Store, "{name} {at} {value}");
        scene.stored.restore(&scene.rows);
    }
}

/// The length of a code stands in four bits of the byte after the first recipient.
#[test]
fn a_nibble_of_sqlite_gives_no_shorter_code() {
    let scene = Scene::new(Kind::Sqlite);
    let live = scene.owners.iter().position(|owner| *owner == Some(0)).unwrap();
    let (key, row) = &scene.rows[live];
    let place = 3 + 16;
    assert_eq!(row[place] >> 4, 10, "the layout of a record with one recipient");
    for length in (0..16).filter(|length| *length != 10) {
        let mut changed = row.clone();
        changed[place] = length << 4 | row[place] & 0xf;
        scene.stored.put(key, &changed);
        for code in (0..10u8).map(|digit| digit.to_string()).chain([scene.tokens[0].code.clone()]) {
            let outcome = scene.verify(&scene.tokens[0], &code, None);
            let within = length == 0 || (4..=9).contains(&length);
            assert!(outcome == Outcome::Store || within && outcome != Outcome::Ok, "{length}: {code}: {outcome:?}");
        }
        scene.stored.restore(&scene.rows);
    }
}

/// The repository's own row is read when it is opened.
#[test]
fn a_changed_description_is_refused_or_the_same() {
    let mut random = Random::from_environment();
    for kind in [Kind::Sqlite, Kind::Json] {
        let scene = Scene::new(kind);
        let (key, text) = scene.stored.description();
        for _ in 0..testing::size(200, 20_000) {
            let other = random.pick(&scene.rows).1.clone();
            let changed = scene.stored.change(&text, &other, &mut |below| random.below(below));
            scene.stored.put(&key, &changed);
            match open(&scene.stored) {
                Ok(_) => {}
                Err(error) => drop(scene.told(Err(error))),
            }
            scene.stored.put(&key, &text);
        }
    }
}
