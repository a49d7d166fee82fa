//! The service, for `cargo run --release --example otp_service -- --simulate --phone`. See the program of this name.

#[path = "../src/main.rs"]
mod program;

use std::process::ExitCode;

fn main() -> ExitCode {
    program::main()
}
