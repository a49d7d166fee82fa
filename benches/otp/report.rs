//! `target/bench.json`: what the table says, for programs. `docs/performance.md` describes its shape.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::machine;

/// Of the shape: another number is another shape.
const VERSION: u64 = 1;

/// A part that is under way, and what earlier runs left in the file.
pub struct Report {
    path: PathBuf,
    base: Value,
    kept: Vec<Value>,
    kept_absent: Vec<Value>,
    size: &'static str,
    part: String,
    rows: Vec<Value>,
    absent: Vec<Value>,
}

impl Report {
    /// Goes on with the file if it is of the same library on the same machine.
    pub fn begin(size: &'static str) -> Self {
        let measured = Path::new(env!("CARGO_TARGET_TMPDIR"));
        let path = measured.parent().unwrap_or(measured).join("bench.json");
        let base = json!({
            "format": "libotp benchmarks",
            "version": VERSION,
            "library": env!("CARGO_PKG_VERSION"),
            "features": machine::features(),
            "machine": machine::describe(measured),
        });
        let found: Value =
            fs::read_to_string(&path).ok().and_then(|text| serde_json::from_str(&text).ok()).unwrap_or(Value::Null);
        let is_same = base.as_object().is_some_and(|base| base.iter().all(|(name, value)| found[name] == *value));
        if !is_same && !found.is_null() {
            println!("{} is of another library or machine: it begins anew", path.display());
        }
        let list = |name: &str| {
            let rows = if is_same { found[name].as_array().cloned() } else { None };
            rows.unwrap_or_default()
        };
        let (kept, kept_absent) = (list("benchmarks"), list("absent"));
        let (rows, absent) = (Vec::new(), Vec::new());
        Self { path, base, kept, kept_absent, size, part: String::new(), rows, absent }
    }

    /// What follows belongs to this part, and takes the place of what the file has of it.
    pub fn part(&mut self, part: &str) {
        part.clone_into(&mut self.part);
    }

    pub fn add(&mut self, name: &str, mut row: Value) {
        let name = format!("{}/{name}", self.part);
        assert!(self.rows.iter().all(|row| row["name"] != *name), "{name:?} is the name of two rows");
        row["name"] = name.into();
        self.place(&mut row);
        self.rows.push(row);
    }

    pub fn absent(&mut self, name: &str, why: &str) {
        let mut row = json!({"name": format!("{}/{name}", self.part), "why": why});
        self.place(&mut row);
        self.absent.push(row);
    }

    /// Where a row comes from.
    fn place(&self, row: &mut Value) {
        let size = if self.size == "full" { "OTP_BENCH_SIZE=full " } else { "" };
        row["part"] = self.part.clone().into();
        row["command"] = format!("{size}cargo bench -- {}", self.part).into();
        row["size"] = self.size.into();
        row["date"] = machine::now().into();
        row["load"] = machine::load().into();
        if let Ok(note) = std::env::var("OTP_BENCH_NOTE") {
            row["note"] = note.into();
        }
    }

    /// Writes the file, the part that has just ended in it.
    pub fn save(&mut self) {
        let (part, is_other) = (self.part.clone(), |row: &Value, part: &str| row["part"] != *part);
        for (kept, new) in [(&mut self.kept, &mut self.rows), (&mut self.kept_absent, &mut self.absent)] {
            kept.retain(|row| is_other(row, &part));
            kept.append(new);
            kept.sort_by_key(|row| row["name"].as_str().unwrap_or_default().to_owned());
        }
        self.base["benchmarks"] = self.kept.clone().into();
        self.base["absent"] = self.kept_absent.clone().into();
        let text = serde_json::to_string_pretty(&self.base).expect("values") + "\n";
        let new = self.path.with_extension("json.new");
        fs::write(&new, text).and_then(|()| fs::rename(&new, &self.path)).expect("room for the report");
    }

    pub fn path(&self) -> &Path {
        &self.path
    }
}
