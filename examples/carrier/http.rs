//! HTTP/1.1 as far as a carrier needs it: POSTs with a length, over connections that are kept.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::thread;

use serde_json::{Value, json};

use super::strict::{self, Refusal};
use super::{Fault, Received, Shared, phone};

/// Most bytes of a body.
const BODY_BYTES: u64 = 64 * 1024;

struct Request {
    path: String,
    authorization: String,
    body: Vec<u8>,
}

pub fn serve(stream: &TcpStream, shared: &Arc<Shared>) {
    let mut reader = BufReader::new(stream);
    while let Some(request) = read(&mut reader) {
        let body: Option<Value> = serde_json::from_slice(&request.body).ok();
        let fault = shared.state().faults.pop_front();
        let (status, answer) = match &fault {
            Some(Fault::Status(status)) => (*status, problem(&Refusal::new(*status, "ordered", "as ordered"))),
            Some(Fault::Reset | Fault::Garbage) => (0, Value::Null),
            Some(Fault::Delay(pause)) => {
                thread::sleep(*pause);
                answer(shared, &request, body.as_ref())
            }
            None => answer(shared, &request, body.as_ref()),
        };
        let Request { path, authorization, .. } = request;
        let received = Received { path: path.clone(), authorization, body: body.clone().unwrap_or_default(), status };
        shared.state().received.push(received);
        let sent = match fault {
            Some(Fault::Reset) => return,
            Some(Fault::Garbage) => {
                (&*stream).write_all(b"\0\xffgarbage\r\n\r\n").and(Err(std::io::ErrorKind::Other.into()))
            }
            _ => respond(stream, status, &answer),
        };
        if let (202, Some(body)) = (status, body) {
            phone::take(shared, &path, &body, &answer);
        }
        if sent.is_err() {
            return;
        }
    }
}

fn read(reader: &mut impl BufRead) -> Option<Request> {
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

fn answer(shared: &Shared, request: &Request, body: Option<&Value>) -> (u16, Value) {
    match strict::check(shared, &request.path, &request.authorization, body) {
        Ok(()) => {
            let mut state = shared.state();
            state.messages += 1;
            let uuid = format!("aaaaaaaa-bbbb-4ccc-8ddd-{:012x}", state.messages);
            let name = if request.path == strict::DISPATCH { "dispatch_uuid" } else { "message_uuid" };
            (202, json!({ name: uuid }))
        }
        Err(refusal) => (refusal.status, problem(&refusal)),
    }
}

fn problem(refusal: &Refusal) -> Value {
    json!({"type": format!("https://developer.vonage.com/api-errors#{}", refusal.code), "title": refusal.code,
        "detail": refusal.detail, "instance": "00000000-0000-4000-8000-000000000000"})
}

fn respond(mut stream: &TcpStream, status: u16, answer: &Value) -> std::io::Result<()> {
    let body = answer.to_string();
    let kind = if status == 202 { "application/json" } else { "application/problem+json" };
    let pause = if status == 429 { "Retry-After: 1\r\n" } else { "" };
    let length = body.len();
    let head = format!("HTTP/1.1 {status} Answer\r\nContent-Type: {kind}\r\n{pause}Content-Length: {length}\r\n\r\n");
    stream.write_all((head + &body).as_bytes())
}
