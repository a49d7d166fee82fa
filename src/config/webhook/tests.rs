use super::WebhookConfig;
use crate::error::Error;
use crate::strict;

fn read(json: &str) -> (Option<WebhookConfig>, Vec<String>) {
    let mut root = strict::parse(json, "config", Error::config).unwrap().object().unwrap();
    let mut warnings = Vec::new();
    let config = WebhookConfig::read(&mut root, &mut warnings).unwrap();
    (config, warnings)
}

#[test]
fn options() {
    assert!(read("{}").0.is_none());

    let (config, warnings) = read(r#"{"webhook": {"signatureSecret": "0123456789abcdef0123456789abcdef"}}"#);
    let config = config.unwrap();
    assert_eq!(*config.signature_secret, "0123456789abcdef0123456789abcdef");
    assert_eq!((config.api_key, config.application_id, config.max_age_seconds), (None, None, 300));
    assert_eq!(warnings, Vec::<String>::new());

    let (config, warnings) = read(
        r#"{"webhook": {"signatureSecret": "ü234567890123456789012345678901",
            "apiKey": "k", "applicationId": "a", "maxAgeSeconds": 86400}}"#,
    );
    let config = config.unwrap();
    assert_eq!((config.api_key.as_deref(), config.application_id.as_deref()), (Some("k"), Some("a")));
    assert_eq!(config.max_age_seconds, 86_400);
    assert_eq!(warnings, Vec::<String>::new(), "32 bytes, though 31 characters");

    let (_, warnings) = read(r#"{"webhook": {"signatureSecret": "0123456789abcdef0123456789abcde"}}"#);
    assert_eq!(warnings, ["webhook.signatureSecret: shorter than 32 bytes"]);
}
