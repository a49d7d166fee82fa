//! Sender `http`: what carriers receive, and workflows over several of them.

mod carrier;
pub mod injection;
mod recipes;
mod story;

pub use simulator::generic as server;
