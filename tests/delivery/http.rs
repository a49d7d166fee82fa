//! Sender `http`: what carriers receive, and workflows over several of them.

mod carrier;
mod injection;
mod recipes;
mod story;

use simulator::generic as server;
