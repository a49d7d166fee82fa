//! SIGKILL before every single write of a workflow, to a file or to the carrier: another process goes on from there.

use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering::SeqCst};

use otp::{DeliveryState, Outcome, RequestState, Service};

use super::{EXPIRY_SECONDS, T0, create, open_at, sms_count, steps};
use testing::carrier::{Carrier, code_in, report, uuid};
use testing::place::{Place, SERVERS};
use testing::{self, Watchdog};

/// When the claim of a process that died has surely ended: the time for a request, and a second.
pub const CLAIM_SECONDS: i64 = 11;

/// More writes than a workflow has.
pub const MOST_WRITES: usize = 2000;

/// The process that is killed: not a test of its own. Messenger, its time passes, and what follows.
#[test]
fn worker() {
    let Some(role) = testing::role() else { return };
    let Some((token, config)) = role.split_once('@') else { return };
    let clock = Arc::new(AtomicI64::new(T0));
    let service = open_at(config, &clock);
    create(&service, token);
    clock.fetch_add(EXPIRY_SECONDS * 1000, SeqCst);
    assert_eq!(service.run_due().unwrap().ran, 1);
}

/// Runs that process, to be killed before its write of this number. Whether it had so many.
pub fn is_killed(shim: &Path, config: &str, token: &str, at: usize) -> bool {
    let mut command = testing::child(testing::here!("worker"), &format!("{token}@{config}"));
    command.env("LD_PRELOAD", shim).env("OTP_KILL_AT", at.to_string());
    let output = command.stdin(Stdio::null()).output().unwrap();
    let killed = output.status.signal() == Some(libc::SIGKILL);
    assert!(killed || output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    killed
}

/// Builds what counts the writes.
pub fn shim(folder: &Path) -> Option<PathBuf> {
    let (compiler, library) = (testing::tool("cc")?, folder.join("kill.so"));
    let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/campaigns/workflow/kill.c");
    let mut command = Command::new(compiler);
    command.args(["-Wall", "-Wextra", "-Werror", "-O1", "-shared", "-fPIC", "-o"]).arg(&library).arg(source);
    assert!(command.arg("-ldl").status().unwrap().success());
    Some(library)
}

/// What became of a workflow that was cut off, once another process has driven it.
#[derive(Debug)]
struct End {
    messenger: usize,
    sms: usize,
    steps: Vec<(String, DeliveryState)>,
}

/// Goes on where the other process was killed, as a host would: what was never stored is asked for again.
fn go_on(service: &Service, clock: &AtomicI64, carrier: &Carrier, token: &str, before: usize) -> End {
    clock.store(T0 + EXPIRY_SECONDS * 1000, SeqCst);
    if service.status(token).unwrap().outcome == Outcome::Unknown {
        assert_eq!(carrier.count(), before, "it was sent before it was stored");
        create(service, token);
        clock.fetch_add(EXPIRY_SECONDS * 1000, SeqCst);
    }
    let _ = service.run_due().unwrap();
    clock.fetch_add(CLAIM_SECONDS * 1000, SeqCst);
    let _ = service.run_due().unwrap();
    let sent = carrier.seen_from(before);
    let steps = steps(service, token);
    if let Some((place, message)) = sent.iter().enumerate().find(|(_, message)| message["channel"] == "sms") {
        let now = clock.load(SeqCst);
        let (authorization, body) = report(message, &uuid(before + place + 1), "delivered", now);
        let reply = service.webhook(Some(&authorization), body.as_bytes()).unwrap();
        assert_eq!((reply.known, reply.state), (Some(true), Some(DeliveryState::Delivered)));
    }
    let status = service.status(token).unwrap().status.unwrap();
    assert_eq!(status.state, RequestState::Pending);
    let last = sent.last().cloned();
    if let Some(last) = last {
        assert_eq!(service.verify(token, code_in(&last), None).unwrap().outcome, Outcome::Ok);
    }
    End { messenger: sent.len() - sms_count(&sent), sms: sms_count(&sent), steps }
}

fn kill_at_every_write(kind: &str) {
    let _watchdog = Watchdog::new("kill_at_every_write", 1200);
    let Some(place) = Place::new(kind, "workflow-kill") else { return };
    let Some(shim) = shim(place.folder()) else { return };
    let carrier = Carrier::start();
    let config = carrier.config(&place.repository, "").replace(r#""durability":"process","#, "");
    let clock = Arc::new(AtomicI64::new(T0));
    // The repository is there before the first worker.
    drop(open_at(&config, &clock));
    let (mut unknown, mut ends) = ([const { Vec::new() }; 2], 0);
    for at in 1..MOST_WRITES {
        let (token, before) = (format!("token {at}"), carrier.count());
        let killed = is_killed(&shim, &config, &token, at);
        let end = go_on(&open_at(&config, &clock), &clock, &carrier, &token, before);
        let channels: Vec<_> = end.steps.iter().map(|(channel, _)| channel.as_str()).collect();
        assert_eq!(channels, ["messenger", "sms"], "write {at}");
        assert!(end.messenger <= 1 && end.sms <= 1, "write {at}: {end:?}");
        // Between the write that says so and the message itself nobody can tell whether it went out, and it is not
        // sent again. The record says so.
        for (step, sent) in [end.messenger, end.sms].into_iter().enumerate() {
            if sent == 0 {
                let status = end.steps[step].1;
                assert_eq!((status, killed), (DeliveryState::Sending, true), "write {at}: {end:?}");
                unknown[step].push(at);
            }
        }
        if !killed {
            ends = at;
            break;
        }
    }
    println!("{kind}: killed before each of {} writes; nothing was sent after {unknown:?}", ends - 1);
    assert!(ends > 10, "the worker was never killed");
    // Of the first message, for which the host waits, those from its commit to its request. Of the SMS, for which
    // nobody does, the sync of the write that ends its claim, and the message. They vary a little from run to run, as
    // SQLite's log does.
    assert!(unknown[0].len() * 2 < ends && unknown[1].len() * 6 < ends, "{unknown:?} of {ends}");
}

#[test]
fn killed_at_every_write_sqlite() {
    kill_at_every_write("sqlite");
}

#[test]
fn killed_at_every_write_among_hosts() {
    SERVERS.into_iter().for_each(kill_at_every_write);
}

#[test]
fn killed_at_every_write_json() {
    kill_at_every_write("json");
}
