//! Creates that are delivered, to a carrier on loopback that answers at once: what the library adds to the network
//! and the disk.

mod bare;
pub mod server;
mod slow;

use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use otp::{Outcome, Service};
use rusqlite::{Connection, OpenFlags};

use crate::Size;
use crate::disk::{Disk, Folder, Measured, settle};
use crate::load::{drive, fill, phone, sqlite, token};
use crate::table::{Row, Samples, Table, Target};
use bare::{Commits, Lengths, Post};
use server::Server;

const THREADS: [usize; 3] = [1, 8, 64];

/// Operations before the first that counts.
const WARM: usize = 3_000;

/// Creates through the library, and the same work without it.
#[derive(Clone, Default)]
struct Compared {
    ours: Measured,
    bare: Measured,
}

/// The default deadline of a call.
const AMPLE: Duration = Duration::from_secs(10);

/// The deadline of a call to a carrier that is slow.
const TIMEOUT: Duration = Duration::from_secs(1);

/// Opens with sender `messages` and a signed token, one step, and the standard profile's limits.
fn open(database: &Path, base_url: &str, timeout: Duration) -> Service {
    let config = format!(
        r#"{{"repository": "sqlite:{}", "durability": "full", "policy": {{"countries": ["39"]}},
            "sender": {{"type": "messages", "auth": "jwt", "applicationId": "78d335fa-323d-0114-9c3d-d6f0d48968cf",
                        "privateKey": "{}/tests/data/private_key.pem", "baseUrl": "{base_url}",
                        "timeoutSeconds": {}}},
            "workflow": [{{"channel": "sms", "from": "NEXMO"}}]}}"#,
        database.display(),
        env!("CARGO_MANIFEST_DIR"),
        timeout.as_secs(),
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
    create(&open(database, &server.base_url(), AMPLE), 1);
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

/// Both sides, on two databases that begin alike.
struct Sides {
    service: Service,
    commits: Commits,
    post: Post,
    next: AtomicUsize,
}

impl Sides {
    fn ours(&self) {
        create(&self.service, self.next.fetch_add(1, Ordering::Relaxed));
    }

    fn bare(&self) {
        let item = self.next.fetch_add(1, Ordering::Relaxed);
        self.commits.begin(item);
        self.post.send();
        self.commits.end(item);
    }

    /// As things are after a while: the connections are there, and the log has its full length.
    fn warm(&self) {
        let (hour, threads) = (Duration::from_secs(3600), 8);
        drive(threads, hour, WARM, |_| self.ours());
        drive(threads, hour, WARM, |_| self.bare());
    }
}

/// How many tokens a new service signs when all threads need one at once.
fn signatures(database: &Path, server: &Server, size: Size) -> usize {
    let service = open(database, &server.base_url(), AMPLE);
    server.take_credentials();
    drive(64, Duration::from_millis(size.cell_ms), usize::MAX, |item| create(&service, item));
    server.take_credentials()
}

/// By how many milliseconds calls exceed their deadline, whatever the carrier does instead of answering.
fn overruns(folder: &Folder, size: Size) -> Samples {
    let mut overruns = Samples::default();
    for (kind, slow) in slow::start().iter().enumerate() {
        let database = folder.file(&format!("slow-{kind}.db"));
        let service = open(&database, &format!("http://{}", slow.address), TIMEOUT);
        for item in 0..size.rounds {
            let request = format!(r#"{{"phoneNumber": "{}"}}"#, phone(item));
            let begun = Instant::now();
            let reply = service.create(&token(item), Some(&request)).expect("a create");
            overruns.push(begun.elapsed().saturating_sub(TIMEOUT).as_secs_f64() * 1000.0);
            assert!(matches!(reply.outcome, Outcome::InDoubt | Outcome::Send), "{:?}", reply.outcome);
        }
    }
    overruns
}

pub fn measure(table: &mut Table, size: Size) {
    let folder = Folder::new("carrier");
    let (disk, server) = (Disk::new(&folder), Server::start());
    let lengths = weigh_rows(&folder.file("row.db"), &server);
    let mut compared = vec![Compared::default(); THREADS.len()];
    let mut signed = Samples::default();
    for number in 0..size.rounds {
        let (database, copy) = (folder.file(&format!("{number}.db")), folder.file(&format!("{number}-bare.db")));
        fill(&sqlite(&database), 0, size.base);
        std::fs::copy(&database, &copy).expect("a copy of the database");
        let sides = Sides {
            service: open(&database, &server.base_url(), AMPLE),
            commits: Commits::open(&copy, lengths),
            post: Post::new(&server.base_url(), server.first()),
            next: AtomicUsize::new(size.base),
        };
        let cell = |threads: usize, work: &(dyn Fn() + Sync)| {
            settle();
            disk.around(table, || drive(threads, Duration::from_millis(size.cell_ms), usize::MAX, |_| work()))
        };
        sides.warm();
        for (threads, compared) in THREADS.into_iter().zip(&mut compared) {
            // Neither side always comes second.
            if number % 2 == 1 {
                compared.bare.push(cell(threads, &|| sides.bare()));
            }
            compared.ours.push(cell(threads, &|| sides.ours()));
            if number % 2 == 0 {
                compared.bare.push(cell(threads, &|| sides.bare()));
            }
        }
        signed.push(signatures(&folder.file(&format!("{number}-signed.db")), &server, size) as f64);
    }
    print(table, size, &compared, &signed);
    let most = Samples::of([overruns(&folder, size).max()]);
    table.value("deadline of a call exceeded, slow carriers, most", &most, "ms", Target::AtMost(200.0));
}

fn print(table: &mut Table, size: Size, compared: &[Compared], signed: &Samples) {
    table.heading("Delivered, one process, sqlite:, durability full, sender messages with a JWT, to loopback");
    table.note(&format!(
        "each round begins with {} items; bare: the two commits, grouped, and a POST by ureq without time limits",
        size.base
    ));
    for (threads, Compared { ours, bare }) in THREADS.into_iter().zip(compared) {
        let plural = if threads == 1 { "" } else { "s" };
        let (ratio, reference) = (ours.value.over(&bare.value), format!("bare, {threads} thread{plural}"));
        bare.print(table, &reference, Target::None);
        let (name, reference) = (format!("delivered create, {threads} thread{plural}"), format!("carrier/{reference}"));
        let row = Row::new(&name, &ours.value, "/s").over(&ratio, "bare", &reference).timed(&ours.rounds);
        table.row(&row.target(Target::AtLeast(0.9)));
    }
    let most = Samples::of([signed.max()]);
    table.value("RSA signatures by a new service, 64 threads at once, most", &most, "", Target::AtMost(1.0));
}
