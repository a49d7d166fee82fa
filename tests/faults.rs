//! System calls that fail: at every call, in every way that its manual page allows, once or for a while.
//!
//! A worker runs through a phase (opening, creating, verifying, …) while one of its calls goes wrong, or is killed
//! there. Then the faults end, and its service has to work; then it is killed in any case, and another process holds
//! all that was acknowledged against what it finds. `OTP_TEST_POINT`, such as `sqlite verify pread64 3 Before Once
//! EIO`, runs one point and tells it all.

mod common;

#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
#[path = "faults/mod.rs"]
mod campaign;

#[cfg(not(all(target_os = "linux", target_arch = "x86_64")))]
#[test]
fn skipped() {
    common::complain("SKIPPED, since the tracer knows the registers of x86_64 and Linux alone: faults of system calls");
}
