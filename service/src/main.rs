//! The tutorial's HTTP service over libotp. `cargo run --release -p otp_service`, and then:
//!
//! ```text
//! curl -d '{"messengerId":"8192836451","phoneNumber":"393331234567"}' http://127.0.0.1:3000/otp/123456789
//! curl http://127.0.0.1:3000/otp/123456789/CODE
//! ```
//!
//! `--simulate` tells the story of one code on the terminal, with a simulated carrier and phone.
//!
//! The code is printed to standard error, for development; `OTP_CONFIG` names a sender that delivers. The variables:
//!
//! * `OTP_CONFIG`: the configuration of libotp, as JSON (it begins with `{`) or as the path of a JSON file. Without it
//!   `nexmo.json` is read, where there is one.
//! * `PORT`: 3000 unless set; 0 takes any free one.
//! * `HOST`: 127.0.0.1 unless set. Whoever reaches this service chooses token *and* recipient, and so receives the
//!   token's code: it belongs behind your own application, not on the open network.

mod configuration;
mod ready;
mod simulate;

use std::convert::Infallible;
use std::env;
use std::error::Error;
use std::io::{self, Write};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use configuration::{configuration, of_probe, variable};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::header::{ALLOW, AUTHORIZATION, CACHE_CONTROL, CONTENT_TYPE, HeaderName, HeaderValue, RETRY_AFTER};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use otp::{Outcome, Service};
use percent_encoding::percent_decode_str;
use ready::Readiness;
use serde::{Deserialize, Deserializer, Serialize};
use tokio::net::{TcpListener, TcpStream};
use tokio::signal::unix::{SignalKind, signal};

/// Most bytes of a request's body, and of a webhook's: what libotp takes.
const REQUEST_BYTES: usize = 16 * 1024;
const WEBHOOK_BYTES: usize = 64 * 1024;

/// How long a client may take for the head of a request, and again for its body.
const PATIENCE: Duration = Duration::from_secs(10);

/// How long running requests may take to finish once the service is to stop.
const FAREWELL: Duration = Duration::from_secs(25);

/// How often due steps of deliveries are looked for.
const UPKEEP: Duration = Duration::from_secs(1);

/// The status of a program that an interrupt ended, as shells tell it.
const INTERRUPTED: i32 = 130;

/// Most detailed level of the log: considered answers, but no upkeep.
const LOG_LEVEL: i32 = 3;

// One thread serves all connections: the work is done by the threads that `call` borrows.
#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    // What is left when this returns are calls of requests whose clients have gone away: leaving the runtime waits for
    // them, and the last one closes the service.
    let done = match env::args_os().nth(1) {
        None => run().await,
        Some(option) if option == "--simulate" => simulate::run().await,
        Some(_) => Err("the only option is --simulate".into()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("otp_service: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run() -> Result<(), Box<dyn Error>> {
    let host = variable("HOST")?.unwrap_or_else(|| "127.0.0.1".to_owned());
    let port =
        variable("PORT")?.map_or(Ok(3000), |port| port.parse().map_err(|_| "PORT: must be a number to 65535"))?;
    let config = configuration()?;
    let served = Served { otp: open(&config)?, ready: Readiness::open(&of_probe(&config))? };
    // From here on a signal stops the service by the way out below, and no longer where it stands.
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let bound = TcpListener::bind((host.as_str(), port)).await;
    let listener = bound.map_err(|error| format!("{host}:{port}: {error}"))?;
    println!("Server running on port {}", listener.local_addr()?.port());
    tokio::spawn(keep_up(served.otp.clone()));

    let connections = GracefulShutdown::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => serve(stream, &served, &connections),
                Err(error) => {
                    // Too many open files, say: that passes, and until then it would fail again at once.
                    eprintln!("accept: {error}");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            },
            _ = terminate.recv() => break,
            _ = interrupt.recv() => break,
        }
    }
    drop(listener);
    tokio::select! {
        finished = tokio::time::timeout(FAREWELL, connections.shutdown()) => {
            finished.map_err(|_| "stopped with unfinished requests".into())
        }
        // Whoever asks twice does not want to wait.
        _ = interrupt.recv() => std::process::exit(INTERRUPTED),
    }
}

/// Does what is due, again and again: timed steps of deliveries above all.
async fn keep_up(otp: Arc<Service>) {
    loop {
        tokio::time::sleep(UPKEEP).await;
        let service = otp.clone();
        if let Ok(Err(error)) = tokio::task::spawn_blocking(move || service.run_due()).await {
            eprintln!("{}: {error}", error.outcome().name());
        }
    }
}

/// What requests are answered from.
#[derive(Clone)]
struct Served {
    otp: Arc<Service>,
    ready: Arc<Readiness>,
}

fn open(config: &str) -> Result<Arc<Service>, Box<dyn Error>> {
    let (service, warnings) = Service::open(Some(config))?;
    if service.hands_over() {
        return Err("sender: none leaves delivery to the host, but nobody delivers here".into());
    }
    for warning in warnings {
        eprintln!("warning: {warning}");
    }
    let log = |_level, event: &str| {
        // A log that nobody reads any more is no reason to fail.
        let _ = writeln!(io::stdout(), "{event}");
    };
    service.on_log(LOG_LEVEL, Some(Arc::new(log)))?;
    Ok(Arc::new(service))
}

/// Serves a connection in the background.
fn serve(stream: TcpStream, served: &Served, connections: &GracefulShutdown) {
    let served = served.clone();
    let respond = service_fn(move |request| {
        let served = served.clone();
        async move { Ok::<_, Infallible>(answer(served, request).await.unwrap_or_else(|refusal| refusal).into()) }
    });
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(PATIENCE);
    let connection = connections.watch(http.serve_connection(TokioIo::new(stream), respond));
    // How a connection ended concerns nobody: its requests were answered, or their clients have gone.
    tokio::spawn(async { drop(connection.await) });
}

/// What a path leads to. Token and code are as they came, still encoded.
enum Route<'a> {
    Home,
    Healthy,
    Ready,
    Create {
        token: &'a str,
    },
    /// The code is in the path, or for a POST in the body.
    Verify {
        token: &'a str,
        code: &'a str,
    },
    Webhook,
}

/// The route of a path, and the methods it takes. HEAD goes where GET does, but not to a code: a preview of a link must
/// not use one up. It cannot be told from a person by GET, so links are better made with the POST.
fn route(path: &str) -> Option<(&'static [Method], Route<'_>)> {
    const READ: &[Method] = &[Method::GET, Method::HEAD];
    const POST: &[Method] = &[Method::POST];
    // Split first and decode later: `%2F` is a part of its token and separates nothing, and neither does `..`.
    let segments: Vec<&str> = path.split('/').skip(1).collect();
    Some(match segments[..] {
        [""] => (READ, Route::Home),
        ["healthz"] => (READ, Route::Healthy),
        ["readyz"] => (READ, Route::Ready),
        ["otp", token] => (POST, Route::Create { token }),
        ["otp", token, code @ "verify"] => (&[Method::GET, Method::POST], Route::Verify { token, code }),
        ["otp", token, code] => (&[Method::GET], Route::Verify { token, code }),
        ["webhooks", "message-status" | "inbound-message"] => (POST, Route::Webhook),
        _ => return None,
    })
}

/// Answers a request; an error is an answer as well, given early.
async fn answer(served: Served, request: Request<Incoming>) -> Result<Answer, Answer> {
    let uri = request.uri().clone();
    let Some((methods, route)) = route(uri.path()) else {
        return Err(Answer::new(StatusCode::NOT_FOUND, "There is no such page"));
    };
    if !methods.contains(request.method()) {
        let allowed = methods.iter().map(Method::as_str).collect::<Vec<_>>().join(", ");
        let refusal = Answer::new(StatusCode::METHOD_NOT_ALLOWED, format!("Only {allowed} is allowed"));
        return Err(refusal.with(ALLOW, HeaderValue::from_str(&allowed).ok()));
    }
    let Served { otp, ready } = served;
    match route {
        Route::Home => Ok(Answer::new(StatusCode::OK, "This is the OTP service")),
        // Whether this program runs, whatever became of its disk.
        Route::Healthy => Ok(Answer::of(Outcome::Ok)),
        Route::Ready => {
            let not_ready = || Answer::new(StatusCode::SERVICE_UNAVAILABLE, "Not ready");
            call(move || Ok(if ready.is_ready() { Answer::of(Outcome::Ok) } else { not_ready() })).await
        }
        Route::Create { token } => {
            let token = decoded(token)?;
            let recipient = recipient(&body(request, REQUEST_BYTES).await?)?;
            call(move || create(&otp, &token, &recipient)).await
        }
        Route::Verify { token, code } => {
            let token = decoded(token)?;
            let code = match *request.method() {
                Method::POST => code_in(&body(request, REQUEST_BYTES).await?)?,
                _ => decoded(code)?,
            };
            call(move || verify(&otp, &token, &code)).await
        }
        Route::Webhook => {
            let authorization = request.headers().get(AUTHORIZATION).map(|value| value.as_bytes().to_vec());
            let body = body(request, WEBHOOK_BYTES).await?;
            call(move || webhook(&otp, authorization.as_deref(), &body)).await
        }
    }
}

fn decoded(segment: &str) -> Result<String, Answer> {
    let invalid = |_| Answer::new(StatusCode::BAD_REQUEST, "The path is not valid UTF-8");
    percent_decode_str(segment).decode_utf8().map(|text| text.into_owned()).map_err(invalid)
}

async fn body(request: Request<Incoming>, max_bytes: usize) -> Result<Bytes, Answer> {
    let body = Limited::new(request.into_body(), max_bytes).collect();
    match tokio::time::timeout(PATIENCE, body).await {
        Ok(Ok(body)) => Ok(body.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => {
            Err(Answer::new(StatusCode::PAYLOAD_TOO_LARGE, format!("The body is longer than {max_bytes} bytes")))
        }
        Ok(Err(_)) => Err(Answer::new(StatusCode::BAD_REQUEST, "The body could not be read")),
        Err(_) => Err(Answer::new(StatusCode::REQUEST_TIMEOUT, "The body took too long")),
    }
}

/// All that a client may say of a code to create.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Recipient {
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    messenger_id: Option<String>,
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    phone_number: Option<String>,
}

/// A member that is there is a text: null is none, and is not taken for one left out.
fn present<'de, D: Deserializer<'de>>(value: D) -> Result<Option<String>, D::Error> {
    String::deserialize(value).map(Some)
}

/// What a client says to verify a code.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Typed {
    code: String,
}

fn code_in(body: &[u8]) -> Result<String, Answer> {
    let object = body.trim_ascii_start().starts_with(b"{").then_some(body);
    let typed: Option<Typed> = object.and_then(|object| serde_json::from_slice(object).ok());
    let refusal = "The body must be a JSON object with code, a text, and nothing else";
    typed.map(|typed| typed.code).ok_or_else(|| Answer::new(StatusCode::BAD_REQUEST, refusal))
}

/// The request for libotp, in JSON. Whatever the content type says, the body is JSON or refused.
fn recipient(body: &[u8]) -> Result<String, Answer> {
    // Of a list, serde would take the items for the members in their order.
    let object = body.trim_ascii_start().starts_with(b"{").then_some(body);
    let recipient: Option<Recipient> = object.and_then(|object| serde_json::from_slice(object).ok());
    // serde's own words would repeat what the body holds.
    let refusal = "The body must be a JSON object with messengerId, phoneNumber or both, each a text, and nothing else";
    let request = recipient.and_then(|recipient| serde_json::to_string(&recipient).ok());
    request.ok_or_else(|| Answer::new(StatusCode::BAD_REQUEST, refusal))
}

/// Calls the library on another thread, since it waits for the disk and for the provider. The call is finished even
/// when its client goes away.
async fn call(library: impl FnOnce() -> otp::Result<Answer> + Send + 'static) -> Result<Answer, Answer> {
    match tokio::task::spawn_blocking(library).await {
        Ok(Ok(answer)) => Ok(answer),
        // Which argument is wrong is for the client, and all else for the operator. Neither holds a secret.
        Ok(Err(error)) if error.outcome() == Outcome::Argument => {
            Err(Answer::new(StatusCode::BAD_REQUEST, error.detail()))
        }
        Ok(Err(error)) => {
            eprintln!("{}: {error}", error.outcome().name());
            Err(Answer::of(error.outcome()))
        }
        Err(_panicked) => Err(Answer::of(Outcome::Internal)),
    }
}

fn create(service: &Service, token: &str, recipient: &str) -> otp::Result<Answer> {
    let reply = service.create(token, Some(recipient))?;
    if let Some(failure) = &reply.failure {
        eprintln!("{}: {}", reply.outcome.name(), failure.detail);
    }
    let answer = match reply.outcome {
        Outcome::Ok => Answer::new(StatusCode::CREATED, "Created"),
        refused => Answer::of(refused),
    };
    Ok(answer.with(RETRY_AFTER, reply.retry_after_seconds.map(HeaderValue::from)))
}

fn verify(service: &Service, token: &str, code: &str) -> otp::Result<Answer> {
    let reply = service.verify(token, code, None)?;
    Ok(Answer::of(reply.outcome).with(RETRY_AFTER, reply.retry_after_seconds.map(HeaderValue::from)))
}

/// Without `webhook` in the configuration this is `OTP_E_UNSUPPORTED`, to HTTP 500: what nobody can check must not be
/// believed.
fn webhook(service: &Service, authorization: Option<&[u8]>, body: &[u8]) -> otp::Result<Answer> {
    // The body as it came: the signature is over its bytes. A header that is no text signs nothing.
    let authorization = authorization.map(String::from_utf8_lossy);
    let _taken = service.webhook(authorization.as_deref(), body)?;
    Ok(Answer::of(Outcome::Ok))
}

/// What a client is told: a status, a sentence, and where it helps one header.
struct Answer {
    status: StatusCode,
    text: String,
    header: Option<(HeaderName, HeaderValue)>,
}

impl Answer {
    fn new(status: StatusCode, text: impl Into<String>) -> Self {
        Self { status, text: text.into(), header: None }
    }

    fn of(outcome: Outcome) -> Self {
        let status = StatusCode::from_u16(outcome.http_status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        Self::new(status, outcome.message())
    }

    fn with(self, name: HeaderName, value: Option<HeaderValue>) -> Self {
        Self { header: value.map(|value| (name, value)), ..self }
    }
}

impl From<Answer> for Response<String> {
    fn from(answer: Answer) -> Self {
        let mut response = Response::new(answer.text);
        *response.status_mut() = answer.status;
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
        // An answer about a code is true once.
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        headers.extend(answer.header);
        response
    }
}
