//! The process that makes workers, has their calls fail, and looks at what they leave behind.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::Arc;

use super::phases::{ARM, CALM, PHASES, Stage, template};
use super::points::{Mode, Point, counts, points};
use crate::trace::subject::{Place, Voice, examine};
use crate::trace::world::World;
use crate::trace::{Call, Ending, Observer, Tracer, Verdict};
use testing::Folder;
use testing::forked::{By, fork};

/// How long one worker may take: an operation waits for ten seconds where locks do not work.
const WORKER_SECONDS: u64 = 120;

/// Has calls fail, and hears what the worker has to say of it.
struct Injector<'a> {
    point: Option<&'a Point>,
    armed: bool,
    /// Calls of each kind since it was armed.
    seen: BTreeMap<&'static str, usize>,
    failed: usize,
    world: World,
    wrong: Vec<String>,
    /// What was said, for people.
    story: Vec<String>,
}

impl Observer for Injector<'_> {
    fn hears(&mut self, line: &str) {
        self.story.push(line.to_owned());
        match line {
            ARM => self.armed = true,
            CALM => self.armed = false,
            _ if line.starts_with("dead|") => self.wrong.push(line.to_owned()),
            _ => self.wrong.extend(self.world.hear(line).err()),
        }
    }

    fn enters(&mut self, call: &Call) -> Verdict {
        if !self.armed || !counts(call) {
            return Verdict::Pass;
        }
        let number = self.seen.entry(call.name).or_default();
        *number += 1;
        let Some(point) = self.point.filter(|point| point.covers(call.name, *number)) else { return Verdict::Pass };
        self.failed += 1;
        self.story.push(format!("-- {} {number} {:x?} goes wrong", call.name, call.arguments));
        match point.mode {
            Mode::Before => Verdict::Skip(-i64::from(point.error)),
            Mode::After => Verdict::Follow,
            Mode::Death => Verdict::Kill,
            Mode::Short => Verdict::Shorten(call.arguments[2].div_ceil(2)),
        }
    }

    fn leaves(&mut self, _call: &Call, result: i64) -> i64 {
        self.point.map_or(result, |point| -i64::from(point.error))
    }
}

/// What came of one point.
pub struct Found {
    pub wrong: Vec<String>,
    pub story: Vec<String>,
    /// Calls that went wrong.
    pub failed: usize,
    seen: BTreeMap<&'static str, usize>,
}

/// A kind of repository, one of it filled, and a tracer.
pub struct Lab {
    kind: String,
    filled: Folder,
    before: World,
    tracer: Tracer,
}

impl Lab {
    pub fn new(kind: &str) -> Self {
        let filled = Folder::in_memory(&format!("faults-{kind}-filled"));
        let place = Place::new(filled.repository(kind));
        let told = fork(By::Fork, || {
            let lines: Arc<std::sync::Mutex<Vec<String>>> = Arc::default();
            let listener = lines.clone();
            let voice: Voice = Arc::new(move |line: &str| listener.lock().unwrap().push(line.to_owned()));
            template(&place, &voice);
            Ok(lines.lock().unwrap().join("\n"))
        });
        let mut before = World::default();
        told.join().unwrap().lines().for_each(|line| before.hear(line).unwrap());
        Self { kind: kind.to_owned(), filled, before, tracer: Tracer::new(WORKER_SECONDS) }
    }

    /// Every point of every phase, from the calls that each makes when all goes well.
    pub fn points(&self) -> Vec<Point> {
        let mut all = Vec::new();
        for phase in PHASES.into_iter().filter(|phase| Stage::is_fit(phase, &self.kind)) {
            let found = self.run(phase, None);
            assert!(found.wrong.is_empty(), "{phase}, without a fault: {:?}: {:?}", found.wrong, found.story);
            all.extend(found.seen.iter().flat_map(|(call, count)| points(phase, call, *count)));
        }
        all
    }

    /// Runs a worker through a phase, kills it, and has another process look at what is left.
    pub fn run(&self, phase: &str, point: Option<&Point>) -> Found {
        self.run_and(phase, point, |_| {})
    }

    /// As [`Lab::run`] without a fault, but the disk forgets all that the worker did.
    pub fn run_forgetting(&self, phase: &str) -> Found {
        self.run_and(phase, None, |folder| {
            fs::remove_dir_all(folder).unwrap();
            fs::create_dir(folder).unwrap();
            copy(self.filled.path(), folder);
        })
    }

    fn run_and(&self, phase: &str, point: Option<&Point>, afterwards: impl FnOnce(&Path)) -> Found {
        let folder = Folder::in_memory(&format!("faults-{}", self.kind));
        let is_new = phase == "make";
        if !is_new {
            copy(self.filled.path(), folder.path());
        }
        let before = if is_new { World::default() } else { self.before.clone() };
        let place = Place::new(folder.repository(&self.kind));
        let stage = Stage { phase: phase.to_owned(), place: place.clone(), before: before.clone() };
        let mut injector = Injector {
            point,
            armed: false,
            seen: BTreeMap::new(),
            failed: 0,
            world: before,
            wrong: Vec::new(),
            story: Vec::new(),
        };
        let ending = self.tracer.run(&mut injector, || stage.prepare(), |subjects| stage.work(subjects));
        let Injector { world, mut wrong, story, seen, failed, .. } = injector;
        if ending != Ending::Killed {
            wrong.push(format!("the worker: {ending:?}"));
        }
        afterwards(folder.path());
        let checked = fork(By::Fork, || Ok(examine(&place, &world).join("\n"))).join();
        match checked {
            Ok(text) => wrong.extend(text.lines().map(str::to_owned)),
            Err(text) => wrong.push(format!("nobody can look at it afterwards: {text}")),
        }
        Found { wrong, story, failed, seen }
    }
}

/// Copies what is in a folder into another one, which is there.
fn copy(from: &Path, to: &Path) {
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            fs::create_dir(&target).unwrap();
            fs::set_permissions(&target, entry.metadata().unwrap().permissions()).unwrap();
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}
