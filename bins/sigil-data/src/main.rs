//! `sigil-data`: filters, shows and counts training data.
//!
//! This file only parses arguments and hands over; each verb is a file of its own. Next: `cli.rs`.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a program prints: data to stdout, everything else to stderr"
)]

mod batches;
mod cache;
mod cli;
mod failure;
mod filter;
mod histogram;
mod page;
mod places;
mod preview;
mod progress;
mod rows;
mod stats;

use clap::Parser as _;

fn main() -> std::process::ExitCode {
    let arguments = cli::Arguments::parse();
    let result = match &arguments.verb {
        cli::Verb::Filter(verb) => filter::run(verb),
        cli::Verb::Preview(verb) => preview::run(verb),
        cli::Verb::Batches(verb) => batches::run(verb),
        cli::Verb::Stats(verb) => stats::run(verb),
        cli::Verb::Cache(verb) => cache::run(verb),
    };
    match result {
        Ok(()) => std::process::ExitCode::SUCCESS,
        Err(failure) => failure.report(),
    }
}
