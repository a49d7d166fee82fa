//! Endurance: many processes with threads and children at work on the same tokens, while some are killed or stopped,
//! clocks go wrong, and a program of somebody else reads the file. What was told about each token must be what could
//! have happened one after the other.

mod history;
mod log;
mod model;
mod worker;

use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::time::{Duration, Instant};

use model::Op;
use testing::crew::Shared;
use testing::place::{Place, SERVERS, is_shared};
use testing::{Random, Watchdog, complain, size};

/// Processes at work.
const PROCESSES: usize = 4;

/// Tokens of a phase.
const TOKENS: usize = 24;

/// Words of the shared memory: whether all is over, the phase, how many seconds the clock is wrong, and for each token
/// of the phase its newest code and how often it was asked about.
const STOP: usize = 0;
const PHASE: usize = 1;
const CLOCK_SECONDS: usize = 2;
const CODES: usize = 3;
const COUNTS: usize = CODES + TOKENS;

/// Calls after which a token is not asked about any more, with some to spare.
const ENOUGH: u32 = 28;

/// How wrong a clock gets: beyond the end of every code, and back again.
const DAY_SECONDS: u32 = 25 * 3600;

/// A process under test: not a test of its own.
#[test]
fn asker() {
    if let Some(role) = testing::role() {
        worker::run(&role);
    }
}

/// All that runs.
struct Campaign {
    place: Place,
    shared: Arc<Shared>,
    workers: Vec<Child>,
    random: Random,
    /// Phases in which the clock was wrong.
    wrong: Vec<u32>,
    kills: usize,
    stops: usize,
    crashes: usize,
}

impl Campaign {
    fn new(place: Place) -> Self {
        let shared = Arc::new(Shared::open(&place.folder().join("memory")));
        let (random, wrong) = (Random::from_environment(), Vec::new());
        let mut campaign = Self { place, shared, workers: Vec::new(), random, wrong, kills: 0, stops: 0, crashes: 0 };
        campaign.workers = (0..PROCESSES).map(|_| campaign.start()).collect();
        campaign
    }

    fn log(&self) -> PathBuf {
        self.place.folder().join("log")
    }

    fn start(&mut self) -> Child {
        let (seed, folder) = (self.random.draw(), self.place.folder().display());
        let role = format!("{seed}|{folder}/memory|{folder}/log|{}", self.place.repository);
        let mut command = testing::child(testing::here!("asker"), &role);
        // A group of its own, with its children.
        command.process_group(0).stdout(Stdio::null()).spawn().unwrap()
    }

    fn signal(&self, place: usize, signal: i32) {
        // SAFETY: the process is ours and was not waited for.
        assert_eq!(unsafe { libc::kill(-self.workers[place].id().cast_signed(), signal) }, 0);
    }

    /// Does something to somebody.
    fn disturb(&mut self) {
        let place = self.random.below(PROCESSES);
        match self.random.below(8) {
            0..3 => {
                self.signal(place, libc::SIGKILL);
                let status = self.workers[place].wait().unwrap();
                assert!(status.code().is_none(), "a process failed by itself: {status}");
                self.workers[place] = self.start();
                self.kills += 1;
            }
            3..5 => {
                self.signal(place, libc::SIGSTOP);
                std::thread::sleep(Duration::from_millis(self.random.below(300) as u64));
                self.signal(place, libc::SIGCONT);
                self.stops += 1;
            }
            5 => {
                let wrong = *self.random.pick(&[0, DAY_SECONDS, (-3600_i32).cast_unsigned()]);
                if self.shared.word(CLOCK_SECONDS).swap(wrong, SeqCst) != wrong {
                    self.wrong.push(self.shared.word(PHASE).load(SeqCst));
                }
            }
            6 if self.random.below(4) == 0 => self.crash(),
            _ => {}
        }
    }

    /// Has the server crash, if there is one.
    fn crash(&mut self) {
        if is_shared(&self.place.repository) {
            self.place.crash();
            self.crashes += 1;
        }
    }

    /// Goes on to new tokens when the old ones were asked about often enough.
    fn advance(&mut self) {
        let count = |place| self.shared.word(COUNTS + place).load(SeqCst);
        if (0..TOKENS).filter(|place| count(*place) >= ENOUGH).count() < TOKENS {
            return;
        }
        self.shared.word(PHASE).fetch_add(1, SeqCst);
        (0..TOKENS).for_each(|place| self.shared.word(CODES + place).store(0, SeqCst));
        (0..TOKENS).for_each(|place| self.shared.word(COUNTS + place).store(0, SeqCst));
    }

    fn run(&mut self, seconds: usize) {
        let begun = Instant::now();
        while begun.elapsed() < Duration::from_secs(seconds as u64) {
            let until = Instant::now() + Duration::from_millis(self.random.below(150) as u64);
            while Instant::now() < until {
                std::thread::sleep(Duration::from_millis(5));
                self.advance();
            }
            self.disturb();
        }
        self.crash();
        self.shared.word(STOP).store(1, SeqCst);
        for worker in &mut self.workers {
            assert!(worker.wait().unwrap().success(), "a process failed");
        }
    }

    /// Asks about every token once more, in a process that comes last.
    fn look_again(&mut self) {
        let last = self.shared.word(PHASE).load(SeqCst);
        let service = worker::open(&self.place.repository, self.shared.clone());
        let log = worker::open_log(&self.log());
        let mut asker = worker::Asker::new(&service, &self.shared, &log, "last".to_owned(), Random::seeded(0));
        for phase in 0..=last {
            for place in 0..TOKENS {
                let _ = asker.ask(&format!("{phase}.{place}"), Op::Status);
            }
        }
        for place in 0..TOKENS {
            let code = self.shared.word(CODES + place).load(SeqCst);
            let _ = asker.ask(&format!("{last}.{place}"), Op::Verify(code));
        }
    }
}

impl Drop for Campaign {
    fn drop(&mut self) {
        for worker in &mut self.workers {
            let _ = worker.kill();
            let _ = worker.wait();
        }
    }
}

/// A program of somebody else, which reads for a while, and tries to bring the log home.
fn read_along(database: &Path, over: &AtomicBool, mut random: Random) {
    while !over.load(SeqCst) {
        std::thread::sleep(Duration::from_millis(random.below(100) as u64));
        let Ok(connection) = rusqlite::Connection::open(database) else { continue };
        // Either may be told that the database is locked.
        let _ = connection.execute_batch("BEGIN; SELECT count(*) FROM item");
        std::thread::sleep(Duration::from_millis(random.below(400) as u64));
        let _ = connection.execute_batch("COMMIT; PRAGMA wal_checkpoint(TRUNCATE)");
    }
}

fn endure(kind: &str, seconds: usize) {
    let _watchdog = Watchdog::new(&format!("endurance with {kind}"), 900 + 3 * seconds as u64);
    let Some(place) = Place::new(kind, "endurance") else { return };
    let mut campaign = Campaign::new(place);
    let (database, over) = (campaign.place.folder().join("otp.db"), AtomicBool::new(kind != "sqlite"));
    let seed = campaign.random.draw();
    std::thread::scope(|scope| {
        scope.spawn(|| read_along(&database, &over, Random::seeded(seed)));
        let run = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| campaign.run(seconds)));
        over.store(true, SeqCst);
        run.unwrap_or_else(|cause| std::panic::resume_unwind(cause));
    });
    campaign.look_again();
    let told = log::read(&campaign.log());
    let summary = told.summary();
    let Campaign { kills, stops, crashes, .. } = campaign;
    complain(&format!("endurance, {kind}: {seconds} s, {kills} kills, {stops} stops, {crashes} crashes, {summary}"));
    told.check(&campaign.wrong);
    assert!(told.count() > 100 && campaign.kills > 0, "nothing happened");
    if kind == "sqlite" {
        let connection = rusqlite::Connection::open(&database).unwrap();
        let found: String = connection.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
        assert_eq!(found, "ok");
    }
}

#[test]
fn nothing_is_good_twice_or_lost_with_sqlite() {
    endure("sqlite", size(8, 600));
}

#[test]
fn nothing_is_good_twice_or_lost_with_json() {
    endure("json", size(4, 200));
}

/// The server crashes as well.
#[test]
fn nothing_is_good_twice_or_lost_among_hosts() {
    for kind in SERVERS {
        endure(kind, size(4, 200));
    }
}
