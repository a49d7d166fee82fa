//! A service whose repository fails when a test wants it to, and whose messages are watched.

use std::collections::VecDeque;
use std::ops::RangeInclusive;
use std::sync::Mutex;
use std::sync::atomic::AtomicUsize;

use super::flow::{self, Carrier, code_in};
use super::*;
use crate::repository::Sweeper;
use crate::repository::{META, Operation, Row, Scan, Swept};
use crate::sender::{Message, Sent};

/// How a call of the repository fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// It was in use for too long: nothing was done.
    Busy,
    /// An error, and nothing was done.
    Failed,
    /// An error, and it was done.
    DoneAndFailed,
}

impl Fault {
    pub(super) const ALL: [Fault; 3] = [Fault::Busy, Fault::Failed, Fault::DoneAndFailed];
}

/// Which calls fail, counted from 0.
#[derive(Clone, Copy, Debug)]
pub(super) struct Plan {
    pub(super) call: usize,
    /// Whether all that follow fail as well.
    pub(super) lasts: bool,
    pub(super) fault: Fault,
}

/// A repository whose calls fail by plan.
pub(super) struct Faulty {
    inner: Arc<dyn Repository>,
    calls: AtomicUsize,
    plan: Mutex<Option<Plan>>,
}

impl Faulty {
    fn new(inner: Arc<dyn Repository>) -> Arc<Self> {
        Arc::new(Self { inner, calls: AtomicUsize::new(0), plan: Mutex::new(None) })
    }

    /// From now on calls are counted, and fail by this plan.
    pub(super) fn arm(&self, plan: Option<Plan>) {
        self.calls.store(0, Ordering::SeqCst);
        *self.plan.lock().unwrap() = plan;
    }

    /// Calls since then.
    pub(super) fn calls(&self) -> usize {
        self.calls.load(Ordering::SeqCst)
    }

    fn fault(&self) -> Option<Fault> {
        let call = self.calls.fetch_add(1, Ordering::SeqCst);
        let plan = self.plan.lock().unwrap().filter(|plan| plan.call == call || (plan.lasts && plan.call < call));
        plan.map(|plan| plan.fault)
    }

    fn run<T>(&self, call: impl FnOnce() -> Result<T>) -> Result<T> {
        match self.fault() {
            None => call(),
            Some(Fault::Busy) => Err(Error::busy("the repository was busy, as planned")),
            Some(Fault::Failed) => Err(Error::store("the repository failed, as planned")),
            Some(Fault::DoneAndFailed) => call().and_then(|_| Err(Error::store("the repository failed, as planned"))),
        }
    }
}

impl Repository for Faulty {
    fn place(&self) -> &str {
        self.inner.place()
    }

    fn update(&self, commit: Commit, operation: Operation) -> Result<()> {
        self.run(|| self.inner.update(commit, operation))
    }

    fn read(&self, key: &RowKey) -> Result<Option<Row>> {
        self.run(|| self.inner.read(key))
    }

    /// Reads alone, and is not counted.
    fn scan(&self, range: RangeInclusive<RowKey>) -> Scan<'_> {
        self.inner.scan(range)
    }

    fn sweep(&self, limit: usize, sweeper: Sweeper) -> Result<Swept> {
        self.run(|| self.inner.sweep(limit, sweeper))
    }
}

/// A service over a [`Faulty`] repository in memory, and who gets its messages.
pub(super) struct Stage {
    pub(super) fixture: Fixture,
    pub(super) faulty: Arc<Faulty>,
    pub(super) carrier: Option<Carrier>,
    /// The messages that the host was given, and how it answered.
    host: Arc<Mutex<Vec<(Message, Sent)>>>,
    answers: Arc<Mutex<VecDeque<Sent>>>,
}

const REQUEST: &str = r#"{"messengerId":"8192836451","phoneNumber":"+39 333 123 4567","idempotencyKey":"k"}"#;

const OPTIONS: &str = r#","policy":{"cooldownSeconds":0,"sendLimits":[{"count":1000,"minutes":10}]}"#;

impl Stage {
    /// With a sender of this kind; `host` takes every message unless told otherwise.
    pub(super) fn new(sender: &str) -> Self {
        let (mut fixture, carrier) = match sender {
            "messages" | "dispatch" => {
                let (fixture, carrier) = flow::fixture(sender);
                (fixture, Some(carrier))
            }
            _ => (Fixture::with(&format!(r#"{{"type":"{sender}"}}"#), OPTIONS), None),
        };
        let core = Arc::get_mut(&mut fixture.service.core).unwrap();
        let faulty = Faulty::new(core.repository.clone());
        core.repository = faulty.clone();
        let (host, answers) = (Arc::<Mutex<Vec<_>>>::default(), Arc::<Mutex<VecDeque<_>>>::default());
        if sender == "host" {
            let (given, answers) = (host.clone(), answers.clone());
            let send = move |message: &Message| {
                let answer = answers.lock().unwrap().pop_front().unwrap_or(Sent::Sent);
                given.lock().unwrap().push((message.clone(), answer));
                answer
            };
            fixture.service.on_send(Some(Arc::new(send))).unwrap();
        }
        Self { fixture, faulty, carrier, host, answers }
    }

    pub(super) fn service(&self) -> &Service {
        &self.fixture.service
    }

    pub(super) fn carrier(&self) -> &Carrier {
        self.carrier.as_ref().unwrap()
    }

    /// The host's next answers.
    pub(super) fn answer(&self, answers: &[Sent]) {
        self.answers.lock().unwrap().extend(answers);
    }

    /// Has the texts read so from now on, as after a deployment.
    pub(super) fn deploy(&mut self, message: &str) {
        let config = Config::parse(Some(&format!(r#"{{"message":"{message}"}}"#))).unwrap();
        Arc::get_mut(&mut self.fixture.service.core).unwrap().config.texts = config.texts;
    }

    /// Creates a code; one that is handed over counts as given to the host.
    pub(super) fn create(&self, token: &str) -> Result<CreateReply> {
        let reply = self.service().create(token, Some(REQUEST))?;
        self.host.lock().unwrap().extend(reply.message.iter().map(|message| (message.clone(), Sent::Sent)));
        Ok(reply)
    }

    /// How many messages went out of the library, and how many of them may have left.
    pub(super) fn messages(&self) -> (usize, usize) {
        let host = self.host.lock().unwrap();
        let left = host.iter().filter(|(_, answer)| *answer != Sent::NotSent).count();
        let (seen, taken) = self.carrier.as_ref().map_or((0, 0), |carrier| (carrier.seen().len(), carrier.taken()));
        (host.len() + seen, left + taken)
    }

    /// The code of the newest message.
    pub(super) fn code(&self) -> String {
        match &self.carrier {
            Some(carrier) => code_in(carrier.seen().last().unwrap()).to_owned(),
            None => self.host.lock().unwrap().last().unwrap().0.code.to_string(),
        }
    }

    /// All that is stored.
    pub(super) fn rows(&self) -> Vec<(RowKey, Row)> {
        let all = META..=RowKey::new([0xff; 16]);
        let rows = self.faulty.inner.scan(all).flat_map(Result::unwrap);
        rows.map(|(key, row)| (key, row.unwrap())).collect()
    }

    pub(super) fn record(&self, token: &str) -> Option<Record> {
        match self.faulty.inner.read(&self.service().core.row(token).unwrap()).unwrap()? {
            Row::Record(record) => Some(*record),
            _ => panic!("this is no record"),
        }
    }
}

/// What a call came to, whichever way it says so.
pub(super) fn outcome<T: Reply>(answer: Result<T>) -> Outcome {
    answer.map_or_else(|error| error.outcome(), |reply| reply.outcome())
}
