//! Bytes as lower-case hexadecimal digits; with `#[serde(with = "hex")]` in JSON.

use serde::{Deserialize, Deserializer, Serializer};

/// The digits of these bytes.
pub fn encode(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The bytes of these digits; `None` for anything but pairs of them.
pub fn decode(text: &str) -> Option<Vec<u8>> {
    let is_digit = |byte: &u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    let pair = |pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    let is_hex = rest.is_empty() && text.bytes().all(|byte| is_digit(&byte));
    pairs.iter().map(|it| pair(&it[..])).collect::<Option<_>>().filter(|_| is_hex)
}

/// Writes the bytes as text.
pub fn serialize<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&encode(bytes))
}

/// Reads the bytes from text.
pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
    decode(&String::deserialize(deserializer)?).ok_or_else(|| serde::de::Error::custom("expected hexadecimal digits"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_pairs_of_lower_case_digits_are_bytes() {
        assert_eq!(encode(&[0, 0x9f, 0xff]), "009fff");
        assert_eq!(decode("009fff"), Some(vec![0, 0x9f, 0xff]));
        assert_eq!(decode(""), Some(Vec::new()));
        for text in ["0", "009", "0A", "+1", " 1", "0x", "ée", "0g"] {
            assert_eq!(decode(text), None, "{text:?}");
        }
    }
}
