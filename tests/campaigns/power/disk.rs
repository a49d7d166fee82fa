//! What a disk may hold when the power fails.
//!
//! Whatever no sync has covered since it was written may be there or not, page by page and sector by sector, in any
//! order. After a sync that failed the system takes what it had for clean: it may be there or not for ever, and a
//! later sync does not bring it there; only writing it again does. Names are covered by a sync of their folder, also
//! by a later one than that which failed: file systems keep them in a journal, or go on without writing at all.

use std::collections::BTreeMap;
use std::fs::{self, DirBuilder, OpenOptions};
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;
use std::rc::Rc;

use super::record::{Event, Id, ROOT};
use testing::Random;

const PAGE: usize = 4096;
const SECTOR: usize = 512;

type Bytes = Rc<[u8; PAGE]>;

/// What may be on the disk of something, the newest last.
#[derive(Clone)]
struct Versions<T> {
    all: Vec<T>,
    /// Whether the newest is one that the system means to write.
    dirty: bool,
}

impl<T: Clone> Versions<T> {
    fn new(first: T) -> Self {
        Self { all: vec![first], dirty: false }
    }

    fn newest(&self) -> &T {
        &self.all[self.all.len() - 1]
    }

    fn push(&mut self, version: T) {
        self.all.push(version);
        self.dirty = true;
    }

    fn sync(&mut self, succeeds: bool) {
        if self.dirty && succeeds {
            self.all.drain(..self.all.len() - 1);
        }
        self.dirty = false;
    }
}

#[derive(Clone)]
struct File {
    pages: BTreeMap<u64, Versions<Bytes>>,
    length: Versions<u64>,
    /// The file before each time that it was made shorter and that may not have reached the disk.
    longer: Vec<File>,
}

/// A change of names in a folder.
#[derive(Clone)]
struct Change {
    /// The folder.
    within: Id,
    removes: Option<String>,
    sets: Option<(String, Id)>,
    /// Whether it is on the disk.
    synced: bool,
}

/// How an image is made of what may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Model {
    /// Everything that was done is there, in order.
    Ordered,
    /// Nothing is there but what was synced.
    Synced,
    /// Of everything else each part is there, or not, by chance.
    Strict,
}

/// The files of a folder, with all that may be on the disk.
#[derive(Clone, Default)]
pub struct Disk {
    files: BTreeMap<Id, File>,
    folders: Vec<(String, Id)>,
    changes: Vec<Change>,
}

impl Disk {
    pub fn apply(&mut self, event: &Event) {
        match event {
            Event::Said(_) => {}
            Event::Make { name, id, is_folder } => {
                if *is_folder {
                    self.folders.push((name.clone(), *id));
                } else {
                    let file = File { pages: BTreeMap::new(), length: Versions::new(0), longer: Vec::new() };
                    self.files.insert(*id, file);
                }
                self.change(None, Some((name, *id)));
            }
            Event::Link { id, name } => self.change(None, Some((name, *id))),
            Event::Unlink { name } => self.change(Some(name), None),
            Event::Rename { from, to } => {
                let id = self.names(|_| true)[from];
                self.change(Some(from), Some((to, id)));
            }
            Event::Write { id, at, bytes } => self.write(*id, *at, bytes),
            Event::Resize { id, length } => self.resize(*id, *length),
            Event::Sync { id } => self.sync(*id, true),
            Event::FailedSync { id } => self.sync(*id, false),
        }
    }

    /// Both names are in one folder.
    fn change(&mut self, removes: Option<&String>, sets: Option<(&String, Id)>) {
        let name = removes.or(sets.map(|(name, _)| name)).unwrap();
        let folder = name.rsplit_once('/').map_or("", |(folder, _)| folder);
        let within = self.folders.iter().rev().find(|(name, _)| name == folder).map_or(ROOT, |folder| folder.1);
        let sets = sets.map(|(name, id)| (name.clone(), id));
        self.changes.push(Change { within, removes: removes.cloned(), sets, synced: false });
    }

    fn write(&mut self, id: Id, at: u64, bytes: &[u8]) {
        let Some(file) = self.files.get_mut(&id) else { return };
        let mut done = 0;
        while done < bytes.len() {
            let (page, inside) = ((at + done as u64) / PAGE as u64, ((at + done as u64) % PAGE as u64) as usize);
            let size = (PAGE - inside).min(bytes.len() - done);
            let versions = file.pages.entry(page).or_insert_with(|| Versions::new(Rc::new([0; PAGE])));
            let mut content = **versions.newest();
            content[inside..inside + size].copy_from_slice(&bytes[done..done + size]);
            versions.push(Rc::new(content));
            done += size;
        }
        if at + bytes.len() as u64 > *file.length.newest() {
            file.length.push(at + bytes.len() as u64);
        }
    }

    fn resize(&mut self, id: Id, length: u64) {
        let Some(file) = self.files.get_mut(&id) else { return };
        if length < *file.length.newest() {
            file.shorten(length);
        } else {
            file.length.push(length);
        }
    }

    fn sync(&mut self, id: Id, succeeds: bool) {
        if let Some(file) = self.files.get_mut(&id) {
            file.sync(succeeds);
        }
        let within = self.changes.iter_mut().filter(|change| change.within == id);
        within.for_each(|change| change.synced |= succeeds);
    }

    /// The names that there are when these changes took place.
    fn names(&self, mut took_place: impl FnMut(&Change) -> bool) -> BTreeMap<String, Id> {
        let mut names = BTreeMap::new();
        for change in &self.changes {
            if change.synced || took_place(change) {
                change.removes.as_ref().and_then(|name| names.remove(name));
                names.extend(change.sets.clone());
            }
        }
        names
    }

    /// Makes files, in a folder that is empty, as the disk may hold them.
    pub fn image(&self, model: Model, random: &mut Random, folder: &Path) {
        let dice = Dice::new(model, random);
        let mut left = dice.prefix(self.changes.iter().filter(|change| !change.synced).count(), random);
        let names = self.names(|_| {
            left = left.map(|left| left.saturating_sub(1));
            match left {
                Some(left) => left > 0,
                None => dice.pick(2, random) == 1,
            }
        });
        // Folders come before what is in them.
        for (name, id) in &names {
            let path = folder.join(name);
            let parent = path.parent().unwrap();
            if self.folders.iter().any(|known| known.1 == *id) {
                DirBuilder::new().mode(0o700).create(&path).unwrap();
            } else if parent.is_dir() {
                let bytes = self.files[id].image(&dice, random);
                let made = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&path);
                made.unwrap().write_all(&bytes).unwrap();
            }
        }
        assert!(fs::metadata(folder).is_ok());
    }
}

impl File {
    /// The old length with new content is none of the possibilities: blocks are given away before others take their
    /// place.
    fn shorten(&mut self, length: u64) {
        let before = Self { longer: Vec::new(), ..self.clone() };
        self.longer.push(before);
        self.length = Versions { all: vec![length], dirty: true };
        drop(self.pages.split_off(&length.div_ceil(PAGE as u64)));
        if let Some(versions) = self.pages.get_mut(&(length / PAGE as u64)) {
            for version in &mut versions.all {
                Rc::make_mut(version)[(length % PAGE as u64) as usize..].fill(0);
            }
        }
    }

    fn sync(&mut self, succeeds: bool) {
        if self.length.dirty && succeeds {
            self.longer.clear();
        }
        self.length.sync(succeeds);
        self.pages.values_mut().for_each(|page| page.sync(succeeds));
    }

    fn image(&self, dice: &Dice, random: &mut Random) -> Vec<u8> {
        let place = dice.pick(self.longer.len() + 1, random);
        if let Some(longer) = self.longer.get(place) {
            return longer.image(dice, random);
        }
        let length = self.length.all[dice.pick(self.length.all.len(), random)];
        let mut bytes = vec![0; length as usize];
        for (page, versions) in &self.pages {
            let start = (*page as usize) * PAGE;
            if start >= bytes.len() {
                break;
            }
            let end = bytes.len().min(start + PAGE);
            for from in (start..end).step_by(dice.unit(versions.all.len())) {
                let to = end.min(from + dice.unit(versions.all.len()));
                let version = &versions.all[dice.pick(versions.all.len(), random)];
                bytes[from..to].copy_from_slice(&version[from - start..to - start]);
            }
        }
        bytes
    }
}

/// How chance decides in one image.
struct Dice {
    model: Model,
    /// Of four choices, how many fall on the newest.
    newest: usize,
    /// Of four choices, how many fall on the oldest.
    oldest: usize,
    /// Whether pages are torn.
    tears: bool,
    /// Whether names change in order.
    in_order: bool,
}

impl Dice {
    fn new(model: Model, random: &mut Random) -> Self {
        let newest = random.below(5);
        let oldest = random.below(5 - newest);
        Self { model, newest, oldest, tears: random.below(3) == 0, in_order: random.below(2) == 0 }
    }

    fn pick(&self, choices: usize, random: &mut Random) -> usize {
        match (self.model, random.below(4)) {
            (Model::Ordered, _) => choices - 1,
            (Model::Synced, _) => 0,
            (Model::Strict, chance) if chance < self.newest => choices - 1,
            (Model::Strict, chance) if chance < self.newest + self.oldest => 0,
            (Model::Strict, _) => random.below(choices),
        }
    }

    /// How much of a page is decided at once.
    fn unit(&self, versions: usize) -> usize {
        if self.tears && versions > 1 && self.model == Model::Strict { SECTOR } else { PAGE }
    }

    /// One more than how many changes of names took place, when they do so in order.
    fn prefix(&self, changes: usize, random: &mut Random) -> Option<usize> {
        (self.model == Model::Strict && self.in_order).then(|| 1 + random.below(changes + 1))
    }
}
