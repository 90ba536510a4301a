//! `sigil-eval`: judges generated Rust.
//!
//! This file only parses arguments and hands over; each verb is a file of its own. Next: `cli.rs`.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a program prints: data to stdout, everything else to stderr"
)]

mod assess;
mod bench;
mod check;
mod cli;
mod compare;
mod contest;
mod deps;
mod environment;
mod evaluate;
mod exit;
mod generation;
mod generator;
mod humaneval;
mod humaneval_report;
mod judging;
mod keep;
mod progress;
mod queue;
mod stop;
mod watch;
mod watch_publish;
mod watch_set;
mod worker;

use clap::{CommandFactory as _, Parser as _};

fn main() -> std::process::ExitCode {
    let arguments = cli::Arguments::parse();
    let result = match (arguments.verb, arguments.samples) {
        (Some(cli::Verb::Check(check)), _) => check::run(&check),
        (Some(cli::Verb::Compare(compare)), _) => compare::run(&compare),
        (Some(cli::Verb::Deps(deps)), _) => deps::run(&deps),
        (Some(cli::Verb::Cache(cache)), _) => keep::run(&cache),
        (Some(cli::Verb::Worker(worker)), _) => worker::run(&worker),
        (Some(cli::Verb::Queue(queue)), _) => queue::run(&queue),
        (Some(cli::Verb::Humaneval(humaneval)), _) => humaneval::run(*humaneval),
        (Some(cli::Verb::Watch(watch)), _) => watch::run(&watch),
        (None, Some(samples)) => evaluate::run(&samples, &arguments.evaluate, &arguments.judge),
        (None, None) => {
            eprintln!("{}", cli::Arguments::command().render_usage());
            return std::process::ExitCode::from(2);
        }
    };
    match result {
        Ok(code) => code,
        Err(failure) => failure.report(),
    }
}
