//! The same with mail as the second step: one mail, of eight processes, and from any write at which one was killed.

use std::os::unix::process::ExitStatusExt as _;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering::SeqCst};

use otp::{DeliveryState, Outcome, Service};
use serde_json::json;
use simulator::smtp::{Inbox, Setup};
use testing::carrier::Carrier;
use testing::crew::Crew;
use testing::{Folder, Watchdog};

use super::kill::{CLAIM_SECONDS, MOST_WRITES, shim};
use super::{CLOCK, EXPIRY_SECONDS, PROCESSES, T0, TOKENS, open_at, steps};

const REQUEST: &str = r#"{"messengerId": "8192836451", "email": "mario@b.example"}"#;

/// A carrier for the first step, and an inbox for the second.
struct Ground {
    carrier: Carrier,
    inbox: Inbox,
    config: String,
}

impl Ground {
    fn new(repository: &str) -> Self {
        let (carrier, inbox) = (Carrier::start(), Inbox::start(Setup::default()).unwrap());
        let senders = json!({
            "vonage": {"type": "messages", "apiKey": "k", "apiSecret": "s", "baseUrl": carrier.url()},
            "mail": {"type": "smtp", "host": "127.0.0.1", "port": inbox.port, "tls": "none"}});
        let workflow = json!([
            {"channel": "messenger", "sender": "vonage", "from": "1", "expiryTime": EXPIRY_SECONDS, "conditionStatus": "read"},
            {"channel": "email", "sender": "mail", "from": "codes@acme.example"}]);
        let config = json!({"repository": repository, "senders": senders, "workflow": workflow,
            "policy": {"cooldownSeconds": 0, "sendLimits": []}});
        Self { carrier, inbox, config: config.to_string() }
    }
}

fn create(service: &Service, token: &str) {
    assert_eq!(service.create(token, Some(REQUEST)).unwrap().outcome, Outcome::Ok);
}

#[test]
fn of_eight_processes_one_sends_a_mail() {
    let _watchdog = Watchdog::new("of_eight_processes_one_sends_a_mail", 1200);
    let folder = Folder::new("workflow-mail");
    let (ground, memory) = (Ground::new(&folder.repository("sqlite")), folder.path().join("memory"));
    let clock = Arc::new(AtomicI64::new(T0));
    let service = open_at(&ground.config, &clock);
    let roles: Vec<_> = (0..PROCESSES).map(|_| format!("{}|{}", memory.display(), ground.config)).collect();
    // The driver of the others knows no more than a configuration.
    let driver = concat!(module_path!(), "::driver").replace("::mail::", "::");
    let mut crew = Crew::start(&driver, &roles, 1, &memory);
    for round in 0..testing::size(50, 2000) {
        let token = format!("token {}", round % TOKENS);
        create(&service, &token);
        let now = clock.fetch_add(EXPIRY_SECONDS * 1000, SeqCst) + EXPIRY_SECONDS * 1000;
        crew.shared.word(CLOCK).store(((now - T0) / 1000) as u32, SeqCst);
        crew.wait();
        crew.wait();
        assert_eq!((ground.carrier.count(), ground.inbox.messages().len()), (round + 1, round + 1));
        let accepted = |channel: &str| (channel.to_owned(), DeliveryState::Accepted);
        assert_eq!(steps(&service, &token), [accepted("messenger"), accepted("email")], "round {round}");
    }
    crew.finish();
    assert_eq!(ground.inbox.complaints(), [""; 0]);
}

/// The process that is killed: not a test of its own. Messenger, its time passes, mail.
#[test]
fn worker() {
    let Some(role) = testing::role() else { return };
    let Some((token, config)) = role.split_once('|') else { return };
    let clock = Arc::new(AtomicI64::new(T0));
    let service = open_at(config, &clock);
    create(&service, token);
    clock.fetch_add(EXPIRY_SECONDS * 1000, SeqCst);
    assert_eq!(service.run_due().unwrap().ran, 1);
}

/// Goes on where the other process was killed. How many messages and mails there were in all.
fn go_on(ground: &Ground, clock: &Arc<AtomicI64>, token: &str) -> Vec<(String, DeliveryState)> {
    clock.store(T0 + EXPIRY_SECONDS * 1000, SeqCst);
    let service = open_at(&ground.config, clock);
    if service.status(token).unwrap().outcome == Outcome::Unknown {
        create(&service, token);
        clock.fetch_add(EXPIRY_SECONDS * 1000, SeqCst);
    }
    let _ = service.run_due().unwrap();
    clock.fetch_add(CLAIM_SECONDS * 1000, SeqCst);
    let _ = service.run_due().unwrap();
    steps(&service, token)
}

#[test]
fn mail_is_sent_once_though_killed_at_every_write() {
    let _watchdog = Watchdog::new("mail_is_sent_once_though_killed_at_every_write", 1200);
    let folder = Folder::new("workflow-mail-kill");
    let Some(shim) = shim(folder.path()) else { return };
    let ground = Ground::new(&folder.repository("sqlite"));
    let clock = Arc::new(AtomicI64::new(T0));
    // The repository is there before the first worker.
    drop(open_at(&ground.config, &clock));
    let mut unknown = [0, 0];
    for at in 1..MOST_WRITES {
        let (token, before) = (format!("token {at}"), [ground.carrier.count(), ground.inbox.messages().len()]);
        let mut command = testing::child(testing::here!("worker"), &format!("{token}|{}", ground.config));
        command.env("LD_PRELOAD", &shim).env("OTP_KILL_AT", at.to_string());
        let output = command.stdin(Stdio::null()).output().unwrap();
        let killed = output.status.signal() == Some(libc::SIGKILL);
        assert!(killed || output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let steps = go_on(&ground, &clock, &token);
        let channels: Vec<_> = steps.iter().map(|(channel, _)| channel.as_str()).collect();
        assert_eq!(channels, ["messenger", "email"], "write {at}");
        let after = [ground.carrier.count(), ground.inbox.messages().len()];
        for (step, (before, after)) in before.into_iter().zip(after).enumerate() {
            assert!(after - before <= 1, "write {at}: step {step} was sent twice");
            if after == before {
                assert_eq!((steps[step].1, killed), (DeliveryState::Sending, true), "write {at}: {steps:?}");
                unknown[step] += 1;
            }
        }
        if !killed {
            println!("killed before each of {} writes; nothing was sent after {unknown:?}", at - 1);
            assert!(at > 10 && unknown.iter().all(|unknown| unknown * 2 < at), "{unknown:?} of {at}");
            return;
        }
    }
    panic!("the worker does not end");
}
