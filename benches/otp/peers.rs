//! What others do, where it is installed, beside the library: the tutorial's repository in Node, liboath's usersfile,
//! django-otp, and the check that people write over Redis. One thread each, round by round in turn.

mod check;
mod django;
mod ours;
mod programs;

use std::time::{Duration, Instant};

use testing::redis::Server;

use crate::Size;
use crate::disk::{Folder, settle};
use crate::latency::Latencies;
use crate::table::{Row, Samples, Table, Target};

/// What each does, as far as it can.
const WORK: [&str; 4] = ["create", "verify", "wrong", "unknown"];

/// The one that the others are compared with, and that comes first.
const REFERENCE: &str = "libotp, sqlite:, synced";

/// What one kind of work took, operation by operation.
type Times = (&'static str, Vec<Duration>);

/// Does a round of work.
type Work<'a> = Box<dyn FnMut(usize) -> Result<Vec<Times>, String> + 'a>;

struct Peer<'a> {
    name: &'static str,
    work: Work<'a>,
    cells: [Cell; WORK.len()],
    fault: Option<String>,
}

/// One kind of work, over all rounds.
#[derive(Default)]
struct Cell {
    rates: Samples,
    rounds: Vec<Latencies>,
}

impl<'a> Peer<'a> {
    fn new(name: &'static str, work: impl FnMut(usize) -> Result<Vec<Times>, String> + 'a) -> Self {
        Self { name, work: Box::new(work), cells: Default::default(), fault: None }
    }

    fn run(&mut self, round: usize) {
        if self.fault.is_some() {
            return;
        }
        settle();
        match (self.work)(round) {
            Ok(all) => {
                for (name, times) in all {
                    let place = WORK.iter().position(|work| *work == name).expect("a kind of work");
                    let seconds: f64 = times.iter().map(Duration::as_secs_f64).sum();
                    self.cells[place].rates.push(times.len() as f64 / seconds);
                    self.cells[place].rounds.push(times.into_iter().collect());
                }
            }
            Err(why) => self.fault = Some(why),
        }
    }
}

pub fn measure(table: &mut Table, size: Size) {
    let folder = Folder::new("peers");
    let options = [&["--appendonly", "yes", "--appendfsync", "always"][..], &["--appendonly", "no"]];
    let servers = options.map(Server::try_start);
    let mut peers = vec![
        Peer::new(REFERENCE, |round| Ok(ours::in_file(&folder, round, "full", size))),
        Peer::new("libotp, sqlite:, not synced", |round| Ok(ours::in_file(&folder, round, "process", size))),
    ];
    if let [Some(synced), Some(not_synced)] = &servers {
        peers.push(Peer::new("libotp, redis:, synced", |round| Ok(ours::in_redis(synced, round, size))));
        peers.push(Peer::new("a check in Redis, synced", |_| Ok(check::run(synced, size))));
        peers.push(Peer::new("a check in Redis, not synced", |_| Ok(check::run(not_synced, size))));
    } else {
        table.absent("Redis", "redis-server is not installed");
    }
    peers.push(Peer::new("the tutorial in Node, not synced", |_| programs::tutorial(&folder, size)));
    peers.push(Peer::new("liboath, usersfile of 10 users", |_| programs::liboath(&folder, 10, size)));
    peers.push(Peer::new("liboath, usersfile of 1,000 users", |_| programs::liboath(&folder, 1000, size)));
    peers.push(Peer::new("django-otp, SQLite, synced", |_| django::run(&folder, size)));
    for round in 0..size.rounds {
        peers.iter_mut().for_each(|peer| peer.run(round));
    }
    print(table, &peers);
}

fn print(table: &mut Table, peers: &[Peer<'_>]) {
    table.heading(&format!("Peers, 1 thread; the ratio is to {REFERENCE}"));
    let ours = &peers[0].cells;
    for peer in peers {
        if let Some(why) = &peer.fault {
            table.absent(peer.name, why);
            continue;
        }
        for ((work, cell), own) in WORK.iter().zip(&peer.cells).zip(ours) {
            if cell.rounds.is_empty() {
                continue;
            }
            let (name, reference) = (format!("{}: {work}", peer.name), format!("peers/{REFERENCE}: {work}"));
            let (ratio, row) = (cell.rates.over(&own.rates), Row::new(&name, &cell.rates, "/s").timed(&cell.rounds));
            let is_other = peer.name != REFERENCE;
            table.row(&if is_other { row.over(&ratio, "of it", &reference) } else { row }.target(Target::None));
        }
    }
}

/// What each of so many operations takes.
fn time(count: usize, mut work: impl FnMut(usize)) -> Vec<Duration> {
    let one = |item| {
        let begun = Instant::now();
        work(item);
        begun.elapsed()
    };
    (0..count).map(one).collect()
}
