//! Creates that are delivered, to a carrier on loopback that answers at once: what the library adds to the network
//! and the disk.

mod bare;
mod server;

use std::cell::Cell;
use std::path::Path;
use std::time::Duration;

use otp::{Outcome, Service};
use rusqlite::{Connection, OpenFlags};

use crate::Size;
use crate::disk::{Disk, Folder, Measured, settle};
use crate::load::{drive, fill, phone, token};
use crate::table::{Samples, Table, Target};
use bare::{Commits, Lengths, Post};
use server::{Seen, Server};

const THREADS: [usize; 3] = [1, 8, 64];

/// Creates through the library, and the same work without it.
#[derive(Clone, Default)]
struct Compared {
    ours: Measured,
    bare: Measured,
}

/// Opens with sender `messages` and a signed token, one step, and the standard profile's limits.
fn open(database: &Path, base_url: &str) -> Service {
    let config = format!(
        r#"{{"repository": "sqlite:{}", "durability": "full", "policy": {{"countries": ["39"]}},
            "sender": {{"type": "messages", "auth": "jwt", "applicationId": "78d335fa-323d-0114-9c3d-d6f0d48968cf",
                        "privateKey": "{}/tests/data/private_key.pem", "baseUrl": "{base_url}"}},
            "workflow": [{{"channel": "sms", "from": "NEXMO"}}]}}"#,
        database.display(),
        env!("CARGO_MANIFEST_DIR"),
    );
    Service::open(Some(&config)).expect("a service").0
}

fn create(service: &Service, item: usize) {
    let request = format!(r#"{{"phoneNumber": "{}"}}"#, phone(item));
    let reply = service.create(&token(item), Some(&request)).expect("a create");
    assert_eq!(reply.outcome, Outcome::Ok, "item {item}");
}

/// Lengths of the rows that one create leaves, in a database of its own.
fn weigh_rows(database: &Path, server: &Server) -> Lengths {
    create(&open(database, &server.base_url()), 1);
    let connection = Connection::open_with_flags(database, OpenFlags::SQLITE_OPEN_READ_ONLY).expect("the database");
    // The first row is the repository's own.
    let sql = "SELECT length(v) FROM item ORDER BY k LIMIT -1 OFFSET 1";
    let mut select = connection.prepare(sql).expect("a query");
    let rows = select.query_map([], |row| row.get(0)).expect("rows");
    let mut lengths: Vec<usize> =
        rows.map(|length: rusqlite::Result<u32>| length.expect("a length") as usize).collect();
    lengths.sort_unstable_by(|one, other| other.cmp(one));
    lengths.try_into().expect("a record, sends and a reference")
}

/// One round, on two databases that begin alike.
struct Round<'a> {
    table: &'a Table,
    disk: &'a Disk,
    server: &'a Server,
    seen: &'a Seen,
    ours: &'a Path,
    commits: Commits,
    time: Duration,
    next: Cell<usize>,
}

impl Round<'_> {
    /// Operations per second, and R.
    fn cell(&self, threads: usize, work: impl Fn(usize) + Sync) -> (f64, f64) {
        settle();
        let (first, before) = (self.next.get(), self.server.messages());
        let rate = self.disk.around(self.table, || drive(threads, self.time, usize::MAX, |place| work(first + place)));
        // Every operation sent one message.
        self.next.set(first + usize::try_from(self.server.messages() - before).expect("a count"));
        rate
    }

    /// Creates by a service that was just opened, and how many tokens it signed.
    fn ours(&self, threads: usize) -> ((f64, f64), usize) {
        let service = open(self.ours, &self.server.base_url());
        self.server.take_credentials();
        let rate = self.cell(threads, |item| create(&service, item));
        (rate, self.server.take_credentials())
    }

    fn bare(&self, threads: usize) -> (f64, f64) {
        let post = Post::new(&self.server.base_url(), self.seen.clone());
        let commits = &self.commits;
        self.cell(threads, |item| {
            commits.begin(item);
            post.send();
            commits.end(item);
        })
    }
}

pub fn measure(table: &mut Table, size: Size) {
    let folder = Folder::new("carrier");
    let (disk, server) = (Disk::new(&folder), Server::start());
    let lengths = weigh_rows(&folder.file("row.db"), &server);
    let seen = server.first();
    let mut compared = vec![Compared::default(); THREADS.len()];
    let mut signatures = Samples::default();
    for number in 0..size.rounds {
        let (database, copy) = (folder.file(&format!("{number}.db")), folder.file(&format!("{number}-bare.db")));
        fill(&database, 0, size.base);
        std::fs::copy(&database, &copy).expect("a copy of the database");
        let round = Round {
            table,
            disk: &disk,
            server: &server,
            seen: &seen,
            ours: &database,
            commits: Commits::open(&copy, lengths),
            time: Duration::from_millis(size.cell_ms),
            next: Cell::new(size.base),
        };
        for (threads, compared) in THREADS.into_iter().zip(&mut compared) {
            // Whoever comes second has no advantage over all rounds.
            if number % 2 == 1 {
                compared.bare.push(round.bare(threads));
            }
            let (rate, signed) = round.ours(threads);
            compared.ours.push(rate);
            if number % 2 == 0 {
                compared.bare.push(round.bare(threads));
            }
            if threads == 64 {
                signatures.push(signed as f64);
            }
        }
    }
    print(table, size, &compared, &signatures);
}

fn print(table: &mut Table, size: Size, compared: &[Compared], signatures: &Samples) {
    table.heading("Delivered, one process, sqlite:, durability full, sender messages with a JWT, to loopback");
    table.note(&format!(
        "each round begins with {} items; bare: the two commits, grouped, and a POST by ureq without time limits",
        size.base
    ));
    for (threads, Compared { ours, bare }) in THREADS.into_iter().zip(compared) {
        let plural = if threads == 1 { "" } else { "s" };
        let ratio = ours.value.over(&bare.value);
        let name = format!("bare, {threads} thread{plural}");
        table.ratio(&name, &bare.value, "/s", (&bare.ratio(), "R"), Target::None);
        let name = format!("delivered create, {threads} thread{plural}");
        table.ratio(&name, &ours.value, "/s", (&ratio, "bare"), Target::AtLeast(0.9));
    }
    let most = Samples::of([signatures.max()]);
    table.value("RSA signatures by a new service, 64 threads at once, most", &most, "", Target::AtMost(1.0));
}
