//! The tutorial's pages.

use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::header::{AUTHORIZATION, HeaderValue, RETRY_AFTER};
use hyper::{Method, Request, StatusCode};
use otp::{Outcome, Service};
use percent_encoding::percent_decode_str;
use serde::{Deserialize, Deserializer, Serialize};

use crate::answer::{Answer, only};
use crate::probes::{Probe, READ};
use crate::{PATIENCE, Served, log};

/// Most bytes of a request's body, and of a webhook's: what libotp takes.
const REQUEST_BYTES: usize = 16 * 1024;
const WEBHOOK_BYTES: usize = 64 * 1024;

/// What a path leads to. Token and code are as they came, still encoded.
enum Route<'a> {
    Home,
    About(Probe),
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
    const POST: &[Method] = &[Method::POST];
    // Split first and decode later: `%2F` is a part of its token and separates nothing, and neither does `..`.
    let segments: Vec<&str> = path.split('/').skip(1).collect();
    Some(match segments[..] {
        [""] => (READ, Route::Home),
        ["healthz"] => (READ, Route::About(Probe::Healthy)),
        ["readyz"] => (READ, Route::About(Probe::Ready)),
        ["otp", token] => (POST, Route::Create { token }),
        ["otp", token, code @ "verify"] => (&[Method::GET, Method::POST], Route::Verify { token, code }),
        ["otp", token, code] => (&[Method::GET], Route::Verify { token, code }),
        ["webhooks", "message-status" | "inbound-message"] => (POST, Route::Webhook),
        _ => return None,
    })
}

/// Answers a request; an error is an answer as well, given early.
pub async fn answer(served: Served, request: Request<Incoming>) -> Result<Answer, Answer> {
    let uri = request.uri().clone();
    let (methods, route) = route(uri.path()).ok_or_else(Answer::not_found)?;
    only(methods, request.method())?;
    let otp = served.otp.clone();
    match route {
        Route::Home => Ok(Answer::new(StatusCode::OK, "This is the OTP service")),
        Route::About(probe) => Ok(probe.answer(&served).await),
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

/// The body of a request, which is not longer than this.
pub async fn body(request: Request<Incoming>, max_bytes: usize) -> Result<Bytes, Answer> {
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
            log::failed(error.outcome(), error.detail());
            Err(Answer::of(error.outcome()))
        }
        Err(_panicked) => Err(Answer::of(Outcome::Internal)),
    }
}

fn create(service: &Service, token: &str, recipient: &str) -> otp::Result<Answer> {
    let reply = service.create(token, Some(recipient))?;
    if let Some(failure) = &reply.failure {
        log::failed(reply.outcome, &failure.detail);
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
