//! The process that records workers, and makes and opens images.

use crate::common::forked::{By, fork};
use crate::common::{Folder, Random};
use crate::disk::{Disk, Model};
use crate::record::{Event, Failing, Recorder};
use crate::script::{SCRIPTS, run};
use crate::trace::subject::examine;
use crate::trace::world::World;
use crate::trace::{Ending, Tracer};

const WORKER_SECONDS: u64 = 120;

/// Syncs in a row that fail, in some of the recordings.
const FAILING: [usize; 2] = [1, 3];

/// Events before the cut that are told with what is wrong.
const TOLD: usize = 12;

pub struct Lab {
    kind: String,
    ignores_syncs: bool,
    tracer: Tracer,
}

/// A recording: which script, and which syncs failed.
struct Recording {
    script: &'static str,
    failing: Failing,
    events: Vec<Event>,
    syncs: usize,
}

impl Lab {
    pub fn new(kind: &str, ignores_syncs: bool) -> Self {
        Self { kind: kind.to_owned(), ignores_syncs, tracer: Tracer::new(WORKER_SECONDS) }
    }

    /// Half of the images are of recordings in which all syncs succeed.
    pub fn campaign(&self, images: usize) {
        let whole: Vec<_> = SCRIPTS.iter().map(|script| self.record(script, Failing::default())).collect();
        for recording in &whole {
            self.cut(recording, images / 2 / whole.len());
        }
        // The first syncs are those of opening, and not less important.
        let all = whole.iter().flat_map(|whole| (1..=whole.syncs).map(|first| (whole.script, first)));
        let all: Vec<_> = all.flat_map(|(script, first)| FAILING.map(|count| (script, Failing { first, count }))).collect();
        // With few images, few recordings: each costs about as much as ten images.
        let recordings = all.len().min(images / 20).max(1);
        for number in 0..recordings {
            let (script, failing) = all[number * all.len() / recordings];
            self.cut(&self.record(script, failing), images / 2 / recordings);
        }
    }

    fn record(&self, script: &'static str, failing: Failing) -> Recording {
        let folder = Folder::in_memory(&format!("power-{}", self.kind));
        let repository = folder.repository(&self.kind);
        let mut recorder = Recorder::new(folder.path().to_str().unwrap(), failing);
        let ending = self.tracer.run(&mut recorder, || {}, |()| run(script, &repository));
        if ending != Ending::Killed {
            println!("wrong|{} {script} {failing:?}|the worker: {ending:?}", self.kind);
        }
        Recording { script, failing, events: recorder.events, syncs: recorder.syncs }
    }

    /// Lets the power fail at so many moments, spread evenly, in each model in turn.
    fn cut(&self, recording: &Recording, images: usize) {
        let moments = recording.events.len() + 1;
        // Several images of one moment, in one process.
        let together = images.div_ceil(moments).max(3);
        let cuts = images.div_ceil(together);
        let (mut disk, mut world, mut done) = (Disk::default(), World::default(), 0);
        for number in 0..cuts {
            let until = (number + 1) * (moments - 1) / cuts;
            for event in recording.events.get(done..until).into_iter().flatten() {
                self.play(event, &mut disk, &mut world, recording);
            }
            done = until;
            self.look(recording, until, together, &disk, &world);
        }
    }

    fn play(&self, event: &Event, disk: &mut Disk, world: &mut World, recording: &Recording) {
        match event {
            Event::Said(line) => {
                if let Err(wrong) = world.hear(line) {
                    println!("wrong|{}|while it ran {wrong}", self.describe(recording));
                }
            }
            Event::Sync { .. } if self.ignores_syncs => {}
            event => disk.apply(event),
        }
    }

    fn describe(&self, recording: &Recording) -> String {
        let Recording { script, failing: Failing { first, count }, .. } = recording;
        format!("{} {script} {first} {count}", self.kind)
    }

    /// Makes images of one moment, and opens each.
    fn look(&self, recording: &Recording, until: usize, images: usize, disk: &Disk, world: &World) {
        let check = || {
            let mut wrong = Vec::new();
            for number in 0..images {
                let model = [Model::Strict, Model::Synced, Model::Ordered, Model::Strict, Model::Strict][number % 5];
                let folder = Folder::in_memory(&format!("power-{}-image", self.kind));
                let mut random = Random::seeded((until * 1000 + number) as u64);
                disk.image(model, &mut random, folder.path());
                let found = examine(&folder.repository(&self.kind), world);
                // The first says enough.
                wrong.extend(found.first().map(|first| format!("{until} {number} {model:?}|{first}")));
            }
            Ok(wrong.join("\n"))
        };
        let described = self.describe(recording);
        let found = fork(By::Fork, check).join().unwrap_or_else(|text| format!("{until}|nobody can look: {text}"));
        println!("images|{images}");
        if !found.is_empty() {
            let from = until.saturating_sub(TOLD);
            println!("story|{described} {until}|{:?}", &recording.events[from..until]);
        }
        found.lines().for_each(|line| println!("wrong|{described} {line}"));
    }
}
