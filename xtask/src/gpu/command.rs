//! Flags of `cargo xtask gpu`, and the order of its stages.
#![expect(clippy::print_stdout, reason = "a chore answers on the terminal")]

use std::path::PathBuf;
use std::time::{Duration, Instant};

use miette::{Context, IntoDiagnostic};

use super::{pack, stages, supervisor, table};

/// Flags of `cargo xtask gpu`.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(clap::Subcommand)]
enum Verb {
    /// Gather the program and the scripts that a machine with a card needs
    Pack(pack::PackArguments),
    /// Run stages on this machine
    Run(RunArguments),
}

/// What a stage is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Stage {
    /// The machine: driver, compiler, headers, card
    Doctor,
    /// Every operation beside the plain version on the CPU
    Check,
    /// Every operation's time beside its floor
    Ops,
    /// Steps of a whole model
    Train,
    /// The same operations and steps in PyTorch, PEFT and bitsandbytes
    Peers,
}

impl Stage {
    const ALL: [Self; 5] = [Self::Doctor, Self::Check, Self::Ops, Self::Train, Self::Peers];

    /// The name on the command line and in results.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Doctor => "doctor",
            Self::Check => "check",
            Self::Ops => "ops",
            Self::Train => "train",
            Self::Peers => "peers",
        }
    }
}

/// Where it runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Device {
    /// The first CUDA device
    Cuda,
    /// The CPU, for rehearsals
    Cpu,
}

/// How large the operations and the model are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Shape {
    /// Llama-3.1-8B, 4 packed sequences of 4096 tokens
    Llama8b,
    /// Qwen2.5-Coder-7B, the same batch
    Qwen7b,
    /// Qwen2.5-Coder-1.5B, the same batch
    Qwen1b5,
    /// Seconds on a CPU
    Toy,
}

/// Flags of `cargo xtask gpu run`.
#[derive(clap::Args)]
pub(crate) struct RunArguments {
    /// Stages, in this order; all without `peers` if none is named
    stages: Vec<Stage>,
    /// Where to run
    #[arg(long, value_enum, default_value = "cuda")]
    pub(crate) device: Device,
    /// Sizes
    #[arg(long, value_enum, default_value = "llama8b")]
    pub(crate) shape: Shape,
    /// Seconds for all stages together; what does not fit is left out and named
    #[arg(long, default_value_t = 480)]
    seconds: u64,
    /// Folder for the results
    #[arg(long, value_name = "FOLDER", default_value = "out/gpu")]
    out: PathBuf,
    /// A Python with torch, and transformers, peft and bitsandbytes for steps
    #[arg(long, value_name = "PATH", default_value = "python3")]
    pub(crate) python: PathBuf,
    /// Only the cases whose names contain this
    #[arg(long, value_name = "TEXT", default_value = "")]
    pub(crate) only: String,
    /// Leave Hopper's warpgroup products out
    #[arg(long)]
    pub(crate) without_warpgroups: bool,
    /// Be the process of one stage
    #[arg(long, hide = true)]
    one: Option<Stage>,
    /// The first case of that process
    #[arg(long, hide = true, default_value_t = 0)]
    pub(crate) from: usize,
}

/// Packs, or runs stages.
///
/// # Errors
/// A file cannot be written, a stage cannot be started, or cases failed.
pub(crate) fn run(arguments: &Arguments) -> miette::Result<()> {
    let run = match &arguments.verb {
        Verb::Pack(arguments) => return pack::pack(arguments),
        Verb::Run(run) => run,
    };
    if let Some(stage) = run.one {
        return stages::run(stage, run);
    }
    std::fs::create_dir_all(&run.out)
        .into_diagnostic()
        .wrap_err_with(|| format!("creating {}", run.out.display()))?;
    let deadline = Instant::now() + Duration::from_secs(run.seconds);
    let mut chosen = run.stages.clone();
    if chosen.is_empty() {
        chosen.extend(Stage::ALL.into_iter().filter(|&stage| stage != Stage::Peers));
    }
    let mut failed = 0;
    for stage in chosen {
        let results = supervisor::supervise(stage, run, &run.out, deadline)?;
        println!("{}", table::table(stage, &results));
        failed += results.iter().filter(|result| !result.ok).count();
    }
    if failed > 0 {
        miette::bail!(
            help = format!("each is a line with `\"ok\":false` in {}", run.out.display()),
            "{failed} cases failed or were left out"
        );
    }
    Ok(())
}
