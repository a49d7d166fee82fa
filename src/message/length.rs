//! How many SMS a text takes.

/// Septets in an SMS by itself, and in a part of a longer one (3GPP TS 23.040, 9.2.3.24.1).
const GSM_7: Room = Room { alone: 160, part: 153 };
/// The same in UTF-16 code units.
const UCS_2: Room = Room { alone: 70, part: 67 };

/// GSM 03.38 basic set, without the escape.
const BASIC: &str = "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?\
                     ¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà";
/// Its extension: two septets each.
const EXTENSION: &str = "\u{c}^{}\\[~]|€";

/// Characters of which a warning tells.
const TOLD: usize = 3;

struct Room {
    alone: usize,
    part: usize,
}

/// What a text is as an SMS.
#[derive(Debug, PartialEq, Eq)]
pub struct Sms {
    /// Parts that are sent, and paid for.
    pub segments: usize,
    /// The characters because of which it is UCS-2: a few of them, each once. None: it is GSM-7.
    pub outside_gsm_7: String,
}

/// Counts the parts of an SMS. No part ends within a character.
pub fn sms(text: &str) -> Sms {
    let mut outside_gsm_7 = String::new();
    for character in text.chars().filter(|character| septets(*character).is_none()) {
        if outside_gsm_7.chars().count() < TOLD && !outside_gsm_7.contains(character) {
            outside_gsm_7.push(character);
        }
    }
    let segments = if outside_gsm_7.is_empty() {
        parts(text.chars().filter_map(septets), &GSM_7)
    } else {
        parts(text.chars().map(char::len_utf16), &UCS_2)
    };
    Sms { segments, outside_gsm_7 }
}

fn septets(character: char) -> Option<usize> {
    if BASIC.contains(character) { Some(1) } else { EXTENSION.contains(character).then_some(2) }
}

fn parts(units: impl Iterator<Item = usize> + Clone, room: &Room) -> usize {
    if units.clone().sum::<usize>() <= room.alone {
        return 1;
    }
    let (mut parts, mut used) = (1, 0);
    for size in units {
        if used + size > room.part {
            (parts, used) = (parts + 1, 0);
        }
        used += size;
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    fn segments(text: &str) -> usize {
        sms(text).segments
    }

    #[test]
    fn the_alphabet_has_its_size() {
        // 128 septets, one of which is the escape.
        assert_eq!((BASIC.chars().count(), EXTENSION.chars().count()), (127, 10));
        let mut all: Vec<_> = BASIC.chars().chain(EXTENSION.chars()).collect();
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), 137);
    }

    #[test]
    fn gsm_7() {
        assert_eq!(sms(""), Sms { segments: 1, outside_gsm_7: String::new() });
        for (unit, count, expected) in [
            ("x", 160, 1),
            ("x", 161, 2),
            ("à", 160, 1),
            ("x", 306, 2),
            ("x", 307, 3),
            ("€", 80, 1),
            ("€", 81, 2),
            // 153 is odd: the last septet of a part stays free.
            ("€", 152, 2),
            ("€", 153, 3),
        ] {
            assert_eq!(segments(&unit.repeat(count)), expected, "{count} of {unit}");
        }
        assert_eq!(segments(&("x".repeat(152) + "{" + &"x".repeat(151))), 2);
        assert_eq!(segments(&("x".repeat(152) + "{" + &"x".repeat(152))), 3);
    }

    #[test]
    fn ucs_2() {
        for (unit, count, expected) in [
            ("ж", 70, 1),
            ("ж", 71, 2),
            ("ж", 134, 2),
            ("ж", 135, 3),
            ("😀", 35, 1),
            ("😀", 36, 2),
            // 67 is odd: no part ends within a pair.
            ("😀", 66, 2),
            ("😀", 67, 3),
            ("ç", 71, 2),
        ] {
            assert_eq!(segments(&unit.repeat(count)), expected, "{count} of {unit}");
        }
        assert_eq!(sms("`a` „b“ — c").outside_gsm_7, "`„“");
        // One character outside makes all of them larger.
        assert_eq!(segments(&("x".repeat(70) + "ж")), 2);
    }
}
