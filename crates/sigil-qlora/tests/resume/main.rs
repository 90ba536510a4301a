//! A run that was stopped, killed or starved of disk equals one that never was, bit for bit.
#![expect(clippy::print_stderr, reason = "a test prints what it measured")]

mod faults;
mod harness;
mod ranks;
mod steps;
