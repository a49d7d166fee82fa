//! Work over many rows: in small transactions, in every one's turn, and past the rows that are in the way.

use std::sync::Mutex;
use std::time::Duration;

use serde_json::{Value, json};

use super::flow::{Carrier, fixture, fixture_with};
use super::watched::watch;
use super::*;
use crate::block::Mac;
use crate::fork::lock;
use crate::policy::Failures;
use crate::repository::Row;
use crate::repository::conformance::ScratchFolder;
use crate::service::pace::{FIRST, MOST};
use crate::workflow;

/// Rows that one timer may touch: itself, its record, and the timer that follows.
const ROWS_OF_A_TIMER: usize = 3;

/// When the timers of [`Fixture::send`] are due.
const DUE_MS: i64 = 120_000;

type Events = Arc<Mutex<Vec<Value>>>;

impl Fixture {
    fn keys(&self) -> Vec<RowKey> {
        let rows = self.service.core.repository.scan(self.service.core.tenant().timers()).map(Result::unwrap);
        rows.flatten().map(|(key, _)| key).collect()
    }

    /// Runs until a call has seen all that is due, however slow the machine is. Gives what ran.
    fn run_all(&self) -> u64 {
        let mut all = 0;
        loop {
            let (ran, next) = self.due();
            all += ran;
            if next != Some(0) {
                assert_eq!(next, None);
                return all;
            }
        }
    }

    /// As many calls as a round of the sweep takes on a slow machine.
    fn purge(&self) -> u64 {
        (0..4).map(|_| self.service.run_due().unwrap().purged).sum()
    }

    fn row(&self, token: &str) -> Row {
        self.service.core.repository.read(&self.key(token)).unwrap().unwrap()
    }

    fn key(&self, token: &str) -> RowKey {
        self.service.core.row(token).unwrap()
    }

    /// Changes rows as an operator or a broken disk does.
    fn put(&self, rows: Vec<(RowKey, Row)>) {
        let put = transact(&*self.service.core.repository, RELAXED, move |transaction| {
            rows.iter().for_each(|(key, row)| transaction.put(key, row.clone()));
            Ok(())
        });
        put.unwrap();
    }

    /// So many copies of a token's record, with their timers, among the rows of its tenant. What is sealed in them
    /// cannot be opened.
    fn multiply(&self, token: &str, count: u64) {
        let Row::Record(record) = self.row(token) else { panic!("a record") };
        let copies = (0..count).flat_map(|number| {
            let hash = Mac::truncated(&[[0xab; 8], number.to_be_bytes()].concat());
            let key = self.service.core.tenant().key(&hash);
            let timer = workflow::timer(&key, &record).unwrap();
            [(key, Row::Record(record.clone())), (timer.key(), Row::Timer(timer))]
        });
        self.put(copies.collect());
    }

    /// How many counters of sends there are.
    fn counters(&self) -> usize {
        let rows = self.service.core.repository.scan(self.service.core.tenant().rows()).flat_map(Result::unwrap);
        rows.filter(|(_, row)| matches!(row, Ok(Row::Sends(_)))).count()
    }

    /// What the log is told from now on of rows that were passed over: event, result and record.
    fn errors(&self) -> Events {
        let events = Events::default();
        let heard = events.clone();
        let log: Arc<LogFn> = Arc::new(move |level, event: &str| {
            if level == 1 {
                lock(&heard).push(serde_json::from_str(event).unwrap());
            }
        });
        self.service.on_log(4, Some(log)).unwrap();
        events
    }

    fn pseudonym(key: &RowKey) -> String {
        key.to_string()[16..].to_owned()
    }
}

/// The events so far: event, result, record.
fn told(events: &Events) -> Vec<(String, String, String)> {
    let text = |event: &Value, member: &str| event[member].as_str().unwrap_or_default().to_owned();
    let events = std::mem::take(&mut *lock(events));
    events.iter().map(|event| (text(event, "event"), text(event, "result"), text(event, "record"))).collect()
}

fn event(name: &str, result: &str, key: &RowKey) -> (String, String, String) {
    (name.to_owned(), result.to_owned(), Fixture::pseudonym(key))
}

#[test]
fn timers_that_begin_nothing_are_many_small_transactions() {
    const COUNT: u64 = 3000;
    let (mut fixture, carrier) = fixture("messages");
    let _ = fixture.send("t");
    fixture.multiply("t", COUNT);
    let watch = watch(&mut fixture);
    // All codes have expired.
    fixture.later(600_000);
    assert_eq!(fixture.run_all(), 0);
    let transactions = watch.transactions();
    assert!(transactions.iter().all(|keys| keys.len() <= ROWS_OF_A_TIMER * MOST));
    assert!(transactions.len() > COUNT as usize / MOST);
    assert_eq!((fixture.keys(), carrier.channels()), (vec![], vec!["messenger".to_owned()]));
    let Row::Record(record) = fixture.row("t") else { panic!("a record") };
    assert!(record.sealed.is_empty(), "an expired code keeps no address");
}

#[test]
fn a_call_ends_after_a_while_says_so_and_still_sweeps() {
    let (mut fixture, _carrier) = fixture("messages");
    let _ = fixture.send("t");
    fixture.multiply("t", 200);
    let watch = watch(&mut fixture);
    *lock(&watch.delay) = Duration::from_millis(60);
    fixture.later(600_000);
    assert_eq!(fixture.due(), (0, Some(0)));
    assert!(!fixture.keys().is_empty());
    assert!(watch.sweeps.load(Ordering::Relaxed) >= 1, "one step of the sweep in any case");
    *lock(&watch.delay) = Duration::ZERO;
    assert_eq!(fixture.run_all(), 0);
    assert_eq!(fixture.keys(), []);
}

/// However little time there is, those behind them get their turn.
#[test]
fn timers_that_cannot_be_run_do_not_hold_up_those_behind_them() {
    let (mut fixture, carrier) = fixture("messages");
    let _ = fixture.send("t");
    fixture.multiply("t", 3 * FIRST as u64);
    assert_eq!(fixture.service.cancel("t").unwrap().outcome, Outcome::Ok);
    let _ = fixture.later(1).send("last");
    let watch = watch(&mut fixture);
    fixture.later(DUE_MS);
    *lock(&watch.delay) = Duration::from_millis(110);
    let calls = (1..20).find(|_| fixture.due().0 == 1).unwrap();
    assert_eq!((calls, carrier.channels().last().unwrap().as_str()), (4, "sms"), "three calls for the others");
    // Those that are left are looked at by the next call, and are no reason to call at once.
    *lock(&watch.delay) = Duration::ZERO;
    assert_eq!((fixture.run_all(), fixture.keys().len()), (0, 3 * FIRST));
}

#[test]
fn a_webhook_looks_at_a_few_timers_only() {
    let (mut fixture, carrier) = fixture("messages");
    let _ = fixture.send("t");
    fixture.multiply("t", 100);
    let watch = watch(&mut fixture);
    fixture.later(DUE_MS);
    let message = carrier.seen()[0].clone();
    watch.transactions();
    let _ = fixture.report(&message, "delivered");
    let touched: usize = watch.transactions().iter().skip(1).map(|keys| keys.len()).sum();
    assert!((1..=ROWS_OF_A_TIMER * FIRST).contains(&touched), "{touched} rows beside those of the report");
}

/// Each of these is in front of one that is in order.
#[test]
fn what_cannot_be_run_is_passed_over_and_told_once() {
    let (fixture, carrier) = fixture("messages");
    let tokens = ["sealed", "record", "timer", "other"];
    tokens.iter().for_each(|token| drop(fixture.send(token)));
    let _ = fixture.later(1).send("good");
    let Row::Record(mut record) = fixture.row("sealed") else { panic!("a record") };
    record.sealed[0] ^= 1;
    let timer = |token: &str| {
        let Row::Record(record) = fixture.row(token) else { panic!("a record") };
        workflow::timer(&fixture.key(token), &record).unwrap().key()
    };
    let (timer, counter) = (timer("timer"), Row::Failures(Failures { count: 1, ..Failures::default() }));
    let (sealed, other) = (fixture.key("sealed"), fixture.key("other"));
    fixture.put(vec![(sealed, Row::Record(record)), (other, counter.clone()), (timer, counter)]);
    let events = fixture.errors();
    fixture.later(DUE_MS);
    assert_eq!(fixture.run_all(), 2);
    assert_eq!(carrier.channels()[5..], ["sms", "sms"], "those of `record` and `good`");
    let expected = [("run_due", sealed), ("run_due", other), ("run_due", timer)];
    let mut expected = expected.map(|(name, key)| event(name, "OTP_E_STORE", &key));
    let mut seen = told(&events);
    seen.sort();
    expected.sort();
    assert_eq!(seen, expected);
    assert_eq!((fixture.run_all(), told(&events)), (0, vec![]), "once");
}

/// A deployment added `{shop}` to the text; requests from before do not have it.
#[test]
fn a_record_whose_text_no_longer_renders_is_passed_over() {
    let (carrier, folder) = (fixture("messages").1, ScratchFolder::new("texts"));
    let clock = Arc::new(AtomicI64::new(T0));
    let open = |message: &str| open_on("sqlite", &folder, &clock, &carrier, ("default", message));
    let (old, new) = (open("{code}"), open("{shop} {code}"));
    let _ = old.send("old");
    let request = json!({"messengerId": "8192836451", "phoneNumber": "393331234567", "params": {"shop": "x"}});
    old.later(1);
    assert_eq!(new.service.create("new", Some(&request.to_string())).unwrap().outcome, Outcome::Ok);
    let events = new.errors();
    new.later(DUE_MS);
    assert_eq!(new.run_all(), 1);
    assert_eq!(told(&events), [event("run_due", "OTP_E_ARGUMENT", &new.key("old"))]);
    assert_eq!((new.run_all(), told(&events)), (0, vec![]), "it is not claimed, and told of once");
    assert_eq!(old.run_all(), 1, "who can render it sends it");
    assert_eq!(carrier.channels(), ["messenger", "messenger", "sms", "sms"]);
}

/// One of several services of a repository, with this namespace and text.
fn open_on(
    kind: &str,
    folder: &ScratchFolder,
    clock: &Arc<AtomicI64>,
    carrier: &Carrier,
    (namespace, message): (&str, &str),
) -> Fixture {
    let config = json!({"repository": format!("{kind}:{}/otp", folder.path().display()), "namespace": namespace,
        "policy": {"cooldownSeconds": 0, "sendLimits": []}, "message": message, "workflow": [
        {"channel": "messenger", "from": "1", "expiryTime": 120}, {"channel": "sms", "from": "1"}],
        "sender": {"type": "messages", "apiKey": "k", "apiSecret": "s", "baseUrl": carrier.url()}});
    let (service, time) = (Service::open(Some(&config.to_string())).unwrap().0, clock.clone());
    service.on_clock(Some(Arc::new(move || time.load(Ordering::Relaxed)))).unwrap();
    Fixture { service, clock: clock.clone() }
}

#[test]
fn no_tenant_sees_another_s_rows() {
    let ((_, carrier), folder) = (fixture("messages"), ScratchFolder::new("many"));
    let clock = Arc::new(AtomicI64::new(T0));
    let open = |namespace: &str| open_on("sqlite", &folder, &clock, &carrier, (namespace, "{code}"));
    let (first, mut second) = (open("first"), open("second"));
    let _ = first.send("t");
    first.multiply("t", 10_000);
    let _ = second.later(1).send("t");
    damage("sqlite", &folder, &first.key("t"));
    let (watch, events) = (watch(&mut second), second.errors());
    second.later(DUE_MS);
    assert_eq!(second.due().0, 1, "in its first call, behind ten thousand of the other's");
    assert!(second.service.erase("8192836451").unwrap().found);
    assert_eq!(second.service.status("t").unwrap().outcome, Outcome::Unknown);
    let others = |key: &RowKey| crate::tenant::Tenant::of(key) == first.service.core.tenant();
    assert!(!watch.transactions().iter().flatten().any(others));
    assert_eq!(told(&events), []);
    assert_eq!(first.keys().len(), 10_001);
}

/// Breaks the bytes of a row.
fn damage(kind: &str, folder: &ScratchFolder, key: &RowKey) {
    if kind == "json" {
        let file = folder.path().join(format!("otp/{key}.json"));
        assert!(file.exists());
        return std::fs::write(file, "{").unwrap();
    }
    let database = rusqlite::Connection::open(folder.path().join("otp")).unwrap();
    assert_eq!(database.execute("UPDATE item SET v = x'ff' WHERE k = ?1", [key.bytes()]).unwrap(), 1);
}

#[test]
fn a_damaged_row_stops_neither_timers_nor_erasing_nor_the_sweep() {
    for kind in ["sqlite", "json"] {
        let ((_, carrier), folder) = (fixture("messages"), ScratchFolder::new("damaged"));
        let clock = Arc::new(AtomicI64::new(T0));
        let fixture = open_on(kind, &folder, &clock, &carrier, ("default", "{code}"));
        let _ = (fixture.send("bad"), fixture.later(1).send("good"), fixture.later(1).send("other"));
        let timers = fixture.keys();
        damage(kind, &folder, &fixture.key("bad"));
        damage(kind, &folder, &timers[2]);
        let events = fixture.errors();
        fixture.later(DUE_MS);
        assert_eq!(fixture.run_all(), 1, "{kind}");
        assert!(fixture.service.erase("393331234567").unwrap().found);
        for token in ["good", "other"] {
            assert_eq!(fixture.service.status(token).unwrap().outcome, Outcome::Unknown, "{kind}: {token}");
        }
        assert_eq!(fixture.service.status("bad").unwrap_err().outcome(), Outcome::Store);
        let bad = fixture.key("bad");
        let expected = [("run_due", &bad), ("run_due", &timers[2]), ("erase", &bad), ("status", &bad)];
        assert_eq!(told(&events), expected.map(|(name, key)| event(name, "OTP_E_STORE", key)), "{kind}");
        assert!(!fixture.service.erase("393331234567").unwrap().found);
        assert_eq!(told(&events), [], "{kind}: once");
        assert!(fixture.counters() > 0 && fixture.later(3 * 86_400_000).purge() > 0);
        assert_eq!(fixture.counters(), 0, "{kind}");
    }
}

/// Whoever edits the database may leave keys of any length.
#[test]
fn what_has_no_key_of_ours_is_in_nobody_s_way() {
    let ((_, carrier), folder) = (fixture("messages"), ScratchFolder::new("keys"));
    let fixture = open_on("sqlite", &folder, &Arc::new(AtomicI64::new(T0)), &carrier, ("default", "{code}"));
    let _ = fixture.send("t");
    let (row, timer) = (fixture.key("t").to_string(), fixture.keys()[0].to_string());
    let database = rusqlite::Connection::open(folder.path().join("otp")).unwrap();
    for key in ["", "00", &row[..30], &timer[..30], &format!("{row}00"), &format!("{timer}00")] {
        database.execute(&format!("INSERT INTO item VALUES (x'{key}', x'00')"), []).unwrap();
    }
    let events = fixture.errors();
    fixture.later(DUE_MS);
    assert_eq!(fixture.run_all(), 1);
    assert!(fixture.service.erase("393331234567").unwrap().found);
    assert_eq!(fixture.service.status("t").unwrap().outcome, Outcome::Unknown);
    assert!(fixture.counters() > 0 && fixture.later(3 * 86_400_000).purge() > 0);
    assert_eq!((fixture.counters(), told(&events)), (0, vec![]));
}

#[test]
fn erasing_is_many_small_transactions_and_covers_all() {
    const COUNT: u64 = 2000;
    let (mut fixture, _carrier) = fixture("messages");
    let _ = fixture.send("t");
    fixture.multiply("t", COUNT);
    let other = fixture.service.create("other", Some(r#"{"messengerId":"1","phoneNumber":"393331234568"}"#)).unwrap();
    assert_eq!(other.outcome, Outcome::Ok);
    let watch = watch(&mut fixture);
    assert!(fixture.service.erase("8192836451").unwrap().found);
    let transactions = watch.transactions();
    assert!(transactions.iter().all(|keys| keys.len() <= 2 * MOST));
    assert!(transactions.len() > COUNT as usize / MOST);
    assert_eq!(fixture.keys().len(), 1, "the timer of the other recipient");
    assert_eq!(fixture.service.status("t").unwrap().outcome, Outcome::Unknown);
    assert_eq!(fixture.service.status("other").unwrap().outcome, Outcome::Ok);
    watch.transactions();
    assert!(!fixture.service.erase("8192836451").unwrap().found);
    assert_eq!(watch.transactions(), [], "nothing to remove, nobody waits");
}

/// "Nothing was done" must be true.
#[test]
fn an_erase_that_was_begun_is_not_busy() {
    for (transactions, outcome) in [(0, Outcome::Busy), (1, Outcome::Store)] {
        let (mut fixture, _carrier) = fixture("messages");
        let _ = fixture.send("t");
        fixture.multiply("t", 100);
        let watch = watch(&mut fixture);
        *lock(&watch.busy_after) = Some(transactions);
        assert_eq!(fixture.service.erase("8192836451").unwrap_err().outcome(), outcome);
        assert_eq!(fixture.keys().len() == 101, outcome == Outcome::Busy);
    }
}

#[test]
fn a_storage_that_fails_is_no_damaged_row() {
    let (mut fixture, _carrier) = fixture("messages");
    let watch = watch(&mut fixture);
    watch.is_blind.store(true, Ordering::Relaxed);
    assert_eq!(fixture.service.run_due().unwrap_err().outcome(), Outcome::Store);
    assert_eq!(fixture.service.erase("393331234567").unwrap_err().outcome(), Outcome::Store);
}

/// What was sent is told, and what went wrong after it is in the log.
#[test]
fn a_failure_after_the_first_step_does_not_hide_it() {
    let workflow = json!([{"channel": "messenger", "from": "1", "expiryTime": 120}, {"channel": "sms", "from": "1"}]);
    let (mut fixture, carrier) = fixture_with("messages", &workflow);
    let _ = (fixture.send("first"), fixture.send("second"));
    let (watch, events) = (watch(&mut fixture), fixture.errors());
    fixture.later(DUE_MS);
    // The claim, the leave to go, what came of it.
    *lock(&watch.busy_after) = Some(3);
    assert_eq!(fixture.due(), (1, Some(0)));
    let told = told(&events);
    // On a slow machine the time ended first.
    assert!(told.is_empty() || told == [("run_due".to_owned(), "OTP_E_STORE".to_owned(), String::new())], "{told:?}");
    assert_eq!(fixture.service.run_due().unwrap_err().outcome(), Outcome::Busy);
    *lock(&watch.busy_after) = None;
    assert_eq!(fixture.run_all(), 1);
    assert_eq!(carrier.channels(), ["messenger", "messenger", "sms", "sms"]);
}
