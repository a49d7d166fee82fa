//! A process under test: threads, and now and then a child, that ask for one thing after the other and write down what
//! they were told.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering::SeqCst;
use std::time::{Duration, Instant};

use super::model::{Answer, Op};
use super::{CLOCK_SECONDS, CODES, COUNTS, PHASE, TOKENS};
use otp::{Outcome, Service};
use testing::Random;
use testing::crew::Shared;
use testing::forked::{By, fork, in_threads};

const THREADS: usize = 3;

/// Calls about one token, more or less: an order of more is not looked for.
const CALLS: u32 = 30;

/// Calls of a child.
const CALLS_OF_CHILD: usize = 4;

/// Nanoseconds of the clock that all processes have in common.
pub fn now() -> u64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: room for a time.
    assert_eq!(unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &raw mut time) }, 0);
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}

/// Opens a service whose clock is as wrong as the shared memory says.
pub fn open(repository: &str, shared: Arc<Shared>) -> Service {
    let failures = serde_json::json!({"lockAfter": 100, "disableAfter": 100});
    let options = serde_json::json!({"validityTime": 1440, "maxAttempts": super::model::MAX_ATTEMPTS,
        "policy": {"subjectFailures": failures, "retentionMinutes": 43_200}});
    let config = testing::config(repository, "none", options);
    // A server may be on its way up.
    let until = Instant::now() + Duration::from_secs(30);
    let service = loop {
        match Service::open(Some(&config)) {
            Err(error) if error.outcome() == Outcome::Store && Instant::now() < until => {
                std::thread::sleep(Duration::from_millis(20));
            }
            opened => break opened.unwrap().0,
        }
    };
    let clock = move || {
        let wall = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
        let wrong = shared.word(CLOCK_SECONDS).load(SeqCst).cast_signed();
        wall.as_millis() as i64 + i64::from(wrong) * 1000
    };
    service.on_clock(Some(Arc::new(clock))).unwrap();
    service
}

/// Who asks, and where it is written down.
pub struct Asker<'a> {
    service: &'a Service,
    shared: &'a Shared,
    log: &'a File,
    name: String,
    random: Random,
    calls: usize,
}

impl<'a> Asker<'a> {
    pub fn new(service: &'a Service, shared: &'a Shared, log: &'a File, name: String, random: Random) -> Self {
        Self { service, shared, log, name, random, calls: 0 }
    }

    /// One call at random. `false` when there was nothing to be asked.
    fn ask_something(&mut self) -> bool {
        let phase = self.shared.word(PHASE).load(SeqCst);
        let place = self.random.below(TOKENS);
        if self.shared.word(COUNTS + place).fetch_add(1, SeqCst) >= CALLS {
            return false;
        }
        let newest = self.shared.word(CODES + place).load(SeqCst);
        let op = match self.random.below(16) {
            0..4 => Op::Create,
            4..10 => Op::Verify(newest),
            // Drawn codes have six digits.
            10..12 => Op::Verify(1_000_000),
            12 => Op::Cancel,
            _ => Op::Status,
        };
        let told = self.ask(&format!("{phase}.{place}"), op);
        // A server that is down fails as often as it is asked, and each failure doubles what may have happened.
        if told.outcome == Outcome::Store {
            std::thread::sleep(Duration::from_millis(100));
        }
        if let Some(code) = told.code {
            self.shared.word(CODES + place).store(code, SeqCst);
        }
        true
    }

    /// Asks, and writes down when, and what came of it.
    pub fn ask(&mut self, token: &str, op: Op) -> Answer {
        let call = format!("{}.{}", self.name, self.calls);
        self.calls += 1;
        let what = match op {
            Op::Create => "create 0".to_owned(),
            Op::Verify(code) => format!("verify {code}"),
            Op::Cancel => "cancel 0".to_owned(),
            Op::Status => "status 0".to_owned(),
        };
        self.write(&format!("? {call} {token} {what} {}", now()));
        let answer = answer(self.service, token, op);
        let ended = now();
        let code = answer.code.map_or_else(|| "-".to_owned(), |code| code.to_string());
        let state = answer.state.map_or_else(|| "-".to_owned(), |state| format!("{state:?}"));
        self.write(&format!("! {call} {} {code} {state} {ended}", answer.outcome.name()));
        answer
    }

    /// A line in one piece: it outlives the process, and no other comes in between.
    fn write(&self, line: &str) {
        let (mut log, line) = (self.log, format!("{line}\n"));
        assert_eq!(log.write(line.as_bytes()).unwrap(), line.len());
    }

    /// A child that asks as well.
    fn have_child(&mut self) {
        let mut child =
            Self::new(self.service, self.shared, self.log, String::new(), Random::seeded(self.random.draw()));
        let ended = fork(By::Fork, || {
            child.name = format!("{}", std::process::id());
            for _ in 0..CALLS_OF_CHILD {
                let _ = child.ask_something();
            }
            Ok(String::new())
        });
        assert_eq!(ended.join(), Ok(String::new()));
    }
}

fn answer(service: &Service, token: &str, op: Op) -> Answer {
    let told = match op {
        Op::Create => service.create(token, None).map(|reply| {
            let code = reply.message.map(|message| message.code.parse().unwrap());
            Answer { code, ..Answer::of(reply.outcome) }
        }),
        Op::Verify(code) => service.verify(token, &format!("{code:06}"), None).map(|reply| Answer::of(reply.outcome)),
        Op::Cancel => service.cancel(token).map(|reply| Answer::of(reply.outcome)),
        Op::Status => service.status(token).map(|reply| {
            let state = reply.status.map(|status| status.state);
            Answer { state, ..Answer::of(reply.outcome) }
        }),
    };
    told.unwrap_or_else(|failure| {
        assert!(matches!(failure.outcome(), Outcome::Store | Outcome::Busy), "{op:?}: {failure}");
        Answer::of(failure.outcome())
    })
}

pub fn open_log(path: &Path) -> File {
    OpenOptions::new().append(true).create(true).open(path).unwrap()
}

/// `role` is a seed, the shared memory, the log and the repository. It ends when everybody is to stop.
pub fn run(role: &str) {
    let mut words = role.splitn(4, '|');
    let mut next = || words.next().unwrap();
    let (seed, memory, log, repository) = (next().parse::<u64>().unwrap(), next(), next(), next());
    let shared = Arc::new(Shared::open(Path::new(memory)));
    let (service, log) = (open(repository, shared.clone()), open_log(Path::new(log)));
    in_threads(THREADS, |thread| {
        let name = format!("{}.{thread}", std::process::id());
        let mut asker = Asker::new(&service, &shared, &log, name, Random::seeded(seed.wrapping_add(thread as u64)));
        while shared.word(super::STOP).load(SeqCst) == 0 {
            if !asker.ask_something() {
                std::thread::sleep(Duration::from_millis(1));
            } else if asker.random.below(200) == 0 {
                asker.have_child();
            }
        }
    });
}
