//! The chores of this workspace, run as `cargo xtask VERB`.
//!
//! This file only parses the verb and hands over; each verb is a module of its own.
//! Next: `check/mod.rs` for the promises, `nightly/mod.rs` for the long checks.
#![recursion_limit = "256"]

mod bench_eval;
mod bench_expert;
mod bench_filter;
mod bench_generate;
mod bench_sandbox;
mod bench_train;
mod check;
mod fuzz;
mod gpu;
mod make_base;
mod nightly;
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
    /// Write docs/reference/defects.md from tests/defects.toml
    Defects,
    /// Make the small base model that the quickstart fine-tunes: its corpus and its tokenizer
    MakeBase(make_base::Arguments),
    /// Time judging a sample, beside the predecessor's way and the bare compiler
    BenchEval(bench_eval::Arguments),
    /// Expert iteration on the shipped base with several seeds, as one table
    BenchExpert(bench_expert::Arguments),
    /// Time the filter over a corpus, beside its parser and the predecessor's rules in Python
    BenchFilter(bench_filter::Arguments),
    /// Time the training step of the reference model, beside PyTorch and PEFT if given
    BenchTrain(bench_train::Arguments),
    /// Time generation on the shipped base, beside transformers if given
    BenchGenerate(bench_generate::Arguments),
    /// Write the logits of a base with an adapter, for tests/peers/peft_logits.py
    PeftLogits(bench_train::LogitsArguments),
    /// Run the fuzz targets of tests/fuzz
    Fuzz(fuzz::Arguments),
    /// Measure and check everything on a machine with a card
    Gpu(gpu::Arguments),
    /// Run what takes too long for every change
    Nightly(nightly::Arguments),
    /// Measure and attack the sandbox on this machine
    Sandbox(bench_sandbox::Arguments),
    /// Make the archive of the programs, and try it in an empty Debian
    Release(release::Arguments),
}

fn main() -> std::process::ExitCode {
    match run(Arguments::parse().verb) {
        Ok(()) => std::process::ExitCode::SUCCESS,
        Err(report) => {
            tell(&report);
            std::process::ExitCode::FAILURE
        }
    }
}

fn run(verb: Verb) -> miette::Result<()> {
    match verb {
        Verb::Check(arguments) => check::check(&arguments),
        Verb::Advisories(arguments) => check::advisories(&arguments),
        Verb::Defects => check::write_defects(),
        Verb::MakeBase(arguments) => make_base::run(&arguments),
        Verb::BenchEval(arguments) => bench_eval::run(&arguments),
        Verb::BenchExpert(arguments) => bench_expert::run(&arguments),
        Verb::BenchFilter(arguments) => bench_filter::run(&arguments),
        Verb::BenchTrain(arguments) => bench_train::run(&arguments),
        Verb::BenchGenerate(arguments) => bench_generate::run(&arguments),
        Verb::PeftLogits(arguments) => bench_train::write_logits(&arguments),
        Verb::Fuzz(arguments) => fuzz::run(&arguments),
        Verb::Gpu(arguments) => gpu::run(&arguments),
        Verb::Nightly(arguments) => nightly::run(&arguments),
        Verb::Sandbox(arguments) => bench_sandbox::run(&arguments),
        Verb::Release(arguments) => release::run(&arguments),
    }
}

/// Says what failed, why, and what to do.
#[expect(clippy::print_stderr, reason = "a chore answers on the terminal")]
fn tell(report: &miette::Report) {
    let causes: Vec<String> = report.chain().map(ToString::to_string).collect();
    eprintln!("error: {}", causes.join(": "));
    if let Some(help) = report.help() {
        eprintln!("  hint: {help}");
    }
}
