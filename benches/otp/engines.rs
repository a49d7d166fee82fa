//! Every repository, by one thread, many threads and many processes; those on servers beside what the same servers do
//! with the same rows when nothing is asked about them.

mod bare;

use testing::postgres::Postgres;
use testing::redis::Server;

use crate::Size;
use crate::disk::Folder;
use crate::latency::Latencies;
use crate::load::sqlite;
use crate::processes::Crew;
use crate::table::{Row, Samples, Table, Target};

/// Threads of all processes together, and connections of those who do without the library.
const THREADS: usize = 64;

/// Processes, and threads of each.
const SHAPES: [(usize, usize); 3] = [(1, 1), (1, THREADS), (4, THREADS / 4)];

/// Items that all processes together have at hand for each second.
const ENOUGH: usize = 40_000;

/// The same for one thread, and for files of their own.
const ENOUGH_FOR_ONE: usize = 15_000;

/// The same for what is in memory.
const ENOUGH_IN_MEMORY: usize = 200_000;

/// What is measured in each: the operation, and how many rows it writes.
const WORK: [(&str, usize); 2] = [("create", 2), ("verify", 1)];

pub fn measure(table: &mut Table, size: Size) {
    let folder = Folder::new("engines");
    table.heading(&format!("Repositories, durable where they can be; {THREADS} threads in all, or one"));
    let redis = Server::try_start(&[]);
    let postgres = Postgres::start(&["max_connections=200"]);
    let mut engines = vec![
        Engine::of("sqlite:", |round| sqlite(&folder.file(&format!("{round}.db")))),
        Engine::of("json:", |round| format!("json:{}", folder.file(&format!("{round}.json")).display())),
        Engine::of("memory:", |_| "memory:".to_owned()),
    ];
    engines[2].cells.retain(|cell| cell.processes == 1);
    match &redis {
        Some(server) => {
            let bare = |rows| bare::redis_benchmark(server, rows, size);
            engines.push(Engine::of("Redis", |_| server.url()).beside(bare, 0.5));
        }
        None => table.absent("Redis", "redis-server is not installed"),
    }
    match &postgres {
        Some(server) => {
            server.query("CREATE TABLE bare (key uuid PRIMARY KEY, version uuid NOT NULL, content bytea NOT NULL)");
            let bare = |rows| bare::pgbench(server, &folder, rows, size);
            engines.push(Engine::of("PostgreSQL", |_| server.url("postgres")).beside(bare, 0.7));
        }
        None => table.absent("PostgreSQL", "its server is not installed"),
    }
    for round in 0..size.rounds {
        engines.iter_mut().for_each(|engine| engine.run(&folder, size, round));
    }
    engines.iter().for_each(|engine| engine.print(table));
}

/// What a server's own program reaches with so many rows.
type Program<'a> = Box<dyn Fn(usize) -> Result<f64, String> + 'a>;

/// A kind of repository, and what was measured of it.
struct Engine<'a> {
    name: &'static str,
    /// The repository of a round.
    repository: Box<dyn Fn(usize) -> String + 'a>,
    /// A server's own program, and the share of its rate that is wanted.
    program: Option<(Program<'a>, f64)>,
    cells: Vec<Cell>,
    /// What the program reached, for each kind of work.
    bare: [Samples; WORK.len()],
    /// Why the program gave nothing.
    fault: Option<String>,
}

impl<'a> Engine<'a> {
    fn of(name: &'static str, repository: impl Fn(usize) -> String + 'a) -> Self {
        let (repository, bare) = (Box::new(repository), Default::default());
        Self { name, repository, program: None, cells: cells(), bare, fault: None }
    }

    fn beside(self, program: impl Fn(usize) -> Result<f64, String> + 'a, wanted: f64) -> Self {
        Self { program: Some((Box::new(program), wanted)), ..self }
    }

    fn run(&mut self, folder: &Folder, size: Size, round: usize) {
        if let Some((program, _)) = &self.program {
            for ((_, rows), bare) in WORK.iter().zip(&mut self.bare) {
                match program(*rows) {
                    Ok(rate) => bare.push(rate),
                    Err(why) => self.fault = Some(why),
                }
            }
        }
        let repository = (self.repository)(round);
        self.cells.iter_mut().for_each(|cell| cell.run(folder, &repository, size));
    }

    fn print(&self, table: &mut Table) {
        if let Some(why) = &self.fault {
            return table.absent(self.name, why);
        }
        for ((work, _), bare) in WORK.iter().zip(&self.bare) {
            let reference = format!("{}, the rows of a {work} by its own program", self.name);
            if self.program.is_some() {
                table.value(&reference, bare, "/s", Target::None);
            }
            let reference = format!("engines/{reference}");
            for cell in self.cells.iter().filter(|cell| cell.work == *work) {
                let (name, ratio) = (cell.name(self.name), cell.rates.over(bare));
                let mut row = Row::new(&name, &cell.rates, "/s").timed(&cell.rounds);
                if let Some((_, wanted)) = self.program.as_ref().filter(|_| cell.threads() == THREADS) {
                    row = row.over(&ratio, "of these", &reference).target(Target::AtLeast(*wanted));
                }
                table.row(&row);
            }
        }
        let errors: usize = self.cells.iter().map(|cell| cell.errors).sum();
        let name = format!("{}, errors (busy among them)", self.name);
        table.value(&name, &Samples::of([errors as f64]), "", Target::AtMost(0.0));
    }
}

/// One kind of operation by so many processes and threads, over all rounds.
struct Cell {
    work: &'static str,
    processes: usize,
    /// Of each process.
    threads: usize,
    rates: Samples,
    rounds: Vec<Latencies>,
    errors: usize,
    next: usize,
}

fn cells() -> Vec<Cell> {
    let all = WORK.iter().flat_map(|(work, _)| SHAPES.map(|shape| (*work, shape)));
    let cell = |(place, (work, (processes, threads))): (usize, (&'static str, (usize, usize)))| Cell {
        work,
        processes,
        threads,
        rates: Samples::default(),
        rounds: Vec::new(),
        errors: 0,
        next: (place + 1) * 10_000_000,
    };
    all.enumerate().map(cell).collect()
}

impl Cell {
    fn name(&self, engine: &str) -> String {
        let Self { work, processes, threads, .. } = self;
        format!("{engine}, {work}, {processes} x {threads}")
    }

    /// In all.
    fn threads(&self) -> usize {
        self.processes * self.threads
    }

    fn run(&mut self, folder: &Folder, repository: &str, size: Size) {
        let Self { work, processes, threads, next: first, .. } = *self;
        let enough = match repository.split(':').next() {
            Some("memory") => ENOUGH_IN_MEMORY,
            Some("json") => ENOUGH_FOR_ONE,
            _ if threads == 1 => ENOUGH_FOR_ONE,
            _ => ENOUGH,
        };
        let share = enough * size.cell_ms as usize / 1000 / processes;
        let crew = Crew { repository, work, processes, threads, first, share };
        let done = crew.gather(folder, size).run();
        self.rates.push(done.together.rate);
        self.rounds.push(done.together.latencies);
        self.errors += done.errors;
        self.next += share * processes;
    }
}
