//! Flags of `cargo xtask gpu`, and the order of its stages.
#![expect(clippy::print_stdout, reason = "a chore answers on the terminal")]

use std::path::PathBuf;
use std::time::{Duration, Instant};

use miette::{Context, IntoDiagnostic};

use super::{curves, pack, stages, supervisor, table};

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
    /// A checkpoint from the local disk to the device
    Load,
    /// Steps of a whole model
    Train,
    /// The same operations and steps in PyTorch, PEFT and bitsandbytes
    Peers,
    /// Tokens a second of generation, beside transformers
    Generate,
    /// A learning curve over real Rust code, beside PyTorch's
    Learn,
}

/// Whose process it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    /// This program.
    Own,
    /// The peers' script.
    Peer,
}

impl Stage {
    const ALL: [Self; 8] = [
        Self::Doctor,
        Self::Check,
        Self::Ops,
        Self::Load,
        Self::Train,
        Self::Peers,
        Self::Generate,
        Self::Learn,
    ];

    /// The processes of the stage, in their order.
    pub(crate) fn sides(self) -> &'static [Side] {
        match self {
            Self::Doctor | Self::Check | Self::Ops | Self::Load | Self::Train => &[Side::Own],
            Self::Peers => &[Side::Peer],
            Self::Generate | Self::Learn => &[Side::Own, Side::Peer],
        }
    }

    /// How much of the time a process of the stage may take, beside those that are still to come.
    fn weight(self) -> u32 {
        match self {
            Self::Doctor => 1,
            Self::Load => 4,
            Self::Check => 6,
            Self::Ops | Self::Generate | Self::Learn => 8,
            Self::Train | Self::Peers => 10,
        }
    }

    /// The name on the command line and in results.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Doctor => "doctor",
            Self::Check => "check",
            Self::Ops => "ops",
            Self::Load => "load",
            Self::Train => "train",
            Self::Peers => "peers",
            Self::Generate => "generate",
            Self::Learn => "learn",
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
    /// Stages, in this order; all but those with a peer if none is named
    stages: Vec<Stage>,
    /// Where to run
    #[arg(long, value_enum, default_value = "cuda")]
    pub(crate) device: Device,
    /// Sizes
    #[arg(long, value_enum, default_value = "llama8b")]
    pub(crate) shape: Shape,
    /// Seconds for all stages together, shared among them; what does not fit is left out and named
    #[arg(long, default_value_t = 480)]
    seconds: u64,
    /// Folder for the results
    #[arg(long, value_name = "FOLDER", default_value = "out/gpu")]
    pub(crate) out: PathBuf,
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
        let alone = |stage: &Stage| !stage.sides().contains(&Side::Peer);
        chosen.extend(Stage::ALL.into_iter().filter(alone));
    }
    let parts: Vec<(Stage, Side)> = chosen
        .iter()
        .flat_map(|&stage| stage.sides().iter().map(move |&side| (stage, side)))
        .collect();
    let mut failed = 0;
    let mut results = vec![];
    for (at, &(stage, side)) in parts.iter().enumerate() {
        let left = deadline.saturating_duration_since(Instant::now());
        let weights: Vec<u32> = parts[at..].iter().map(|(stage, _)| stage.weight()).collect();
        let until = Instant::now() + share(left, &weights);
        results.extend(supervisor::supervise(stage, side, run, until)?);
        if parts.get(at + 1).is_some_and(|&(next, _)| next == stage) {
            continue;
        }
        if stage == Stage::Learn {
            results.extend(curves::compare(&results, &run.out)?);
        }
        println!("{}", table::table(stage, &results));
        failed += results.drain(..).filter(|result| !result.ok).count();
    }
    if failed > 0 {
        miette::bail!(
            help = format!("each is a line with `\"ok\":false` in {}", run.out.display()),
            "{failed} cases failed or were left out"
        );
    }
    Ok(())
}

/// The first part's share of the time that is left: what a part does not use goes to the others.
fn share(left: Duration, weights: &[u32]) -> Duration {
    let all: u32 = weights.iter().sum();
    left.mul_f64(f64::from(weights[0]) / f64::from(all.max(1)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_call_leaves_time_for_its_last_part() {
        let call = |stages: &[Stage]| {
            let weights: Vec<u32> = stages
                .iter()
                .flat_map(|stage| stage.sides().iter().map(|_| stage.weight()))
                .collect();
            // Every part but the last uses up its share.
            let mut left = Duration::from_secs(480);
            let mut last = Duration::ZERO;
            for at in 0..weights.len() {
                last = share(left, &weights[at..]);
                left -= last;
            }
            last.as_secs()
        };
        assert_eq!(call(&[Stage::Doctor, Stage::Check, Stage::Ops]), 256);
        assert_eq!(call(&[Stage::Train, Stage::Peers]), 240);
        assert_eq!(call(&[Stage::Generate, Stage::Learn]), 120);
        assert_eq!(call(&[Stage::Generate, Stage::Learn, Stage::Load]), 53);
    }
}
