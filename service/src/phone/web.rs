//! The page and its requests. Nobody but a browser of this machine, on this very page, gets an answer: a page from
//! elsewhere can neither read it (the host must be this one) nor make it do something (JSON alone is taken).

use std::convert::Infallible;
use std::sync::Arc;

use hyper::body::Incoming;
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HOST, HeaderMap, HeaderName, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use otp::Outcome;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tokio::net::TcpStream;

use super::carriers::{Mode, Name};
use super::inbox::Channel;
use super::stage::Stage;
use crate::PATIENCE;
use crate::answer::{Answer, only};
use crate::pages::body;
use crate::probes::READ;

/// Most bytes of a request of the page, and of a report.
const REQUEST_BYTES: usize = 4 * 1024;
const REPORT_BYTES: usize = 64 * 1024;

/// How far a visitor skips who does not want to wait: a minute.
const SKIPPED_MS: i64 = 60_000;

const JSON: &str = "application/json";

/// What a browser may load for the page, and who may show it: all of it comes from here.
const HEADERS: [(HeaderName, &str); 4] = [
    (
        hyper::header::CONTENT_SECURITY_POLICY,
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
         base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    ),
    (hyper::header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (hyper::header::REFERRER_POLICY, "no-referrer"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
];

/// The files of the page.
const FILES: [(&str, &str, &str); 4] = [
    ("/", "text/html; charset=utf-8", include_str!("page.html")),
    ("/page.css", "text/css; charset=utf-8", include_str!("page.css")),
    ("/page.js", "text/javascript; charset=utf-8", include_str!("page.js")),
    ("/icon.svg", "image/svg+xml", include_str!("icon.svg")),
];

/// Answers a connection until it ends.
pub async fn converse(stream: TcpStream, stage: Arc<Stage>, port: u16) {
    let respond = service_fn(move |request| {
        let stage = stage.clone();
        async move {
            let answer = answer(stage, request, port).await.unwrap_or_else(|refusal| refusal);
            let mut response: Response<String> = answer.into();
            response.headers_mut().extend(HEADERS.map(|(name, value)| (name, HeaderValue::from_static(value))));
            Ok::<_, Infallible>(response)
        }
    });
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(PATIENCE);
    // How it ended concerns nobody.
    let _ = http.serve_connection(TokioIo::new(stream), respond).await;
}

/// That the browser was told this machine's own name: another name that leads here is a trick.
fn is_here(headers: &HeaderMap, port: u16) -> bool {
    let mut hosts = headers.get_all(HOST).iter();
    let (Some(host), None) = (hosts.next().and_then(|host| host.to_str().ok()), hosts.next()) else { return false };
    let (name, at) = host.split_once(':').map_or((host, None), |(name, at)| (name, Some(at)));
    matches!(name, "127.0.0.1" | "localhost") && at.is_none_or(|at| at == port.to_string())
}

fn is_json(headers: &HeaderMap) -> bool {
    let kind = headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    kind.split(';').next().is_some_and(|kind| kind.trim().eq_ignore_ascii_case(JSON))
}

async fn answer(stage: Arc<Stage>, request: Request<Incoming>, port: u16) -> Result<Answer, Answer> {
    if !is_here(request.headers(), port) {
        return Err(Answer::new(StatusCode::FORBIDDEN, "This page is for a browser on its own machine"));
    }
    let path = request.uri().path().to_owned();
    if let Some((_, kind, text)) = FILES.into_iter().find(|(name, _, _)| *name == path) {
        only(READ, request.method())?;
        return Ok(Answer::new(StatusCode::OK, text).of_kind(kind));
    }
    if path == "/phone/state" {
        only(READ, request.method())?;
        return call(move || stage.view()).await;
    }
    if !is_action(&path) {
        return Err(Answer::not_found());
    }
    only(&[Method::POST], request.method())?;
    if !is_json(request.headers()) {
        return Err(Answer::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "The body must be JSON, and its type must say so"));
    }
    if path == REPORT {
        let authorization = request.headers().get(AUTHORIZATION).and_then(|value| value.to_str().ok());
        let authorization = authorization.map(str::to_owned);
        let body = body(request, REPORT_BYTES).await?;
        let taken = move || stage.webhook(authorization.as_deref(), &body).map(|()| json!({}));
        return call(taken).await;
    }
    act(stage, &path, &body(request, REQUEST_BYTES).await?).await
}

/// Where Vonage reports.
const REPORT: &str = "/webhooks/message-status";

fn is_action(path: &str) -> bool {
    let actions = ["create", "resend", "verify", "read", "ignore", "carrier", "speed", "skip", "unlock", "reset"];
    path == REPORT || path.strip_prefix("/phone/").is_some_and(|action| actions.contains(&action))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Create {
    phone_number: String,
    channels: Vec<Channel>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Again {
    channel: Option<Channel>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Typed {
    code: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Chosen {
    id: u64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Fate {
    name: Name,
    mode: Mode,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Speed {
    speed: u32,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Nothing {}

async fn act(stage: Arc<Stage>, path: &str, body: &[u8]) -> Result<Answer, Answer> {
    match path.trim_start_matches("/phone/") {
        "create" => {
            let Create { phone_number, channels } = read(body)?;
            call(move || stage.create(&phone_number, channels)).await
        }
        "resend" => {
            let Again { channel } = read(body)?;
            call(move || stage.resend(channel)).await
        }
        "verify" => {
            let Typed { code } = read(body)?;
            call(move || stage.verify(&code)).await
        }
        "read" => {
            let Chosen { id } = read(body)?;
            call(move || stage.read(id)).await
        }
        "ignore" => {
            let Chosen { id } = read(body)?;
            call(move || stage.ignore(id)).await
        }
        "carrier" => {
            let Fate { name, mode } = read(body)?;
            stage.carriers.set(name, mode);
            done()
        }
        "speed" => {
            let Speed { speed } = read(body)?;
            if stage.clock.run_at(speed) { done() } else { Err(not_understood()) }
        }
        "skip" => {
            let Nothing {} = read(body)?;
            stage.clock.skip(SKIPPED_MS);
            done()
        }
        "unlock" => {
            let Nothing {} = read(body)?;
            call(move || stage.unlock()).await
        }
        _ => {
            let Nothing {} = read(body)?;
            call(move || stage.reset()).await
        }
    }
}

fn not_understood() -> Answer {
    Answer::new(StatusCode::BAD_REQUEST, "The body is not understood")
}

/// Reads an object; serde would take the items of a list for its members.
fn read<T: DeserializeOwned>(body: &[u8]) -> Result<T, Answer> {
    let object = body.trim_ascii_start().starts_with(b"{").then_some(body);
    object.and_then(|object| serde_json::from_slice(object).ok()).ok_or_else(not_understood)
}

fn of_json(value: &Value) -> Answer {
    Answer::new(StatusCode::OK, value.to_string()).of_kind(JSON)
}

fn done() -> Result<Answer, Answer> {
    Ok(of_json(&json!({"result": Outcome::Ok})))
}

/// Calls the library on a thread that may wait. What it answers is told with status 200, whatever it is: the page shows
/// refusals, too.
async fn call(work: impl FnOnce() -> otp::Result<Value> + Send + 'static) -> Result<Answer, Answer> {
    match tokio::task::spawn_blocking(work).await {
        Ok(Ok(value)) => Ok(of_json(&value)),
        Ok(Err(error)) if error.outcome() == Outcome::Signature || error.outcome() == Outcome::Unsigned => {
            Err(Answer::of(error.outcome()))
        }
        Ok(Err(error)) => {
            let (outcome, detail) = (error.outcome(), error.detail());
            Ok(of_json(&json!({"result": outcome, "message": outcome.message(), "detail": detail})))
        }
        Err(_panicked) => Err(Answer::of(Outcome::Internal)),
    }
}
