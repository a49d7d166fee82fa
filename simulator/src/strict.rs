//! Who may send, and what a request may hold.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use ring::signature::{RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey};
use serde_json::{Map, Value};

use super::Shared;

pub const DISPATCH: &str = "/v0.1/dispatch";
pub const MESSAGES: &str = "/v1/messages";

/// A request that is not taken.
pub struct Refusal {
    pub status: u16,
    pub code: String,
    pub detail: String,
}

impl Refusal {
    pub fn new(status: u16, code: &str, detail: &str) -> Self {
        Self { status, code: code.to_owned(), detail: detail.to_owned() }
    }
}

fn invalid<T>(detail: &str) -> Result<T, Refusal> {
    Err(Refusal::new(422, "invalid-params", detail))
}

pub fn check(shared: &Shared, path: &str, authorization: &str, body: Option<&Value>) -> Result<(), Refusal> {
    if authorized(shared, authorization).is_none() {
        return Err(Refusal::new(401, "unauthorized", "no valid credentials"));
    }
    let Some(body) = body.and_then(Value::as_object) else { return invalid("the body is no JSON object") };
    match path {
        DISPATCH => workflow(body),
        MESSAGES => message(body),
        _ => Err(Refusal::new(404, "not-found", "there is no such endpoint")),
    }
}

fn authorized(shared: &Shared, authorization: &str) -> Option<()> {
    let account = &shared.account;
    if let Some(pair) = authorization.strip_prefix("Basic ") {
        let expected = format!("{}:{}", account.api_key, account.api_secret);
        return (STANDARD.decode(pair).ok()? == expected.as_bytes()).then_some(());
    }
    let token = authorization.strip_prefix("Bearer ")?;
    let (signed, signature) = token.rsplit_once('.')?;
    let (header, claims) = signed.split_once('.')?;
    let json = |part: &str| serde_json::from_slice::<Value>(&URL_SAFE_NO_PAD.decode(part).ok()?).ok();
    let (header, claims) = (json(header)?, json(claims)?);
    let key = UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, &account.public_key);
    key.verify(signed.as_bytes(), &URL_SAFE_NO_PAD.decode(signature).ok()?).ok()?;
    let (iat, exp) = (claims["iat"].as_i64()?, claims["exp"].as_i64()?);
    let now = (shared.clock)() / 1000;
    let in_time = iat <= now + 30 && now < exp && (30..=86_400).contains(&(exp - iat));
    let named =
        header["alg"] == "RS256" && header["typ"] == "JWT" && claims["application_id"] == *account.application_id;
    let jti = claims["jti"].as_str().filter(|jti| in_time && named && !jti.is_empty())?.to_owned();
    // A token serves many requests, and a `jti` one token.
    (shared.state().tokens.entry(jti).or_insert_with(|| token.to_owned()) == token).then_some(())
}

/// That an object has no other members than these.
fn only(object: &Map<String, Value>, allowed: &[&str]) -> Result<(), Refusal> {
    match object.keys().find(|name| !allowed.contains(&name.as_str())) {
        Some(name) => invalid(&format!("unknown member {name}")),
        None => Ok(()),
    }
}

fn text<'a>(object: &'a Map<String, Value>, name: &str) -> Result<&'a str, Refusal> {
    match object.get(name).and_then(Value::as_str) {
        Some(text) if !text.is_empty() => Ok(text),
        _ => invalid(&format!("{name} is no text")),
    }
}

fn object<'a>(object: &'a Map<String, Value>, name: &str) -> Result<&'a Map<String, Value>, Refusal> {
    object.get(name).and_then(Value::as_object).map_or_else(|| invalid(&format!("{name} is no object")), Ok)
}

fn message(body: &Map<String, Value>) -> Result<(), Refusal> {
    only(body, &["channel", "message_type", "to", "from", "client_ref", "text", "custom", "rcs"])?;
    let (channel, to) = (text(body, "channel")?, text(body, "to")?);
    text(body, "from")?;
    if body.contains_key("client_ref") && text(body, "client_ref")?.len() > 100 {
        return invalid("client_ref is too long");
    }
    match channel {
        "messenger" if to.len() <= 50 => {}
        "sms" | "whatsapp" | "viber_service" | "rcs" if is_number(to) => {}
        _ => return invalid("channel or to"),
    }
    if body.contains_key("rcs") {
        only(object(body, "rcs")?, &["category"])?;
    }
    match (text(body, "message_type")?, channel) {
        ("text", _) if !body.contains_key("custom") => text(body, "text").map(drop),
        ("custom", "whatsapp") if !body.contains_key("text") => object(body, "custom").map(drop),
        _ => invalid("message_type"),
    }
}

fn is_number(to: &str) -> bool {
    (7..=15).contains(&to.len()) && to.bytes().all(|byte| byte.is_ascii_digit())
}

fn workflow(body: &Map<String, Value>) -> Result<(), Refusal> {
    only(body, &["template", "workflow"])?;
    let steps = body.get("workflow").and_then(Value::as_array).filter(|steps| !steps.is_empty());
    let Some(steps) = steps.filter(|_| body.get("template").is_some_and(|template| template == "failover")) else {
        return invalid("template or workflow");
    };
    for (index, step) in steps.iter().enumerate() {
        let Some(step) = step.as_object() else { return invalid("a message is no object") };
        only(step, &["from", "to", "message", "failover"])?;
        address(object(step, "from")?)?;
        address(object(step, "to")?)?;
        only(object(step, "message")?, &["content", "whatsapp"])?;
        object(object(step, "message")?, "content")?;
        if step.contains_key("failover") == (index + 1 == steps.len()) {
            return Err(Refusal::new(400, "invalid-params", "failover belongs to every message but the last"));
        }
        if index + 1 < steps.len() {
            failover(object(step, "failover")?)?;
        }
    }
    Ok(())
}

fn address(address: &Map<String, Value>) -> Result<(), Refusal> {
    only(address, &["type", "id", "number"])?;
    text(address, "type")?;
    match address.contains_key("id") {
        true if address.contains_key("number") => invalid("id and number"),
        true => text(address, "id").map(drop),
        false => text(address, "number").map(drop),
    }
}

fn failover(failover: &Map<String, Value>) -> Result<(), Refusal> {
    only(failover, &["expiry_time", "condition_status"])?;
    let in_range =
        failover.get("expiry_time").and_then(Value::as_u64).is_some_and(|time| (15..=86_400).contains(&time));
    match text(failover, "condition_status")? {
        "delivered" | "read" if in_range => Ok(()),
        _ => invalid("failover"),
    }
}
