//! The process that records workers, and makes and opens images.

use super::disk::{Disk, Model};
use super::record::{Event, Failing, Recorder};
use super::script::{KEYED, SCRIPTS, run};
use crate::trace::subject::{Place, examine};
use crate::trace::world::World;
use crate::trace::{Ending, Tracer};
use testing::forked::{By, fork};
use testing::{Folder, Random};

const WORKER_SECONDS: u64 = 120;

/// Syncs in a row that fail, in some of the recordings.
const FAILING: [usize; 2] = [1, 3];

/// Pages on their way into the database after a sync failed, of which one is torn at a time.
const RECOVERING: usize = 3;

/// Images of one moment, made and opened in one process.
const TOGETHER: usize = 4;

/// Events after a sync that failed, and answers, that are soon after it.
const SOON: usize = 40;

/// The models of the images of one moment.
const MODELS: [Model; 4] = [Model::Strict, Model::Synced, Model::Strict, Model::Ordered];

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

impl Recording {
    /// Whether the last operation succeeded: no sync fails any more.
    fn ends_well(&self) -> bool {
        let mut events = self.events.iter().rev();
        events.find_map(|event| event.answer()).is_some_and(|number| number == "0")
    }

    /// The moments after a sync failed at which the first pages are on their way into the database, and may be torn.
    fn recoveries(&self) -> impl Iterator<Item = usize> {
        let is_database = |event: &Event| matches!(event, Event::Make { name, .. } if name == "otp.db");
        let database = self.events.iter().find(|event| is_database(event)).and_then(Event::file);
        let failed = self.events.iter().position(Event::is_failure).unwrap_or(self.events.len());
        let later = self.events.iter().enumerate().skip(failed);
        let written = later.filter(move |(_, event)| matches!(event, Event::Write { .. }) && event.file() == database);
        written.map(|(place, _)| place + 1).take(RECOVERING)
    }

    /// The moments at which the power fails, so many: half of them soon after the first sync that failed, when there
    /// is one, and half of those right after an answer.
    fn moments(&self, count: usize) -> Vec<usize> {
        let (last, first) = (self.events.len(), self.events.iter().position(Event::is_failure));
        let begin = first.unwrap_or_default();
        let soon = last.min(begin + SOON);
        let answers: Vec<_> = (begin..last).filter(|place| self.events[*place].answer().is_some()).collect();
        let mut moments: Vec<_> = (0..count)
            .filter_map(|number| {
                let share = |from: usize, to: usize| from + number * (to - from) / count;
                match number % 4 {
                    0 => Some(share(begin, soon) + 1),
                    1 => answers.get(share(0, answers.len().min(SOON))).map(|place| place + 1),
                    2 => answers.get(share(0, answers.len())).map(|place| place + 1),
                    _ => Some(share(begin, last) + 1),
                }
            })
            .map(|moment| moment.min(last))
            .collect();
        moments.push(last);
        moments.extend(self.recoveries());
        moments.sort_unstable();
        moments.dedup();
        moments
    }
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
        let all: Vec<_> =
            all.flat_map(|(script, first)| FAILING.map(|count| (script, Failing { first, count }))).collect();
        // With few images, few recordings: each costs about as much as ten images.
        let recordings = all.len().min(images / 20).max(1);
        for number in 0..recordings {
            let (script, failing) = all[number * all.len() / recordings];
            self.cut(&self.record(script, failing), images / 2 / recordings);
        }
    }

    /// One image again, told at length: script, first sync that fails, how many do, events, and number of the image.
    pub fn again(&self, point: &str) {
        let words: Vec<_> = point.split(' ').collect();
        let [script, first, count, until, image] = words.as_slice() else { panic!("OTP_TEST_POINT is no point") };
        let script = SCRIPTS.into_iter().find(|known| known == script).expect("no such script");
        let number = |word: &str| word.parse::<usize>().expect("OTP_TEST_POINT has a number");
        let recording = self.record(script, Failing { first: number(first), count: number(count) });
        let until = number(until).min(recording.events.len());
        let (mut disk, mut world) = (Disk::default(), World::default());
        for event in &recording.events[..until] {
            self.play(event, &mut disk, &mut world, &recording);
            println!("story|{event:?}");
        }
        let found = self.open(&recording, until, number(image), &disk, &world);
        found.iter().for_each(|found| println!("wrong|{} {point}|{found}", self.kind));
        println!("images|1");
    }

    fn place(&self, folder: &Folder, script: &str) -> Place {
        Place { repository: folder.repository(&self.kind), is_keyed: script == KEYED }
    }

    fn record(&self, script: &'static str, failing: Failing) -> Recording {
        let folder = Folder::in_memory(&format!("power-{}", self.kind));
        let place = self.place(&folder, script);
        let mut recorder = Recorder::new(folder.path().to_str().unwrap(), failing);
        let ending = self.tracer.run(&mut recorder, || {}, |()| run(script, &place));
        let recording = Recording { script, failing, events: recorder.events, syncs: recorder.syncs };
        if ending != Ending::Killed {
            println!("wrong|{}|the worker: {ending:?}", self.describe(&recording));
        }
        if !recording.ends_well() {
            println!("wrong|{}|it is dead after its syncs failed", self.describe(&recording));
        }
        recording
    }

    /// Lets the power fail at many moments, each with a few images.
    fn cut(&self, recording: &Recording, images: usize) {
        let together = (images / recording.events.len().max(1)).max(TOGETHER);
        let (mut disk, mut world, mut done) = (Disk::default(), World::default(), 0);
        for until in recording.moments(images.div_ceil(together)) {
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

    /// Makes images of one moment, and opens each, in a process of its own.
    fn look(&self, recording: &Recording, until: usize, images: usize, disk: &Disk, world: &World) {
        let check = || {
            let mut wrong = Vec::new();
            for number in 0..images {
                // The first thing that is wrong says enough.
                let found = self.open(recording, until, number, disk, world);
                wrong.extend(found.first().map(|first| format!("{until} {number}|{first}")));
            }
            Ok(wrong.join("\n"))
        };
        let found = fork(By::Fork, check).join().unwrap_or_else(|text| format!("{until}|nobody can look: {text}"));
        println!("images|{images}");
        found.lines().for_each(|line| println!("wrong|{} {line}", self.describe(recording)));
    }

    /// Makes the image of this number, and gives what is wrong with it.
    fn open(&self, recording: &Recording, until: usize, number: usize, disk: &Disk, world: &World) -> Vec<String> {
        let model = MODELS[number % MODELS.len()];
        let folder = Folder::in_memory(&format!("power-{}-image", self.kind));
        disk.image(model, &mut Random::seeded((until * 1000 + number) as u64), folder.path());
        let found = examine(&self.place(&folder, recording.script), world);
        found.into_iter().map(|found| format!("{model:?}: {found}")).collect()
    }
}
