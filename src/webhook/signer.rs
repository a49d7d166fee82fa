//! Signs webhooks as the carrier does, for tests.

use ring::digest::{SHA256, digest};
use serde_json::{Value, json};
use simulator::webhook;

use crate::clock::Time;
use crate::hex;

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
    webhook::bearer(secret, header, claims)
}

/// SHA-256 in lower-case hexadecimal.
pub fn sha256(body: &[u8]) -> String {
    hex::encode(digest(&SHA256, body).as_ref())
}
