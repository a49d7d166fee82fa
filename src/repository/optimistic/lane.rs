//! Where callers queue: whoever finds a place free runs a batch, its own work first, and hands the place on.
//!
//! A round trip costs the server about as much for one task as for many. So two batches at a time are all, until there
//! is enough to fill another one.
//!
//! No lock is held, and no fork waits, while a batch runs.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

use super::batch::Answer;
use super::{Task, broken, busy};
use crate::fork::{self, lock};

/// Most tasks in a batch. Each reads some four rows.
const BATCH: usize = 16;

/// Batches that begin with what there is. One reads while the other commits.
const EAGER: usize = 2;

/// Time that a batch must have left.
pub const LEAST_LEFT: Duration = Duration::from_secs(1);

/// A queue with so many places, at most, for batches that run at the same time.
pub struct Lane {
    width: usize,
    queue: Mutex<Queue>,
}

#[derive(Default)]
struct Queue {
    waiting: VecDeque<Pending>,
    /// Batches that run.
    running: usize,
}

struct Pending {
    caller: Arc<Caller>,
    task: Task,
}

/// A thread that waits. Nobody but it and its leader looks here, so no gate is needed: a child has neither.
struct Caller {
    thread: Thread,
    turn: Mutex<Turn>,
}

enum Turn {
    Wait,
    Lead(Task),
    Answered(Answer),
}

impl Lane {
    pub fn new(width: usize) -> Self {
        Self { width, queue: Mutex::default() }
    }

    /// Has the task run in a batch, by this thread or by another.
    pub fn submit(&self, task: Task, run: &dyn Fn(Vec<Task>) -> Vec<Answer>) -> Answer {
        let deadline = task.deadline - LEAST_LEFT;
        let caller = Arc::new(Caller { thread: thread::current(), turn: Mutex::new(Turn::Wait) });
        let own = fork::shared(|| {
            let mut queue = lock(&self.queue);
            let places = if queue.waiting.len() + 1 < BATCH { self.width.min(EAGER) } else { self.width };
            if queue.running < places {
                queue.running += 1;
                return Some(task);
            }
            queue.waiting.push_back(Pending { caller: caller.clone(), task });
            None
        });
        match own {
            Some(task) => self.lead(task, run),
            None => self.follow(&caller, deadline, run),
        }
    }

    /// Forgets callers that a child of `fork` does not have.
    pub fn in_child(&self) {
        *lock(&self.queue) = Queue::default();
    }

    fn follow(&self, caller: &Arc<Caller>, deadline: Instant, run: &dyn Fn(Vec<Task>) -> Vec<Answer>) -> Answer {
        let mut withdrawable = true;
        loop {
            match std::mem::replace(&mut *lock(&caller.turn), Turn::Wait) {
                Turn::Answered(answer) => return answer,
                Turn::Lead(task) => return self.lead(task, run),
                Turn::Wait => {}
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if !left.is_zero() {
                thread::park_timeout(left);
            } else if !withdrawable {
                thread::park();
            } else if self.withdraw(caller) {
                return Answer::Done(Err(busy()));
            } else {
                // A leader has it, whose batch ends by its deadline.
                withdrawable = false;
            }
        }
    }

    fn withdraw(&self, caller: &Arc<Caller>) -> bool {
        fork::shared(|| {
            let mut queue = lock(&self.queue);
            let place = queue.waiting.iter().position(|pending| Arc::ptr_eq(&pending.caller, caller));
            place.is_some_and(|place| queue.waiting.remove(place).is_some())
        })
    }

    /// Runs one batch, answers those whose work was in it, and hands the place on.
    fn lead(&self, own: Task, run: &dyn Fn(Vec<Task>) -> Vec<Answer>) -> Answer {
        let others: Vec<_> = fork::shared(|| {
            let mut queue = lock(&self.queue);
            let size = queue.waiting.len().min(BATCH - 1);
            queue.waiting.drain(..size).collect()
        });
        let (callers, mut tasks): (Vec<_>, Vec<_>) = others.into_iter().map(|it| (it.caller, it.task)).unzip();
        tasks.insert(0, own);
        let answers = catch_unwind(AssertUnwindSafe(|| run(tasks))).unwrap_or_default();
        fork::shared(|| lock(&self.queue).hand_over());
        let mut answers = answers.into_iter();
        let mine = answers.next();
        for caller in callers {
            let answer = answers.next().unwrap_or_else(|| Answer::Done(Err(broken())));
            *lock(&caller.turn) = Turn::Answered(answer);
            caller.thread.unpark();
        }
        mine.unwrap_or_else(|| Answer::Done(Err(broken())))
    }
}

impl Queue {
    /// Has the first in the queue lead, if there is one, and enough for this place.
    fn hand_over(&mut self) {
        let is_needed = self.running <= EAGER || self.waiting.len() >= BATCH;
        match if is_needed { self.waiting.pop_front() } else { None } {
            Some(Pending { caller, task }) => {
                *lock(&caller.turn) = Turn::Lead(task);
                caller.thread.unpark();
            }
            None => self.running -= 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn task() -> Task {
        let deadline = Instant::now() + Duration::from_secs(60);
        let operation = Box::new(|_: &mut dyn crate::repository::Transaction| Ok(()));
        Task { operation, synced: false, deadline, refusals: 0, contended: None, lost: Vec::new() }
    }

    /// The sizes of the batches that have begun, and whether they may end.
    #[derive(Default)]
    struct Watched(Mutex<(Vec<usize>, bool)>);

    impl Watched {
        fn run(&self, tasks: &[Task]) -> Vec<Answer> {
            lock(&self.0).0.push(tasks.len());
            while !lock(&self.0).1 {
                thread::sleep(Duration::from_millis(1));
            }
            tasks.iter().map(|_| Answer::Done(Ok(()))).collect()
        }

        fn await_batches(&self, count: usize) {
            while lock(&self.0).0.len() < count {
                thread::sleep(Duration::from_millis(1));
            }
        }
    }

    #[test]
    fn a_third_batch_waits_until_it_is_full() {
        let (lane, watched) = (Lane::new(8), Watched::default());
        let submit = || {
            let answer = lane.submit(task(), &|tasks| watched.run(&tasks));
            assert!(matches!(answer, Answer::Done(Ok(()))));
        };
        thread::scope(|scope| {
            let start = |threads: usize, waiting: usize| {
                (0..threads).for_each(|_| drop(scope.spawn(submit)));
                while lock(&lane.queue).waiting.len() < waiting {
                    thread::sleep(Duration::from_millis(1));
                }
            };
            start(1, 0);
            watched.await_batches(1);
            start(1, 0);
            watched.await_batches(2);
            start(BATCH - 1, BATCH - 1);
            assert_eq!(lock(&watched.0).0, [1, 1]);
            start(1, 0);
            watched.await_batches(3);
            start(3, 3);
            assert_eq!(lock(&watched.0).0, [1, 1, BATCH]);
            lock(&watched.0).1 = true;
        });
        assert_eq!(lock(&watched.0).0.iter().sum::<usize>(), 2 + BATCH + 3);
        assert_eq!(lock(&lane.queue).running, 0);
    }

    #[test]
    fn a_lane_of_one_place_runs_one_batch_at_a_time() {
        let (lane, watched) = (Lane::new(1), Watched::default());
        thread::scope(|scope| {
            let submit = || drop(lane.submit(task(), &|tasks| watched.run(&tasks)));
            scope.spawn(submit);
            watched.await_batches(1);
            (0..3 * BATCH).for_each(|_| drop(scope.spawn(submit)));
            while lock(&lane.queue).waiting.len() < 3 * BATCH {
                thread::sleep(Duration::from_millis(1));
            }
            assert_eq!(lock(&watched.0).0, [1]);
            lock(&watched.0).1 = true;
        });
        assert_eq!(lock(&watched.0).0, [1, BATCH, BATCH, BATCH]);
    }
}
