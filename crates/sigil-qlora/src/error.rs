//! What ends a run before its last step.

use sigil_data::{DocumentError, StreamError, TokenizerError, recipe::RecipeError};
use sigil_model::ModelError;
use sigil_run::RunError;

use crate::{memory_plan::MemoryPlan, ranks::RanksError};

/// An error of this crate.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TrainError {
    /// Model files.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// The run folder.
    #[error(transparent)]
    Run(#[from] RunError),
    /// The rows.
    #[error(transparent)]
    Rows(#[from] RecipeError),
    /// Rows to tokens.
    #[error(transparent)]
    Document(#[from] DocumentError),
    /// The tokenizer.
    #[error(transparent)]
    Tokenizer(#[from] TokenizerError),
    /// The stream of batches.
    #[error(transparent)]
    Stream(#[from] StreamError),
    /// A setting that this version cannot honour with this data.
    #[error("`{key}` cannot be honoured: {reason}")]
    Unsupported {
        /// Dotted key of the setting.
        key: &'static str,
        /// Why, and what works instead.
        reason: String,
    },
    /// The plan is larger than the memory there is.
    #[error(
        "the run needs {} and {} can be had:{}",
        size(plan.total()),
        size(*available),
        parts(plan)
    )]
    Memory {
        /// What is needed, for what.
        plan: Box<MemoryPlan>,
        /// Name of the checkpoint policy it was counted for.
        policy: &'static str,
        /// Bytes that can be had.
        available: u64,
        /// Bytes needed with one sequence in a micro-batch and the frugalest policy.
        least: u64,
    },
    /// The processes that share a step cannot go on together.
    #[error(transparent)]
    Ranks(#[from] RanksError),
    /// A loss or gradient that is no finite number.
    #[error(
        "step {step}: the {what} is not a finite number; nothing was changed by this step. \
         Rows of the batch: {}",
        list(rows)
    )]
    NonFinite {
        /// Step, from 1.
        step: u64,
        /// `"loss"` or `"gradient"`.
        what: &'static str,
        /// Rows to look at.
        rows: Vec<String>,
    },
    /// Too many steps were left out.
    #[error(
        "step {step}: {skipped} steps were left out because a loss or gradient was not a finite \
         number, more than `train.max_skipped_steps`. Rows of the last batch: {}",
        list(rows)
    )]
    TooManySkipped {
        /// Step, from 1.
        step: u64,
        /// Steps left out so far.
        skipped: u64,
        /// Rows to look at.
        rows: Vec<String>,
    },
    /// A file of a checkpoint set that is whole but not what it should be.
    #[error("`{file}` in checkpoint set `{set}`: {reason}")]
    Set {
        /// Name of the set.
        set: String,
        /// File in the set.
        file: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The run's schedule or seed differs from the saved one.
    #[error("the run was begun with {what} {saved}, and the settings now say {now}")]
    OtherRun {
        /// What differs.
        what: &'static str,
        /// Then.
        saved: String,
        /// Now.
        now: String,
    },
    /// There is a run in the folder already and `--resume` was not given.
    #[error("`{}` already holds a run with {steps} steps", path.display())]
    RunExists {
        /// The run folder.
        path: std::path::PathBuf,
        /// Steps of its newest set.
        steps: u64,
    },
    /// `--resume` was given and there is nothing to resume.
    #[error("there is no whole checkpoint set in `{}`", path.display())]
    NothingToResume {
        /// The run folder.
        path: std::path::PathBuf,
    },
}

/// A size for people.
fn size(bytes: u64) -> String {
    match bytes {
        0..0x4000_0000 => format!("{:.1} MiB", bytes as f64 / f64::from(1 << 20)),
        _ => format!("{:.1} GiB", bytes as f64 / f64::from(1 << 30)),
    }
}

/// The parts of a plan, a line each.
fn parts(plan: &MemoryPlan) -> String {
    let line = |(name, bytes): &(&str, u64)| format!("\n  {name:20} {:>12}", size(*bytes));
    plan.parts().iter().map(line).collect()
}

/// At most eight rows, and how many more.
fn list(rows: &[String]) -> String {
    const SHOWN: usize = 8;
    let shown = rows.iter().take(SHOWN).cloned().collect::<Vec<_>>().join(", ");
    match rows.len().saturating_sub(SHOWN) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}

impl TrainError {
    /// What to do about it, where the user can do something.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Model(error) => error.hint(),
            Self::Run(error) => error.hint(),
            Self::Rows(error) => error.hint().map(str::to_owned),
            Self::Document(error) => error.hint().map(str::to_owned),
            Self::Tokenizer(error) => error.hint().map(str::to_owned),
            Self::Stream(error) => error.hint().map(str::to_owned),
            Self::Memory { policy, available, least, .. } => Some(format!(
                "lower `train.micro_batch_size` (and raise `train.gradient_accumulation`) or \
                 `sequence.max_length`, or set `train.checkpoint_policy` (now {policy}); with one \
                 sequence and \"offload\" it is {}{}",
                size(*least),
                if least > available {
                    ", which is still too much: take a smaller base"
                } else {
                    ""
                }
            )),
            Self::Ranks(error) => Some(error.hint().to_owned()),
            Self::NonFinite { .. } => Some(
                "look at those rows, lower `train.learning_rate`, or set \
                 `train.on_non_finite = \"skip\"`"
                    .to_owned(),
            ),
            Self::TooManySkipped { .. } => {
                Some("lower `train.learning_rate`, or look at those rows".to_owned())
            }
            Self::OtherRun { .. } => Some(
                "give the run's own settings (they lie in its config.toml), or begin a new run \
                 with `model.load_from` naming this one"
                    .to_owned(),
            ),
            Self::RunExists { .. } => Some(
                "add `--resume` to continue it, or name another folder with \
                 `--set run.output_dir=FOLDER`"
                    .to_owned(),
            ),
            Self::NothingToResume { .. } => Some("run it without `--resume`".to_owned()),
            _ => None,
        }
    }
}
