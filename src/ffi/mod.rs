//! The border: the C interface, and none of the library's decisions. All `unsafe` of the library is here and in `sys`.
//!
//! The order of the public modules, and in them of the functions, is the order of `include/otp.h`, which is made
//! from them (blank lines keep it); what the functions have in common is said in its opening chapter (`cbindgen.toml`).

#![allow(unsafe_code, non_camel_case_types)]
// What a caller owes every function is said once, in the opening chapter of the header.
#![allow(clippy::missing_safety_doc)]
#![deny(unsafe_op_in_unsafe_fn)]
#![cfg_attr(not(test), deny(clippy::undocumented_unsafe_blocks))]

pub mod library;

pub mod codes;

pub mod upkeep;

pub mod callbacks;

pub mod results;

pub mod helpers;

pub mod requests;

mod guard;
mod handle;
mod reply;
mod strings;
