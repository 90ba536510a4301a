//! `cargo xtask bench-eval`: what judging a sample costs, beside what it cost the predecessor and beside
//! the bare compiler.
//!
//! Three ways over one corpus, in one run: (a) the predecessor's, a copied template project, `cargo
//! check`, `cargo clippy` and `cargo test`, with a warm target; (b) `clippy-driver` alone, without a
//! sandbox, the floor; (c) `sigil-eval`. (a) and (b) run generated programs without a sandbox, so they
//! take the pinned corpus and nothing else. Next: `corpus.rs`, `ways.rs`.

mod corpus;
mod cpu;
mod report;
mod ways;

use std::path::PathBuf;

use clap::Args;
use miette::{IntoDiagnostic, Result, miette};

/// Arguments of `bench-eval`.
#[derive(Args, Clone, Debug)]
pub(crate) struct Arguments {
    /// Print the table as JSON
    #[arg(long)]
    json: bool,
    /// A set of built crates, see `sigil-eval deps build`
    #[arg(long, value_name = "FOLDER")]
    deps: PathBuf,
    /// Take only every Nth sample of each stratum
    #[arg(long, default_value_t = 1, value_name = "N")]
    every: usize,
    /// Numbers of samples judged at once
    #[arg(long, value_delimiter = ',', default_value = "1,2")]
    workers: Vec<usize>,
    /// Also without loading compilers ahead
    #[arg(long)]
    executed: bool,
    /// A folder for the template project and its target
    #[arg(long, value_name = "FOLDER")]
    work: Option<PathBuf>,
}

/// Runs the bench.
pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let root = std::env::current_dir().into_diagnostic()?;
    let corpus = corpus::Corpus::pinned(&root).map_err(|problem| miette!("{problem}"))?;
    let corpus = corpus.thinned(arguments.every.max(1));
    let rows = ways::all(&corpus, arguments)?;
    if arguments.json {
        report::print_json(&rows)?;
    } else {
        report::print_table(&rows);
    }
    Ok(())
}
