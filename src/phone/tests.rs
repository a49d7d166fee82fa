use std::collections::{BTreeMap, BTreeSet, HashMap};

use phonenumber::metadata::{DATABASE, Descriptor};
use phonenumber::{Metadata, Mode};

use super::*;

fn code(code: &str) -> Option<&'static CallingCode> {
    Some(CallingCode::named(code).unwrap_or_else(|| panic!("{code}")))
}

/// The same numbers each time.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from((self.0 >> 11) % limit as u64).unwrap()
    }

    fn digits(&mut self, count: usize) -> String {
        (0..count).map(|_| char::from_digit(self.below(10) as u32, 10).unwrap()).collect()
    }
}

#[test]
fn spellings_of_one_number() {
    for text in [
        "393331234567",
        "+393331234567",
        "00393331234567",
        "+39 333 123 4567",
        "0039 333-123-4567",
        "(+39) 333.123/4567",
        " +39 (333) 1234567 ",
        "00 39 333 1234567",
        "tel:+39-333-1234567",
        "TEL:393331234567",
        "39333\t1234567\n",
        "39333\u{a0}1234567",
        "\u{2068}+39 333\u{2011}123\u{2011}4567\u{2069}",
        "\u{202a}+39 333 1234567\u{202c}",
        "＋３９ （３３３） １２３４５６７",
        "٣٩٣٣٣١٢٣٤٥٦٧",
        "+۳۹ ۳۳۳ ۱۲۳ ۴۵۶۷",
    ] {
        assert_eq!(canonical(text, None).as_deref(), Ok("393331234567"), "{text:?}");
    }
}

#[test]
fn what_is_no_number() {
    for text in [
        "",
        "+",
        "00",
        "tel:",
        "++393331234567",
        "39+3331234567",
        "393331234567+",
        "39333123456a",
        "393331234567\0",
        "393331234567;ext=1",
        "393331234567 x12",
        "3331234567",
        "0393331234567",
        "000393331234567",
        "+00393331234567",
        "+39 333 123",
        "+39 333 123 4567 8",
        "+999 123456789",
        "+800 12345678",
        "+1 234 567 890",
        "1234567890123456",
        "²39333123456",
    ] {
        assert_eq!(canonical(text, None), Err(Unread::NoNumber), "{text:?}");
    }
}

#[test]
fn a_zero_after_the_calling_code() {
    for text in [
        "+44 07911 123456",
        "+44 ( 0 ) 7911 123456",
        "+44 (0)7911 123456",
        "+44 (07911) 123456",
        "44 07911123456",
        "0044 0 7911 123456",
        "+49 0176 12345678",
        "+7 0912 345 67 89",
    ] {
        assert_eq!(canonical(text, None), Err(Unread::ZeroAfterCode), "{text}");
        assert_eq!(canonical(text, code("44")), Err(Unread::ZeroAfterCode), "{text}");
    }
    for (text, number) in [
        ("+39 06 1234 5678", "390612345678"),
        ("+39 (0)6 1234 5678", "390612345678"),
        ("+225 07 01 02 03 04", "2250701020304"),
        ("+242 06 612 3456", "242066123456"),
        ("+44 7911 123456", "447911123456"),
    ] {
        assert_eq!(canonical(text, None).as_deref(), Ok(number), "{text}");
    }
}

#[test]
fn national_numbers() {
    for (default, text, number) in [
        ("39", "3331234567", "393331234567"),
        ("39", "333 123 4567", "393331234567"),
        ("39", "06 1234 5678", "390612345678"),
        ("39", "393331234567", "393331234567"),
        ("39", "+393331234567", "393331234567"),
        ("39", "+44 7911 123456", "447911123456"),
        ("39", "0044 7911 123456", "447911123456"),
        ("44", "07911 123456", "447911123456"),
        ("44", "(07911) 123456", "447911123456"),
        ("44", "7911 123456", "447911123456"),
        ("44", "447911123456", "447911123456"),
        ("49", "0176 12345678", "4917612345678"),
        ("7", "8 912 345-67-89", "79123456789"),
        ("7", "912 345-67-89", "79123456789"),
        ("7", "7 912 345-67-89", "79123456789"),
        ("7", "8 800 555-35-35", "78005553535"),
        ("375", "8 029 491 19 11", "375294911911"),
        ("36", "06 20 123 4567", "36201234567"),
        ("1", "(201) 555-0123", "12015550123"),
        ("1", "1 201 555 0123", "12015550123"),
        ("225", "07 01 02 03 04", "2250701020304"),
        ("45", "32 12 34 56", "4532123456"),
        ("241", "062 12 34 56", "24162123456"),
    ] {
        assert_eq!(canonical(text, code(default)).as_deref(), Ok(number), "{default}: {text}");
    }
    for (default, text, unread) in [
        // A number of Germany, or of the United States.
        ("49", "15123456789", Unread::Ambiguous),
        ("45", "032 12 34 56", Unread::NoNumber),
        ("44", "007911123456", Unread::NoNumber),
        ("39", "333 123", Unread::NoNumber),
        ("1", "0201 555 0123", Unread::NoNumber),
    ] {
        assert_eq!(canonical(text, code(default)), Err(unread), "{default}: {text}");
    }
}

#[test]
fn everything_that_a_text_may_mean() {
    let of = |text: &str, default: Option<&'static CallingCode>| readings(text, default).join(" ");
    assert_eq!(of("+39 333 123 4567", None), "393331234567");
    assert_eq!(of("15123456789", code("49")), "4915123456789 15123456789");
    assert_eq!(of("3331234567", code("39")), "393331234567 3331234567");
    assert_eq!(of("+44 07911 123456", None), "4407911123456", "as an earlier version kept it");
    assert_eq!(of("8192836451", None), "8192836451");
    for text in ["", "alice", "123456", "+39 33", "1234567890123456"] {
        assert_eq!(of(text, code("39")), "", "{text}");
    }
    for text in ["+", "+39 33", "tel:12", "+1234567890123456", "\u{2068}+39\u{2069}", "+39 333 123", "+44 07911 123456"]
    {
        assert!(is_broken(text, None), "{text:?}");
    }
    for text in ["", "alice", "12", "+39 333 123 4567", "+alice", "tel:alice", "12-34", "(0)", "2024/117", " - "] {
        assert!(!is_broken(text, None), "{text:?}");
    }
}

/// What the metadata says of all regions of a calling code.
#[derive(Debug, Default, PartialEq)]
struct Known {
    mobile: BTreeSet<usize>,
    trunk: String,
    has_zero: bool,
}

impl Known {
    fn of(regions: &[&Metadata], random: &mut Random) -> Self {
        let mut known = Self::default();
        for region in regions {
            let all = region.descriptors();
            known.trunk = region.national_prefix().unwrap_or_default().to_owned();
            known.mobile.extend(all.mobile().iter().flat_map(|mobile| lengths(mobile)));
            for descriptor in [all.mobile(), all.fixed_line()].into_iter().flatten() {
                let begins_with_zero = |length, random: &mut Random| {
                    (0..3000).any(|_| descriptor.is_match(&format!("0{}", random.digits(length - 1))))
                };
                known.has_zero |= lengths(descriptor)
                    .any(|length| known.mobile.contains(&length) && begins_with_zero(length, random));
            }
        }
        known.has_zero &= known.trunk != "0";
        known
    }
}

fn lengths(descriptor: &Descriptor) -> impl Iterator<Item = usize> {
    descriptor.possible_length().iter().map(|length| usize::from(*length))
}

/// The metadata still has Gabon's numbers of before 2019, each in two forms. Ours are those of today, whose 8 digits
/// begin with no 0 except the one that is dialled.
const GABON: u16 = 241;

#[test]
fn the_table_is_what_the_world_has() {
    let mut random = Random(1);
    let mut count = 0;
    for number in 1..=999u16 {
        let known = DATABASE.by_code(&number).map(|regions| Known::of(&regions, &mut random)).unwrap_or_default();
        let Some(row) = CallingCode::named(&number.to_string()) else {
            assert!(known.mobile.is_empty(), "{number} is missing: {known:?}");
            continue;
        };
        if number == GABON {
            continue;
        }
        let mobile = (0..20).filter(|length| row.has(&"1".repeat(*length))).collect();
        let ours = Known { mobile, trunk: row.trunk.digits().to_owned(), has_zero: row.trunk == Trunk::Kept };
        assert_eq!(ours, known, "{number}");
        count += 1;
    }
    assert!(count > 200);
    for no_code in ["", "0", "039", "+39", "1000", "3", "39a"] {
        assert!(CallingCode::named(no_code).is_none(), "{no_code}");
    }
}

/// Marks that may stand around and inside a number.
const MARKS: [&str; 12] =
    [" ", "\u{a0}", "-", "\u{2011}", ".", "/", "\u{2068}", "\u{200b}", "(", ")", "\t", "\u{202f}"];

/// A spelling of a number of a country, in its national or international form.
fn spelled(number: &phonenumber::PhoneNumber, digits: &str, random: &mut Random) -> String {
    let mode = [Mode::E164, Mode::International, Mode::Rfc3966, Mode::National][random.below(4)];
    let mut text = match random.below(3) {
        0 => format!("{}{digits}", ["", "+", "00"][random.below(3)]),
        _ => number.format().mode(mode).to_string(),
    };
    for _ in 0..random.below(4) {
        let places: Vec<usize> = text.char_indices().map(|(place, _)| place).filter(|place| *place > 4).collect();
        if let Some(place) = places.get(random.below(places.len().max(1))) {
            text.insert_str(*place, MARKS[random.below(MARKS.len())]);
        }
    }
    if random.below(4) == 0 {
        let other = [0x660, 0x6f0, 0x966, 0xff10][random.below(4)];
        let digit = |letter: char| letter.to_digit(10).map_or(letter, |digit| char::from_u32(other + digit).unwrap());
        text = text.chars().map(digit).collect();
    }
    text
}

/// 100,000 spellings of numbers of every calling code: each number has one recipient, or is refused.
#[test]
fn a_number_is_one_recipient_however_it_is_spelled() {
    let mut random = Random(20_261_126);
    let codes: BTreeMap<u16, Vec<&Metadata>> =
        (1..=999).filter_map(|code| Some((code, DATABASE.by_code(&code)?))).collect();
    let mut spellings = 0;
    let (mut read, mut refused) = (0, HashMap::<Unread, usize>::new());
    while spellings < 100_000 {
        for (code, regions) in &codes {
            let region = regions[random.below(regions.len())];
            let Some(mobile) = region.descriptors().mobile().filter(|mobile| !mobile.possible_length().is_empty())
            else {
                continue;
            };
            let known: Vec<usize> = lengths(mobile).collect();
            let length = known[random.below(known.len())];
            let national = random.digits(length);
            let default = CallingCode::named(&code.to_string());
            if !default.is_some_and(|code| code.has(&national)) {
                continue;
            }
            let digits = format!("{code}{national}");
            let Ok(number) = phonenumber::parse(None, format!("+{digits}")) else { continue };
            // What the crate reads otherwise, it also writes otherwise.
            let e164 = number.format().mode(Mode::E164).to_string();
            if e164 != format!("+{digits}") {
                continue;
            }
            for _ in 0..4 {
                let text = spelled(&number, &digits, &mut random);
                spellings += 1;
                match canonical(&text, default) {
                    Ok(read_as) => {
                        assert_eq!(read_as, digits, "{text}");
                        read += 1;
                    }
                    Err(unread) => *refused.entry(unread).or_default() += 1,
                }
            }
        }
    }
    println!("{read} read, refused: {refused:?}");
    assert!(read > 70_000, "{read} read, refused: {refused:?}");
}
