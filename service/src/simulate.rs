//! `--simulate`: the service and a simulated carrier in one process, and the story of one code told on the terminal.

use std::error::Error;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use otp::Service;
use otp_service::Served;
use otp_service::account::{APPLICATION, PRIVATE_KEY, SECRET, account};
use serde_json::json;
use tokio::net::TcpListener;

use simulator::{Carrier, Clock, Shown};

/// So that 120 seconds take three.
const SPEED: u32 = 40;

/// Longer than the story takes, on any machine.
const HANGS: Duration = Duration::from_secs(60);

const TOKEN: &str = "123456789";

#[tokio::main(flavor = "current_thread")]
pub async fn run() -> Result<(), Box<dyn Error>> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let port = listener.local_addr()?.port();
    let clock = fast_clock()?;
    let carrier = Carrier::start(account(port)?, clock.clone())?;
    let (service, _warnings) = Service::open(Some(&configuration(carrier.port)))?;
    let service = Arc::new(service);
    let time = clock.clone();
    service.on_clock(Some(Arc::new(move || time())))?;

    let served = Served::new(service.clone(), r#"{"repository": "memory:", "sender": {"type": "none"}}"#)?;
    tokio::spawn(served.answer_all(listener));
    let told = tokio::task::spawn_blocking(move || tell(&service, &carrier, &clock, port).map_err(|e| e.to_string()));
    Ok(told.await??)
}

fn fast_clock() -> Result<Clock, Box<dyn Error>> {
    let since = i64::try_from(SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?.as_millis())?;
    let start = Instant::now();
    Ok(Arc::new(move || since + i64::try_from((start.elapsed() * SPEED).as_millis()).unwrap_or(i64::MAX - since)))
}

fn configuration(port: u16) -> String {
    json!({"repository": "memory:",
        "sender": {"type": "messages", "applicationId": APPLICATION, "privateKey": PRIVATE_KEY,
                   "baseUrl": format!("http://127.0.0.1:{port}")},
        "workflow": [{"channel": "messenger", "from": "1923256201470000", "expiryTime": 120, "conditionStatus": "read"},
                     {"channel": "sms", "from": "NEXMO"}],
        "webhook": {"signatureSecret": SECRET}, "policy": {"countries": ["39"]}})
    .to_string()
}

fn tell(service: &Service, carrier: &Carrier, clock: &Clock, port: u16) -> Result<(), Box<dyn Error>> {
    let begin = clock();
    let say = |text: &str| println!("[{:>3} s] {text}", (clock() - begin) / 1000);
    println!("A simulated carrier and phone. Time runs {SPEED} times as fast: 120 s take {} s.", 120 / SPEED);
    let body = r#"{"messengerId":"8192836451","phoneNumber":"393331234567"}"#;
    say(&format!("POST /otp/{TOKEN}: {}", expect(ask(port, "POST", &format!("/otp/{TOKEN}"), body)?, 201)?));
    let message = wait(service, carrier, "messenger")?;
    say(&format!("Messenger on the phone of {}: {:?}; nobody reads it", message.to, message.text));
    let sms = wait(service, carrier, "sms")?;
    say(&format!("not read in 120 s, so by SMS to {}: {:?}", sms.to, sms.text));
    if sms.at_ms - begin < 120_000 {
        return Err("the SMS came before its time".into());
    }
    for step in service.status(TOKEN)?.status.and_then(|status| status.delivery.steps).unwrap_or_default() {
        say(&format!("status: {} is {:?}", step.channel, step.status));
    }
    let code = sms.text.rsplit(' ').next().unwrap_or_default();
    let path = format!("/otp/{TOKEN}/{code}");
    say(&format!("GET {path}: {}", expect(ask(port, "GET", &path, "")?, 200)?));
    say(&format!("GET {path}: {}", expect(ask(port, "GET", &path, "")?, 409)?));
    Ok(())
}

/// The first message on this channel. Meanwhile the timers are run, as a host does.
fn wait(service: &Service, carrier: &Carrier, channel: &str) -> Result<Shown, Box<dyn Error>> {
    let start = Instant::now();
    while start.elapsed() < HANGS {
        service.run_due()?;
        if let Some(shown) = carrier.shown().into_iter().find(|shown| shown.channel == channel) {
            return Ok(shown);
        }
        thread::sleep(Duration::from_millis(20));
    }
    Err(format!("no message by {channel}").into())
}

fn ask(port: u16, method: &str, path: &str, body: &str) -> Result<String, Box<dyn Error>> {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
    let length = body.len();
    let head = format!("{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: {length}");
    stream.write_all(format!("{head}\r\n\r\n{body}").as_bytes())?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer)
}

/// Status and text of an answer, which has to have this status.
fn expect(answer: String, status: u16) -> Result<String, String> {
    let (head, text) = answer.split_once("\r\n\r\n").ok_or("the service did not answer")?;
    let got = head.split(' ').nth(1).unwrap_or_default();
    if got == status.to_string() { Ok(format!("{got} {text}")) } else { Err(format!("expected {status}, got {got}")) }
}
