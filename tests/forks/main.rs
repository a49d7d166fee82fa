//! Threads and forks.

mod background;
mod fork;
