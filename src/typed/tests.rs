use regex::Regex;

use super::*;

#[test]
fn the_tables_are_those_of_unicode() {
    let class = |name: &str| Regex::new(&format!(r"^\p{{{name}}}$")).unwrap();
    let (digits, dashes, formats) = (class("Nd"), class("Pd"), class("Cf"));
    for letter in '\0'..=char::MAX {
        let mut bytes = [0; 4];
        let text = &*letter.encode_utf8(&mut bytes);
        let goes = letter.is_whitespace() || dashes.is_match(text) || formats.is_match(text);
        let folded = fold(text);
        match () {
            () if goes => assert_eq!(*folded, "", "{letter:?}"),
            () if digits.is_match(text) => {
                assert!(folded.len() == 1 && folded.as_bytes()[0].is_ascii_digit(), "{letter:?}: {}", *folded);
            }
            () => assert_eq!(*folded, text, "{letter:?}"),
        }
    }
}

#[test]
fn digits_of_every_script_have_their_value() {
    for (text, folded) in [
        ("0123456789", "0123456789"),
        ("٠١٢٣٤٥٦٧٨٩", "0123456789"),
        ("۰۱۲۳۴۵۶۷۸۹", "0123456789"),
        ("०१२३४५६७८९", "0123456789"),
        ("０１２３４５６７８９", "0123456789"),
        ("𝟎𝟗𝟘𝟡𝟢𝟫𝟬𝟵𝟶𝟿", "0909090909"),
        ("²½Ⅳ一", "²½Ⅳ一"),
    ] {
        assert_eq!(*fold(text), folded, "{text}");
    }
}

#[test]
fn what_nobody_means_goes() {
    for text in [
        "123 456",
        " 123456\n",
        "123-456",
        "123–456",
        "12\u{a0}34\u{202f}56",
        "\u{2068}123\u{200b}456\u{2069}",
        "\u{feff}123456",
        "1\t2\r\n3 4\u{2011}5\u{ad}6",
        "１２３ 456",
    ] {
        assert_eq!(*fold(text), "123456", "{text:?}");
    }
    assert_eq!(*fold(" -\u{200b}\n"), "");
    assert_eq!(*fold("a.B/c_d"), "a.B/c_d");
}
