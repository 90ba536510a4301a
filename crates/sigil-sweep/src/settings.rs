//! What is swept over: the file of a sweep.
//!
//! ```toml
//! [sweep]
//! preset = "quickstart"      # or config = "mine.toml"
//! method = "random"          # grid, random, halving
//! trials = 8
//!
//! [keys]
//! "train.learning_rate" = { low = 1e-4, high = 1e-2, log = true }
//! "lora.r" = [4, 8, 16]
//!
//! [set]                      # the same for every run
//! "train.num_steps" = 100
//! ```
//! Next: `plan.rs`.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use toml::Table;

use crate::SweepError;

/// How runs are chosen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Method {
    /// Every combination of the values.
    #[default]
    Grid,
    /// Drawn from values and ranges.
    Random,
    /// Drawn, run for few steps, and the better share of them for more, again and again
    /// (successive halving, Jamieson and Talwalkar 2016).
    Halving,
}

/// What decides which run is better.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RankBy {
    /// The lowest evaluation loss after training began.
    #[default]
    EvalLoss,
    /// The highest share of judged samples that pass their tests.
    PassRate,
    /// The highest share of judged samples that compile.
    CompileRate,
}

impl RankBy {
    /// Its name in files.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::EvalLoss => "eval_loss",
            Self::PassRate => "pass_rate",
            Self::CompileRate => "compile_rate",
        }
    }

    /// Whether a lower value is better.
    #[must_use]
    pub fn lower_is_better(self) -> bool {
        self == Self::EvalLoss
    }

    /// Whether samples have to be judged for it.
    #[must_use]
    pub fn needs_judge(self) -> bool {
        self != Self::EvalLoss
    }
}

/// `[sweep]`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SweepSection {
    /// Preset that every run begins with.
    pub preset: Option<String>,
    /// Settings file that every run begins with, instead of a preset.
    pub config: Option<PathBuf>,
    /// How runs are chosen.
    pub method: Method,
    /// Number of runs that are drawn; without a meaning for a grid.
    pub trials: usize,
    /// Seed of drawing; every run trains with the seed of its own settings.
    pub seed: u64,
    /// What decides which run is better.
    pub rank_by: RankBy,
    /// Tasks for the judge, where it decides.
    pub tasks: Option<PathBuf>,
    /// Halving: steps of the first round.
    pub first_steps: usize,
    /// Halving: by what steps grow and runs become fewer each round.
    pub factor: usize,
}

impl Default for SweepSection {
    fn default() -> Self {
        Self {
            preset: None,
            config: None,
            method: Method::Grid,
            trials: 16,
            seed: 42,
            rank_by: RankBy::EvalLoss,
            tasks: None,
            first_steps: 100,
            factor: 3,
        }
    }
}

/// A sweep's file.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SweepSettings {
    /// How.
    pub sweep: SweepSection,
    /// What varies: setting to a list of values, or to a range.
    pub keys: Table,
    /// What is the same in every run.
    pub set: Table,
}

impl SweepSettings {
    /// Reads the text of a sweep's file; `path` is for messages.
    ///
    /// # Errors
    /// [`SweepError::Settings`] with the place.
    pub fn parse(text: &str, path: &Path) -> Result<Self, SweepError> {
        let wrong = |problem: String| SweepError::Settings { path: path.to_owned(), problem };
        let settings: Self = toml::from_str(text).map_err(|error| wrong(error.to_string()))?;
        settings.check().map_err(wrong)?;
        Ok(settings)
    }

    fn check(&self) -> Result<(), String> {
        let sweep = &self.sweep;
        if self.keys.is_empty() {
            return Err("`[keys]` is empty: there is nothing to sweep over".to_owned());
        }
        if sweep.preset.is_some() && sweep.config.is_some() {
            return Err("`sweep.preset` and `sweep.config` exclude each other".to_owned());
        }
        if sweep.method != Method::Grid && !(1..=100_000).contains(&sweep.trials) {
            return Err("`sweep.trials` must be from 1 to 100000".to_owned());
        }
        if sweep.method == Method::Halving && (sweep.factor < 2 || sweep.first_steps == 0) {
            return Err(
                "`sweep.factor` must be 2 or more, `sweep.first_steps` 1 or more".to_owned()
            );
        }
        let own = ["run.output_dir", "run.sweep_metadata"];
        let of_halving = ["train.num_steps", "train.epochs"];
        for key in self.keys.keys().chain(self.set.keys()) {
            if own.iter().any(|own| key.starts_with(own)) {
                return Err(format!("`{key}` is set by the sweep itself"));
            }
            if sweep.method == Method::Halving && of_halving.contains(&key.as_str()) {
                return Err(format!("`{key}` is set by the rounds of halving"));
            }
            if self.keys.contains_key(key) && self.set.contains_key(key) {
                return Err(format!("`{key}` is in `[keys]` and in `[set]`"));
            }
        }
        Ok(())
    }
}
