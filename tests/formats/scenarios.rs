//! The scenarios of the vectors, and who runs them.

pub mod agent;
pub mod flat;
pub mod library;
pub mod model;
pub mod runner;
