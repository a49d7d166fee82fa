//! `otp send-test`: one message, to see that it arrives.

use std::process::{self, ExitCode};
use std::time::SystemTime;

use otp::{CreateReply, Outcome, Service};
use serde::Serialize;
use serde_json::{Value, json};

use crate::answer;
use crate::command::{Call, Command};
use crate::configuration::Configuration;
use crate::fault::{Fault, Result};
use crate::steps::Delivery;
use crate::{input, service, status};

/// The subcommand.
pub const SEND_TEST: Command = Command {
    name: "send-test",
    operand: Some("ADDRESS"),
    options: &["as"],
    summary: "send a code that is good for nothing, to see that it arrives",
    manual: "\
Sends one message as your program would, to a number or another address of your own, and cancels its code at once.
It counts against the limits of the address; status 1 says that they, or the list of countries, refuse it. What the
carrier says later is in otp status, with the token that is shown.

  --as MEMBER  the member of a request that the address is: phoneNumber (the default), messengerId, email or a channel's
               name

example:
  otp send-test - --config /etc/app/otp.json < number.txt
",
    run,
};

/// The library's reply, and the token by which more can be asked.
#[derive(Serialize)]
struct Tested<'a> {
    token: &'a str,
    #[serde(flatten)]
    reply: &'a CreateReply,
}

fn run(call: &Call) -> Result<ExitCode> {
    let address = input::operand(call)?;
    let configuration = Configuration::read(call.config.as_deref())?;
    if let Some(sender) = Delivery::of(&configuration).program() {
        return Err(Fault::unsupported(format!("sender: {sender}: your program delivers, so there is nothing to try")));
    }
    let service = service::open_kept(&configuration)?;
    let token = token();
    let reply = service.create(&token, Some(&request(call, &configuration, &address)))?;
    let cancelled = cancel(&service, &token, &reply);
    told(call, &token, &reply)?;
    cancelled?;
    Ok(answer::exit(reply.outcome))
}

/// A token that no other test has.
fn token() -> String {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    format!("otp-send-test-{}-{}", now.as_millis(), process::id())
}

fn request(call: &Call, configuration: &Configuration, address: &str) -> String {
    let mut request = json!({});
    request[call.options.member.as_deref().unwrap_or("phoneNumber")] = Value::from(address);
    // What a code approves must be said there.
    let policy = configuration.get("policy").unwrap_or_default();
    if policy.get("profile").is_some_and(|profile| profile == "psd2") {
        request["context"] = Value::from("test");
    }
    request.to_string()
}

/// Ends the code, and with it the steps that have not begun. Of one that was not sent there is nothing left.
fn cancel(service: &Service, token: &str, reply: &CreateReply) -> Result<()> {
    if matches!(reply.outcome, Outcome::Ok | Outcome::InDoubt) {
        let _done = service.cancel(token)?;
    }
    Ok(())
}

fn told(call: &Call, token: &str, reply: &CreateReply) -> Result<()> {
    if reply.outcome.number() < 0 {
        let detail = reply.failure.as_ref().map_or(reply.outcome.message(), |failure| &failure.detail);
        answer::complain(&format!("otp: {detail}"));
    }
    if call.json {
        return answer::json_reply(reply.outcome, &Tested { token, reply }).map(|_| ());
    }
    let mut words = reply.delivery.as_ref().map(status::delivery).unwrap_or_default();
    words.extend(reply.retry_after_seconds.map(|seconds| format!("again in {seconds} s")));
    if reply.delivery.is_some() {
        words.push(format!("token: {token}"));
    }
    if reply.outcome.number() > 0 {
        words.insert(0, reply.outcome.message().to_owned());
    }
    answer::lines(&words)
}
