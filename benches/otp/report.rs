//! `target/bench.json`: what the table says, for programs. `docs/performance.md` describes its shape.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::machine;

/// Of the shape: another number is another shape.
const VERSION: u64 = 1;

/// A part that is under way.
pub struct Report {
    path: PathBuf,
    base: Value,
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
        Self { path, base, size, part: String::new(), rows: Vec::new(), absent: Vec::new() }
    }

    /// What the file has, if it is of the same library on the same machine. Another run may have written it since.
    fn found(&self) -> Value {
        let text = fs::read_to_string(&self.path).ok();
        let found: Value = text.and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default();
        let is_same = self.base.as_object().is_some_and(|base| base.iter().all(|(name, own)| found[name] == *own));
        if !is_same && !found.is_null() {
            println!("  {} was of another library or machine: it begins anew", self.path.display());
        }
        if is_same { found } else { Value::Null }
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
        let (found, mut file) = (self.found(), self.base.clone());
        for (name, new) in [("benchmarks", &mut self.rows), ("absent", &mut self.absent)] {
            let mut rows = found[name].as_array().cloned().unwrap_or_default();
            rows.retain(|row| row["part"] != *self.part);
            rows.append(new);
            rows.sort_by_key(|row| row["name"].as_str().unwrap_or_default().to_owned());
            file[name] = rows.into();
        }
        let text = serde_json::to_string_pretty(&file).expect("values") + "\n";
        let new = self.path.with_extension("json.new");
        fs::write(&new, text).and_then(|()| fs::rename(&new, &self.path)).expect("room for the report");
    }

    pub fn path(&self) -> &Path {
        &self.path
    }
}
