//! The command as its users meet it: a process over a repository of files.

mod command;
mod copy;
mod due;
mod manual;
mod metrics;
mod open;
mod owner;
mod people;
mod send_test;
mod serve;
mod servers;
mod shells;
mod status;
