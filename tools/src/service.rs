//! Opening the service, as the right user, and nothing that is not there.

use otp::Service;

use crate::arguments::Call;
use crate::configuration::{Configuration, Place};
use crate::fault::{Fault, Result};
use crate::owner;

/// Opens the service that the configuration describes, to look or to change, with nothing sent meanwhile. A repository
/// that is not there is not made: its path is rather mistyped.
pub fn open(call: &Call) -> Result<Service> {
    let configuration = Configuration::read(call.config.as_deref())?;
    open_kept(&configuration)
}

/// The same, of a configuration that is known.
pub fn open_kept(configuration: &Configuration) -> Result<Service> {
    if configuration.place() == Place::Memory {
        return Err(Fault::unsupported("repository: memory: belongs to one process, and this is another"));
    }
    take_place(configuration)?;
    let (service, _warnings) = Service::open(Some(&configuration.quiet_json()))?;
    Ok(service)
}

/// Becomes who may open the repository.
pub fn take_place(configuration: &Configuration) -> Result<()> {
    if let Place::Path(path) = configuration.place()
        && !owner::become_owner(&path)?
    {
        return Err(Fault::store(format!("repository {path:?}: is not there")));
    }
    Ok(())
}
