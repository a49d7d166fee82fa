//! Creates a code, has it sent, and asks for it until that is decided, with nothing configured: the code appears on
//! standard error, and the repository is the file otp.db in the working directory.
//!
//! `cargo run --example demo -- "session 1" 393331234567`

use std::io::{BufRead, Write, stdin, stdout};
use std::process::ExitCode;

use otp::{Error, Outcome, Service};

fn run(token: &str, phone_number: &str) -> Result<Outcome, Error> {
    let (service, warnings) = Service::open(None)?;
    for warning in warnings {
        eprintln!("warning: {warning}");
    }
    let request = serde_json::json!({"phoneNumber": phone_number}).to_string();
    let created = service.create(token, Some(&request))?;
    if created.outcome != Outcome::Ok {
        return Ok(created.outcome);
    }
    println!("The code is good for {} seconds.", created.expires_in_seconds.unwrap_or_default());
    loop {
        print!("Code: ");
        let mut code = String::new();
        if stdout().flush().is_err() || !stdin().lock().read_line(&mut code).is_ok_and(|bytes| bytes > 0) {
            return Ok(Outcome::Unknown);
        }
        match service.verify(token, code.trim(), None) {
            Ok(checked) if checked.outcome == Outcome::NotValid => println!("{}", checked.outcome.message()),
            Ok(checked) => return Ok(checked.outcome),
            // Say an empty line: no code at all, which does not count as a wrong one.
            Err(error) if error.outcome() == Outcome::Argument => println!("{error}"),
            Err(error) => return Err(error),
        }
    }
}

fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let [token, phone_number] = arguments.as_slice() else {
        eprintln!("usage: demo TOKEN PHONE_NUMBER");
        return ExitCode::from(2);
    };
    match run(token, phone_number) {
        Ok(outcome) => {
            println!("{}", outcome.message());
            ExitCode::from(u8::from(outcome != Outcome::Ok))
        }
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}
