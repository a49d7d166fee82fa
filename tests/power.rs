//! The power fails: at any moment, with everything that was not synced there or not.
//!
//! A worker is recorded: each write, each change of a name, each sync, and in between what it acknowledged. From that,
//! folders are made as a disk may hold them at any moment, and opened: what was acknowledged until then must be
//! there. `OTP_TEST_POINT`, such as `sqlite life 9 1 43 1`, makes one image again and tells it all: script, first sync
//! that fails, how many do, number of events, and image.

mod common;

#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
#[path = "power/mod.rs"]
mod campaign;

#[cfg(not(all(target_os = "linux", target_arch = "x86_64")))]
#[test]
fn skipped() {
    common::complain("SKIPPED, since the tracer knows the registers of x86_64 and Linux alone: loss of power");
}
