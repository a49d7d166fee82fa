//! Codes: their distribution, what they are bound to, and which guess is equal to what.

use super::*;
use crate::block::{Block, KeySlot};
use crate::config::{Durability, KeySource, RepositoryUrl};
use crate::random::random;
use crate::record::{Delivery, Via};
use crate::repository;
use std::sync::Arc;

fn ring() -> Arc<KeyRing> {
    let repository = repository::open(&RepositoryUrl::Memory, Durability::Process, &mut Vec::new()).unwrap();
    KeyRing::open(&*repository, KeySource::None, Vec::new(), &mut Vec::new()).unwrap()
}

fn derived(length: u8) -> Code {
    let secret = Secret::Derived { nonce: Block::new(random().unwrap()), length };
    let (created, expires) = (Time::from_ms(1000), Time::from_ms(2000));
    let subject = Block::new([2; 16]);
    Code { slot: KeySlot(0), created, expires, secret, max_attempts: 5, subject, context: None, state: CodeState::Live }
}

fn record(code: Code, remembered: Vec<Code>) -> Record {
    Record {
        code,
        attempts: 0,
        recipients: Vec::new(),
        seen: Time::from_ms(1000),
        retention_minutes: 10,
        kept_from: None,
        remembered,
        sealed: Vec::new(),
        idempotency: None,
        deliveries: 1,
        delivery: Delivery::new(Via::None),
    }
}

const ROW: RowKey = Block::new([1; 16]);

#[test]
fn a_number_above_the_last_full_multiple_is_rejected() {
    let mac = |numbers: [u64; 4]| {
        let mut bytes = [0; 32];
        bytes.chunks_mut(8).zip(numbers).for_each(|(to, number)| to.copy_from_slice(&number.to_be_bytes()));
        bytes
    };
    let limit = u64::MAX - u64::MAX % 1_000_000;
    let cut = |numbers| unbiased(&mac(numbers), 1_000_000);
    assert_eq!(cut([limit, u64::MAX, 7, 8]), Some(7));
    assert_eq!(cut([limit - 1, 0, 0, 0]), Some(999_999));
    assert_eq!(cut([limit, limit, u64::MAX, limit]), None);
}

/// Chi-square over the first and the last digit of 50,000 codes: a bias or a dropped leading zero would show.
#[test]
fn digits_are_evenly_spread() {
    let ring = ring();
    let key = ring.slot(KeySlot(0)).unwrap();
    let draws = 50_000u32;
    let mut counts = [[0u32; 10]; 2];
    for _ in 0..draws {
        let text = digits(key, &ROW, &derived(6)).unwrap();
        assert_eq!(text.len(), 6);
        let digit = |place: usize| usize::from(text.as_bytes()[place] - b'0');
        counts[0][digit(0)] += 1;
        counts[1][digit(5)] += 1;
    }
    for places in counts {
        let expected = f64::from(draws) / 10.0;
        let chi_square: f64 = places.iter().map(|count| (f64::from(*count) - expected).powi(2) / expected).sum();
        // Nine degrees of freedom: exceeded once in ten million runs.
        assert!(chi_square < 50.0, "{places:?}");
    }
}

/// The code with one thing changed that must not be changed without the key.
fn loosened(code: &Code) -> Vec<Code> {
    let change = |change: fn(&mut Code)| {
        let mut code = code.clone();
        change(&mut code);
        code
    };
    vec![
        change(|code| code.expires = code.expires.plus(1)),
        change(|code| code.created = Time::from_ms(999)),
        change(|code| code.max_attempts = 10),
        change(|code| code.subject = Block::new([7; 16])),
        change(|code| code.context = code.context.is_none().then_some(Block::new([8; 16]))),
        change(|code| code.context = Some(Block::new([9; 16]))),
    ]
}

#[test]
fn a_code_follows_from_everything_it_is_bound_to() {
    let ring = ring();
    let key = ring.slot(KeySlot(0)).unwrap();
    for context in [None, Some(Block::new([6; 16]))] {
        let code = Code { context, ..derived(10) };
        let text = digits(key, &ROW, &code).unwrap();
        assert_eq!(digits(key, &ROW, &code).unwrap(), text);
        let mut others = loosened(&code);
        others.push(Code { secret: Secret::Derived { nonce: Block::new([9; 16]), length: 10 }, ..code.clone() });
        for other in others {
            assert_ne!(digits(key, &ROW, &other).unwrap(), text, "{other:?}");
        }
        let Secret::Derived { nonce, .. } = code.secret else { panic!("it is derived") };
        let shorter = Code { secret: Secret::Derived { nonce, length: 9 }, ..code.clone() };
        assert!(!text.ends_with(digits(key, &ROW, &shorter).unwrap().as_str()), "the length is bound as well");
        assert_ne!(digits(key, &Block::new([7; 16]), &code).unwrap(), text, "another row");
        assert_ne!(digits(self::ring().slot(KeySlot(0)).unwrap(), &ROW, &code).unwrap(), text, "another key");
    }
    for length in 4..=10 {
        assert_eq!(digits(key, &ROW, &derived(length)).unwrap().len(), usize::from(length));
    }
    for length in [20, u8::MAX] {
        assert_eq!(digits(key, &ROW, &derived(length)), None, "no number is so long, and none is looked for");
    }
}

#[test]
fn a_code_of_the_host_s_own_is_bound_as_a_derived_one_is() {
    let ring = ring();
    let key = ring.slot(KeySlot(0)).unwrap();
    for context in [None, Some("10 EUR")] {
        let mut code = derived(6);
        code.context = context.map(|text| context_mac(key, &ROW, &code, text));
        code.secret = Secret::Mac(mac(key, &ROW, &code, "my code"));
        assert_eq!(matched(&ring, &record(code.clone(), vec![]), "my code", context), Some(Match::Newest));
        for other in loosened(&code) {
            for context in [None, context] {
                assert_eq!(matched(&ring, &record(other.clone(), vec![]), "my code", context), None, "{other:?}");
            }
        }
    }
}

/// Whoever can write the file must not be able to make a replaced code the newest again.
#[test]
fn a_replaced_code_cannot_take_its_old_place() {
    let ring = ring();
    let key = ring.slot(KeySlot(0)).unwrap();
    let own = Code { secret: Secret::Mac(mac(key, &ROW, &derived(6), "my code")), ..derived(6) };
    let drawn = derived(10);
    let text = digits(key, &ROW, &drawn).unwrap();
    for (code, text) in [(own, "my code"), (drawn, text.as_str())] {
        let replaced = Code { secret: Secret::Mac(remembered(&ring, &ROW, &code).unwrap()), ..code };
        let told = record(derived(10), vec![replaced.clone()]);
        assert_eq!(matched(&ring, &told, text, None), Some(Match::Remembered(0)));
        assert_eq!(matched(&ring, &record(replaced, vec![]), text, None), None);
    }
}

#[test]
fn what_a_replaced_code_approved_belongs_to_it_still() {
    let ring = ring();
    let key = ring.slot(KeySlot(0)).unwrap();
    let mut code = derived(10);
    code.context = Some(context_mac(key, &ROW, &code, "10 EUR"));
    let text = digits(key, &ROW, &code).unwrap();
    code.secret = Secret::Mac(remembered(&ring, &ROW, &code).unwrap());
    let told = record(derived(10), vec![code.clone()]);
    assert_eq!(matched(&ring, &told, &text, Some("10 EUR")), Some(Match::Remembered(0)));
    assert_eq!(matched(&ring, &told, &text, None), None);
    assert!(is_remembered(&ring, &ROW, &told.remembered, &text).unwrap());
    for other in loosened(&code) {
        assert_eq!(matched(&ring, &record(derived(10), vec![other]), &text, Some("10 EUR")), None);
    }
}

fn guess(code: &str, context: Option<&str>) -> Guess {
    Guess { code: TypedCode::of(code).unwrap(), context: context.map(|context| Zeroizing::new(context.to_owned())) }
}

fn matched(ring: &KeyRing, record: &Record, code: &str, context: Option<&str>) -> Option<Match> {
    find(ring, &ROW, Some(record), &guess(code, context), Time::from_ms(1500)).unwrap()
}

#[test]
fn the_newest_and_the_remembered_are_found() {
    let ring = ring();
    let key = ring.slot(KeySlot(0)).unwrap();
    let mut remembered = Vec::new();
    let mut texts = Vec::new();
    for number in 0..REMEMBERED as u64 {
        let mut code = derived(6);
        code.expires = code.expires.plus(number);
        texts.push(digits(key, &ROW, &code).unwrap());
        code.secret = Secret::Mac(super::remembered(&ring, &ROW, &code).unwrap());
        remembered.push(code);
    }
    let newest = derived(10);
    let text = digits(key, &ROW, &newest).unwrap();
    let record = record(newest, remembered);
    assert_eq!(matched(&ring, &record, &text, None), Some(Match::Newest));
    for (index, text) in texts.iter().enumerate() {
        assert_eq!(matched(&ring, &record, text, None), Some(Match::Remembered(index)));
        assert!(is_remembered(&ring, &ROW, &record.remembered, text).unwrap());
    }
    for wrong in ["0", "00000000000", &text[..9], &format!("{}x", text.as_str())] {
        assert_eq!(matched(&ring, &record, wrong, None), None);
    }
    assert_eq!(find(&ring, &ROW, None, &guess(&text, None), Time::START).unwrap(), None);
    let past = Time::from_ms(2000 + 10 * 60_000);
    let guess = guess(&texts[0], None);
    assert_eq!(find(&ring, &ROW, Some(&record), &guess, past).unwrap(), None, "each until its own end");
}

#[test]
fn a_context_belongs_to_the_code() {
    let ring = ring();
    let key = ring.slot(KeySlot(0)).unwrap();
    let mut code = derived(6);
    let text = digits(key, &ROW, &code).unwrap();
    assert_eq!(matched(&ring, &record(code.clone(), vec![]), &text, Some("")), None, "none was given");
    for context in ["", "10 EUR to Ann"] {
        code.context = Some(context_mac(key, &ROW, &code, context));
        let text = digits(key, &ROW, &code).unwrap();
        let record = record(code.clone(), vec![]);
        assert_eq!(matched(&ring, &record, &text, Some(context)), Some(Match::Newest));
        assert_eq!(matched(&ring, &record, &text, None), None);
        assert_eq!(matched(&ring, &record, &text, Some("10 EUR to Bob")), None);
    }
}

#[test]
fn a_key_that_is_not_at_hand_is_an_error_and_never_a_no() {
    let ring = ring();
    let mut code = derived(6);
    code.slot = KeySlot(1);
    let guess = guess("123456", None);
    for record in [record(code.clone(), vec![]), record(derived(6), vec![code.clone()])] {
        let error = find(&ring, &ROW, Some(&record), &guess, Time::from_ms(1500)).unwrap_err();
        assert_eq!(error.outcome(), crate::Outcome::Config);
    }
    assert!(remembered(&ring, &ROW, &code).is_err());
}

#[test]
fn codes_of_digits_are_compared_as_people_type_and_others_byte_for_byte() {
    let ring = ring();
    let key = ring.slot(KeySlot(0)).unwrap();
    let own = |text: &str| {
        let mut code = derived(6);
        code.secret = Secret::Mac(mac(key, &ROW, &code, text));
        code
    };
    let drawn = derived(6);
    let text = digits(key, &ROW, &drawn).unwrap();
    for (code, text) in [(drawn, text.as_str()), (own("123456"), "123456")] {
        let (first, last) = text.split_at(3);
        let fullwidth: String = text.chars().map(|d| char::from_u32(d as u32 - 0x30 + 0xff10).unwrap()).collect();
        let arabic: String = text.chars().map(|d| char::from_u32(d as u32 - 0x30 + 0x660).unwrap()).collect();
        let replaced = Code { secret: Secret::Mac(remembered(&ring, &ROW, &code).unwrap()), ..code.clone() };
        let newest = record(code, Vec::new());
        let earlier = record(own("other code"), vec![replaced]);
        for typed in [
            text.to_owned(),
            format!("{first} {last}"),
            format!("{first}-{last}"),
            format!("{first}\u{2013}{last}\n"),
            format!(" \u{a0}{first}\u{200b}{last}\u{2069}"),
            fullwidth,
            arabic,
        ] {
            assert_eq!(matched(&ring, &newest, &typed, None), Some(Match::Newest), "{typed:?}");
            assert_eq!(matched(&ring, &earlier, &typed, None), Some(Match::Remembered(0)), "{typed:?}");
            assert!(is_remembered(&ring, &ROW, &earlier.remembered, &typed).unwrap(), "{typed:?}");
        }
        for typed in [format!("{first}.{last}"), format!("{text}0"), format!("{text}x"), format!("\u{661}{text}")] {
            assert_eq!(matched(&ring, &newest, &typed, None), None, "{typed:?}");
        }
    }
    for (code, typed) in [("12-34", "12-34"), ("AB 12", "AB 12"), ("    x", "    x")] {
        assert_eq!(matched(&ring, &record(own(code), Vec::new()), typed, None), Some(Match::Newest), "{code}");
    }
    for (code, typed) in [
        ("12-34", "1234"),
        ("12-34", "12 34"),
        ("12-34", "12\u{2013}34"),
        ("AB12", "AB 12"),
        ("AB12", "AB\u{661}\u{662}"),
    ] {
        assert_eq!(matched(&ring, &record(own(code), Vec::new()), typed, None), None, "{code}: {typed}");
    }
    assert!(TypedCode::of(" -\u{200b}\n").is_none() && TypedCode::of("").is_none());
}

/// A guess that is one code as it stands, and another as digits.
#[test]
fn of_two_codes_that_match_the_newest_counts() {
    let ring = ring();
    let key = ring.slot(KeySlot(0)).unwrap();
    let own = |text: &str| {
        let mut code = derived(6);
        code.secret = Secret::Mac(mac(key, &ROW, &code, text));
        code
    };
    let replaced = |text: &str| {
        let code = own(text);
        Code { secret: Secret::Mac(remembered(&ring, &ROW, &code).unwrap()), ..code }
    };
    let first = record(own("1234"), vec![replaced("12-34")]);
    assert_eq!(matched(&ring, &first, "12-34", None), Some(Match::Newest));
    let second = record(own("other"), vec![replaced("12-34"), replaced("1234")]);
    assert_eq!(matched(&ring, &second, "12-34", None), Some(Match::Remembered(0)));
    assert_eq!(matched(&ring, &second, "12 34", None), Some(Match::Remembered(1)));
}
