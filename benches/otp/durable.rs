//! Durable operations of one process: by the disk's own rate, with and without group commit.

use std::path::Path;
use std::sync::Mutex;
use std::time::Duration;

use otp::Outcome;

use crate::Size;
use crate::disk::{Disk, Folder, Measured, settle};
use crate::load::{Driven, create, drive, fill, open, open_long, sqlite, verify, wrong};
use crate::table::{Row, Samples, Table, Target};

/// Threads, and whether each operation has a transaction of its own.
#[derive(Clone, Copy, PartialEq)]
struct Way {
    threads: usize,
    alone: bool,
}

const WAYS: [Way; 4] = [
    Way { threads: 1, alone: false },
    Way { threads: 8, alone: false },
    Way { threads: 64, alone: false },
    Way { threads: 64, alone: true },
];

/// More operations per second than any way reaches.
fn enough(way: Way, size: Size) -> usize {
    let rate = if way.threads == 1 || way.alone { 15_000 } else { 50_000 };
    rate * size.cell_ms as usize / 1000
}

/// One round of creates and verifies, on a database of its own.
struct Round<'a> {
    table: &'a Table,
    disk: &'a Disk,
    database: &'a Path,
    size: Size,
    next: usize,
}

impl Round<'_> {
    fn time(&self) -> Duration {
        Duration::from_millis(self.size.cell_ms)
    }

    /// Operations per second, and R. `work` gets a place in the range and is kept to one at a time where asked.
    fn cell(&self, way: Way, count: usize, work: impl Fn(usize) + Sync) -> (Driven, f64) {
        let alone = Mutex::new(());
        settle();
        self.disk.around(self.table, || {
            drive(way.threads, self.time(), count, |place| {
                let _turn = way.alone.then(|| alone.lock().expect("no worker panicked"));
                work(place);
            })
        })
    }

    fn create(&mut self, way: Way) -> (Driven, f64) {
        let (count, first) = (enough(way, self.size), self.next);
        self.next += count;
        let service = open_long(&sqlite(self.database), "full");
        self.cell(way, count, |place| {
            create(&service, first + place);
        })
    }

    fn verify(&mut self, way: Way, guess: impl Fn(u32) -> u32 + Sync, expected: Outcome) -> (Driven, f64) {
        let (count, first) = (enough(way, self.size), self.next);
        self.next += count;
        let codes = fill(&sqlite(self.database), first, count);
        let service = open_long(&sqlite(self.database), "full");
        self.cell(way, count, |place| verify(&service, first + place, guess(codes[place]), expected))
    }

    fn unknown(&self) -> Driven {
        let service = open(self.database, "full");
        drive(1, self.time(), usize::MAX, |place| {
            let reply = service.verify(&format!("nobody-{place}"), "123456", None).expect("a verify");
            assert_eq!(reply.outcome, Outcome::NotValid);
        })
    }
}

pub fn measure(table: &mut Table, size: Size) {
    let folder = Folder::new("durable");
    let disk = Disk::new(&folder);
    let (mut creates, mut verifies) = (vec![Measured::default(); WAYS.len()], vec![Measured::default(); WAYS.len()]);
    let (mut wrongs, mut unknown) = (Measured::default(), Samples::default());
    let mut unknown_rounds = Vec::new();
    for number in 0..size.rounds {
        let database = folder.file(&format!("{number}.db"));
        fill(&sqlite(&database), 0, size.base);
        let mut round = Round { table, disk: &disk, database: &database, size, next: size.base };
        for (place, way) in WAYS.into_iter().enumerate() {
            creates[place].push(round.create(way));
            verifies[place].push(round.verify(way, |code| code, Outcome::Ok));
        }
        wrongs.push(round.verify(WAYS[0], wrong, Outcome::NotValid));
        let driven = round.unknown();
        unknown.push(1e6 / driven.rate);
        unknown_rounds.push(driven.latencies);
    }
    print(table, size, &creates, &verifies);
    wrongs.print(table, "wrong code, 1 thread", Target::None);
    let row = Row::new("unknown token, 1 thread", &unknown, "us").timed(&unknown_rounds);
    table.row(&row.target(Target::AtMost(10.0)));
}

fn print(table: &mut Table, size: Size, creates: &[Measured], verifies: &[Measured]) {
    table.heading("Durable, one process, sqlite:, sender none, one address");
    table.note(&format!(
        "each round begins with {} items; without group commit: the same, one call at a time",
        size.base
    ));
    for (name, cells, one) in [("create", creates, 0.4), ("verify", verifies, 0.5)] {
        for (way, cell) in WAYS.into_iter().zip(cells) {
            let target = match way {
                Way { threads: 1, .. } => Target::AtLeast(one),
                Way { threads: 64, alone: false } => Target::AtLeast(3.0),
                _ => Target::None,
            };
            let (threads, how) = (way.threads, if way.alone { ", without group commit" } else { "" });
            let plural = if threads == 1 { "" } else { "s" };
            let name = format!("{name}, {threads} thread{plural}{how}");
            cell.print(table, &name, target);
        }
        let (grouped, alone) = (&cells[2].value, &cells[3].value);
        let gain = format!("{name}, 64 threads, gain by group commit");
        let reference = format!("durable/{name}, 64 threads, without group commit");
        let ratio = grouped.over(alone);
        table.row(&Row::new(&gain, grouped, "/s").over(&ratio, "times", &reference).target(Target::AtLeast(5.0)));
    }
    let raw = Samples::of(
        creates.iter().chain(verifies).flat_map(|cell| [cell.raw.min(), cell.raw.median(), cell.raw.max()]),
    );
    table.value("R, 4 KiB overwrite and fdatasync, around these", &raw, "/s", Target::None);
}
