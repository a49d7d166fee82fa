//! Many live items: time, bytes, memory, and getting rid of them.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use otp::sender::Sent;
use otp::{Outcome, Service};

use crate::Size;
use crate::disk::{Disk, Folder, settle, weigh};
use crate::load::{create, fill, microseconds, open_long, open_with, phone, scattered, sqlite, token, verify};
use crate::table::{Row, Samples, Table, Target, number};

/// Operations in one round at one size.
const SAMPLE: usize = 1000;

/// What one number of live items costs.
#[derive(Default)]
struct Level {
    items: usize,
    /// Verify without syncing, in microseconds: what the number of items can change.
    plain: Samples,
    /// Verify with syncing, in syncs of the disk.
    durable: Samples,
    unknown: Samples,
}

pub fn measure(table: &mut Table, size: Size) {
    let folder = Folder::new("scale");
    let disk = Disk::new(&folder);
    let mut levels: Vec<Level> = size.scales.iter().map(|items| Level { items: *items, ..Level::default() }).collect();
    let stores: Vec<_> = levels.iter().map(|level| Store::fill(&folder, "level", level.items)).collect();
    for round in 0..size.rounds {
        for (level, store) in levels.iter_mut().zip(&stores) {
            level.round(table, &disk, store, &folder, round);
        }
    }
    print(table, &levels);
    memory(table, &stores);
    bytes(table, &folder, size, &stores);
    if let [.., middle, largest] = &stores[..] {
        purge(table, largest, middle, size);
    }
}

struct Store {
    database: PathBuf,
    codes: Vec<u32>,
    per_second: f64,
}

impl Store {
    fn fill(folder: &Folder, name: &str, items: usize) -> Self {
        let database = folder.file(&format!("{name}-{items}.db"));
        let begun = Instant::now();
        let codes = fill(&sqlite(&database), 0, items);
        Self { database, codes, per_second: items as f64 / begun.elapsed().as_secs_f64() }
    }
}

impl Level {
    fn round(&mut self, table: &Table, disk: &Disk, store: &Store, folder: &Folder, round: usize) {
        // A code is good once: the smallest store is used up in a round and made anew.
        let fresh = (self.items < SAMPLE * 20).then(|| Store::fill(folder, &format!("round-{round}"), self.items));
        let (store, used) = fresh.as_ref().map_or((store, round * SAMPLE), |fresh| (fresh, 0));
        let half = SAMPLE.min(self.items) / 2;
        let places: Vec<usize> = scattered(used + 2 * half, self.items).skip(used).collect();
        let (plain, durable) = places.split_at(half);
        let check = |service: &Service, item: usize| verify(service, item, store.codes[item], Outcome::Ok);
        settle();
        let service = open_long(&sqlite(&store.database), "process");
        self.plain.push(mean(microseconds(plain.iter().copied(), |item| check(&service, item))));
        let service = open_long(&sqlite(&store.database), "full");
        settle();
        let (times, raw) = disk.around(table, || microseconds(durable.iter().copied(), |item| check(&service, item)));
        self.durable.push(mean(times) * raw / 1e6);
        let unknown = microseconds(0..SAMPLE * 5, |place| {
            let reply = service.verify(&format!("nobody-{place}"), "123456", None).expect("a verify");
            assert_eq!(reply.outcome, Outcome::NotValid);
        });
        self.unknown.push(mean(unknown));
    }
}

fn mean(values: Vec<f64>) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

fn print(table: &mut Table, levels: &[Level]) {
    table.heading("Live items, 1 thread (each item is a record and the sends of its one address)");
    let Some(first) = levels.first() else { return };
    for level in levels {
        let last = level.items == levels.last().map_or(0, |level| level.items);
        let target = if last { Target::AtMost(2.5) } else { Target::None };
        let (items, base) = (number(level.items as f64), number(first.items as f64));
        let of = format!("x {base}");
        let reference = |kind: &str| format!("scale/{kind}, {base} items");
        let cells = [
            ("verify, not synced", &level.plain, &first.plain, "us"),
            ("durable verify in syncs (1/R)", &level.durable, &first.durable, ""),
        ];
        for (kind, samples, first, unit) in cells {
            let (ratio, name, reference) = (samples.over(first), format!("{kind}, {items} items"), reference(kind));
            table.row(&Row::new(&name, samples, unit).over(&ratio, &of, &reference).target(target));
        }
        table.value(&format!("unknown token, {items} items"), &level.unknown, "us", Target::AtMost(10.0));
    }
}

/// Measured in a process that does nothing else.
fn memory(table: &mut Table, stores: &[Store]) {
    for store in stores {
        let path = store.database.display().to_string();
        let output =
            crate::child(&["memory", &path, &store.codes.len().to_string()]).output().expect("a child process");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let text = String::from_utf8_lossy(&output.stdout);
        let kilobytes: Vec<f64> = text.split_whitespace().map(|word| word.parse().expect("a number")).collect();
        let [anonymous, resident] = kilobytes[..] else { panic!("two numbers, not {text:?}") };
        let items = number(store.codes.len() as f64);
        let name = format!("anonymous memory of a process at {items} items");
        table.value(&name, &Samples::of([anonymous / 1024.0]), "MB", Target::AtMost(8.0));
        table.note(&format!("resident in all: {} MB", number(resident / 1024.0)));
    }
}

/// The child: works on the database for a while, and tells its memory.
pub fn tell_memory(words: Vec<&str>) {
    let [database, items] = words[..] else { panic!("a role of two words") };
    let items: usize = items.parse().expect("a number");
    let service = open_long(&sqlite(Path::new(database)), "process");
    for item in scattered(5 * SAMPLE, items) {
        // Wrong or right, it reads and writes a page.
        let _ = service.verify(&token(item), "000000", None).expect("a verify");
        create(&service, 500_000_000 + item);
    }
    println!("{} {}", status_kb("RssAnon:"), status_kb("VmRSS:"));
}

/// A line of this process's memory, in KiB.
pub fn status_kb(name: &str) -> u64 {
    let status = fs::read_to_string("/proc/self/status").expect("Linux");
    let line = status.lines().find_map(|line| line.strip_prefix(name)).expect("a line of this name");
    line.trim().trim_end_matches(" kB").parse().expect("a number")
}

/// What an item weighs on the disk: the database after a checkpoint that empties the log.
fn bytes(table: &mut Table, folder: &Folder, size: Size, stores: &[Store]) {
    table.heading("Bytes an item: the database file after a checkpoint, its rows for limits included");
    for store in stores.iter().skip(1) {
        let items = store.codes.len();
        // Those that the memory measurement added.
        let all = items + (5 * SAMPLE).min(items);
        let bytes = Samples::of([weigh(&store.database) as f64 / all as f64]);
        let name = format!("one address, sender none, {} items", number(items as f64));
        table.value(&name, &bytes, "bytes", Target::AtMost(200.0));
        table.note(&format!("filled by 4 threads at {}/s without syncing", number(store.per_second)));
    }
    let database = folder.file("two.db");
    let service = open_with(&sqlite(&database), "process", "host", 1440);
    service.on_send(Some(Arc::new(|_| Sent::Sent))).expect("sender host");
    for item in 0..size.weighed {
        let request = format!(r#"{{"messengerId": "8{item:09}", "phoneNumber": "{}"}}"#, phone(item));
        let reply = service.create(&token(item), Some(&request)).expect("a create");
        assert_eq!(reply.outcome, Outcome::Ok);
    }
    drop(service);
    let bytes = Samples::of([weigh(&database) as f64 / size.weighed as f64]);
    let name = format!("two addresses sealed, sender host, {} items", number(size.weighed as f64));
    table.value(&name, &bytes, "bytes", Target::AtMost(320.0));
}

/// The time in three days, when everything that is here now is past retention.
fn later() -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock that is set");
    now.as_millis() as i64 + 3 * 86_400_000
}

fn open_later(database: &Path) -> Service {
    let service = open_long(&sqlite(database), "process");
    service.on_clock(Some(Arc::new(later))).expect("a clock");
    service
}

/// Purges until so many rows are gone or none is left (creates of others sweep too): how many are gone, the
/// milliseconds of each call, the microseconds of all.
fn sweep(purger: &Service, until: u64) -> (u64, Samples, f64) {
    let (mut purged, mut calls, begun) = (0, Samples::default(), Instant::now());
    while purged < until {
        let call = Instant::now();
        let reply = purger.run_due().expect("a purge");
        calls.push(call.elapsed().as_secs_f64() * 1e3);
        purged += reply.purged;
        if reply.purged == 0 {
            break;
        }
    }
    (purged, calls, begun.elapsed().as_secs_f64() * 1e6)
}

fn purge(table: &mut Table, store: &Store, other: &Store, size: Size) {
    let rows = |store: &Store| 2 * store.codes.len() as u64;
    let purger = open_later(&store.database);
    settle();
    let alone = compete(&store.database, 0, || std::thread::sleep(Duration::from_millis(size.cell_ms)));
    settle();
    let (purged, calls, time) = sweep(&purger, rows(store) / 4);
    settle();
    let beside = compete(&store.database, 1, || {
        sweep(&purger, rows(store) - purged);
    });
    let purger = open_later(&other.database);
    let held = longest_hold(Path::new(&format!("{}-lock", other.database.display())), || {
        let (purged, ..) = sweep(&purger, rows(other));
        assert!(purged >= rows(other), "all of it is past retention");
    });
    table.heading("Purge: otp_run_due until nothing is left");
    let items = Samples::of([time / (purged as f64 / 2.0)]);
    table.value("purge, nobody else at work", &items, "us an item", Target::AtMost(3.0));
    table.note(&format!(
        "{} rows; a call of otp_run_due took at most {} ms",
        number(purged as f64),
        number(calls.max())
    ));
    table.value("longest time the lock between processes was held", &held, "ms", Target::AtMost(50.0));
    let worst = |waits: &Samples| Samples::of([waits.max() / 1e3]);
    table.value("longest wait of another handle's create, no purge", &worst(&alone), "ms", Target::None);
    table.value("longest wait of another handle's create, beside it", &worst(&beside), "ms", Target::AtMost(50.0));
    let quantile = |waits: &Samples, share| number(waits.quantile(share) / 1e3);
    let text = [(&alone, "no purge"), (&beside, "beside it")].map(|(waits, when)| {
        format!("{when}: median {} ms, 99 % within {} ms", quantile(waits, 0.5), quantile(waits, 0.99))
    });
    table.note(&text.join("; "));
}

/// Tells the other thread when the work is over, also when it panics.
pub struct Beside<'a>(pub &'a AtomicBool);

impl Beside<'_> {
    pub fn run(self, work: impl FnOnce()) {
        work();
    }
}

impl Drop for Beside<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Runs the work, and meanwhile takes the lock in every gap between two holders: the longest time from one gap to the
/// next bounds the longest hold. Never sleeps, so that it misses no gap.
pub fn longest_hold(lock: &Path, work: impl FnOnce()) -> Samples {
    let file = File::options().write(true).open(lock).expect("the lock between processes");
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let prober = scope.spawn(|| {
            let (mut last, mut longest) = (Instant::now(), Duration::ZERO);
            while !over.load(Ordering::Relaxed) {
                if file.try_lock().is_ok() {
                    longest = longest.max(last.elapsed());
                    file.unlock().expect("the lock that was taken");
                    last = Instant::now();
                }
            }
            longest
        });
        Beside(&over).run(work);
        Samples::of([prober.join().expect("a prober that lives").as_secs_f64() * 1e3])
    })
}

/// How long creates through a handle of their own take while the work is done, in microseconds.
fn compete(database: &Path, number: usize, work: impl FnOnce()) -> Samples {
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let writer = scope.spawn(|| {
            let service = open_later(database);
            let items = (600_000_000 + number * 100_000_000..).take_while(|_| !over.load(Ordering::Relaxed));
            Samples::of(microseconds(items, |item| {
                create(&service, item);
            }))
        });
        Beside(&over).run(work);
        writer.join().expect("a writer that lives")
    })
}
