//! `webhook`: how webhooks of the carrier are checked.

use zeroize::Zeroizing;

use super::secret;
use crate::error::Result;
use crate::strict::{Object, is_name, is_visible_ascii};

/// Least bytes of a secret. Vonage, signed webhooks: "no less than 32 bits".
const MIN_SECRET_BYTES: usize = 4;

/// Bytes below which a secret draws a warning. RFC 7518, 3.2: a key of HS256 has 256 bits or more.
const GOOD_SECRET_BYTES: usize = 32;

const DEFAULT_MAX_AGE_SECONDS: u64 = 300;

/// How webhooks of the carrier are checked. Holds the secret, and so has no `Debug`.
#[derive(Clone)]
pub struct WebhookConfig {
    /// The account's signature secret: the key of HS256.
    pub signature_secret: Zeroizing<String>,
    /// The account whose webhooks are taken; any whose secret it is, if absent.
    pub api_key: Option<String>,
    /// The application whose webhooks are taken; any, if absent.
    pub application_id: Option<String>,
    /// How far from now, in seconds and either way, a webhook may have been signed: 1 to 86,400. By default 300: the
    /// carrier does not say whether it signs again what it sends again for up to 24 hours, so a host that wants late
    /// repeats raises this to 86,400.
    pub max_age_seconds: u64,
}

impl WebhookConfig {
    /// Takes `webhook`; `None` when it is not there.
    ///
    /// # Errors
    ///
    /// A missing secret; an unknown member, or one out of its range.
    pub fn read(root: &mut Object, warnings: &mut Vec<String>) -> Result<Option<Self>> {
        let Some(node) = root.take("webhook") else { return Ok(None) };
        let mut options = node.object()?;
        let is_secret = |secret: &str| secret.len() >= MIN_SECRET_BYTES && is_name(secret, 256);
        let secret = secret::need(&mut options, "signatureSecret")?;
        let secret = secret.text_if("a text of 4 to 256 bytes without control characters", is_secret)?;
        if secret.len() < GOOD_SECRET_BYTES {
            warnings.push("webhook.signatureSecret: shorter than 32 bytes".to_owned());
        }
        let signature_secret = Zeroizing::new(secret.to_owned());
        let mut visible = |name: &str| {
            let node = secret::take(&mut options, name)?;
            node.map(|node| node.text_if("visible ASCII", is_visible_ascii).map(str::to_owned)).transpose()
        };
        let (api_key, application_id) = (visible("apiKey")?, visible("applicationId")?);
        let max_age_seconds = match options.take("maxAgeSeconds") {
            Some(node) => node.integer(1..=86_400)?,
            None => DEFAULT_MAX_AGE_SECONDS,
        };
        options.finish()?;
        Ok(Some(Self { signature_secret, api_key, application_id, max_age_seconds }))
    }
}

#[cfg(test)]
mod tests;
