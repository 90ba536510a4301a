//! `sigil-adapter`: looks at adapters, compares, merges, exports and publishes them.
//!
//! This file only parses arguments and hands over; each verb is a file of its own. Next: `cli.rs`.
#![recursion_limit = "256"]
#![expect(
    clippy::print_stderr,
    reason = "a program prints: data to stdout, everything else to stderr"
)]

mod card;
mod cli;
mod exit;
mod export;
mod look;
mod merge;
mod model;
mod output;
mod places;
mod progress;
mod push;
mod report;
mod verify;

use clap::Parser as _;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    let result = match cli::Arguments::parse().verb {
        cli::Verb::Inspect(arguments) => look::inspect(&arguments),
        cli::Verb::Diff(arguments) => look::diff(&arguments),
        cli::Verb::Merge(arguments) => merge::run(&arguments),
        cli::Verb::Export(arguments) => export::run(&arguments),
        cli::Verb::Card(arguments) => card::run(&arguments),
        cli::Verb::Push(arguments) => push::run(&arguments),
        cli::Verb::Report(arguments) => report::run(&arguments),
    };
    match result {
        Ok(code) => code,
        Err(failure) => failure.report(),
    }
}
