//! The signature of a webhook: a JWT in its `Authorization` header, by HS256 under the account's signature secret.
//!
//! Source: Vonage, "Signed webhooks". The carrier calls the check of the body's hash optional; without it a token that
//! leaked would sign any body, so here it is not.

use ring::digest::{SHA256, digest};
use serde::Deserialize;
use subtle::ConstantTimeEq as _;

use crate::clock::{SECOND_MS, Time};
use crate::config::WebhookConfig;
use crate::error::{Error, Result};
use crate::hex;
use crate::jwt::{self, VerifyingKey};
use crate::strict::is_name;

/// Longest `Authorization` header, in bytes; the carrier's have some 500.
const HEADER_LIMIT: usize = 8192;

/// Longest `jti`, in bytes; the carrier's is a UUID.
const JTI_BYTES: usize = 256;

const ISSUER: &str = "Vonage";

/// Tells genuine webhooks from others.
pub struct Verifier {
    key: VerifyingKey,
    api_key: Option<String>,
    application_id: Option<String>,
    max_age_seconds: f64,
}

/// What the signature of a genuine webhook says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signed {
    /// The signature's identifier: 1 to 256 bytes without control characters. Whether the carrier signs again what it
    /// sends again is not documented, so a repeated one means a duplicate, and a new one does not mean news.
    pub jti: String,
    /// When it was signed, by the carrier's clock; within the age that the configuration allows.
    pub issued_at: Time,
}

/// The claims that count. A repeated one, or one of another type, makes the token invalid.
#[derive(Deserialize)]
struct WebhookClaims {
    iat: Option<f64>,
    exp: Option<f64>,
    nbf: Option<f64>,
    jti: Option<String>,
    iss: Option<String>,
    payload_hash: Option<String>,
    api_key: Option<String>,
    application_id: Option<String>,
}

impl Verifier {
    /// A verifier by this configuration.
    ///
    /// # Errors
    ///
    /// `Config`: the process has a crypto provider for JWT that cannot do HS256.
    pub fn new(config: &WebhookConfig) -> Result<Self> {
        Ok(Self {
            key: VerifyingKey::from_secret(config.signature_secret.as_bytes())?,
            api_key: config.api_key.clone(),
            application_id: config.application_id.clone(),
            max_age_seconds: config.max_age_seconds as f64,
        })
    }

    /// Decides whether the carrier signed exactly this body, for this account, about now. `authorization` is the
    /// header's value, if there is one; `body` the request's bytes as they came.
    ///
    /// The header is one token of the scheme `Bearer` (in any case, RFC 9110, 11.1), with blanks around it or not.
    ///
    /// # Errors
    ///
    /// `Unsigned` without header or without `Bearer` in it: the carrier does that now and then, and sends again what
    /// is answered by 5xx. `Signature` when anything at all is wrong with the token, or there is more than one.
    pub fn verify(&self, authorization: Option<&str>, body: &[u8], now: Time) -> Result<Signed> {
        let token = bearer_token(authorization.unwrap_or_default())?;
        let claims = jwt::verify_hs256(&self.key, token).ok_or(Flaw("not signed with webhook.signatureSecret"))?;
        Ok(self.check(claims, body, now)?)
    }

    /// How long one webhook may come again with the same signature, in milliseconds: from as early to as late as it is
    /// taken.
    pub fn repeated_within_ms(&self) -> u64 {
        2 * self.max_age_seconds as u64 * SECOND_MS
    }

    fn check(&self, claims: WebhookClaims, body: &[u8], now: Time) -> std::result::Result<Signed, Flaw> {
        let hash = claims.payload_hash.and_then(|hash| hex::decode(&hash.to_ascii_lowercase()));
        let hash = hash.filter(|hash| hash.len() == SHA256.output_len());
        let hash = hash.ok_or(Flaw("payload_hash is missing or no SHA-256"))?;
        if !bool::from(digest(&SHA256, body).as_ref().ct_eq(&hash)) {
            return Err(Flaw("payload_hash is not that of the body"));
        }
        if claims.iss.as_deref() != Some(ISSUER) {
            return Err(Flaw("iss is not Vonage"));
        }
        if self.api_key.is_some() && claims.api_key != self.api_key {
            return Err(Flaw("api_key is not webhook.apiKey"));
        }
        // The carrier leaves it out where a webhook belongs to no application.
        if self.application_id.is_some()
            && claims.application_id.is_some()
            && claims.application_id != self.application_id
        {
            return Err(Flaw("application_id is not webhook.applicationId"));
        }
        let issued_at = claims.iat.ok_or(Flaw("iat is missing"))?;
        // Whole seconds, as the carrier counts.
        let now = (now.ms() / SECOND_MS) as f64;
        let is_current = claims.exp.is_none_or(|end| now < end) && claims.nbf.is_none_or(|start| start <= now);
        if (now - issued_at).abs() > self.max_age_seconds || !is_current {
            return Err(Flaw("signed too long ago, or in the future"));
        }
        let jti = claims.jti.filter(|jti| is_name(jti, JTI_BYTES));
        let jti = jti.ok_or(Flaw("jti is missing or not 1 to 256 bytes"))?;
        Ok(Signed { jti, issued_at: Time::from_ms((issued_at * SECOND_MS as f64) as u64) })
    }
}

/// What is wrong with a token.
struct Flaw(&'static str);

impl From<Flaw> for Error {
    fn from(flaw: Flaw) -> Self {
        Error::signature(format!("webhook: {}", flaw.0))
    }
}

/// The one token of the header.
fn bearer_token(header: &str) -> Result<&str> {
    if header.len() > HEADER_LIMIT {
        return Err(Flaw("authorization is longer than 8 KiB").into());
    }
    // Two headers of one name are one, with a comma (RFC 9110, 5.3).
    let mut words = header.split([' ', '\t', ',']).filter(|word| !word.is_empty());
    let is_bearer = |word: &str| word.eq_ignore_ascii_case("bearer");
    match (words.next(), words.next(), words.next()) {
        (Some(scheme), Some(token), None) if is_bearer(scheme) && !header.contains(',') => Ok(token),
        (Some(scheme), None, _) if is_bearer(scheme) => Err(Error::unsigned("webhook: authorization has no token")),
        _ if header.split([' ', '\t', ',']).any(is_bearer) => Err(Flaw("authorization is not one bearer token").into()),
        _ => Err(Error::unsigned("webhook: no bearer token in authorization")),
    }
}

#[cfg(test)]
mod tests;
