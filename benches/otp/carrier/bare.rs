//! The least that a create comes to: one commit that is synced, one POST, and one commit that is not.
//!
//! The commits go through SQLite with the library's own settings, into a copy of the same database, and write rows of
//! the same sizes under keys spread as its are. They are grouped as well, in the plainest way: without that the
//! library would be compared with a disk that is asked 64 times for what it can do once. ureq runs without any limit
//! of time, which spares it a thread for each look-up and two system calls for each request.

use std::path::Path;
use std::sync::{Condvar, Mutex};

use rusqlite::{Connection, params};
use ureq::Agent;

use simulator::script::Request;

/// The same POST again and again.
pub struct Post {
    agent: Agent,
    url: String,
    seen: Request,
}

impl Post {
    /// Keeps as many connections as the library does.
    pub fn new(base_url: &str, seen: Request) -> Self {
        let config = Agent::config_builder().max_idle_connections(64).max_idle_connections_per_host(64);
        let config = config.proxy(None).http_status_as_error(false).build();
        Self { agent: config.into(), url: format!("{base_url}/v1/messages"), seen }
    }

    pub fn send(&self) {
        let request =
            self.agent.post(&self.url).header("authorization", self.seen.header("authorization").expect("credentials"));
        let mut response = request.content_type("application/json").send(&self.seen.body).expect("an answer");
        assert_eq!(response.status(), 202);
        let body = response.body_mut().read_to_vec().expect("a body");
        assert!(!body.is_empty());
    }
}

/// Lengths of the rows that a create writes, the record first.
pub type Lengths = [usize; 3];

/// One row to write.
type Row = ([u8; 16], Vec<u8>);

/// Commits of many threads: whoever finds the connection free writes all that is queued.
pub struct Commits {
    queue: Mutex<Queue>,
    committed: Condvar,
    lengths: Lengths,
}

struct Queue {
    rows: Vec<Row>,
    is_synced: bool,
    /// Commits that were ever asked for, and how many of them are done.
    asked: u64,
    done: u64,
    /// Away while somebody writes.
    writer: Option<Writer>,
}

struct Writer {
    connection: Connection,
    is_synced: bool,
}

impl Commits {
    pub fn open(database: &Path, lengths: Lengths) -> Self {
        let connection = Connection::open(database).expect("the database");
        let set = "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA secure_delete = ON;
             PRAGMA cache_size = -2048; PRAGMA cell_size_check = ON; PRAGMA mmap_size = 0; PRAGMA temp_store = MEMORY;
             PRAGMA wal_autocheckpoint = 4000";
        connection.execute_batch(set).expect("the settings");
        let writer = Some(Writer { connection, is_synced: true });
        let queue = Mutex::new(Queue { rows: Vec::new(), is_synced: false, asked: 0, done: 0, writer });
        Self { queue, committed: Condvar::new(), lengths }
    }

    /// The record, and how often was sent to the recipient: synced.
    pub fn begin(&self, item: usize) {
        let [record, sends, _] = self.lengths;
        self.commit([(key(item, 0), vec![1; record]), (key(item, 1), vec![1; sends])], true);
    }

    /// The record with what came of it, and where the carrier's identifier leads.
    pub fn end(&self, item: usize) {
        let [record, _, reference] = self.lengths;
        // Other bytes than before: SQLite does not write what is there already.
        self.commit([(key(item, 0), vec![2; record]), (key(item, 2), vec![2; reference])], false);
    }

    fn commit(&self, rows: [Row; 2], is_synced: bool) {
        let mut queue = self.queue.lock().expect("no thread panicked");
        queue.rows.extend(rows);
        queue.is_synced |= is_synced;
        queue.asked += 1;
        let ticket = queue.asked;
        while queue.done < ticket {
            let Some(mut writer) = queue.writer.take() else {
                queue = self.committed.wait(queue).expect("no thread panicked");
                continue;
            };
            let (rows, is_synced) = (std::mem::take(&mut queue.rows), std::mem::take(&mut queue.is_synced));
            let asked = queue.asked;
            drop(queue);
            writer.write(&rows, is_synced).expect("a commit");
            queue = self.queue.lock().expect("no thread panicked");
            (queue.writer, queue.done) = (Some(writer), asked);
            self.committed.notify_all();
        }
    }
}

impl Writer {
    fn write(&mut self, rows: &[Row], is_synced: bool) -> rusqlite::Result<()> {
        if self.is_synced != is_synced {
            let level = if is_synced { "FULL" } else { "NORMAL" };
            self.connection.execute_batch(&format!("PRAGMA synchronous = {level}"))?;
            self.is_synced = is_synced;
        }
        self.connection.prepare_cached("BEGIN IMMEDIATE")?.execute([])?;
        for (key, value) in rows {
            let mut insert = self.connection.prepare_cached("INSERT OR REPLACE INTO item (k, v) VALUES (?1, ?2)")?;
            insert.execute(params![key, value])?;
        }
        self.connection.prepare_cached("COMMIT")?.execute([])?;
        Ok(())
    }
}

/// Spread over the whole range, as hashes are (splitmix64).
fn key(item: usize, kind: u64) -> [u8; 16] {
    let mix = |number: u64| {
        let mut z = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    };
    let number = 4 * item as u64 + kind;
    let mut key = [0; 16];
    let (high, low) = key.split_at_mut(8);
    high.copy_from_slice(&mix(number).to_be_bytes());
    low.copy_from_slice(&mix(!number).to_be_bytes());
    key
}
