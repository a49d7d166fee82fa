//! What every entry point passes through: nothing unwinds into C, and the reply is always written.

use std::cell::Cell;
use std::ffi::c_char;
use std::mem::ManuallyDrop;
use std::panic::{self, AssertUnwindSafe, Location};
use std::sync::Once;

use crate::error::{Error, Result};
use crate::ffi::reply::{Bounded, Buffer};
use crate::ffi::results::{OTP_E_ARGUMENT, otp_result};
use crate::fork;

thread_local! {
    /// Whether this thread runs code of the library, not of the host that called it or is called by it.
    static INSIDE: Cell<bool> = const { Cell::new(false) };
    /// Where the last panic inside was. Never destroyed, so that it can be used while a thread ends.
    static PLACE: ManuallyDrop<Cell<Option<String>>> = const { ManuallyDrop::new(Cell::new(None)) };
}

static HOOK: Once = Once::new();

/// Runs an entry point and tells its answer: to the reply, unless that is NULL, and as the result.
///
/// # Safety
///
/// `reply` is NULL or `reply_size` bytes can be written there.
pub unsafe fn guard<T: Bounded>(reply: *mut c_char, reply_size: usize, body: impl FnOnce() -> Result<T>) -> otp_result {
    // SAFETY: as promised by the caller.
    let Some(buffer) = (unsafe { Buffer::new(reply, reply_size) }) else {
        return OTP_E_ARGUMENT;
    };
    let answer = catch(body);
    let written = catch(|| buffer.write(answer));
    let outcome = written.unwrap_or_else(|error| {
        buffer.write_bare(error.outcome());
        error.outcome()
    });
    outcome.number()
}

/// Runs code of the library; a panic becomes an error that tells its place, never its text.
///
/// # Errors
///
/// Those of `body`, and `Internal`.
pub fn catch<T>(body: impl FnOnce() -> Result<T>) -> Result<T> {
    let caught = within(true, || panic::catch_unwind(AssertUnwindSafe(body)));
    caught.unwrap_or_else(|_| {
        let place = PLACE.with(|place| place.take());
        Err(Error::internal(format!("internal error at {}", place.as_deref().unwrap_or("an unknown place"))))
    })
}

/// Runs code of the host: what it panics about is its own affair.
pub fn outside<T>(call: impl FnOnce() -> T) -> T {
    within(false, call)
}

fn within<T>(inside: bool, call: impl FnOnce() -> T) -> T {
    struct RestoreInside(bool);
    impl Drop for RestoreInside {
        fn drop(&mut self) {
            INSIDE.set(self.0);
        }
    }
    let _restore = RestoreInside(INSIDE.replace(inside));
    call()
}

/// Keeps panics inside the library off the host's standard error; all others go where they went before. Once in a
/// process, at the first open.
pub fn install_hook() {
    // The standard library refuses a new hook to a thread that is panicking: the next open will do it.
    if std::thread::panicking() {
        return;
    }
    fork::shared(|| {
        HOOK.call_once(|| {
            let previous = panic::take_hook();
            panic::set_hook(Box::new(move |info| {
                if INSIDE.get() {
                    PLACE.with(|place| place.set(info.location().map(place_of)));
                } else {
                    previous(info);
                }
            }));
        });
    });
}

/// File and line, without the folders of the machine it was built on.
fn place_of(location: &Location<'_>) -> String {
    let file = location.file();
    let file = match file.rfind("/src/") {
        Some(at) => file.get(at + 1..).unwrap_or(file),
        None => file,
    };
    format!("{file}:{}", location.line())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outcome::Outcome;

    #[test]
    fn a_panic_becomes_an_error_that_tells_its_place() {
        install_hook();
        let error = catch(|| -> Result<()> { panic!("secret") }).unwrap_err();
        assert_eq!(error.outcome(), Outcome::Internal);
        assert!(error.detail().starts_with("internal error at src/ffi/guard.rs:"), "{error}");
        assert!(!INSIDE.get());
        assert_eq!(catch(|| Ok(7)), Ok(7));
    }

    #[test]
    fn a_panic_leaves_standard_error_alone() {
        let test = "ffi::guard::tests::a_panic_becomes_an_error_that_tells_its_place";
        let mut command = std::process::Command::new(std::env::current_exe().unwrap());
        let output = command.args(["--exact", "--nocapture", test]).output().unwrap();
        assert!(String::from_utf8_lossy(&output.stdout).contains("1 passed"));
        assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    }

    #[test]
    fn code_of_the_host_is_outside_also_when_nested() {
        let seen = catch(|| Ok(outside(|| (INSIDE.get(), catch(|| Ok(INSIDE.get()))))));
        assert_eq!(seen, Ok((false, Ok(true))));
        assert!(!INSIDE.get());
    }
}
