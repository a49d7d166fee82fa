//! Webhooks, signed as the carrier signs them.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::sync::Arc;
use std::thread;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::digest::{SHA256, digest};
use ring::hmac;
use serde_json::{Value, json};

use super::Shared;

/// What the host took: not sent again.
const TAKEN: std::ops::RangeInclusive<u16> = 200..=205;

/// How long after a first try the second comes, by the carrier's clock; twice as long after each further one.
const FIRST_PAUSE_MS: i64 = 5_000;

/// The longest time between two tries.
const LONGEST_PAUSE_MS: i64 = 15 * 60 * 1000;

/// When the carrier gives up.
const GIVEN_UP_MS: i64 = 24 * 60 * 60 * 1000;

/// A webhook with its signature.
#[derive(Clone)]
pub struct Webhook {
    pub authorization: String,
    pub body: String,
}

/// The `Authorization` of a genuine webhook with this body, with a `jti` of its own.
pub(super) fn authorization(shared: &Shared, body: &[u8]) -> String {
    let number = {
        let mut state = shared.state();
        state.signed += 1;
        state.signed
    };
    let account = &shared.account;
    let claims = json!({"iat": (shared.clock)() / 1000, "jti": format!("webhook-{number}"), "iss": "Vonage",
        "api_key": account.api_key, "application_id": account.application_id});
    signed(&account.signature_secret, claims, body)
}

/// An `Authorization` of these claims and of the body's hash, by this secret.
pub fn signed(secret: &str, mut claims: Value, body: &[u8]) -> String {
    let hash: String = digest(&SHA256, body).as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    claims["payload_hash"] = hash.into();
    bearer(secret, r#"{"alg":"HS256","typ":"JWT"}"#, &claims.to_string())
}

/// Any header and claims, signed by HS256 whatever they say.
pub fn bearer(secret: &str, header: &str, claims: &str) -> String {
    let signed = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims));
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes()), signed.as_bytes());
    format!("Bearer {signed}.{}", URL_SAFE_NO_PAD.encode(tag.as_ref()))
}

/// The carrier's time; webhooks are never refused for theirs, so its day need not be right.
pub(super) fn timestamp(shared: &Shared) -> String {
    let seconds = (shared.clock)() / 1000 % 86_400;
    format!("2026-01-01T{:02}:{:02}:{:02}Z", seconds / 3600, seconds / 60 % 60, seconds % 60)
}

/// Sends a webhook, or keeps it back with the others.
pub(super) fn post(shared: &Arc<Shared>, body: &Value) {
    let body = body.to_string();
    let webhook = Webhook { authorization: authorization(shared, body.as_bytes()), body };
    let mut state = shared.state();
    if let Some(held) = &mut state.held {
        held.push(webhook);
        drop(state);
        shared.changed.notify_all();
    } else {
        drop(state);
        deliver(shared, webhook);
    }
}

/// Sends a webhook, and sees to it that it comes again until the host takes it. Gives what the host answered; 0 where it
/// did not. The carrier's documents disagree on which answers of 4xx are tried again: here all are.
pub(super) fn deliver(shared: &Arc<Shared>, webhook: Webhook) -> u16 {
    let Some(port) = shared.account.webhook_port else { return 0 };
    let begun_ms = (shared.clock)();
    let status = send(port, &webhook).unwrap_or(0);
    if !TAKEN.contains(&status) {
        let shared = shared.clone();
        thread::spawn(move || send_again(&shared, port, webhook, begun_ms));
    }
    status
}

fn send_again(shared: &Shared, port: u16, mut webhook: Webhook, begun_ms: i64) {
    let (mut due, mut pause) = (begun_ms, FIRST_PAUSE_MS);
    while due + pause <= begun_ms + GIVEN_UP_MS {
        due += pause;
        shared.wait_until(due, || false);
        // Whether the carrier signs anew is not documented; a signature of yesterday could not be taken.
        webhook.authorization = authorization(shared, webhook.body.as_bytes());
        if send(port, &webhook).is_some_and(|status| TAKEN.contains(&status)) {
            return;
        }
        pause = (2 * pause).min(LONGEST_PAUSE_MS);
    }
}

fn send(port: u16, webhook: &Webhook) -> Option<u16> {
    let Webhook { authorization, body } = webhook;
    let request = format!(
        "POST /webhooks/message-status HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Type: \
         application/json\r\nAuthorization: {authorization}\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).ok()?;
    stream.write_all(request.as_bytes()).ok()?;
    let mut answer = Vec::new();
    // A host that closes hard has answered all the same.
    let _ = stream.read_to_end(&mut answer);
    String::from_utf8_lossy(&answer).split(' ').nth(1)?.parse().ok()
}
