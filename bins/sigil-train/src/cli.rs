//! The command line. The environment and the settings file are read elsewhere.

use std::path::PathBuf;

use clap::{Parser, Subcommand};

use crate::exit;

/// Fine-tune a code model with 4-bit QLoRA.
///
/// Without a file or preset it runs the quickstart: the small base model that comes with sigil,
/// trained on the Rust sources of this repository's own dependencies.
#[derive(Debug, Parser)]
#[command(name = "sigil-train", version, after_help = exit::TABLE)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) verb: Option<Verb>,
    /// Settings file (TOML, or YAML of the predecessor)
    #[arg(short, long, value_name = "FILE", alias = "cfg", conflicts_with = "preset")]
    pub(crate) config: Option<PathBuf>,
    /// Preset that comes with sigil, such as qwen2.5-coder-7b
    #[arg(short, long, value_name = "NAME")]
    pub(crate) preset: Option<String>,
    /// Override one setting, such as train.learning_rate=5e-5; may be given again
    #[arg(long, value_name = "SECTION.KEY=VALUE")]
    pub(crate) set: Vec<String>,
    /// Continue the run in `run.output_dir` from its newest whole checkpoint set
    #[arg(long)]
    pub(crate) resume: bool,
    /// Judge every checkpoint set as it lands, on a benchmark's file if one is given
    #[arg(long, value_name = "TASKS")]
    pub(crate) watch_eval: Option<Option<PathBuf>>,
    /// Send every checkpoint set to this repository on the Hub as it lands
    #[arg(long, value_name = "OWNER/NAME")]
    pub(crate) hub_repo: Option<String>,
    /// Make that repository private, if it is made now
    #[arg(long, requires = "hub_repo")]
    pub(crate) hub_private: bool,
    /// Print every effective setting and where it came from, then stop
    #[arg(long, conflicts_with = "plan")]
    pub(crate) print_config: bool,
    /// Print what the run will hold in memory and how long a step may take, then stop
    #[arg(long)]
    pub(crate) plan: bool,
    /// Show the run on the whole terminal: curves, speed, memory against the plan, verdicts
    #[arg(long, conflicts_with_all = ["plan", "print_config"])]
    pub(crate) tui: bool,
    /// Print results on stdout as JSON
    #[arg(long)]
    pub(crate) json: bool,
    /// Be one of so many processes that share steps, led by the one that stdin and stdout lead to; that
    /// one starts the others itself
    #[arg(long, hide = true, exclusive = true, value_name = "RANKS")]
    pub(crate) follow: Option<usize>,
}

/// What to do instead of training.
#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Say what this machine has and whether training can run
    Doctor {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
}
