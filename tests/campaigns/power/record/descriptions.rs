//! Open files, each of which is told of a failed write by itself, once (Linux, since 4.13).

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use libc::pid_t;

use super::Id;
use crate::trace::Call;

/// The files that are open, or were.
#[derive(Default)]
pub struct Descriptions {
    /// What a process opened, by its descriptor.
    opened: BTreeMap<(pid_t, i64), usize>,
    /// The file of each.
    files: Vec<Id>,
    /// Those that have yet to be told of an error.
    told_next: BTreeSet<usize>,
}

impl Descriptions {
    /// A process opened a file.
    pub fn open(&mut self, call: &Call, descriptor: i64, file: Id) {
        self.opened.insert((number(call.process, "Tgid"), descriptor), self.files.len());
        self.files.push(file);
    }

    /// A sync of the file fails: all others that have it open now hear of it later.
    pub fn fail(&mut self, call: &Call, file: Id) {
        let own = self.find(call, file);
        let others = (0..self.files.len()).filter(|place| self.files[*place] == file && Some(*place) != own);
        self.told_next.extend(others);
    }

    /// Whether a sync fails because an earlier one of another open file did.
    pub fn hears_of_an_error(&mut self, call: &Call, file: Id) -> bool {
        self.find(call, file).is_some_and(|own| self.told_next.remove(&own))
    }

    /// What the process opened, or one that it was forked from.
    fn find(&self, call: &Call, file: Id) -> Option<usize> {
        let mut process = number(call.process, "Tgid");
        while process > 1 {
            let own = self.opened.get(&(process, call.arguments[0] as i64)).copied();
            if let Some(own) = own.filter(|own| self.files[*own] == file) {
                return Some(own);
            }
            process = number(process, "PPid");
        }
        None
    }
}

/// A number that the system tells of a process; 0 when it is gone.
fn number(process: pid_t, name: &str) -> pid_t {
    let text = fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    line.and_then(|number| number.trim().parse().ok()).unwrap_or_default()
}
