//! Sender `http`: what carriers receive, and workflows over several of them.

pub mod injection;
mod recipes;
pub mod server;
mod story;
