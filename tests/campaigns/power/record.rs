//! All that a worker does to the files of a folder, in order, and what it says in between.

mod descriptions;

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;

use crate::trace::{Call, Observer, Verdict};
use descriptions::Descriptions;

/// A file or folder, whatever its names are.
pub type Id = usize;

/// The folder itself.
pub const ROOT: Id = 0;

/// One thing that happened. Names are relative to the folder.
#[derive(Clone, PartialEq, Eq)]
pub enum Event {
    Said(String),
    Make {
        name: String,
        id: Id,
        is_folder: bool,
    },
    Write {
        id: Id,
        at: u64,
        bytes: Vec<u8>,
    },
    /// Also makes a file shorter.
    Resize {
        id: Id,
        length: u64,
    },
    Link {
        id: Id,
        name: String,
    },
    Rename {
        from: String,
        to: String,
    },
    Unlink {
        name: String,
    },
    Sync {
        id: Id,
    },
    /// The system said that it could not.
    FailedSync {
        id: Id,
    },
}

impl std::fmt::Debug for Event {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Event::Said(line) => write!(formatter, "\"{line}\""),
            Event::Make { name, id, .. } => write!(formatter, "make {id} {name}"),
            Event::Write { id, at, bytes } => write!(formatter, "write {id} {at}+{}", bytes.len()),
            Event::Resize { id, length } => write!(formatter, "resize {id} {length}"),
            Event::Link { id, name } => write!(formatter, "link {id} {name}"),
            Event::Rename { from, to } => write!(formatter, "rename {from} {to}"),
            Event::Unlink { name } => write!(formatter, "unlink {name}"),
            Event::Sync { id } => write!(formatter, "sync {id}"),
            Event::FailedSync { id } => write!(formatter, "FAILED sync {id}"),
        }
    }
}

impl Event {
    /// The number that an operation answered.
    pub fn answer(&self) -> Option<&str> {
        let Event::Said(line) = self else { return None };
        line.strip_prefix("done|")?.split('|').nth(2)
    }

    /// The file that is made or written.
    pub fn file(&self) -> Option<Id> {
        match self {
            Event::Make { id, .. } | Event::Write { id, .. } => Some(*id),
            _ => None,
        }
    }

    pub fn is_failure(&self) -> bool {
        matches!(self, Event::FailedSync { .. })
    }
}

/// Which syncs fail, counted from 1, over all files.
#[derive(Clone, Copy, Debug, Default)]
pub struct Failing {
    pub first: usize,
    pub count: usize,
}

impl Failing {
    fn covers(self, number: usize) -> bool {
        (self.first..self.first + self.count).contains(&number)
    }
}

/// Records a worker in a folder that is empty at first.
pub struct Recorder {
    root: String,
    failing: Failing,
    pub events: Vec<Event>,
    pub syncs: usize,
    /// Files and folders that were made.
    made: usize,
    /// The files that names stand for now.
    names: BTreeMap<String, Id>,
    /// The files that the system's device and inode numbers stand for now.
    inodes: BTreeMap<(u64, u64), Id>,
    /// The files that are open, each of which is told of an error by itself.
    descriptions: Descriptions,
    /// What the call that is being followed will have done.
    begun: Option<Begun>,
}

enum Begun {
    /// Opens a name, and makes it if it is not there.
    Open { name: String, makes: bool, empties: bool },
    /// Writes at an offset, or where the file is.
    Write { id: Id, at: Option<u64>, bytes: Vec<u8> },
    /// What it does is known already.
    Known(Event),
}

impl Recorder {
    pub fn new(root: &str, failing: Failing) -> Self {
        let mut recorder = Self {
            root: root.to_owned(),
            failing,
            events: Vec::new(),
            syncs: 0,
            made: 0,
            names: BTreeMap::new(),
            inodes: BTreeMap::new(),
            descriptions: Descriptions::default(),
            begun: None,
        };
        recorder.know(root.into(), ROOT);
        recorder
    }

    fn know(&mut self, path: PathBuf, id: Id) {
        let metadata = fs::metadata(path).unwrap();
        self.inodes.insert((metadata.dev(), metadata.ino()), id);
    }

    /// The name of a path in the folder. What SQLite keeps in shared memory does not outlive a power cut.
    fn name(&self, path: &str) -> Option<String> {
        let name = path.strip_prefix(&self.root)?.trim_start_matches('/');
        (!name.is_empty() && !name.ends_with("-shm")).then(|| name.to_owned())
    }

    /// The file that a descriptor of the caller's stands for, if it is in the folder.
    fn file(&self, call: &Call, descriptor: u64) -> Option<Id> {
        let path = format!("/proc/{}/fd/{}", call.process, descriptor as i32);
        let metadata = fs::metadata(path).ok()?;
        self.inodes.get(&(metadata.dev(), metadata.ino())).copied()
    }

    /// What the call will have done, if it concerns the folder.
    fn begin(&self, call: &Call) -> Option<Begun> {
        let [first, second, third, fourth, ..] = call.arguments;
        let named = |from: u64| self.name(&call.text(from));
        Some(match call.name {
            "open" => self.open(call, first, second)?,
            "openat" => self.open(call, second, third)?,
            "mkdir" => Begun::Known(Event::Make { name: named(first)?, id: self.next(), is_folder: true }),
            "write" => {
                Begun::Write { id: self.file(call, first)?, at: None, bytes: call.memory(second, third as usize) }
            }
            "pwrite64" => {
                let bytes = call.memory(second, third as usize);
                Begun::Write { id: self.file(call, first)?, at: Some(fourth), bytes }
            }
            "ftruncate" => Begun::Known(Event::Resize { id: self.file(call, first)?, length: second }),
            "fallocate" => {
                // Of no more interest than its length: what is in the file stays.
                let id = self.file(call, first)?;
                assert_eq!(second, 0, "an allocation of another kind");
                Begun::Write { id, at: Some(third + fourth), bytes: Vec::new() }
            }
            "unlink" => Begun::Known(Event::Unlink { name: named(first)? }),
            "unlinkat" => Begun::Known(Event::Unlink { name: named(second)? }),
            "rename" => Begun::Known(Event::Rename { from: named(first)?, to: named(second)? }),
            "renameat" | "renameat2" => Begun::Known(Event::Rename { from: named(second)?, to: named(fourth)? }),
            "link" => self.link(named(first)?, named(second)?),
            "linkat" => self.link(named(second)?, named(fourth)?),
            "writev" | "mkdirat" | "rmdir" => {
                assert!(self.file(call, first).is_none(), "{} is not recorded", call.name);
                return None;
            }
            _ => return None,
        })
    }

    fn open(&self, call: &Call, path: u64, flags: u64) -> Option<Begun> {
        let name = self.name(&call.text(path))?;
        let (makes, empties) = (!self.names.contains_key(&name), flags & libc::O_TRUNC as u64 != 0);
        Some(Begun::Open { name, makes, empties })
    }

    fn link(&self, from: String, to: String) -> Begun {
        Begun::Known(Event::Link { id: self.names[&from], name: to })
    }

    fn next(&self) -> Id {
        self.made + 1
    }

    fn end(&mut self, call: &Call, begun: Begun, result: i64) {
        if result < 0 {
            return;
        }
        let opens = matches!(begun, Begun::Open { .. });
        let event = match begun {
            Begun::Open { name, makes: true, .. } => {
                let id = self.next();
                self.know(format!("/proc/{}/fd/{result}", call.process).into(), id);
                Event::Make { name, id, is_folder: false }
            }
            Begun::Open { name, empties: true, .. } => Event::Resize { id: self.names[&name], length: 0 },
            Begun::Open { name, .. } => {
                self.descriptions.open(call, result, self.names[&name]);
                return;
            }
            Begun::Write { id, at, mut bytes } => {
                if !bytes.is_empty() {
                    bytes.truncate(result as usize);
                }
                let at = at.unwrap_or_else(|| position(call) - bytes.len() as u64);
                Event::Write { id, at, bytes }
            }
            Begun::Known(event) => event,
        };
        match &event {
            Event::Make { id, .. } | Event::Resize { id, .. } if opens => self.descriptions.open(call, result, *id),
            _ => {}
        }
        match &event {
            Event::Make { name, id, is_folder } => {
                if *is_folder {
                    self.know(format!("{}/{name}", self.root).into(), *id);
                }
                self.names.insert(name.clone(), *id);
                self.made += 1;
            }
            Event::Link { id, name } => drop(self.names.insert(name.clone(), *id)),
            Event::Unlink { name } => drop(self.names.remove(name)),
            Event::Rename { from, to } => {
                let id = self.names.remove(from).unwrap();
                self.names.insert(to.clone(), id);
            }
            _ => {}
        }
        self.events.push(event);
    }
}

/// Where the caller's descriptor, its first argument, stands now.
fn position(call: &Call) -> u64 {
    let path = format!("/proc/{}/fdinfo/{}", call.process, call.arguments[0]);
    let text = fs::read_to_string(path).unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix("pos:")).unwrap();
    line.trim().parse().unwrap()
}

impl Observer for Recorder {
    fn hears(&mut self, line: &str) {
        self.events.push(Event::Said(line.to_owned()));
    }

    fn enters(&mut self, call: &Call) -> Verdict {
        if matches!(call.name, "fsync" | "fdatasync") {
            let Some(id) = self.file(call, call.arguments[0]) else { return Verdict::Pass };
            let is_told = self.descriptions.hears_of_an_error(call, id);
            if !is_told {
                self.syncs += 1;
                if self.failing.covers(self.syncs) {
                    self.descriptions.fail(call, id);
                }
            }
            if is_told || self.failing.covers(self.syncs) {
                self.events.push(Event::FailedSync { id });
                return Verdict::Skip(-i64::from(libc::EIO));
            }
            self.begun = Some(Begun::Known(Event::Sync { id }));
            return Verdict::Follow;
        }
        self.begun = self.begin(call);
        if self.begun.is_some() { Verdict::Follow } else { Verdict::Pass }
    }

    fn leaves(&mut self, call: &Call, result: i64) -> i64 {
        if let Some(begun) = self.begun.take() {
            self.end(call, begun, result);
        }
        result
    }
}
