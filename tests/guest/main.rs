//! A guest in a process, and on a disk, that belong to somebody else.

mod files;
mod host;
mod shortage;
mod stack;
