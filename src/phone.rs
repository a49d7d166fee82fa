//! Phone numbers in one canonical form, so that every spelling of a number is one recipient.

/// The number as ITU-T E.164 writes it, without the `+`: 7 to 15 digits, of which the first is no `0`.
///
/// Spaces and `-./()` between the digits, and a leading `+` or `00`, are passed over. `None` for anything else, and
/// for a trunk prefix in parentheses (`+44 (0)20 …`): whether its zero is dialled depends on the country.
pub fn canonical(text: &str) -> Option<String> {
    if text.contains("(0)") {
        return None;
    }
    let (mut digits, mut plus) = (String::with_capacity(text.len()), false);
    for letter in text.chars() {
        match letter {
            '0'..='9' => digits.push(letter),
            '+' if digits.is_empty() && !plus => plus = true,
            ' ' | '-' | '.' | '/' | '(' | ')' => {}
            _ => return None,
        }
    }
    if !plus && digits.starts_with("00") {
        digits.drain(..2);
    }
    ((7..=15).contains(&digits.len()) && !digits.starts_with('0')).then_some(digits)
}

#[cfg(test)]
mod tests {
    use super::canonical;

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
        ] {
            assert_eq!(canonical(text).as_deref(), Some("393331234567"), "{text}");
        }
    }

    #[test]
    fn length_and_first_digit() {
        assert_eq!(canonical("1234567").as_deref(), Some("1234567"));
        assert_eq!(canonical("123456789012345").as_deref(), Some("123456789012345"));
        assert_eq!(canonical("00123456789012345").as_deref(), Some("123456789012345"));
        for text in ["", "+", "00", "123456", "1234567890123456", "0393331234567", "000393331234567", "+00393331234567"]
        {
            assert_eq!(canonical(text), None, "{text}");
        }
    }

    #[test]
    fn foreign_characters() {
        for text in [
            "++393331234567",
            "39+3331234567",
            "393331234567+",
            "39333123456a",
            "39333\t1234567",
            "39333\u{a0}1234567",
            "393331234567\n",
            "393331234567\0",
            "３９３３３１２３４５６７",
            "٣٩٣٣٣١٢٣٤٥٦٧",
            "393331234567;ext=1",
            "tel:393331234567",
            "+44 (0)20 7946 0958",
        ] {
            assert_eq!(canonical(text), None, "{text:?}");
        }
    }
}
