//! The scenarios of the vectors, and how the library runs them.

pub mod library;
pub mod model;
