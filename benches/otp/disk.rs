//! The disk: what it can do, a folder on it, and the weight of a database.

use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::latency::Latencies;
use crate::load::Driven;
use crate::table::{R, Row, Samples, Table, Target};

/// A folder of its own on the disk of the build, removed at the end.
pub struct Folder(PathBuf);

impl Folder {
    pub fn new(name: &str) -> Self {
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("bench-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(&path).expect("a folder for measurements");
        Self(path)
    }

    pub fn path(&self) -> &Path {
        &self.0
    }

    pub fn file(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

const BLOCK: usize = 4096;
const BLOCKS: u64 = 256;
const CALIBRATION: Duration = Duration::from_millis(150);

/// Measures R: overwrites of 4 KiB in a file of full size, each followed by fdatasync, by one thread.
pub struct Disk(File);

impl Disk {
    pub fn new(folder: &Folder) -> Self {
        let path = folder.file("calibration");
        let file = OpenOptions::new().write(true).create(true).truncate(true).open(path).expect("a file to overwrite");
        for block in 0..BLOCKS {
            file.write_all_at(&[1; BLOCK], block * BLOCK as u64).expect("room on the disk");
        }
        file.sync_all().expect("a disk that syncs");
        Self(file)
    }

    fn rate(&self) -> f64 {
        let begun = Instant::now();
        let mut done = 0_u64;
        while begun.elapsed() < CALIBRATION {
            self.0.write_all_at(&[done as u8; BLOCK], done % BLOCKS * BLOCK as u64).expect("an overwrite");
            self.0.sync_data().expect("fdatasync");
            done += 1;
        }
        done as f64 / begun.elapsed().as_secs_f64()
    }

    /// Runs the work between two calibrations, and gives what it gave, and R.
    pub fn around<T>(&self, table: &Table, work: impl FnOnce() -> T) -> (T, f64) {
        let before = self.rate();
        let result = work();
        let after = self.rate();
        table.saw_disk(before);
        table.saw_disk(after);
        (result, (before + after) / 2.0)
    }
}

/// A quantity, and R around each of its rounds.
#[derive(Clone, Default)]
pub struct Measured {
    pub value: Samples,
    pub raw: Samples,
    /// How long the operations of each round took.
    pub rounds: Vec<Latencies>,
}

impl Measured {
    pub fn push(&mut self, (driven, raw): (Driven, f64)) {
        self.value.push(driven.rate);
        self.raw.push(raw);
        self.rounds.push(driven.latencies);
    }

    /// The value in units of R.
    pub fn ratio(&self) -> Samples {
        self.value.over(&self.raw)
    }

    /// A row of it, in units of R.
    pub fn print(&self, table: &mut Table, name: &str, target: Target) {
        let ratio = self.ratio();
        table.row(&Row::new(name, &self.value, "/s").over(&ratio, "R", R).timed(&self.rounds).target(target));
    }
}

/// Has the system write out what others left, so that it does not weigh on the next measurement.
pub fn settle() {
    // SAFETY: takes and gives nothing.
    unsafe { libc::sync() };
}

/// Bytes of the database when its write-ahead log has been moved into it and emptied. Nobody else has it open.
pub fn weigh(database: &Path) -> u64 {
    let connection = rusqlite::Connection::open(database).expect("the database");
    let busy: i64 =
        connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0)).expect("a checkpoint");
    assert_eq!(busy, 0, "nobody else has the database open");
    let bytes = |suffix: &str| fs::metadata(format!("{}{suffix}", database.display())).map_or(0, |file| file.len());
    bytes("") + bytes("-wal")
}
