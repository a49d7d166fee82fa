//! Webhooks, signed as the carrier signs them.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpStream};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::digest::{SHA256, digest};
use ring::hmac;
use serde_json::{Value, json};

use super::Shared;

/// The `Authorization` of a genuine webhook with this body, with a `jti` of its own.
pub fn authorization(shared: &Shared, body: &[u8]) -> String {
    let number = {
        let mut state = shared.state();
        state.webhooks += 1;
        state.webhooks
    };
    let account = &shared.account;
    let hash: String = digest(&SHA256, body).as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    let claims = json!({"iat": (shared.clock)() / 1000, "jti": format!("webhook-{number}"), "iss": "Vonage",
        "payload_hash": hash, "api_key": account.api_key, "application_id": account.application_id});
    let head = URL_SAFE_NO_PAD.encode(r#"{"alg":"HS256","typ":"JWT"}"#);
    let signed = format!("{head}.{}", URL_SAFE_NO_PAD.encode(claims.to_string()));
    let key = hmac::Key::new(hmac::HMAC_SHA256, account.signature_secret.as_bytes());
    let tag = hmac::sign(&key, signed.as_bytes());
    format!("Bearer {signed}.{}", URL_SAFE_NO_PAD.encode(tag.as_ref()))
}

/// The carrier's time; webhooks are never refused for theirs, so its day need not be right.
pub fn timestamp(shared: &Shared) -> String {
    let seconds = (shared.clock)() / 1000 % 86_400;
    format!("2026-01-01T{:02}:{:02}:{:02}Z", seconds / 3600, seconds / 60 % 60, seconds % 60)
}

/// Sends a webhook, once: a host that does not listen misses it.
pub fn post(shared: &Shared, body: &Value) {
    let Some(port) = shared.account.webhook_port else { return };
    let body = body.to_string();
    let authorization = authorization(shared, body.as_bytes());
    let request = format!(
        "POST /webhooks/message-status HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Type: \
         application/json\r\nAuthorization: {authorization}\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    if let Ok(mut stream) = TcpStream::connect((Ipv4Addr::LOCALHOST, port)) {
        // What the host answers is not acted on.
        let _ = stream.write_all(request.as_bytes()).and_then(|()| stream.read_to_end(&mut Vec::new()));
    }
}
