//! Repositories on servers, beside what the same servers do with the same rows when nothing is asked about them.

use std::process::Command;

use testing::postgres::{PASSWORD, Postgres};
use testing::redis::Server;

use crate::Size;
use crate::disk::Folder;
use crate::load::sqlite;
use crate::processes::Crew;
use crate::table::{Samples, Table, Target};

/// Threads of all processes together, and connections of those who do without the library.
const THREADS: usize = 64;

const PROCESSES: [usize; 3] = [1, 2, 4];

/// Items that all processes together have at hand for each second.
const ENOUGH: usize = 40_000;

/// What is measured on each server: the operation, and how many rows it writes.
const WORK: [(&str, usize); 2] = [("create", 2), ("verify", 1)];

/// Bytes of a token's row and of the row of sends, with their versions, about.
const RECORD_BYTES: usize = 150;
const SENDS_BYTES: usize = 32;

pub fn measure(table: &mut Table, size: Size) {
    let folder = Folder::new("engines");
    table.heading(&format!("Servers on loopback, {THREADS} threads in all"));
    match Server::try_start(&[]) {
        Some(server) => {
            let bare = |rows| redis_benchmark(&server, rows, size);
            compare(table, &folder, size, Engine { name: "Redis", url: server.url(), bare: &bare, target: 0.5 });
        }
        None => table.absent("Redis", "redis-server is not installed"),
    }
    match Postgres::start(&["max_connections=200"]) {
        Some(server) => {
            server.query("CREATE TABLE bare (key uuid PRIMARY KEY, version uuid NOT NULL, content bytea NOT NULL)");
            let bare = |rows| pgbench(&server, &folder, rows, size);
            let url = server.url("postgres");
            compare(table, &folder, size, Engine { name: "PostgreSQL", url, bare: &bare, target: 0.7 });
        }
        None => table.absent("PostgreSQL", "its server is not installed"),
    }
    let (mut cells, repository) = (cells(), sqlite(&folder.file("beside.db")));
    for _ in 0..size.rounds {
        cells.iter_mut().for_each(|cell| cell.run(&folder, &repository, size));
    }
    cells.iter().for_each(|cell| table.value(&cell.name("sqlite:"), &cell.rates, "/s", Target::None));
}

/// A server, and how often a second its own program writes so many rows of ours.
struct Engine<'a> {
    name: &'a str,
    url: String,
    bare: &'a dyn Fn(usize) -> Result<f64, String>,
    target: f64,
}

fn compare(table: &mut Table, folder: &Folder, size: Size, engine: Engine<'_>) {
    let (mut cells, mut bare) = (cells(), [const { Vec::new() }; WORK.len()]);
    for _ in 0..size.rounds {
        for ((_, rows), bare) in WORK.iter().zip(&mut bare) {
            match (engine.bare)(*rows) {
                Ok(rate) => bare.push(rate),
                Err(why) => return table.absent(engine.name, &why),
            }
        }
        cells.iter_mut().for_each(|cell| cell.run(folder, &engine.url, size));
    }
    for ((work, _), bare) in WORK.iter().zip(bare) {
        let bare = Samples::of(bare);
        table.value(&format!("{}, the rows of a {work} by its own program", engine.name), &bare, "/s", Target::None);
        for cell in cells.iter().filter(|cell| cell.work == *work) {
            let ratio = cell.rates.over(&bare);
            table.ratio(
                &cell.name(engine.name),
                &cell.rates,
                "/s",
                (&ratio, "of these"),
                Target::AtLeast(engine.target),
            );
        }
    }
    let errors: usize = cells.iter().map(|cell| cell.errors).sum();
    table.value(
        &format!("{}, errors (busy among them)", engine.name),
        &Samples::of([errors as f64]),
        "",
        Target::AtMost(0.0),
    );
}

/// One kind of operation by so many processes, over all rounds.
struct Cell {
    work: &'static str,
    processes: usize,
    rates: Samples,
    errors: usize,
    next: usize,
}

fn cells() -> Vec<Cell> {
    let all = WORK.iter().flat_map(|(work, _)| PROCESSES.map(|processes| (*work, processes)));
    let cell = |(place, (work, processes)): (usize, (&'static str, usize))| Cell {
        work,
        processes,
        rates: Samples::default(),
        errors: 0,
        next: (place + 1) * 10_000_000,
    };
    all.enumerate().map(cell).collect()
}

impl Cell {
    fn name(&self, engine: &str) -> String {
        let Self { work, processes, .. } = self;
        format!("{engine}, {work}, {processes} x {}", THREADS / processes)
    }

    fn run(&mut self, folder: &Folder, repository: &str, size: Size) {
        let Self { work, processes, next: first, .. } = *self;
        let share = ENOUGH * size.cell_ms as usize / 1000 / processes;
        let crew = Crew { repository, work, processes, threads: THREADS / processes, first, share };
        let done = crew.gather(folder, size).run();
        self.rates.push(done.together);
        self.errors += done.errors;
        self.next += share * processes;
    }
}

/// The rows of an operation by one script, in one round trip: what a create or a verify reads, and what it writes.
fn redis_benchmark(server: &Server, rows: usize, size: Size) -> Result<f64, String> {
    let script = "redis.call('TIME') redis.call('MGET', unpack(KEYS)) local is_ours = redis.call('GET', KEYS[1])
        for at = 3, 4 do redis.call('GETRANGE', KEYS[at], '0', '15') end
        for at = 3, #ARGV + 2 do
          redis.call('ZADD', KEYS[2], '0', KEYS[at]) redis.call('SET', KEYS[at], ARGV[at - 2], 'PX', '3600000')
        end return 1";
    let script = server.command(&["SCRIPT", "LOAD", script]);
    let requests = (ENOUGH * size.cell_ms as usize / 1000).to_string();
    let values = [RECORD_BYTES, SENDS_BYTES].map(|bytes| "x".repeat(bytes));
    let mut command = Command::new("redis-benchmark");
    command.args(["-p", &server.port.to_string(), "-c", &THREADS.to_string(), "-n", &requests, "-r", "100000000"]);
    command.args(["--csv", "EVALSHA", script.trim(), "4", "{bare}mark", "{bare}rows"]);
    command.args(["{bare}record:__rand_int__", "{bare}sends:__rand_int__"]).args(&values[..rows]);
    // "test","rps",...
    let printed = printed(&mut command)?;
    let rate = printed.lines().last().and_then(|line| line.split("\",\"").nth(1)?.parse().ok());
    rate.ok_or(format!("redis-benchmark printed {printed:?}"))
}

/// The rows of an operation by two statements: one reads them, one writes and commits them.
fn pgbench(server: &Postgres, folder: &Folder, rows: usize, size: Size) -> Result<f64, String> {
    let key = |place: usize| format!("md5('{place} ' || :item)::uuid");
    let row = |(place, bytes)| format!("({}, gen_random_uuid(), decode(repeat('ab', {bytes}), 'hex'))", key(place));
    let values: Vec<_> = [RECORD_BYTES, SENDS_BYTES].into_iter().enumerate().take(rows).map(row).collect();
    let script = format!(
        "\\set item random(1, 1000000000)\n\
         SELECT version, content FROM bare WHERE key = ANY (ARRAY[{}, {}]);\n\
         INSERT INTO bare VALUES {} \
         ON CONFLICT (key) DO UPDATE SET version = excluded.version, content = excluded.content;\n",
        key(0),
        key(1),
        values.join(", ")
    );
    let file = folder.file("pgbench.sql");
    std::fs::write(&file, script).expect("a file for the script");
    let (clients, seconds) = (THREADS.to_string(), size.cell_ms.div_ceil(1000).max(2).to_string());
    let mut command = Command::new("pgbench");
    command.env("PGPASSWORD", PASSWORD).args(["-n", "-c", &clients, "-j", "2", "-T", &seconds, "-M", "prepared", "-f"]);
    let printed = printed(command.arg(&file).arg(server.url("postgres")))?;
    let rate = printed.lines().find_map(|line| line.strip_prefix("tps = ")?.split(' ').next()?.parse().ok());
    rate.ok_or(format!("pgbench printed {printed:?}"))
}

fn printed(command: &mut Command) -> Result<String, String> {
    match command.output() {
        Ok(output) if output.status.success() => Ok(String::from_utf8_lossy(&output.stdout).into_owned()),
        Ok(output) => Err(String::from_utf8_lossy(&output.stderr).trim().to_owned()),
        Err(cause) => Err(format!("{:?}: {cause}", command.get_program())),
    }
}
