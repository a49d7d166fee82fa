//! The command as its users meet it: a process over a repository of files.

mod check;
mod command;
mod copy;
mod due;
mod ground;
mod manual;
mod metrics;
mod open;
mod owner;
mod people;
mod rotate;
mod send_test;
mod serve;
mod servers;
mod shells;
mod status;
