//! `--simulate --phone`: a page on loopback with a phone, on which codes arrive, and the library at work behind it.
//!
//! The library, its repository and its senders are the real ones. The carriers, the phone and the time are simulated.

mod carriers;
mod clock;
mod inbox;
mod stage;
mod view;
mod web;

use std::error::Error;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};

use crate::configuration::port;
use crate::{log, next};
use stage::Stage;

/// How often due steps and new messages are looked for. Time may run fast, so this is often.
const UPKEEP: Duration = Duration::from_millis(50);

/// Serves the page on 127.0.0.1, at the port in `PORT`, 3000 unless set, until SIGINT or SIGTERM.
///
/// # Errors
///
/// What cannot be opened or listened on.
pub fn run_to_the_end() -> Result<(), Box<dyn Error>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(run())
}

async fn run() -> Result<(), Box<dyn Error>> {
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let wanted = port("PORT")?.unwrap_or(3000);
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, wanted)).await;
    let listener = listener.map_err(|error| format!("127.0.0.1:{wanted}: {error}"))?;
    let port = listener.local_addr()?.port();
    let stage = Arc::new(Stage::build(port)?);
    eprintln!("Open http://127.0.0.1:{port}/ in a browser");
    let keeping = tokio::spawn(keep_up(stage.clone()));
    tokio::select! {
        () = serve(&listener, &stage, port) => {}
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    keeping.abort();
    Ok(())
}

async fn serve(listener: &TcpListener, stage: &Arc<Stage>, port: u16) {
    loop {
        let stream = next(listener).await;
        tokio::spawn(web::converse(stream, stage.clone(), port));
    }
}

async fn keep_up(stage: Arc<Stage>) {
    loop {
        tokio::time::sleep(UPKEEP).await;
        let stage = stage.clone();
        if let Ok(Err(error)) = tokio::task::spawn_blocking(move || stage.keep_up()).await {
            log::failed(error.outcome(), error.detail());
        }
    }
}
