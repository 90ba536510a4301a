//! The command line.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

use crate::exit;

/// What `--sandbox` may name: the backends of sigil-sandbox, strongest first.
const SANDBOXES: [&str; 6] = ["native", "bubblewrap", "docker", "podman", "firejail", "reduced"];

/// Judge generated Rust: compile, lint and test every sample in a sandbox.
#[derive(Debug, Parser)]
#[command(name = "sigil-eval", version, after_help = exit::TABLE, args_conflicts_with_subcommands = true)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) verb: Option<Verb>,
    /// Samples: JSON lines of {task_id, completion} or {prompt, gen}, or a folder of .rs files, or, if
    /// the tasks are Cargo projects, of solutions (TASK/src/lib.rs)
    pub(crate) samples: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) evaluate: Evaluate,
    #[command(flatten)]
    pub(crate) judge: JudgeArguments,
}

/// What else to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Judge a benchmark's own solutions, and list the tasks that cannot be trusted
    Check(Box<Check>),
    /// Compare two files of results, task by task
    Compare(Compare),
    /// Build or list the crates that samples may use
    Deps(Deps),
    /// Compare a base and its tuned model on a benchmark: generate, judge, report
    Humaneval(Box<crate::humaneval::Humaneval>),
    /// Judge every checkpoint set of a run as it lands
    Watch(Box<crate::watch::Watch>),
    /// Look into the cache, or make it smaller
    Cache(Cache),
    /// Judge jobs of a queue, until it is stopped
    Worker(Box<crate::worker::Worker>),
    /// Look at what waits in a queue, or take it away
    Queue(Box<crate::queue::QueueVerb>),
}

/// What to judge and where to put it.
#[derive(Debug, Args)]
pub(crate) struct Evaluate {
    /// The benchmark with its tests: a file, or a folder of Cargo projects
    #[arg(short, long, value_name = "PATH")]
    pub(crate) tasks: Option<PathBuf>,
    /// Folder for results.jsonl, metrics.json, report.md and measurements.jsonl
    #[arg(short, long, value_name = "FOLDER")]
    pub(crate) out: Option<PathBuf>,
    /// Print the metrics on stdout as JSON
    #[arg(long)]
    pub(crate) json: bool,
    /// Write the report as a page here
    #[arg(long, value_name = "FILE")]
    pub(crate) html: Option<PathBuf>,
    /// Judge only so many samples, drawn by --seed
    #[arg(long, value_name = "N")]
    pub(crate) sample: Option<usize>,
    /// The seed of --sample
    #[arg(long, default_value_t = 0)]
    pub(crate) seed: u64,
    /// Report pass@k for these k
    #[arg(long, value_delimiter = ',', default_value = "1")]
    pub(crate) k: Vec<usize>,
    /// End with code 9 if the share of passing samples (of compiling ones without tests) is lower
    #[arg(long, value_name = "SHARE")]
    pub(crate) min_pass: Option<f64>,
    /// Leave no task out, even if its own solution does not pass
    #[arg(long)]
    pub(crate) all_tasks: bool,
    /// The sampling temperature, for the report
    #[arg(long, value_name = "T")]
    pub(crate) temperature: Option<f64>,
    /// How the model was prompted, for the report
    #[arg(long, value_name = "TEXT")]
    pub(crate) prompt: Option<String>,
}

/// How to judge.
#[derive(Clone, Debug, Args)]
pub(crate) struct JudgeArguments {
    /// Folder of built crates, see `sigil-eval deps`
    #[arg(long, value_name = "FOLDER", env = "SIGIL_EVAL_DEPS", global = true)]
    pub(crate) deps: Option<PathBuf>,
    /// Folder of known verdicts
    #[arg(long, value_name = "FOLDER", env = "SIGIL_EVAL_CACHE", global = true)]
    pub(crate) cache: Option<PathBuf>,
    /// The toolchain's folder; by default that of `rustc --print sysroot`
    #[arg(long, value_name = "FOLDER", global = true)]
    pub(crate) sysroot: Option<PathBuf>,
    /// Samples judged at once; by default the number of processors
    #[arg(short = 'j', long, value_name = "N", global = true)]
    pub(crate) workers: Option<usize>,
    /// The edition of samples whose task names none
    #[arg(long, default_value = "2021", value_parser = ["2015", "2018", "2021", "2024"], global = true)]
    pub(crate) edition: String,
    /// Lint groups to warn about
    #[arg(long, value_delimiter = ',', default_value = "clippy::all", global = true)]
    pub(crate) lints: Vec<String>,
    /// Test samples that use `unsafe` too; their passes are marked as forgeable
    #[arg(long, global = true)]
    pub(crate) allow_unsafe: bool,
    /// Compile and lint only
    #[arg(long, global = true)]
    pub(crate) no_tests: bool,
    /// Allow a sandbox without namespaces, if no other works; every report says so
    #[arg(long, global = true)]
    pub(crate) allow_reduced: bool,
    /// Use this sandbox, or the strongest of these; without it the strongest of all that pass their probes
    #[arg(long, value_name = "NAME", value_delimiter = ',', value_parser = SANDBOXES, global = true)]
    pub(crate) sandbox: Vec<String>,
    /// Processor seconds that compiling may take
    #[arg(long, value_name = "SECS", default_value_t = 10, global = true)]
    pub(crate) compile_secs: u64,
    /// Processor seconds that tests may take
    #[arg(long, value_name = "SECS", default_value_t = 5, global = true)]
    pub(crate) test_secs: u64,
    /// No progress on stderr
    #[arg(short, long, global = true)]
    pub(crate) quiet: bool,
    #[command(flatten)]
    pub(crate) queue: crate::queue::QueueArguments,
}

/// `check`.
#[derive(Debug, Args)]
pub(crate) struct Check {
    /// The benchmark's file, or a folder of Cargo projects
    pub(crate) tasks: PathBuf,
    /// Write the names of tasks that do not pass here, one a line
    #[arg(long, value_name = "FILE")]
    pub(crate) exclude: Option<PathBuf>,
    /// Write the tasks whose pieces do not join, repaired, here
    #[arg(long, value_name = "FILE")]
    pub(crate) repair: Option<PathBuf>,
    /// Judge mutants of the solutions too: each should fail
    #[arg(long)]
    pub(crate) mutants: bool,
    /// Mutants that are known to pass, with the reason; any other that passes ends with code 10
    #[arg(long, value_name = "FILE", requires = "mutants")]
    pub(crate) survivors: Option<PathBuf>,
    /// Write every mutant with its verdict and its program here, one a line
    #[arg(long, value_name = "FILE", requires = "mutants")]
    pub(crate) mutant_results: Option<PathBuf>,
    /// Write the result as a page here
    #[arg(long, value_name = "FILE")]
    pub(crate) html: Option<PathBuf>,
    /// Print the result on stdout as JSON
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) judge: JudgeArguments,
}

/// `compare`.
#[derive(Debug, Args)]
pub(crate) struct Compare {
    /// results.jsonl of before
    pub(crate) before: PathBuf,
    /// results.jsonl of after
    pub(crate) after: PathBuf,
    /// Write the comparison as a page here
    #[arg(long, value_name = "FILE")]
    pub(crate) html: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// `deps`.
#[derive(Debug, Args)]
pub(crate) struct Deps {
    #[command(subcommand)]
    pub(crate) verb: DepsVerb,
}

/// What to do with the crates that samples may use.
#[derive(Debug, Subcommand)]
pub(crate) enum DepsVerb {
    /// Build the set with cargo, outside of the sandbox: only crates of the manifest, no sample
    Build {
        /// Where to put it; must not be there
        folder: PathBuf,
        /// Another manifest than the one that comes with sigil; its lock file lies beside it
        #[arg(long, value_name = "FILE")]
        manifest: Option<PathBuf>,
        /// Use only what cargo has downloaded already
        #[arg(long)]
        offline: bool,
    },
    /// List the crates of a set
    List {
        /// The set's folder
        folder: PathBuf,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Print the manifest that comes with sigil, to extend it
    Manifest,
}

/// `cache`.
#[derive(Debug, Args)]
pub(crate) struct Cache {
    /// The cache's folder
    pub(crate) folder: PathBuf,
    /// Keep only the newest N results
    #[arg(long, value_name = "N")]
    pub(crate) prune: Option<usize>,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_sandbox_can_be_named() {
        let known: Vec<&str> =
            sigil_sandbox::backends().iter().map(|backend| backend.name()).collect();
        assert_eq!(known, SANDBOXES);
    }
}
