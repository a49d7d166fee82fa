//! What the tests, examples and benchmarks of libotp share.
#![deny(unsafe_code, rust_2018_idioms)]

pub mod carrier;
pub mod mutate;
pub mod script;
