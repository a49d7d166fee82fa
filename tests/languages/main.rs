//! Programs in other languages, and the examples.

mod examples;
mod installed;
mod node;
mod node_versions;
mod python;
mod release;
mod runtimes;
mod swarm;
