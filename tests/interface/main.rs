//! The interface to C: its headers, what the library exports, programs that use it, and misuse; and what the docs claim.

mod architecture;
mod c_api;
mod claims;
mod dashboard;
mod exports;
mod ffi;
mod header;
mod options;
mod percentiles;
mod plots;
