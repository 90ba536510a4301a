//! `sigil-sweep`: trains with many settings and ranks the runs.
//!
//! This file only parses arguments and hands over. Next: `cli.rs`, then `sweep.rs`.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a program prints: data to stdout, everything else to stderr"
)]

mod cli;
mod exit;
mod places;
mod runs;
mod sweep;

use clap::Parser as _;

fn main() -> std::process::ExitCode {
    match sweep::run(&cli::Arguments::parse()) {
        Ok(code) => code,
        Err(failure) => failure.report(),
    }
}
