//! The command line. The environment is read in `places.rs`.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::exit;

/// Look at an adapter, compare it, merge it, export it, publish it.
///
/// PATH is a run folder of sigil-train (its newest whole checkpoint set is taken, unless --set says
/// otherwise), a PEFT adapter folder, or a model folder.
#[derive(Debug, Parser)]
#[command(name = "sigil-adapter", version, after_help = exit::TABLE)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) verb: Verb,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Show what lies at a path: sets, settings, sizes, norms by layer, last metrics, files
    Inspect(Inspect),
    /// Compare two adapters: settings, and how large and how alike their updates are
    Diff(Diff),
    /// Write base and adapter as one model in safetensors, and check that it computes the same
    Merge(Merge),
    /// Write base and adapter as one GGUF file, as llama.cpp reads it
    Export(Export),
    /// Print a model card, or put results of sigil-eval into it
    Card(Card),
    /// Bring an adapter, checkpoint sets or a merged model to the Hub
    Push(Push),
    /// Write a page that shows a run, or several side by side
    Report(Report),
}

/// Which weights.
#[derive(Args, Clone, Debug)]
pub(crate) struct Which {
    /// Run, adapter folder or model folder
    pub(crate) path: PathBuf,
    /// Checkpoint set of a run: newest, best, or its step
    #[arg(long, value_name = "SET", default_value = "newest")]
    pub(crate) set: String,
}

/// Which base.
#[derive(Args, Clone, Debug)]
pub(crate) struct Base {
    /// Base model: a folder, a Hub id, or sigil-base; the one that the adapter names if not given
    #[arg(long, value_name = "FOLDER|ID")]
    pub(crate) base: Option<String>,
    /// Revision of a Hub id
    #[arg(long, default_value = "main")]
    pub(crate) revision: String,
    /// What the adapter is added to: the base as its files have it, or what 4 bits leave of it
    #[arg(long, value_enum, default_value = "base")]
    pub(crate) onto: OntoName,
}

/// What the adapter is added to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum OntoName {
    /// The weights as their files have them.
    Base,
    /// What NF4 with double quantization leaves of them, as qlora trains over.
    Nf4,
}

/// `inspect`.
#[derive(Args, Debug)]
pub(crate) struct Inspect {
    #[command(flatten)]
    pub(crate) which: Which,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// `diff`.
#[derive(Args, Debug)]
pub(crate) struct Diff {
    /// Run or adapter folder
    pub(crate) left: PathBuf,
    /// Run or adapter folder; the same run is allowed, with another set
    pub(crate) right: PathBuf,
    /// Checkpoint set of the left one, if it is a run
    #[arg(long, value_name = "SET", default_value = "newest")]
    pub(crate) left_set: String,
    /// Checkpoint set of the right one, if it is a run
    #[arg(long, value_name = "SET", default_value = "newest")]
    pub(crate) right_set: String,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// `merge`.
#[derive(Args, Debug)]
pub(crate) struct Merge {
    #[command(flatten)]
    pub(crate) which: Which,
    #[command(flatten)]
    pub(crate) base: Base,
    /// Folder for the merged model; it must not exist
    #[arg(short, long, value_name = "FOLDER")]
    pub(crate) output: PathBuf,
    /// Element type of the merged weights
    #[arg(long, value_enum, default_value = "bfloat16")]
    pub(crate) dtype: DtypeName,
    /// The most MiB of a shard
    #[arg(long, value_name = "MIB", default_value_t = 5120, value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) shard_mib: u64,
    /// Do not load both models and compare their logits (that takes four bytes a parameter of memory)
    #[arg(long)]
    pub(crate) no_verify: bool,
    /// Print results on stdout as JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// Element types of a merged model.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum DtypeName {
    /// 16-bit brain float.
    Bfloat16,
    /// 16-bit IEEE float.
    Float16,
    /// 32-bit float.
    Float32,
}

/// `export`.
#[derive(Args, Debug)]
pub(crate) struct Export {
    #[command(flatten)]
    pub(crate) which: Which,
    #[command(flatten)]
    pub(crate) base: Base,
    /// The file; it must not exist
    #[arg(short, long, value_name = "FILE.gguf")]
    pub(crate) output: PathBuf,
    /// Element type of matrices
    #[arg(long = "type", value_enum, default_value = "f16")]
    pub(crate) kind: KindName,
    /// llama.cpp's name for how text is split before it becomes tokens; recognised if not given
    #[arg(long, value_name = "NAME")]
    pub(crate) pre: Option<String>,
    /// Print results on stdout as JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// Element types of a GGUF file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum KindName {
    /// 32-bit float.
    F32,
    /// 16-bit IEEE float.
    F16,
    /// 16-bit brain float.
    Bf16,
    /// 8 bits and a scale for every 32.
    #[value(name = "q8_0")]
    Q8_0,
}

/// `card`.
#[derive(Args, Debug)]
pub(crate) struct Card {
    #[command(flatten)]
    pub(crate) which: Which,
    /// metrics.json of sigil-eval, whose results go into the card; what is in it besides stays
    #[arg(long, value_name = "FILE")]
    pub(crate) results: Option<PathBuf>,
    /// Write the card to this file instead of stdout, or instead of its own place
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
}

/// `push`.
#[derive(Args, Debug)]
pub(crate) struct Push {
    #[command(flatten)]
    pub(crate) which: Which,
    /// Repository on the Hub; it is made if it is not there
    #[arg(long, value_name = "OWNER/NAME")]
    pub(crate) repo: String,
    /// Branch
    #[arg(long, default_value = "main")]
    pub(crate) branch: String,
    /// Of a run: all its sets, each in a folder of its own, and the chosen one at the top besides
    #[arg(long)]
    pub(crate) all_sets: bool,
    /// Make the repository private, if it is made now
    #[arg(long)]
    pub(crate) private: bool,
    /// Leave the card that is there, if there is one
    #[arg(long)]
    pub(crate) keep_card: bool,
    /// Also what a resumed training needs: the optimizer's moments and the position
    #[arg(long)]
    pub(crate) with_state: bool,
    /// Files of more MiB are a commit of their own
    #[arg(long, value_name = "MIB", default_value_t = 256, value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) commit_mib: u64,
    /// Print what would be sent, and send nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Print results on stdout as JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// `report`.
#[derive(Args, Debug)]
pub(crate) struct Report {
    /// Run folders; several are shown side by side
    #[arg(required = true)]
    pub(crate) runs: Vec<PathBuf>,
    /// The page; report.html in the run if there is one run, else report.html here
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
}
