//! The interface to C: its headers, what the library exports, programs that use it, and misuse.

mod architecture;
mod c_api;
mod dashboard;
mod exports;
mod ffi;
mod header;
mod options;
