//! Signs webhooks as the carrier does, for tests.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::digest::{SHA256, digest};
use serde_json::{Value, json};

use crate::clock::Time;
use crate::hex;
use crate::keys::MacKey;

/// The `Authorization` of a genuine webhook with this body.
pub fn authorization(secret: &str, jti: &str, issued_at: Time, body: &[u8]) -> String {
    let claims = claims(jti, issued_at, body);
    bearer(secret, r#"{"alg":"HS256","typ":"JWT"}"#, &claims.to_string())
}

/// The claims of a genuine webhook that names neither account nor application.
pub fn claims(jti: &str, issued_at: Time, body: &[u8]) -> Value {
    json!({"iat": issued_at.ms() / 1000, "jti": jti, "iss": "Vonage", "payload_hash": sha256(body)})
}

/// Any header and claims, signed by HS256 whatever they say.
pub fn bearer(secret: &str, header: &str, claims: &str) -> String {
    let message = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims));
    let tag = MacKey::new(secret.as_bytes()).sign(message.as_bytes());
    format!("Bearer {message}.{}", URL_SAFE_NO_PAD.encode(tag.as_ref()))
}

/// SHA-256 in lower-case hexadecimal.
pub fn sha256(body: &[u8]) -> String {
    hex::encode(digest(&SHA256, body).as_ref())
}
