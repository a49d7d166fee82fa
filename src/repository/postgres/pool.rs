//! Connections that are kept, and never more than so many: a server has few to give.
//!
//! A connection belongs to who has it until it is given back. After any failure it is not. Nobody holds a lock while a
//! connection is used or made; who finds none free queues.

use std::collections::VecDeque;
use std::os::fd::RawFd;
use std::sync::Mutex;
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

use crate::fork::{self, lock};

/// How long a connection may have been idle.
const IDLE: Duration = Duration::from_secs(60);

/// Something with a descriptor that can be kept.
pub trait Kept: Send {
    fn descriptor(&self) -> RawFd;

    /// Says farewell to the other side.
    fn end(&mut self);
}

/// At most `size` connections, of which some are idle.
pub struct Pool<T: Kept> {
    size: usize,
    state: Mutex<State<T>>,
}

struct State<T> {
    idle: Vec<(Instant, T)>,
    /// Connections that somebody has, or is making.
    out: usize,
    /// The descriptors of those that stand and are not idle.
    descriptors: Vec<RawFd>,
    waiting: VecDeque<Thread>,
}

impl<T> Default for State<T> {
    fn default() -> Self {
        Self { idle: Vec::new(), out: 0, descriptors: Vec::new(), waiting: VecDeque::new() }
    }
}

impl<T: Kept> Pool<T> {
    pub fn new(size: usize) -> Self {
        Self { size, state: Mutex::default() }
    }

    /// Room for a connection, perhaps with one in it. `None` when there was none in time.
    pub fn take(&self, by: Instant) -> Option<Place<'_, T>> {
        loop {
            if let Some((kept, old)) = fork::shared(|| self.try_take()) {
                old.into_iter().for_each(|kept| self.bury(kept));
                return Some(Place { pool: self, kept });
            }
            let left = by.saturating_duration_since(Instant::now());
            if left.is_zero() {
                fork::shared(|| self.give_up());
                return None;
            }
            thread::park_timeout(left);
        }
    }

    /// Takes a place, or queues. Gives connections that are too old besides.
    fn try_take(&self) -> Option<(Option<T>, Vec<T>)> {
        let state = &mut *lock(&self.state);
        let me = thread::current().id();
        state.waiting.retain(|thread| thread.id() != me);
        if state.out >= self.size {
            state.waiting.push_back(thread::current());
            return None;
        }
        state.out += 1;
        let old: Vec<_> =
            state.idle.extract_if(.., |(since, _)| since.elapsed() > IDLE).map(|(_, kept)| kept).collect();
        let kept = state.idle.pop().map(|(_, kept)| kept);
        state.descriptors.extend(old.iter().chain(&kept).map(T::descriptor));
        Some((kept, old))
    }

    /// Leaves the queue. Whose turn has come hands it on.
    fn give_up(&self) {
        let state = &mut *lock(&self.state);
        let (me, before) = (thread::current().id(), state.waiting.len());
        state.waiting.retain(|thread| thread.id() != me);
        if state.waiting.len() == before {
            state.call_next();
        }
    }

    /// Ends a connection that nobody needs.
    fn bury(&self, mut kept: T) {
        kept.end();
        self.close(kept);
    }

    /// Closes a connection. A fork waits for that, or the child would not know of its copy.
    fn close(&self, kept: T) {
        fork::shared(|| {
            lock(&self.state).forget(kept.descriptor());
            drop(kept);
        });
    }

    /// Has a child of `fork` forget what it has in common with its parent. Closing its copies says nothing to the other
    /// side. Gives the descriptors of connections that threads of the parent's have.
    pub fn abandon(&self) -> Vec<RawFd> {
        let state = std::mem::take(&mut *lock(&self.state));
        state.descriptors
    }
}

impl<T: Kept> Drop for Pool<T> {
    /// A child in which the handlers did not run says nothing.
    fn drop(&mut self) {
        if fork::check().is_ok() {
            let idle = std::mem::take(&mut lock(&self.state).idle);
            idle.into_iter().for_each(|(_, kept)| self.bury(kept));
        }
    }
}

impl<T> State<T> {
    fn forget(&mut self, descriptor: RawFd) {
        self.descriptors.retain(|other| *other != descriptor);
    }

    fn call_next(&mut self) {
        self.waiting.pop_front().into_iter().for_each(|thread| thread.unpark());
    }
}

/// Room for a connection. What is in it when it is dropped is closed.
pub struct Place<'a, T: Kept> {
    pool: &'a Pool<T>,
    kept: Option<T>,
}

impl<T: Kept> Place<'_, T> {
    pub fn get(&mut self) -> Option<&mut T> {
        self.kept.as_mut()
    }

    /// Puts a new connection here, in place of one that was there.
    pub fn put(&mut self, kept: T) -> &mut T {
        self.close();
        fork::shared(|| lock(&self.pool.state).descriptors.push(kept.descriptor()));
        self.kept.insert(kept)
    }

    /// Closes the connection, without a word.
    pub fn close(&mut self) {
        self.kept.take().into_iter().for_each(|kept| self.pool.close(kept));
    }

    /// Gives the connection back, for others.
    pub fn keep(mut self) {
        let Some(kept) = self.kept.take() else { return };
        fork::shared(|| {
            let state = &mut *lock(&self.pool.state);
            state.forget(kept.descriptor());
            state.idle.push((Instant::now(), kept));
        });
    }
}

impl<T: Kept> Drop for Place<'_, T> {
    fn drop(&mut self) {
        self.close();
        fork::shared(|| {
            let state = &mut *lock(&self.pool.state);
            state.out = state.out.saturating_sub(1);
            state.call_next();
        });
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicI32, AtomicUsize, Ordering};

    use super::*;

    const LONG: Duration = Duration::from_secs(10);

    /// A connection, and how many of them there are.
    struct Counted(Arc<AtomicUsize>, RawFd);

    impl Kept for Counted {
        fn descriptor(&self) -> RawFd {
            self.1
        }

        fn end(&mut self) {}
    }

    impl Drop for Counted {
        fn drop(&mut self) {
            self.0.fetch_sub(1, Ordering::SeqCst);
        }
    }

    #[derive(Default)]
    struct Maker {
        alive: Arc<AtomicUsize>,
        made: AtomicI32,
    }

    impl Maker {
        fn make(&self) -> Counted {
            self.alive.fetch_add(1, Ordering::SeqCst);
            // Numbers that no descriptor of this process has: nobody closes them.
            Counted(self.alive.clone(), 1_000_000 + self.made.fetch_add(1, Ordering::SeqCst))
        }
    }

    #[test]
    fn there_are_never_more_than_so_many_and_everybody_has_a_turn() {
        let (pool, maker) = (Pool::new(3), Maker::default());
        thread::scope(|scope| {
            for number in 0..24 {
                let (pool, maker) = (&pool, &maker);
                scope.spawn(move || {
                    for round in 0..50 {
                        let mut place = pool.take(Instant::now() + LONG).expect("a turn");
                        if place.get().is_none() {
                            place.put(maker.make());
                        }
                        assert!(maker.alive.load(Ordering::SeqCst) <= 3);
                        thread::yield_now();
                        // Some fail.
                        if (number + round) % 7 > 0 {
                            place.keep();
                        }
                    }
                });
            }
        });
        let state = lock(&pool.state);
        assert!(state.out == 0 && state.waiting.is_empty() && state.descriptors.is_empty());
        assert_eq!(state.idle.len(), maker.alive.load(Ordering::SeqCst));
    }

    #[test]
    fn who_finds_none_in_time_leaves_the_queue_and_harms_nobody() {
        let (pool, maker) = (Pool::new(1), Maker::default());
        let mut place = pool.take(Instant::now()).unwrap();
        place.put(maker.make());
        assert!(pool.take(Instant::now()).is_none());
        assert!(lock(&pool.state).waiting.is_empty());
        thread::scope(|scope| {
            let waits = scope.spawn(|| pool.take(Instant::now() + LONG).is_some_and(|mut place| place.get().is_some()));
            place.keep();
            assert!(waits.join().unwrap());
        });
    }

    #[test]
    fn a_child_hears_of_all_that_others_have() {
        let (pool, maker) = (Pool::new(3), Maker::default());
        let mut places: Vec<_> = (0..3).filter_map(|_| pool.take(Instant::now())).collect();
        for place in &mut places {
            place.put(maker.make());
        }
        places.pop().unwrap().keep();
        drop(places.pop());
        assert_eq!(pool.abandon(), [1_000_000]);
        assert_eq!(maker.alive.load(Ordering::SeqCst), 1, "those that were idle are closed");
        let again = (0..4).filter_map(|_| pool.take(Instant::now())).collect::<Vec<_>>().len();
        assert_eq!(again, 3, "a child has as many as its parent");
        std::mem::forget(places);
    }
}
