//! The command line.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::exit;

/// Expert iteration: generate, judge, keep the winners, train on them, and again.
#[derive(Debug, Parser)]
#[command(name = "sigil-expert", version, after_help = exit::TABLE)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) verb: Verb,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Go through all rounds, or go on where a run was stopped, and report
    Run(Run),
    /// Make the tasks that rounds are shown on
    Tasks(Tasks),
    /// Become a program that ends with the run; how runs start the others
    #[command(hide = true)]
    Guarded(Guarded),
}

/// `guarded`.
#[derive(Debug, Args)]
pub(crate) struct Guarded {
    /// Process that it ends with
    pub(crate) parent: i32,
    /// The program
    pub(crate) program: PathBuf,
    /// Its arguments
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    pub(crate) arguments: Vec<OsString>,
}

/// `run`.
#[derive(Debug, Args)]
pub(crate) struct Run {
    /// Settings file; the quickstart's if not given
    #[arg(short, long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Seed of tasks, samples, choices and training; the evaluation tasks are the same for all
    #[arg(long, default_value_t = 1)]
    pub(crate) seed: u64,
    /// The run's folder; out/expert/seed-N if not given
    #[arg(short, long, value_name = "FOLDER")]
    pub(crate) out: Option<PathBuf>,
    /// What decides which samples are trained on
    #[arg(long, value_enum, value_delimiter = ',', default_value = "judged,unjudged")]
    pub(crate) arms: Vec<ArmName>,
    /// Print the report on stdout as JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// An arm.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub(crate) enum ArmName {
    /// Verdicts decide.
    Judged,
    /// Nothing does: as many steps on samples as they come.
    Unjudged,
}

/// `tasks`.
#[derive(Debug, Args)]
pub(crate) struct Tasks {
    #[command(subcommand)]
    pub(crate) verb: TasksVerb,
}

/// What to do with tasks.
#[derive(Debug, Subcommand)]
pub(crate) enum TasksVerb {
    /// Write solved tasks for training a base, without any that holds an evaluation task
    Train {
        /// Tokens to write, at least
        #[arg(long, value_name = "N")]
        tokens: usize,
        /// The file: JSON Lines of `text`
        #[arg(short, long, value_name = "FILE")]
        out: PathBuf,
        /// Folder of the tokenizer that counts; that of the base that comes with sigil if not given
        #[arg(long, value_name = "FOLDER")]
        tokenizer: Option<PathBuf>,
        /// Seed of the tasks
        #[arg(long, default_value_t = 1)]
        seed: u64,
    },
    /// Write tasks with their tests, as `sigil-eval` reads them
    Write {
        /// Which side
        #[arg(long, value_enum)]
        split: SplitName,
        /// How many
        #[arg(long, default_value_t = 250)]
        count: usize,
        /// Seed of the tasks; that of evaluations is 1
        #[arg(long, default_value_t = 1)]
        seed: u64,
        /// The file
        #[arg(short, long, value_name = "FILE")]
        out: PathBuf,
    },
    /// Judge the tasks' own solutions: all that evaluations use, some of each other side, and whether
    /// what is trained on is apart from them
    Check {
        /// Tasks of each side besides
        #[arg(long, default_value_t = 200)]
        count: usize,
        /// Besides, a task of every composition there is
        #[arg(long)]
        all: bool,
        /// Judge wrong solutions too, each of which should fail
        #[arg(long)]
        mutants: bool,
        /// Wrong solutions that are known to pass, with the reason
        #[arg(long, value_name = "FILE", requires = "mutants")]
        survivors: Option<PathBuf>,
        /// Folder for the tasks
        #[arg(short, long, value_name = "FOLDER", default_value = "out/expert/check")]
        out: PathBuf,
    },
}

/// A side.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum SplitName {
    /// The base sees solutions of these.
    Seen,
    /// Rounds ask for these.
    Practice,
    /// Rounds are compared on these.
    Development,
    /// Judged before and after.
    HeldOut,
}
