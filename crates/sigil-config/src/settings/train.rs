//! `[train]`: the optimization itself.
//!
//! Read next: `schedule.rs` (learning rate over the steps), `run.rs` (where it all goes).

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::schedule::{Schedule, Warmup};

/// The optimization itself.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct TrainSettings {
    /// Sequences in one forward and backward pass.
    #[schemars(range(min = 1))]
    pub micro_batch_size: usize,
    /// Passes whose gradients make one step. The loss is the mean over all their tokens.
    #[schemars(range(min = 1))]
    pub gradient_accumulation: usize,
    /// Peak learning rate.
    #[schemars(extend("exclusiveMinimum" = 0.0))]
    pub learning_rate: f64,
    /// Decoupled weight decay of AdamW.
    #[schemars(range(min = 0.0))]
    pub weight_decay: f64,
    /// Number of steps. Of `num_steps` and `epochs`, the one set by the later layer counts.
    #[schemars(range(min = 1))]
    pub num_steps: Option<usize>,
    /// Passes over the training rows, instead of `num_steps`; fractions are allowed.
    #[schemars(extend("exclusiveMinimum" = 0.0))]
    pub epochs: Option<f64>,
    /// Steps in which the learning rate rises from 0 to its peak; 0 is allowed. Default: 250, or a
    /// tenth of `num_steps` where that is less.
    pub warmup_steps: Option<usize>,
    /// Warm-up as a share of all steps, instead of `warmup_steps`.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub warmup_ratio: Option<f64>,
    /// How the learning rate goes on after the warm-up.
    pub lr_scheduler_type: Schedule,
    /// Lowest learning rate as a share of the peak, for `cosine_with_min_lr` and `polynomial`.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub min_lr_ratio: f64,
    /// Exponent of the `polynomial` schedule.
    #[schemars(extend("exclusiveMinimum" = 0.0))]
    pub polynomial_power: f64,
    /// The optimizer.
    pub optimizer: Optimizer,
    /// AdamW's decay of the first moment.
    #[schemars(range(min = 0.0), extend("exclusiveMaximum" = 1.0))]
    pub adam_beta1: f64,
    /// AdamW's decay of the second moment.
    #[schemars(range(min = 0.0), extend("exclusiveMaximum" = 1.0))]
    pub adam_beta2: f64,
    /// AdamW's epsilon, added to the root of the second moment.
    #[schemars(extend("exclusiveMinimum" = 0.0))]
    pub adam_epsilon: f64,
    /// Longest allowed gradient (global norm); longer ones are scaled down. 0: no clipping.
    #[schemars(range(min = 0.0))]
    pub max_grad_norm: f64,
    /// Strength of the noise added to embeddings in training (NEFTune). Not set: none.
    #[schemars(range(min = 0.0))]
    pub neftune_noise_alpha: Option<f64>,
    /// Take the loss only on the answer where a row has a prompt.
    pub completion_only_loss: bool,
    /// What of a layer is kept for the backward pass: memory against time.
    pub checkpoint_policy: CheckpointPolicy,
    /// What happens when the loss or the gradient is not a finite number.
    pub on_non_finite: OnNonFinite,
    /// With `on_non_finite = "skip"`: stop all the same after this many skipped steps.
    pub max_skipped_steps: usize,
    /// Report metrics every this many steps.
    #[schemars(range(min = 1))]
    pub logging_steps: usize,
    /// Where metrics go besides the terminal.
    pub log_backend: LogBackend,
    /// Write a checkpoint set every this many steps, and after the last. Default: 1000, or
    /// `num_steps` where that is less.
    #[schemars(range(min = 1))]
    pub save_every: usize,
    /// Keep this many checkpoint sets; the best one is kept besides. Not set: keep all.
    #[schemars(range(min = 1))]
    pub save_total_limit: Option<usize>,
    /// Hand over the weights with the lowest evaluation loss at the end instead of the last ones.
    pub load_best_model_at_end: bool,
}

/// How long a run is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Length {
    /// This many optimizer steps.
    Steps(usize),
    /// This many passes over the training rows.
    Epochs(f64),
}

impl TrainSettings {
    /// Returns how long the run is.
    pub fn length(&self) -> Length {
        match (self.epochs, self.num_steps) {
            (Some(epochs), _) => Length::Epochs(epochs),
            (None, Some(steps)) => Length::Steps(steps),
            (None, None) => Length::Steps(Self::DEFAULT_NUM_STEPS),
        }
    }

    /// Returns the warm-up as it was asked for.
    pub fn warmup(&self) -> Warmup {
        match (self.warmup_ratio, self.warmup_steps) {
            (Some(ratio), _) => Warmup::Ratio(ratio),
            (None, steps) => Warmup::Steps(steps.unwrap_or(0)),
        }
    }

    /// Returns the number of sequences that make one step.
    pub fn sequences_per_step(&self) -> usize {
        self.micro_batch_size.saturating_mul(self.gradient_accumulation)
    }

    pub(crate) const DEFAULT_NUM_STEPS: usize = 12_000;
    pub(crate) const DEFAULT_WARMUP_STEPS: usize = 250;
}

impl Default for TrainSettings {
    fn default() -> Self {
        Self {
            micro_batch_size: 8,
            gradient_accumulation: 6,
            learning_rate: 1e-4,
            weight_decay: 0.0,
            num_steps: Some(Self::DEFAULT_NUM_STEPS),
            epochs: None,
            warmup_steps: Some(Self::DEFAULT_WARMUP_STEPS),
            warmup_ratio: None,
            lr_scheduler_type: Schedule::Cosine,
            min_lr_ratio: 0.0,
            polynomial_power: 1.0,
            optimizer: Optimizer::Adamw,
            adam_beta1: 0.9,
            adam_beta2: 0.999,
            adam_epsilon: 1e-8,
            max_grad_norm: 1.0,
            neftune_noise_alpha: None,
            completion_only_loss: true,
            checkpoint_policy: CheckpointPolicy::Auto,
            on_non_finite: OnNonFinite::Stop,
            max_skipped_steps: 10,
            logging_steps: 10,
            log_backend: LogBackend::Tensorboard,
            save_every: 1000,
            save_total_limit: Some(3),
            load_best_model_at_end: false,
        }
    }
}

/// The optimizer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Optimizer {
    /// AdamW with PyTorch's arithmetic and moments in f32.
    Adamw,
}

/// What of a layer is kept for the backward pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum CheckpointPolicy {
    /// Keep everything: fastest, most memory.
    None,
    /// Keep what is expensive to compute again.
    Minimal,
    /// Keep only each layer's input and compute the rest again.
    Inputs,
    /// Like `inputs`, with the inputs moved to the memory of the host.
    Offload,
    /// The fastest policy that fits into the memory of the device.
    Auto,
}

/// Where metrics go besides the terminal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum LogBackend {
    /// `metrics.jsonl` and TensorBoard event files.
    Tensorboard,
    /// `metrics.jsonl` only.
    Jsonl,
    /// The terminal only.
    None,
}

/// What happens when the loss or the gradient is not a finite number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum OnNonFinite {
    /// Stop before the optimizer step and name the rows of the batch.
    Stop,
    /// Leave the step out, at most `max_skipped_steps` times.
    Skip,
}
