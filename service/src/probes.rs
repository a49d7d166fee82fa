//! What is asked about the service rather than of it, and the address where nothing else is answered.

use std::convert::Infallible;
use std::sync::Arc;

use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use otp::Outcome;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;

use crate::answer::{self, Answer};
use crate::{PATIENCE, Served, next};

/// Methods of all that is only read.
pub const READ: &[Method] = &[Method::GET, Method::HEAD];

/// Most connections at once on the address of its own: the others wait, and take nothing from clients.
const CONNECTIONS: usize = 16;

const OPENMETRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// A page about the service.
pub enum Probe {
    /// Whether this program runs, whatever became of its disk.
    Healthy,
    /// Whether it can do its work.
    Ready,
    /// What was counted.
    Metrics,
}

impl Probe {
    /// The page of this path, on the address of its own.
    fn at(path: &str) -> Option<Self> {
        match path {
            "/healthz" => Some(Self::Healthy),
            "/readyz" => Some(Self::Ready),
            "/metrics" => Some(Self::Metrics),
            _ => None,
        }
    }

    /// The answer. Only `Ready` touches the repository.
    pub async fn answer(self, served: &Served) -> Answer {
        match self {
            Self::Healthy => Answer::of(Outcome::Ok),
            Self::Ready if served.ready.is_ready().await => Answer::of(Outcome::Ok),
            Self::Ready => Answer::new(StatusCode::SERVICE_UNAVAILABLE, "Not ready"),
            Self::Metrics => match served.otp.metrics() {
                Ok(reply) => Answer::new(StatusCode::OK, reply.openmetrics()).of_kind(OPENMETRICS),
                Err(error) => Answer::of(error.outcome()),
            },
        }
    }
}

/// Answers on the address of its own for ever.
pub async fn serve(listener: TcpListener, served: Served) {
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    while let Ok(place) = places.clone().acquire_owned().await {
        let stream = next(&listener).await;
        let served = served.clone();
        tokio::spawn(async move {
            // A client that does not send, or does not read, gives its place up.
            let _ = tokio::time::timeout(2 * PATIENCE, converse(stream, served)).await;
            drop(place);
        });
    }
}

/// Answers one request: a connection that is kept would keep its place.
async fn converse(stream: TcpStream, served: Served) {
    let respond = service_fn(move |request| {
        let served = served.clone();
        async move { Ok::<_, Infallible>(respond(&served, &request).await.unwrap_or_else(|refusal| refusal).into()) }
    });
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(PATIENCE).keep_alive(false);
    // How it ended concerns nobody.
    let _ = http.serve_connection(TokioIo::new(stream), respond).await;
}

async fn respond(served: &Served, request: &Request<Incoming>) -> Result<Answer, Answer> {
    let probe = Probe::at(request.uri().path()).ok_or_else(Answer::not_found)?;
    answer::only(READ, request.method())?;
    Ok(probe.answer(served).await)
}
