//! What people type, as far as the configuration decides about it.

use super::{config, refused};

#[test]
fn own_codes() {
    let plain = config("{}");
    for code in ["1234", "1234567890123456", "aB c", "~!\"{}", "12-34"] {
        assert!(plain.takes_own_code(code), "{code}");
    }
    for code in ["", "123", "12345678901234567", "123\t", "123\u{7f}", "123é", "12\n4", "    ", "- --"] {
        assert!(!plain.takes_own_code(code), "{code:?}");
    }
    let nist = config(r#"{"policy": {"profile": "nist"}}"#);
    assert!(nist.takes_own_code("123456") && !nist.takes_own_code("12345"));
    let web = config(r#"{"webOtpDomain": "example.com"}"#);
    assert!(web.takes_own_code("1234") && !web.takes_own_code("12 34") && !web.takes_own_code("12#34"));
}

#[test]
fn default_country() {
    for (text, code) in [("39", 39), ("+39", 39), ("1", 1), ("225", 225)] {
        assert_eq!(config(&format!(r#"{{"defaultCountry": "{text}"}}"#)).default_country.unwrap().code, code);
    }
    for text in ["", "IT", "3", "0039", "039", "++39", "999", "39 "] {
        let expected = "defaultCountry: must be a calling code, such as 39";
        refused(&[(&format!(r#"{{"defaultCountry": "{text}"}}"#), expected)]);
    }
    refused(&[(r#"{"defaultCountry": 39}"#, "defaultCountry: must be a text")]);
}
