//! The documentation: its links, its snippets, the tests that it names, and its pages in a browser.

mod built;
mod links;
mod markdown;
mod pages;
mod snippets;
mod tables;
