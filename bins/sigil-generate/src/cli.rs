//! The command line. The environment is read in `places.rs`.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::exit;

/// Generate text from a code model and its adapters.
///
/// Without a model it takes the newest checkpoint set of the run in out/quickstart, or the small
/// base model that comes with sigil if there is none; without prompts it takes the eleven of the
/// preset rust-basics.
#[derive(Debug, Parser)]
#[command(name = "sigil-generate", version, after_help = exit::TABLE)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) verb: Option<Verb>,
    #[command(flatten)]
    pub(crate) model: ModelArguments,
    #[command(flatten)]
    pub(crate) sampling: SamplingArguments,
    /// Prompts: a file (.yaml, .json, .jsonl) or a preset (rust-basics)
    #[arg(long, value_name = "FILE|PRESET", default_value = "rust-basics")]
    pub(crate) prompts: String,
    /// One prompt, instead of --prompts; may be given again
    #[arg(long, value_name = "TEXT", conflicts_with = "prompts")]
    pub(crate) prompt: Vec<String>,
    /// Samples for every prompt
    #[arg(short, long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) n: u32,
    /// Answer only the prompt of this id; may be given again
    #[arg(long, value_name = "ID")]
    pub(crate) only: Vec<String>,
    /// Make only the sample of this number of each prompt, from 0; may be given again
    #[arg(long, value_name = "NUMBER")]
    pub(crate) sample: Vec<u32>,
    /// File for the samples, one JSON object a line; samples that are in it are not made again
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
    /// Sequences at the same time
    #[arg(long, default_value_t = 32, value_parser = clap::value_parser!(u32).range(1..=4096))]
    pub(crate) batch: u32,
    /// Tokens that the cache holds for all sequences together, prompts included; if not given, as many as
    /// --batch of the longest need. A sequence waits until the room that it may need is free
    #[arg(long, value_name = "TOKENS")]
    pub(crate) cache_tokens: Option<usize>,
    /// Print results on stdout as JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// Which model.
#[derive(Args, Clone, Debug)]
pub(crate) struct ModelArguments {
    /// Base model: a folder, a Hub id, or sigil-base; otherwise the one the adapter names
    #[arg(long, value_name = "FOLDER|ID", global = true)]
    pub(crate) model: Option<String>,
    /// Revision of a Hub id
    #[arg(long, default_value = "main", global = true)]
    pub(crate) revision: String,
    /// PEFT adapter folder, such as a checkpoint set
    #[arg(long, value_name = "FOLDER", global = true, conflicts_with = "run")]
    pub(crate) adapter: Option<PathBuf>,
    /// Run folder of sigil-train
    #[arg(long, value_name = "FOLDER", global = true)]
    pub(crate) run: Option<PathBuf>,
    /// Checkpoint set of the run: newest, best, or its step
    #[arg(long, value_name = "SET", default_value = "newest", global = true)]
    pub(crate) set: String,
    /// How the base is held: as its files have it, or in 4 bits
    #[arg(long, value_enum, default_value = "full", global = true)]
    pub(crate) precision: Precision,
    /// Add the adapter to the weights instead of computing it beside them
    #[arg(long, global = true)]
    pub(crate) merge: bool,
    /// Device: auto, cpu, cuda:0
    #[arg(long, default_value = "auto", global = true)]
    pub(crate) device: String,
    /// Threads of the CPU; all cores if not given
    #[arg(long, global = true, value_parser = clap::value_parser!(u32).range(1..=1024))]
    pub(crate) threads: Option<u32>,
    /// What goes through the model's chat template, as `sequence.chat_template` at training
    #[arg(long, value_enum, default_value = "conversations", global = true)]
    pub(crate) chat_template: ChatTemplateUse,
}

/// What goes through the model's chat template.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ChatTemplateUse {
    /// Prompts with `messages`, and `chat` where the model has a template.
    Conversations,
    /// Every prompt: a text is one turn of the user.
    Always,
    /// Nothing: a prompt with `messages` is an error.
    Never,
}

/// How the base is held.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Precision {
    /// As its files have it.
    Full,
    /// 4-bit NF4 with double quantization, as qlora trains over.
    Nf4,
}

/// How tokens are chosen.
#[derive(Args, Clone, Debug)]
pub(crate) struct SamplingArguments {
    /// 0 takes the likeliest token; if not given, 0 for one sample a prompt and 0.7 for several
    #[arg(long, global = true)]
    pub(crate) temperature: Option<f32>,
    /// Only the likeliest tokens that reach this probability together; 0.9 when drawing
    #[arg(long, global = true)]
    pub(crate) top_p: Option<f32>,
    /// Only this many of the likeliest tokens; 0 for all
    #[arg(long, default_value_t = 0, global = true)]
    pub(crate) top_k: usize,
    /// Only tokens at least this share as likely as the likeliest
    #[arg(long, default_value_t = 0.0, global = true)]
    pub(crate) min_p: f32,
    /// Above 1: tokens that are in the text already become less likely
    #[arg(long, default_value_t = 1.0, global = true)]
    pub(crate) repetition_penalty: f32,
    /// Longest sample in tokens; if not given, 512 or what fits after the longest prompt
    #[arg(long, global = true)]
    pub(crate) max_new_tokens: Option<usize>,
    /// Text that ends a sample (and is cut off); may be given again
    #[arg(long, value_name = "TEXT", global = true)]
    pub(crate) stop: Vec<String>,
    /// Token that ends a sample, besides the model's own; may be given again
    #[arg(long, value_name = "TOKEN", global = true)]
    pub(crate) stop_token: Vec<String>,
    /// Seed of all samples
    #[arg(long, default_value_t = 0, global = true)]
    pub(crate) seed: u64,
}

/// What to do instead of sampling from prompts.
#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Talk with the model; /help lists the commands
    Chat(ChatArguments),
}

/// Flags of `chat`.
#[derive(Args, Debug)]
pub(crate) struct ChatArguments {
    /// File that /save appends conversations to, one training row a line
    #[arg(long, value_name = "FILE", default_value = "out/chat.jsonl")]
    pub(crate) rows: PathBuf,
}
