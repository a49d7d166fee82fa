//! What a client is told.

use hyper::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, HeaderName, HeaderValue};
use hyper::{Method, Response, StatusCode};
use otp::Outcome;

/// A status, a sentence, and where it helps one header.
pub struct Answer {
    status: StatusCode,
    text: String,
    kind: &'static str,
    header: Option<(HeaderName, HeaderValue)>,
}

impl Answer {
    pub fn new(status: StatusCode, text: impl Into<String>) -> Self {
        Self { status, text: text.into(), kind: "text/plain; charset=utf-8", header: None }
    }

    pub fn of(outcome: Outcome) -> Self {
        let status = StatusCode::from_u16(outcome.http_status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        Self::new(status, outcome.message())
    }

    pub fn not_found() -> Self {
        Self::new(StatusCode::NOT_FOUND, "There is no such page")
    }

    pub fn with(self, name: HeaderName, value: Option<HeaderValue>) -> Self {
        Self { header: value.map(|value| (name, value)), ..self }
    }

    /// The same, as another type of content.
    pub fn of_kind(self, kind: &'static str) -> Self {
        Self { kind, ..self }
    }
}

/// Refuses all other methods.
pub fn only(methods: &[Method], method: &Method) -> Result<(), Answer> {
    if methods.contains(method) {
        return Ok(());
    }
    let allowed = methods.iter().map(Method::as_str).collect::<Vec<_>>().join(", ");
    let refusal = Answer::new(StatusCode::METHOD_NOT_ALLOWED, format!("Only {allowed} is allowed"));
    Err(refusal.with(ALLOW, HeaderValue::from_str(&allowed).ok()))
}

impl From<Answer> for Response<String> {
    fn from(answer: Answer) -> Self {
        let mut response = Response::new(answer.text);
        *response.status_mut() = answer.status;
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(answer.kind));
        // An answer about a code is true once.
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        headers.extend(answer.header);
        response
    }
}
