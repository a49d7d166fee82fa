//! What is stored and answered: its form, its bounds, its secrets.

mod format;
mod languages;
mod scenarios;
mod secrets;
mod tokens;
mod values;
mod vectors;
