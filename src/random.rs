//! The only source of random numbers: the operating system, at every draw. A generator kept in the process would give
//! two forked workers the same codes.

use rand::TryRng;
use rand::rngs::SysRng;

use crate::error::{Error, Result};

/// Random bytes.
///
/// # Errors
///
/// `Random` when the system gives none.
pub fn random<const SIZE: usize>() -> Result<[u8; SIZE]> {
    let mut bytes = [0; SIZE];
    SysRng.try_fill_bytes(&mut bytes).map_err(|cause| Error::random(format!("no random numbers: {cause}")))?;
    Ok(bytes)
}
