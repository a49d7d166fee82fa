//! `otp`, the operator's command: looks at what libotp keeps, unlocks, erases, copies and tries. `otp --help` is its
//! manual.
#![deny(unsafe_code, missing_docs, rust_2018_idioms)]

mod answer;
mod arguments;
mod cancel;
mod check;
mod command;
mod completion;
mod configuration;
mod copy;
mod due;
mod fault;
mod input;
mod manual;
mod members;
mod metrics;
mod open;
mod owner;
mod page;
mod people;
mod place;
mod plan;
mod rotate;
mod secret;
mod send_test;
mod serve;
mod service;
mod status;
mod steps;
mod sys;

use std::process::ExitCode;

use arguments::Asked;
use fault::Fault;

fn main() -> ExitCode {
    let asked = match arguments::read(lexopt::Parser::from_env()) {
        Ok(asked) => asked,
        Err(fault) => return answer::failed(&fault, arguments::wants_json(std::env::args_os())),
    };
    let done = match &asked {
        Asked::Text(text) => {
            answer::lines(&text.lines().map(str::to_owned).collect::<Vec<_>>()).map(|()| ExitCode::SUCCESS)
        }
        Asked::Call(call) => (call.command.run)(call),
    };
    let is_json = matches!(&asked, Asked::Call(call) if call.json);
    done.unwrap_or_else(|fault: Fault| answer::failed(&fault, is_json))
}
