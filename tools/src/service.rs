//! Opening the service, as the right user, and nothing that is not there.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use otp::Service;
use serde_json::Value;

use crate::command::Call;
use crate::configuration::Configuration;
use crate::fault::{Fault, Result};
use crate::owner;
use crate::place::Place;

/// Opens the service that the configuration describes, to look or to change, with nothing sent meanwhile. A repository
/// that is not there is not made, and an empty one not begun: its name is rather mistyped.
pub fn open(call: &Call) -> Result<Service> {
    let configuration = Configuration::read(call.config.as_deref())?;
    open_kept(&configuration)
}

/// The same, of a configuration that is known.
pub fn open_kept(configuration: &Configuration) -> Result<Service> {
    let place = take_place(configuration)?;
    if place.is_empty() {
        return Err(place.not_begun());
    }
    let opened = Service::open_existing(Some(&configuration.quiet_json()))?;
    opened.map(|(service, _warnings)| service).ok_or_else(|| place.not_begun())
}

/// Becomes who may open the repository, which is there. Where it is.
pub fn take_place(configuration: &Configuration) -> Result<Place> {
    let place = configuration.place()?;
    match &place {
        Place::Memory => {
            return Err(Fault::unsupported("repository: memory: belongs to one process, and this is another"));
        }
        Place::Elsewhere(kind) if !kind.is_empty() => owner::refuse_foreign_server()?,
        Place::File(path) | Place::Folder(path) if !owner::become_owner(path)? => {
            return Err(Fault::gone(format!("repository {path:?}: is not there")));
        }
        _ => {}
    }
    Ok(place)
}

/// Counts the rows that a call of this name passes over from now on, since they are damaged.
pub fn count_passed(service: &Service, call: &'static str) -> Result<Arc<AtomicU64>> {
    let count = Arc::new(AtomicU64::new(0));
    let passed = count.clone();
    let log = move |_level: i32, event: &str| {
        let event: Value = serde_json::from_str(event).unwrap_or_default();
        // What is told of a row names it.
        if event["event"] == call && event.get("record").is_some() {
            passed.fetch_add(1, Ordering::Relaxed);
        }
    };
    service.on_log(1, Some(Arc::new(log)))?;
    Ok(count)
}
