//! The command line. The environment and the settings file are read elsewhere.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

use crate::failure;

/// Filter, show and count training data, and look after its cache.
#[derive(Debug, Parser)]
#[command(name = "sigil-data", version, after_help = failure::TABLE)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) verb: Verb,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Write the rows that a training run would keep, as JSON Lines, and tell why others are dropped
    Filter(Filter),
    /// Show rows as tokens, with what is learned in colour and in brackets
    Preview(Preview),
    /// Show what each step of a run trains on, from its start or from a saved position
    Batches(Batches),
    /// Count characters, tokens, groups and dropped rows
    Stats(Stats),
    /// List, verify or prune kept rows on disk
    Cache(Cache),
}

/// Which data.
#[derive(Debug, Args)]
pub(crate) struct Data {
    /// Sources, instead of `dataset.names`
    #[arg(value_name = "SOURCE")]
    pub(crate) sources: Vec<String>,
    /// Settings file (TOML, or YAML of the predecessor)
    #[arg(short, long, value_name = "FILE", conflicts_with = "preset")]
    pub(crate) config: Option<PathBuf>,
    /// Preset that comes with sigil
    #[arg(short, long, value_name = "NAME")]
    pub(crate) preset: Option<String>,
    /// Override one setting, such as dataset.min_length=128; may be given again
    #[arg(long, value_name = "SECTION.KEY=VALUE")]
    pub(crate) set: Vec<String>,
}

/// Arguments of `filter`.
#[derive(Debug, Args)]
pub(crate) struct Filter {
    #[command(flatten)]
    pub(crate) data: Data,
    /// File to write instead of stdout
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
    /// Stop after this many kept rows
    #[arg(long, value_name = "ROWS")]
    pub(crate) limit: Option<u64>,
    /// File for the rows that could not be read
    #[arg(long, value_name = "FILE")]
    pub(crate) quarantine: Option<PathBuf>,
    /// Write the account as JSON to stderr
    #[arg(long)]
    pub(crate) json: bool,
}

/// Arguments of `preview`.
#[derive(Debug, Args)]
pub(crate) struct Preview {
    #[command(flatten)]
    pub(crate) data: Data,
    /// Folder of the model, or its tokenizer.json
    #[arg(short, long, value_name = "FOLDER")]
    pub(crate) tokenizer: PathBuf,
    /// Rows to show
    #[arg(short = 'n', long, default_value_t = 3)]
    pub(crate) rows: u64,
    /// Tokens of a row to show
    #[arg(long, default_value_t = 400)]
    pub(crate) tokens: usize,
    /// Write tokens and masks as JSON Lines
    #[arg(long)]
    pub(crate) json: bool,
}

/// Arguments of `batches`.
#[derive(Debug, Args)]
pub(crate) struct Batches {
    #[command(flatten)]
    pub(crate) data: Data,
    /// Folder of the model, or its tokenizer.json
    #[arg(short, long, value_name = "FOLDER")]
    pub(crate) tokenizer: PathBuf,
    /// Steps to show
    #[arg(short = 'n', long, default_value_t = 3)]
    pub(crate) steps: u64,
    /// Position to go on from: `position` of a line of --json, or trainer_state.json of a set
    #[arg(long, value_name = "FILE")]
    pub(crate) from: Option<PathBuf>,
    /// Name the rows of each step
    #[arg(long)]
    pub(crate) rows: bool,
    /// Write a JSON line for each step
    #[arg(long)]
    pub(crate) json: bool,
}

/// Arguments of `stats`.
#[derive(Debug, Args)]
pub(crate) struct Stats {
    #[command(flatten)]
    pub(crate) data: Data,
    /// Folder of the model, or its tokenizer.json, to count tokens too
    #[arg(short, long, value_name = "FOLDER")]
    pub(crate) tokenizer: Option<PathBuf>,
    /// Look at this many kept rows only
    #[arg(long, value_name = "ROWS")]
    pub(crate) limit: Option<u64>,
    /// Write a page to look at in a browser
    #[arg(long, value_name = "FILE")]
    pub(crate) html: Option<PathBuf>,
    /// Write the numbers as JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// Arguments of `cache`.
#[derive(Debug, Args)]
pub(crate) struct Cache {
    #[command(subcommand)]
    pub(crate) verb: CacheVerb,
    /// Folder of the cache, instead of the user's
    #[arg(long, value_name = "FOLDER", global = true)]
    pub(crate) folder: Option<PathBuf>,
    /// Write JSON
    #[arg(long, global = true)]
    pub(crate) json: bool,
}

/// What to do with the cache.
#[derive(Debug, Subcommand)]
pub(crate) enum CacheVerb {
    /// List what is there
    List,
    /// Read every file and compare it with its hash
    Verify,
    /// Remove damaged entries, then the oldest until the others fit
    Prune {
        /// Bytes that may stay, such as 10000000000
        #[arg(long, value_name = "BYTES", default_value_t = 0)]
        keep_bytes: u64,
    },
}
