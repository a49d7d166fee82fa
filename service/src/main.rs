//! The tutorial's HTTP service over libotp. `cargo run --release -p otp_service`, and then:
//!
//! ```text
//! curl -d '{"messengerId":"8192836451","phoneNumber":"393331234567"}' http://127.0.0.1:3000/otp/123456789
//! curl http://127.0.0.1:3000/otp/123456789/CODE
//! ```
//!
//! `--simulate` tells the story of one code on the terminal, with a simulated carrier and phone. `--simulate --phone`
//! serves a page, on 127.0.0.1 alone, on which a phone receives codes from simulated carriers.
//!
//! The code is printed to standard error, for development; `OTP_CONFIG` names a sender that delivers. Standard output
//! is the log: one event a line, in JSON. The variables:
//!
//! * `OTP_CONFIG`: the configuration of libotp, as JSON (it begins with `{`) or as the path of a JSON file. Without it
//!   `nexmo.json` is read, where there is one.
//! * `PORT`: 3000 unless set; 0 takes any free one.
//! * `HOST`: 127.0.0.1 unless set. Whoever reaches this service chooses token *and* recipient, and so receives the
//!   token's code: it belongs behind your own application, not on the open network.
//! * `METRICS_PORT`: where `/metrics`, `/healthz` and `/readyz` are answered, apart from clients. Off unless set, so that
//!   a second service on the machine needs no thought.
//! * `METRICS_HOST`: 127.0.0.1 unless set.

#[cfg(feature = "simulate")]
mod simulate;

use std::env;
use std::error::Error;
use std::process::ExitCode;

#[cfg(feature = "simulate")]
const UNKNOWN: &str = "the only options are --simulate and --simulate --phone";
#[cfg(not(feature = "simulate"))]
const UNKNOWN: &str = "this build has no options";

pub fn main() -> ExitCode {
    let done = match env::args_os().nth(1) {
        None => served(),
        #[cfg(feature = "simulate")]
        Some(option) if option == "--simulate" => simulated(),
        Some(_) => Err(UNKNOWN.into()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("otp_service: {error}");
            ExitCode::FAILURE
        }
    }
}

fn served() -> Result<(), Box<dyn Error>> {
    otp_service::run_to_the_end(otp_service::Settings::from_environment()?)
}

#[cfg(feature = "simulate")]
fn simulated() -> Result<(), Box<dyn Error>> {
    match env::args_os().nth(2) {
        None => simulate::run(),
        Some(option) if option == "--phone" => otp_service::phone::run_to_the_end(),
        Some(_) => Err(UNKNOWN.into()),
    }
}
