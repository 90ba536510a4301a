//! What a checkpoint set says about the position of a run, besides weights and moments.
//!
//! Sums are kept as the bits of their f64, so that a resumed run reports the same numbers to the
//! last digit.

use serde::{Deserialize, Serialize};
use sigil_data::Cursor;

use crate::evaluate::Evaluation;

/// Version of `trainer_state.json`; a newer one is refused.
pub const FORMAT_VERSION: u32 = 1;

/// The position of a run after a step.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrainerState {
    /// Version of this file.
    pub format_version: u32,
    /// Optimizer steps taken.
    pub step: u64,
    /// Steps of the whole run, which the schedule depends on.
    pub total_steps: u64,
    /// Seed of the run.
    pub seed: u64,
    /// Tokens trained on.
    pub tokens_seen: u64,
    /// Seconds of training, across resumes.
    pub seconds: f64,
    /// Where the stream of batches goes on.
    pub cursor: Cursor,
    /// Losses since the last logged row.
    pub window: LossWindow,
    /// The best evaluation so far.
    pub best: Option<BestLoss>,
    /// An evaluation was due after this step and was put off by an interrupt.
    pub evaluation_pending: bool,
    /// Evaluations since then.
    pub evaluations_without_improvement: u64,
    /// Steps left out because of a loss or gradient that was not finite.
    pub skipped_steps: u64,
    /// The evaluation before the first step, which later ones are compared with.
    pub baseline: Option<Evaluation>,
}

/// Sum of losses and targets since the last logged row.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LossWindow {
    sum_bits: u64,
    targets: u64,
    /// Tokens in the window, for the rate.
    tokens: u64,
}

impl LossWindow {
    /// Adds a step's mean loss over `targets`.
    pub fn add(&mut self, loss: f64, targets: u64, tokens: u64) {
        self.sum_bits = (f64::from_bits(self.sum_bits) + loss * targets as f64).to_bits();
        self.targets += targets;
        self.tokens += tokens;
    }

    /// Mean loss per target, none before the first step.
    pub fn mean(&self) -> Option<f64> {
        (self.targets > 0).then(|| f64::from_bits(self.sum_bits) / self.targets as f64)
    }

    /// Tokens in the window.
    pub fn tokens(&self) -> u64 {
        self.tokens
    }
}

/// The lowest evaluation loss and where it was.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BestLoss {
    /// Step of the evaluation.
    pub step: u64,
    loss_bits: u64,
}

impl BestLoss {
    /// Remembers a loss.
    pub fn new(step: u64, loss: f64) -> Self {
        Self { step, loss_bits: loss.to_bits() }
    }

    /// The loss, in nats per target.
    pub fn loss(&self) -> f64 {
        f64::from_bits(self.loss_bits)
    }
}
