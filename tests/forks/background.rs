//! The thread of `background`: it sends what is due with no call of the host, in any number of processes, on both
//! sides of a fork, and ends with its service.

mod close;

use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering::SeqCst};
use std::time::{Duration, Instant};

use otp::{Outcome, Service};
use testing::carrier::{BOTH, Carrier, code_in};
use testing::forked::{By, fork};
use testing::{Folder, Watchdog};

const BACKGROUND: &str = r#","background":true"#;

const T0: i64 = 1_700_000_000_000;

/// How many looks at the host's clock are waited for to see that nothing more is sent.
const QUIET: Duration = Duration::from_millis(1500);

/// A service with the host's clock.
fn open(config: &str) -> (Service, Arc<AtomicI64>) {
    let service = Service::open(Some(config)).unwrap().0;
    let clock = Arc::new(AtomicI64::new(T0));
    let time = clock.clone();
    service.on_clock(Some(Arc::new(move || time.load(SeqCst)))).unwrap();
    (service, clock)
}

fn create(service: &Service, token: &str) {
    assert_eq!(service.create(token, Some(BOTH)).unwrap().outcome, Outcome::Ok);
}

/// Waits until this process has so many threads of services: a new one has its name only when it runs.
fn wait_for_threads(count: usize) {
    until("the threads are not as many as they should be", || threads() == count);
}

fn threads() -> usize {
    std::fs::read_dir("/proc/self/task").unwrap().filter(|task| is_driver(task.as_ref().unwrap())).count()
}

fn is_driver(task: &std::fs::DirEntry) -> bool {
    std::fs::read_to_string(task.path().join("comm")).is_ok_and(|name| name.trim() == "otp-driver")
}

/// Waits until something holds. It fails when it never does.
fn until(what: &str, holds: impl Fn() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < Duration::from_secs(30), "{what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn what_is_due_is_sent_with_no_call_of_the_host() {
    testing::alone(testing::here!("what_is_due_is_sent_with_no_call_of_the_host"), || {
        for kind in ["memory", "sqlite", "json"] {
            let (carrier, folder) = (Carrier::start(), Folder::new(&format!("background-{kind}")));
            let (service, clock) = open(&carrier.config(&folder.repository(kind), BACKGROUND));
            assert_eq!(threads(), 0, "before the first call");
            create(&service, "t");
            wait_for_threads(1);
            clock.fetch_add(119_999, SeqCst);
            std::thread::sleep(QUIET);
            assert_eq!(carrier.channels(), ["messenger"]);
            clock.fetch_add(1, SeqCst);
            let seen = carrier.wait(2);
            assert_eq!(code_in(&seen[0]), code_in(&seen[1]));
            clock.fetch_add(60_000, SeqCst);
            std::thread::sleep(QUIET);
            assert_eq!(carrier.channels(), ["messenger", "sms"], "{kind}");
            drop(service);
            assert_eq!(threads(), 0, "after the end");
        }
    });
}

/// Without a clock of the host it wakes by itself at the time. A step waits for 15 seconds at least, so this does too.
#[test]
fn it_wakes_when_a_step_is_due() {
    let (carrier, folder) = (Carrier::start(), Folder::new("background-wakes"));
    let config = carrier.config(&folder.repository("sqlite"), BACKGROUND).replace(r#"":120,"#, r#"":15,"#);
    let service = Service::open(Some(&config)).unwrap().0;
    create(&service, "t");
    let begun = Instant::now();
    carrier.wait(1);
    std::thread::sleep(Duration::from_secs(14));
    assert_eq!(carrier.channels(), ["messenger"]);
    carrier.wait(2);
    assert!(begun.elapsed() < Duration::from_secs(25));
}

#[test]
fn without_the_option_there_is_no_thread() {
    testing::alone(testing::here!("without_the_option_there_is_no_thread"), || {
        let carrier = Carrier::start();
        let (service, clock) = open(&carrier.config("memory:", ""));
        create(&service, "t");
        clock.fetch_add(120_000, SeqCst);
        std::thread::sleep(QUIET);
        assert_eq!((threads(), carrier.channels()), (0, vec!["messenger".to_owned()]));
        assert_eq!(service.run_due().unwrap().ran, 1);
    });
}

/// Every call that is no setter starts it; setters do not.
#[test]
fn which_calls_start_it() {
    testing::alone(testing::here!("which_calls_start_it"), || {
        type Call = fn(&Service);
        let calls: [(&str, Call); 8] = [
            ("create", |service| drop(service.create("t", Some(BOTH)))),
            ("resend", |service| drop(service.resend("t"))),
            ("verify", |service| drop(service.verify("t", "1", None))),
            ("cancel", |service| drop(service.cancel("t"))),
            ("status", |service| drop(service.status("t"))),
            ("webhook", |service| drop(service.webhook(None, b"{}"))),
            ("run_due", |service| drop(service.run_due())),
            ("unlock, erase", |service| drop((service.unlock("t"), service.erase("t")))),
        ];
        let carrier = Carrier::start();
        for (name, call) in calls {
            let (service, _) = open(&carrier.config("memory:", BACKGROUND));
            service.on_log(4, Some(Arc::new(|_, _| {}))).unwrap();
            assert_eq!(threads(), 0, "{name}");
            call(&service);
            wait_for_threads(1);
        }
    });
}

/// A process of the two that drive one repository: not a test of its own.
#[test]
fn driver() {
    let Some(config) = testing::role() else { return };
    if !config.starts_with('{') {
        return;
    }
    let _watchdog = Watchdog::new("driver", 120);
    let (service, clock) = open(&config);
    clock.fetch_add(120_000, SeqCst);
    let _ = service.status("any").unwrap();
    // Until the parent is gone, or has had enough.
    let _ = std::io::stdin().read_line(&mut String::new());
}

#[test]
fn of_several_processes_one_sends() {
    const STEPS: usize = 20;
    for kind in ["sqlite", "json"] {
        let (carrier, folder) = (Carrier::start(), Folder::new(&format!("background-processes-{kind}")));
        let config = carrier.config(&folder.repository(kind), BACKGROUND);
        let (service, _) = open(&carrier.config(&folder.repository(kind), ""));
        (0..STEPS).for_each(|token| create(&service, &format!("t{token}")));
        let start = || {
            testing::child(testing::here!("driver"), &config)
                .stdin(Stdio::piped())
                .stdout(Stdio::null())
                .spawn()
                .unwrap()
        };
        let children = [start(), start()];
        carrier.wait(2 * STEPS);
        std::thread::sleep(QUIET);
        for mut child in children {
            drop(child.stdin.take());
            assert!(child.wait().unwrap().success());
        }
        let sms = carrier.channels().iter().filter(|channel| *channel == "sms").count();
        assert_eq!((sms, carrier.seen().len()), (STEPS, 2 * STEPS), "{kind}");
    }
}

#[test]
fn both_sides_of_a_fork_have_one() {
    testing::alone(testing::here!("both_sides_of_a_fork_have_one"), || {
        for kind in ["sqlite", "json"] {
            let (carrier, folder) = (Carrier::start(), Folder::new(&format!("background-fork-{kind}")));
            let (service, clock) = open(&carrier.config(&folder.repository(kind), BACKGROUND));
            create(&service, "parent");
            let mut service = Some(service);
            let child = fork(By::Fork, || {
                if threads() != 0 {
                    return Err("the child has a thread of its parent's".to_owned());
                }
                let open = service.take().unwrap();
                create(&open, "child");
                wait_for_threads(1);
                // This process's own: that of the parent stands still.
                clock.fetch_add(120_000, SeqCst);
                carrier_has_sent(&open, "child")?;
                carrier_has_sent(&open, "parent")?;
                drop(open);
                if threads() == 0 { Ok("ended".to_owned()) } else { Err("the thread has not ended".to_owned()) }
            });
            assert_eq!(child.join(), Ok("ended".to_owned()), "{kind}");
            wait_for_threads(1);
            create(service.as_ref().unwrap(), "later");
            clock.fetch_add(120_000, SeqCst);
            carrier.wait(6);
            std::thread::sleep(QUIET);
            let sms = carrier.channels().iter().filter(|channel| *channel == "sms").count();
            assert_eq!((sms, carrier.seen().len()), (3, 6), "{kind}");
        }
    });
}

/// Waits until the record says that its SMS is sent.
fn carrier_has_sent(service: &Service, token: &str) -> Result<(), String> {
    for _ in 0..3000 {
        let steps = service.status(token).unwrap().status.unwrap().delivery.steps.unwrap();
        if steps.get(1).is_some_and(|step| step.message_uuid.is_some()) {
            return Ok(());
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    Err(format!("no SMS for {token}"))
}
