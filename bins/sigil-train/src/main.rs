//! `sigil-train`: fine-tunes a code model with 4-bit QLoRA.
//!
//! This file only parses arguments and hands over; each verb is a file of its own. Next: `cli.rs`.
#![recursion_limit = "256"]
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a program prints: data to stdout, everything else to stderr"
)]

mod cli;
mod device;
mod doctor;
mod ending;
mod exit;
mod follow;
mod followers;
mod live;
mod model_files;
mod panics;
mod plan;
mod progress;
mod publish;
mod ready;
mod settings;
mod talk;
mod train;
mod watcher;

use clap::Parser as _;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    let arguments = cli::Arguments::parse();
    panics::guard(|| run(&arguments))
}

fn run(arguments: &cli::Arguments) -> std::process::ExitCode {
    if let Some(ranks) = arguments.follow {
        return follow::run(ranks).unwrap_or_else(exit::Failure::report);
    }
    let result = match &arguments.verb {
        Some(cli::Verb::Doctor { json }) => return doctor::run(*json),
        None if arguments.print_config => settings::print(arguments),
        None if arguments.plan => plan::run(arguments),
        None => train::run(arguments),
    };
    match result {
        Ok(code) => code,
        Err(failure) => failure.report(),
    }
}
