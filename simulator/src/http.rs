//! HTTP/1.1 as far as a carrier and a host need it: POSTs with a length, over connections that are kept.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::sync::Arc;

use serde_json::{Value, json};

use super::fault::Fault;
use super::strict::{self, Refusal};
use super::{Received, Shared, phone};

/// Most bytes of a body.
const BODY_BYTES: u64 = 64 * 1024;

/// A request.
pub struct Request {
    pub path: String,
    /// Empty without.
    pub authorization: String,
    pub body: Vec<u8>,
}

pub(super) fn serve(stream: &TcpStream, shared: &Arc<Shared>, connection: usize) {
    let mut reader = BufReader::new(stream);
    while let Some(request) = read(&mut reader) {
        if exchange(stream, shared, connection, request).is_none() {
            return;
        }
    }
}

/// Answers a request. `None` ends the connection.
fn exchange(stream: &TcpStream, shared: &Arc<Shared>, connection: usize, request: Request) -> Option<()> {
    let body: Option<Value> = serde_json::from_slice(&request.body).ok();
    let Request { path, authorization, .. } = request;
    let (place, fault, arrival) = {
        let mut state = shared.state();
        let (path, authorization, body) = (path.clone(), authorization.clone(), body.clone().unwrap_or_default());
        let at_ms = (shared.clock)();
        state.received.push(Received { path, authorization, body, status: 0, answer: Value::Null, connection, at_ms });
        let fault = state.faults.pop_front().ok_or_else(|| state.trouble.clone());
        (state.received.len() - 1, fault, state.arrival.clone())
    };
    let fault = fault.map_or_else(|trouble| trouble.and_then(|trouble| trouble()), Some);
    shared.changed.notify_all();
    if arrival.is_some_and(|arrival| !arrival(body.as_ref().unwrap_or_default())) {
        return None;
    }
    let (status, answer) = match fault.as_ref().and_then(Fault::refusal) {
        Some(status) => (status, problem(&Refusal::new(status, "ordered", "as ordered"))),
        None => answer(shared, &path, &authorization, body.as_ref()),
    };
    if let Some(received) = shared.state().received.get_mut(place) {
        received.status = status;
        received.answer = answer.clone();
    }
    let take = || body.filter(|_| status == 202).and_then(|body| phone::take(shared, &path, body, answer.clone()));
    let bytes = bytes(status, &answer);
    match fault {
        None => {
            (&*stream).write_all(&bytes).ok()?;
            take();
            Some(())
        }
        Some(Fault::AnswerLast) => {
            // A thread that fails has told why.
            let _ = take().map(std::thread::JoinHandle::join);
            (&*stream).write_all(&bytes).ok()
        }
        Some(fault) => {
            let sent = fault.send(stream, &bytes);
            take();
            sent.ok()
        }
    }
}

/// The next request of a connection; `None` when there is none, or it is not understood.
pub fn read(reader: &mut impl BufRead) -> Option<Request> {
    let mut line = String::new();
    reader.read_line(&mut line).ok().filter(|count| *count > 0)?;
    let mut words = line.split_whitespace();
    let path = words.next().filter(|method| *method == "POST").and(words.next())?.to_owned();
    let (mut authorization, mut length) = (String::new(), 0);
    loop {
        let mut header = String::new();
        reader.read_line(&mut header).ok().filter(|count| *count > 0)?;
        let Some((name, value)) = header.trim_end().split_once(':') else { break };
        match name.to_ascii_lowercase().as_str() {
            "authorization" => authorization = value.trim().to_owned(),
            "content-length" => length = value.trim().parse().ok().filter(|length| *length <= BODY_BYTES)?,
            _ => {}
        }
    }
    let mut body = Vec::new();
    reader.take(length).read_to_end(&mut body).ok()?;
    (body.len() as u64 == length).then_some(Request { path, authorization, body })
}

fn answer(shared: &Shared, path: &str, authorization: &str, body: Option<&Value>) -> (u16, Value) {
    match strict::check(shared, path, authorization, body) {
        Ok(()) => {
            let mut state = shared.state();
            state.messages += 1;
            let name = if path == strict::DISPATCH { "dispatch_uuid" } else { "message_uuid" };
            (202, json!({ name: uuid(state.messages) }))
        }
        Err(refusal) => (refusal.status, problem(&refusal)),
    }
}

/// How the carrier names the message or the workflow that it takes, counted from 1.
pub fn uuid(number: usize) -> String {
    format!("aaaaaaaa-bbbb-4ccc-8ddd-{number:012x}")
}

fn problem(refusal: &Refusal) -> Value {
    json!({"type": format!("https://developer.vonage.com/api-errors#{}", refusal.code), "title": refusal.code,
        "detail": refusal.detail, "instance": "00000000-0000-4000-8000-000000000000"})
}

fn bytes(status: u16, answer: &Value) -> Vec<u8> {
    let body = answer.to_string();
    let kind = if status == 202 { "application/json" } else { "application/problem+json" };
    let pause = if status == 429 { "Retry-After: 1\r\n" } else { "" };
    let length = body.len();
    let head = format!("HTTP/1.1 {status} Answer\r\nContent-Type: {kind}\r\n{pause}Content-Length: {length}\r\n\r\n");
    (head + &body).into_bytes()
}
