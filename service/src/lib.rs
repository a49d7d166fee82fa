//! The tutorial's HTTP service over libotp, for its program and for `otp serve`.

#[cfg(feature = "simulate")]
pub mod account;
mod answer;
mod configuration;
mod log;
mod pages;
#[cfg(feature = "simulate")]
pub mod phone;
mod probes;
mod ready;

use std::convert::Infallible;
use std::error::Error;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use otp::{Outcome, Service};
use serde_json::json;
use tokio::net::{TcpListener, TcpStream};
use tokio::signal::unix::{SignalKind, signal};

use configuration::{accepting, of_probe, port, variable};
use ready::Readiness;

/// How long a client may take for the head of a request, and again for its body.
const PATIENCE: Duration = Duration::from_secs(10);

/// How long running requests may take to finish once the service is to stop.
const FAREWELL: Duration = Duration::from_secs(25);

/// How often due steps of deliveries are looked for.
const UPKEEP: Duration = Duration::from_secs(1);

/// The status of a program that an interrupt ended, as shells tell it.
const INTERRUPTED: i32 = 130;

/// Where nobody comes but programs on this machine.
pub const LOOPBACK: &str = "127.0.0.1";

/// A host and a port.
pub type Address = (String, u16);

/// What the service is started with.
pub struct Settings {
    /// Where clients are answered; port 0 takes any free one.
    pub address: Address,
    /// Where `/metrics`, `/healthz` and `/readyz` are answered as well, apart from clients; nowhere unless it is given.
    pub metrics: Option<Address>,
    /// The configuration of libotp, in JSON.
    pub config: String,
}

impl Settings {
    /// What the environment says.
    ///
    /// # Errors
    ///
    /// Names the variable that is wrong.
    pub fn from_environment() -> Result<Self, String> {
        let host = |name| variable(name).map(|host| host.unwrap_or_else(|| LOOPBACK.to_owned()));
        let metrics = port("METRICS_PORT")?.map(|port| host("METRICS_HOST").map(|host| (host, port))).transpose()?;
        let address = (host("HOST")?, port("PORT")?.unwrap_or(3000));
        Ok(Self { address, metrics, config: configuration::configuration()? })
    }
}

/// What requests are answered from.
#[derive(Clone)]
pub struct Served {
    otp: Arc<Service>,
    ready: Readiness,
}

impl Served {
    /// A service, and beside it one that is only asked whether it works, of a configuration that hands codes over.
    ///
    /// # Errors
    ///
    /// Those of opening the second one.
    pub fn new(otp: Arc<Service>, probe: &str) -> otp::Result<Self> {
        Ok(Self { otp, ready: Readiness::open(probe)? })
    }

    /// Answers clients until it is dropped.
    pub async fn answer_all(self, listener: TcpListener) {
        let connections = GracefulShutdown::new();
        loop {
            serve(next(&listener).await, &self, &connections);
        }
    }
}

/// Serves until SIGINT or SIGTERM.
///
/// # Errors
///
/// What cannot be opened or listened on, and requests that were not finished in time.
pub fn run_to_the_end(settings: Settings) -> Result<(), Box<dyn Error>> {
    // One thread serves all connections: the work is done by the threads that are borrowed for calls.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    // What is left when this returns are calls of requests whose clients have gone away: leaving the runtime waits for
    // them, and the last one closes the service.
    runtime.block_on(run(settings))
}

async fn run(settings: Settings) -> Result<(), Box<dyn Error>> {
    let config = accepting(settings.config);
    let served = Served::new(open(&config)?, &of_probe(&config))?;
    // From here on a signal stops the service by the way out below, and no longer where it stands.
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let listener = listen(&settings.address).await?;
    if let Some(address) = &settings.metrics {
        let listener = listen(address).await?;
        let at = listener.local_addr()?;
        tell_of(at, &format!("Metrics on port {}", at.port()));
        tokio::spawn(probes::serve(listener, served.clone()));
    }
    let at = listener.local_addr()?;
    let sentence = format!("Server running on port {}", at.port());
    tell_of(at, &sentence);
    eprintln!("{sentence}");
    tokio::spawn(keep_up(served.otp.clone()));

    let connections = GracefulShutdown::new();
    loop {
        tokio::select! {
            stream = next(&listener) => serve(stream, &served, &connections),
            _ = terminate.recv() => break,
            _ = interrupt.recv() => break,
        }
    }
    drop(listener);
    served.ready.stop();
    log::event(log::INFO, "stopping", json!({}));
    tokio::select! {
        finished = tokio::time::timeout(FAREWELL, connections.shutdown()) => {
            finished.map_err(|_| "stopped with unfinished requests".into())
        }
        // Whoever asks twice does not want to wait.
        _ = interrupt.recv() => std::process::exit(INTERRUPTED),
    }
}

async fn listen((host, port): &Address) -> Result<TcpListener, String> {
    let bound = TcpListener::bind((host.as_str(), *port)).await;
    bound.map_err(|error| format!("{host}:{port}: {error}"))
}

fn tell_of(address: SocketAddr, sentence: &str) {
    log::event(log::INFO, "listening", json!({"address": address.to_string(), "message": sentence}));
}

/// The next connection.
async fn next(listener: &TcpListener) -> TcpStream {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => return stream,
            Err(error) => {
                // Too many open files, say: that passes, and until then it would fail again at once.
                log::event(log::ERROR, "accept", json!({"message": error.to_string()}));
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

/// Does what is due, again and again: timed steps of deliveries above all.
async fn keep_up(otp: Arc<Service>) {
    loop {
        tokio::time::sleep(UPKEEP).await;
        let service = otp.clone();
        if let Ok(Err(error)) = tokio::task::spawn_blocking(move || service.run_due()).await {
            log::failed(error.outcome(), error.detail());
        }
    }
}

fn open(config: &str) -> Result<Arc<Service>, Box<dyn Error>> {
    let (service, warnings) = Service::open(Some(config))?;
    if service.hands_over() {
        let detail = "sender: none leaves delivery to the host, but nobody delivers here";
        return Err(detail.into());
    }
    for warning in warnings {
        log::event(log::WARNING, "warning", json!({"result": Outcome::Ok.name(), "message": warning}));
    }
    // Considered answers, but no upkeep.
    service.on_log(log::INFO, Some(Arc::new(|_level, event: &str| log::write(event))))?;
    Ok(Arc::new(service))
}

/// Serves a connection in the background.
fn serve(stream: TcpStream, served: &Served, connections: &GracefulShutdown) {
    let served = served.clone();
    let respond = service_fn(move |request| {
        let served = served.clone();
        async move { Ok::<_, Infallible>(pages::answer(served, request).await.unwrap_or_else(|refusal| refusal).into()) }
    });
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(PATIENCE);
    let connection = connections.watch(http.serve_connection(TokioIo::new(stream), respond));
    // How a connection ended concerns nobody: its requests were answered, or their clients have gone.
    tokio::spawn(async { drop(connection.await) });
}
