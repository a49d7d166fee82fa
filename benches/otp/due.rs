//! Much that is due, among many rows: how long a call of `otp_run_due` takes, how long others wait for it, and what it
//! costs to erase.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use otp::{Outcome, Service};

use crate::Size;
use crate::carrier::server::Server;
use crate::disk::{Folder, settle};
use crate::load::{drive, fill, phone, sqlite, token};
use crate::scale::{Beside, longest_hold};
use crate::table::{Samples, Table, Target, number};

/// Items whose rows are not those of timers begin here.
const OTHERS: usize = 500_000_000;

/// The due timers, and the rows beside them.
struct Store {
    kind: &'static str,
    repository: String,
    lock: PathBuf,
    timers: usize,
    rows: usize,
}

pub fn measure(table: &mut Table, size: Size) {
    let folder = Folder::new("due");
    let server = Server::start();
    let database = folder.file("due.db");
    fill(&sqlite(&database), OTHERS, size.due_rows / 2);
    let sqlite = Store {
        kind: "sqlite",
        repository: format!("sqlite:{}", database.display()),
        lock: folder.file("due.db-lock"),
        timers: size.due_timers,
        rows: size.due_rows,
    };
    let json = Store {
        kind: "json",
        repository: format!("json:{}", folder.file("due").display()),
        lock: folder.file("due/lock"),
        timers: size.due_files / 4,
        rows: 0,
    };
    for store in [sqlite, json] {
        store.measure(table, &server, folder.path());
    }
}

impl Store {
    /// A service of this store whose clock goes that much ahead, in milliseconds.
    fn open(&self, server: &Server, key: &Path, ahead_ms: &Arc<AtomicI64>) -> Service {
        let key = if self.kind == "sqlite" { key.join("due.db.key") } else { key.join("due.key") };
        let config = format!(
            r#"{{"repository": "{}", "keyFile": "{}", "durability": "process", "policy": {{"countries": ["39"]}},
                "sender": {{"type": "messages", "apiKey": "k", "apiSecret": "s", "baseUrl": "{}"}},
                "workflow": [{{"channel": "sms", "from": "A", "expiryTime": 900, "conditionStatus": "delivered"}},
                             {{"channel": "sms", "from": "B"}}]}}"#,
            self.repository,
            key.display(),
            server.base_url(),
        );
        let service = Service::open(Some(&config)).expect("a service").0;
        let ahead = ahead_ms.clone();
        service.on_clock(Some(Arc::new(move || now_ms() + ahead.load(Ordering::Relaxed)))).expect("a clock");
        service
    }

    fn measure(&self, table: &mut Table, server: &Server, key: &Path) {
        let ahead = Arc::new(AtomicI64::new(0));
        let service = self.open(server, key, &ahead);
        drive(4, Duration::from_secs(3600), self.timers, |item| create(&service, item));
        let (timers, rows) = (number(self.timers as f64), number(self.rows as f64 + 4.0 * self.timers as f64));
        table.heading(&format!("{}: {timers} timers that are due, among {rows} rows", self.kind));
        settle();
        // Every code has expired: nothing is sent.
        ahead.store(3_600_000, Ordering::Relaxed);
        let other = self.open(server, key, &ahead);
        let (mut calls, mut waits) = (Samples::default(), Samples::default());
        let held = longest_hold(&self.lock, || calls = run_all(&service));
        let kind = self.kind;
        tell(table, kind, &calls, &held);
        // Again, and somebody else creates.
        ahead.store(0, Ordering::Relaxed);
        let more = self.timers / 10;
        drive(4, Duration::from_secs(3600), more, |item| create(&service, self.timers + item));
        ahead.store(7_200_000, Ordering::Relaxed);
        beside(&other, 2 * self.timers, &mut waits, || drop(run_all(&service)));
        table.value(&format!("{kind}: longest create beside it"), &longest(&waits), "ms", Target::AtMost(50.0));
        let begun = Instant::now();
        let erase = || {
            let reply = service.erase(&phone(7)).expect("an erase");
            assert!(reply.found);
        };
        let held = longest_hold(&self.lock, erase);
        table.value(&format!("{kind}: otp_erase"), &Samples::of([milliseconds(begun)]), "ms", Target::None);
        table.value(&format!("{kind}: longest time the lock was held by it"), &held, "ms", Target::AtMost(50.0));
    }
}

/// Calls until nothing is due: the milliseconds of each call.
fn run_all(service: &Service) -> Samples {
    let mut calls = Samples::default();
    loop {
        let begun = Instant::now();
        let reply = service.run_due().expect("a run");
        calls.push(milliseconds(begun));
        if reply.next_due_in_milliseconds != Some(0) {
            return calls;
        }
    }
}

fn tell(table: &mut Table, kind: &str, calls: &Samples, held: &Samples) {
    table.value(&format!("{kind}: longest call of otp_run_due"), &longest(calls), "ms", Target::AtMost(100.0));
    table.note(&format!("{} calls, half of them within {} ms", calls.count(), number(calls.median())));
    table.value(&format!("{kind}: longest time the lock was held"), held, "ms", Target::AtMost(50.0));
}

/// Creates through another handle, one after the other, while the work is done.
fn beside(other: &Service, first: usize, waits: &mut Samples, work: impl FnOnce()) {
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let writer = scope.spawn(|| {
            let mut waits = Samples::default();
            for item in (first..).take_while(|_| !over.load(Ordering::Relaxed)) {
                let begun = Instant::now();
                create(other, item);
                waits.push(milliseconds(begun));
            }
            waits
        });
        Beside(&over).run(work);
        *waits = writer.join().expect("a writer that lives");
    });
}

fn create(service: &Service, item: usize) {
    let request = format!(r#"{{"phoneNumber": "{}"}}"#, phone(item));
    let reply = service.create(&token(item), Some(&request)).expect("a create");
    assert_eq!(reply.outcome, Outcome::Ok, "item {item}");
}

fn longest(samples: &Samples) -> Samples {
    Samples::of([samples.max()])
}

fn milliseconds(begun: Instant) -> f64 {
    begun.elapsed().as_secs_f64() * 1e3
}

fn now_ms() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock that is set").as_millis() as i64
}
