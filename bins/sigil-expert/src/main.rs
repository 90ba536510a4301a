//! `sigil-expert`: rounds of generating, judging, selecting and training.
//!
//! This file only parses arguments and hands over. Next: `cli.rs`, then `rounds.rs`.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a program prints: data to stdout, everything else to stderr"
)]

mod claim;
mod cli;
mod exit;
mod guard;
mod places;
mod programs;
mod rounds;
mod tasks;

use clap::Parser as _;

fn main() -> std::process::ExitCode {
    let result = match cli::Arguments::parse().verb {
        cli::Verb::Run(arguments) => rounds::run(&arguments),
        cli::Verb::Tasks(arguments) => tasks::run(&arguments),
        cli::Verb::Guarded(arguments) => match guard::become_program(&arguments) {
            Err(failure) => Err(failure),
        },
    };
    match result {
        Ok(code) => code,
        Err(failure) => failure.report(),
    }
}
