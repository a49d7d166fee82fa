//! The library's events in `tracing`, beside those of your own program.
//!
//! `cargo run --example log_events`

use std::sync::Arc;

use otp::Service;
use serde_json::{Value, json};
use tracing::{debug, error, info, warn};

/// Hands an event on: its level, and what it says as fields. It holds no code, token, recipient or key.
fn to_tracing(level: i32, event: &str) {
    let event: Value = serde_json::from_str(event).unwrap_or_default();
    let text = |name: &str| event[name].as_str().unwrap_or_default().to_owned();
    let (what, result, record) = (text("event"), text("result"), text("record"));
    match level {
        1 => error!(target: "otp", what, result, record, %event),
        2 => warn!(target: "otp", what, result, record, %event),
        3 => info!(target: "otp", what, result, record),
        _ => debug!(target: "otp", what, result, record),
    }
}

fn main() -> otp::Result<()> {
    tracing_subscriber::fmt().without_time().with_ansi(false).init();
    info!("the program begins");
    let config = json!({"repository": "memory:", "sender": {"type": "none"}});
    let (service, warnings) = Service::open(Some(&config.to_string()))?;
    for warning in warnings {
        warn!(target: "otp", "{warning}");
    }
    // 3: what was done. With 4 it tells of upkeep and questions as well.
    service.on_log(3, Some(Arc::new(to_tracing)))?;
    let message = service.create("session 1", Some(r#"{"phoneNumber": "+39 333 123 4567"}"#))?.message;
    let code = message.map(|message| message.code.to_string()).unwrap_or_default();
    for typed in ["", code.as_str(), code.as_str()] {
        // What a caller does wrong is an error here, and an event as well.
        if let Err(error) = service.verify("session 1", typed, None) {
            info!("not asked: {}", error.outcome().name());
        }
    }
    Ok(())
}
