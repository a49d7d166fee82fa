//! Several processes on one database: how much together, and how fairly.

use std::fs;
use std::io::{self, BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use otp::Outcome;

use crate::Size;
use crate::disk::{Disk, Folder, Measured, settle};
use crate::latency::Latencies;
use crate::load::{Driven, create, drive, fill, open_long, phone, sqlite, token};
use crate::table::{Samples, Table, Target};

const PROCESSES: usize = 4;

/// One kind of operation by four processes with so many threads each, over all rounds.
#[derive(Default)]
struct Cell {
    together: Measured,
    slowest: Samples,
    errors: usize,
}

pub fn measure(table: &mut Table, size: Size) {
    let folder = Folder::new("processes");
    let disk = Disk::new(&folder);
    let mut cells: Vec<(&str, usize, f64, Cell)> = Vec::new();
    for (threads, target) in [(1, 1.0), (16, 2.5)] {
        cells.push(("create", threads, target, Cell::default()));
        cells.push(("verify", threads, target, Cell::default()));
    }
    let share = 15_000 * size.cell_ms as usize / 1000;
    for number in 0..size.rounds {
        let repository = sqlite(&folder.file(&format!("{number}.db")));
        fill(&repository, 0, size.base);
        for (place, (work, threads, _, cell)) in cells.iter_mut().enumerate() {
            let (first, threads) = ((place + 1) * 10_000_000, *threads);
            let crew = Crew { repository: &repository, work, processes: PROCESSES, threads, first, share };
            let crew = crew.gather(&folder, size);
            let (done, raw) = disk.around(table, || crew.run());
            cell.slowest.push(done.slowest);
            cell.errors += done.errors;
            cell.together.push((done.together, raw));
        }
    }
    table.heading(&format!("Durable, {PROCESSES} processes on one database"));
    for (work, threads, target, cell) in &cells {
        let name = format!("{work}, {PROCESSES} processes x {threads}");
        cell.together.print(table, &name, Target::AtLeast(*target));
        table.value(&format!("{name}, slowest over mean"), &cell.slowest, "", Target::AtLeast(0.7));
        let errors = Samples::of([cell.errors as f64]);
        table.value(&format!("{name}, errors (busy among them)"), &errors, "", Target::AtMost(0.0));
    }
}

/// Processes that are to do the same on one repository.
pub struct Crew<'a> {
    pub repository: &'a str,
    /// `create` or `verify`.
    pub work: &'a str,
    pub processes: usize,
    /// Threads of each process.
    pub threads: usize,
    /// The first of their items, and how many each process has.
    pub first: usize,
    pub share: usize,
}

/// What they did.
pub struct Done {
    /// Operations by all.
    pub together: Driven,
    /// The slowest process over the mean.
    pub slowest: f64,
    pub errors: usize,
}

/// Processes that wait to be told to begin.
pub struct Gathered(Vec<Worker>);

impl Crew<'_> {
    /// Starts the processes, and makes the codes that are to be verified.
    pub fn gather(&self, folder: &Folder, size: Size) -> Gathered {
        let codes = folder.file("codes");
        let mut bytes = Vec::new();
        // What lies in a process's memory the process makes itself.
        if self.work == "verify" && !is_memory(self.repository) {
            let made = fill(self.repository, self.first, self.share * self.processes);
            bytes.extend(made.iter().flat_map(|code| code.to_le_bytes()));
        }
        fs::write(&codes, bytes).expect("a file for the codes");
        settle();
        let start = |number: usize| {
            let numbers = [self.threads, self.first, number * self.share, self.share, size.cell_ms as usize];
            let numbers = numbers.map(|number| number.to_string()).join(" ");
            let role = ["worker", self.work, self.repository, &codes.display().to_string(), &numbers];
            Worker::start(crate::child(&role))
        };
        Gathered((0..self.processes).map(start).collect())
    }
}

impl Gathered {
    /// Has all of them begin, and waits for them.
    pub fn run(mut self) -> Done {
        self.0.iter_mut().for_each(|worker| worker.go());
        let done: Vec<_> = self.0.iter_mut().map(|worker| worker.answer()).collect();
        let rates = Samples::of(done.iter().map(|(driven, _)| driven.rate));
        let rate: f64 = done.iter().map(|(driven, _)| driven.rate).sum();
        let together = Driven { rate, latencies: Latencies::joined(done.iter().map(|(driven, _)| &driven.latencies)) };
        let slowest = rates.min() / (rate / done.len() as f64);
        Done { together, slowest, errors: done.iter().map(|(_, errors)| errors).sum() }
    }
}

/// A child that waits to be told to begin.
struct Worker {
    child: Child,
    answers: BufReader<std::process::ChildStdout>,
}

impl Worker {
    fn start(mut command: std::process::Command) -> Self {
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("a child process");
        let mut answers = BufReader::new(child.stdout.take().expect("a pipe"));
        let mut line = String::new();
        answers.read_line(&mut line).expect("a child that lives");
        assert_eq!(line, "ready\n");
        Self { child, answers }
    }

    fn go(&mut self) {
        self.child.stdin.as_ref().expect("a pipe").write_all(b"go\n").expect("a child that waits");
    }

    /// Its operations, and errors.
    fn answer(&mut self) -> (Driven, usize) {
        let mut line = String::new();
        self.answers.read_line(&mut line).expect("a child that lives");
        self.child.wait().expect("a child that ends");
        let words: Vec<_> = line.trim_end_matches('\n').split(' ').collect();
        let [rate, errors, times] = words[..] else { panic!("two numbers and latencies, not {line:?}") };
        let driven = Driven { rate: rate.parse().expect("a rate"), latencies: Latencies::read(times) };
        (driven, errors.parse().expect("a count"))
    }
}

/// The child: works on its share of the items when told to.
pub fn work(words: Vec<&str>) {
    let [work, repository, codes, numbers] = words[..] else { panic!("a role of four words") };
    let numbers: Vec<usize> = numbers.split(' ').map(|number| number.parse().expect("a number")).collect();
    let [threads, first, offset, share, ms] = numbers[..] else { panic!("five numbers") };
    let bytes = fs::read(Path::new(codes)).expect("the codes");
    let mut codes: Vec<u32> =
        bytes.chunks_exact(4).map(|code| u32::from_le_bytes(code.try_into().expect("four"))).collect();
    let service = open_long(repository, "full");
    if work == "verify" && is_memory(repository) {
        codes = (0..offset + share).map(|place| create(&service, first + place)).collect();
    }
    let errors = AtomicUsize::new(0);
    println!("ready");
    io::stdin().read_line(&mut String::new()).expect("a parent");
    let driven = drive(threads, Duration::from_millis(ms as u64), share, |place| {
        let item = first + offset + place;
        let outcome = match codes.get(offset + place) {
            Some(code) => service.verify(&token(item), &format!("{code:06}"), None).map(|reply| reply.outcome),
            None if work == "create" => {
                let request = format!(r#"{{"phoneNumber": "{}"}}"#, phone(item));
                service.create(&token(item), Some(&request)).map(|reply| reply.outcome)
            }
            None => Ok(Outcome::NotValid),
        };
        if outcome != Ok(Outcome::Ok) {
            errors.fetch_add(1, Ordering::Relaxed);
        }
    });
    println!("{} {} {}", driven.rate, errors.load(Ordering::Relaxed), driven.latencies.text());
}

fn is_memory(repository: &str) -> bool {
    repository.starts_with("memory:")
}
