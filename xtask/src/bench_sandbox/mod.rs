//! `cargo xtask sandbox`: what the sandbox costs, whether it leaves anything, and every attack on every
//! backend of this machine.
//!
//! The measuring is done by examples and tests of `sigil-sandbox` itself, so that whoever has only the
//! crate can run it too; this file knows their names. Next: `crates/sigil-sandbox/examples`.

use std::process::Command;

use clap::{Args, Subcommand};
use miette::{IntoDiagnostic, bail};

/// Flags of `cargo xtask sandbox`.
#[derive(Args)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    /// Start and end a trivial program in every way this machine has
    Bench {
        /// How often each
        #[arg(long, default_value_t = 200)]
        runs: u32,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Run a day's worth of short jobs and look for what is left of them
    Soak {
        /// How many jobs
        #[arg(long, default_value_t = 100_000)]
        jobs: u32,
        /// How many at once
        #[arg(long, default_value_t = 4)]
        slots: u32,
    },
    /// Try every attack on every backend of this machine, as root also as an ordinary user
    Attacks,
}

/// Runs one of them.
pub(crate) fn run(arguments: &Arguments) -> miette::Result<()> {
    match &arguments.what {
        What::Bench { runs, json } => {
            let mut words = vec![runs.to_string()];
            words.extend(json.then(|| "--json".to_owned()));
            example("sandbox_bench", &words)
        }
        What::Soak { jobs, slots } => {
            example("sandbox_soak", &[jobs.to_string(), slots.to_string()])
        }
        What::Attacks => attacks(),
    }
}

/// The whole attack table; `cargo xtask nightly` calls it too.
pub(crate) fn attacks() -> miette::Result<()> {
    cargo(&[
        "test",
        "--release",
        "-p",
        "sigil-sandbox",
        "--test",
        "attacks",
        "--",
        "--every-backend",
    ])
}

fn example(name: &str, arguments: &[String]) -> miette::Result<()> {
    let mut words = vec!["run", "--release", "-p", "sigil-sandbox", "--example", name, "--"];
    words.extend(arguments.iter().map(String::as_str));
    cargo(&words)
}

fn cargo(words: &[&str]) -> miette::Result<()> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let status = Command::new(cargo).args(words).status().into_diagnostic()?;
    if !status.success() {
        bail!("`cargo {}` failed: {status}", words.join(" "));
    }
    Ok(())
}
