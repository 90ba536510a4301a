//! The chores of this workspace, run as `cargo xtask VERB`.
//!
//! This file only parses the verb and hands over; each verb is a module of its own.
//! Next: `bench_sandbox/mod.rs`, `bench_train/mod.rs`, `check/mod.rs`, `make_base/mod.rs`, `release/mod.rs`.
#![recursion_limit = "256"]

mod bench_sandbox;
mod bench_train;
mod check;
mod make_base;
mod release;

use clap::{Parser, Subcommand};

/// Chores of this workspace.
#[derive(Parser)]
#[command(name = "cargo xtask", version)]
struct Arguments {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Check the promises of docs/architecture.md and deny.toml
    Check(check::CheckArguments),
    /// Rewrite the list of security advisories from a checkout of their database
    Advisories(check::AdvisoryArguments),
    /// Make the small base model that the quickstart fine-tunes: its corpus and its tokenizer
    MakeBase(make_base::Arguments),
    /// Time the training step of the reference model, beside PyTorch and PEFT if given
    BenchTrain(bench_train::Arguments),
    /// Write the logits of a base with an adapter, for tests/peers/peft_logits.py
    PeftLogits(bench_train::LogitsArguments),
    /// Measure and attack the sandbox on this machine
    Sandbox(bench_sandbox::Arguments),
    /// Make the archive of the programs, and try it in an empty Debian
    Release(release::Arguments),
}

fn main() -> miette::Result<()> {
    match Arguments::parse().verb {
        Verb::Check(arguments) => check::check(&arguments),
        Verb::Advisories(arguments) => check::advisories(&arguments),
        Verb::MakeBase(arguments) => make_base::run(&arguments),
        Verb::BenchTrain(arguments) => bench_train::run(&arguments),
        Verb::PeftLogits(arguments) => bench_train::write_logits(&arguments),
        Verb::Sandbox(arguments) => bench_sandbox::run(&arguments),
        Verb::Release(arguments) => release::run(&arguments),
    }
}
