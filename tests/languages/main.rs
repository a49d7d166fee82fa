//! Programs in other languages, and the examples.

mod examples;
mod node;
mod otp_service;
mod python;
mod runtimes;
mod swarm;
