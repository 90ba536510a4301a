//! What the loop is told, how it is asked to stop, and what it answers. No arithmetic here.

use std::{
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use sigil_config::OnNonFinite;
use sigil_data::Ledger;

use crate::{
    card::CardFacts, checkpoint::Trained, evaluate::Comparison, micro_batch::MicroBatches,
    optimizer::AdamWSettings, schedule::LearningRate,
};

/// Asks a running loop to finish its step, save and return.
#[derive(Clone, Debug, Default)]
pub struct Stop(Arc<AtomicBool>);

impl Stop {
    /// Asks.
    pub fn ask(&self) {
        self.0.store(true, Ordering::SeqCst);
    }

    /// True once asked.
    pub fn asked(&self) -> bool {
        self.0.load(Ordering::SeqCst)
    }

    /// The flag itself, for a signal handler.
    pub fn flag(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.0)
    }
}

/// Everything that decides what the loop does.
#[derive(Clone, Debug)]
pub struct TrainPlan {
    /// Learning rate by step, with the number of steps.
    pub learning_rate: LearningRate,
    /// AdamW's constants.
    pub adamw: AdamWSettings,
    /// Longest gradient allowed; 0 means any.
    pub max_grad_norm: f64,
    /// NEFTune's alpha, if noise is wanted.
    pub neftune_alpha: Option<f64>,
    /// Seed of masks and noise.
    pub seed: u64,
    /// How micro-batches are computed.
    pub micro_batches: MicroBatches,
    /// Log every this many steps.
    pub logging_steps: u64,
    /// Save every this many steps.
    pub save_every: u64,
    /// Checkpoint sets kept.
    pub keep: usize,
    /// Evaluate every this many steps besides before the first and after the last.
    pub evaluate_every: Option<u64>,
    /// Stop after this many evaluations without improvement.
    pub patience: Option<u64>,
    /// How much lower a loss must be to count.
    pub min_delta: f64,
    /// What a loss or gradient that is not finite does.
    pub on_non_finite: OnNonFinite,
    /// Most steps that may be left out.
    pub max_skipped_steps: u64,
    /// Metrics are written to the run folder.
    pub writes_metrics: bool,
    /// Folder of the event files, if it is not the run's own.
    pub events_folder: Option<PathBuf>,
    /// The outcome is the best set instead of the last.
    pub ends_with_best: bool,
    /// Render the card with every this many sets.
    pub card_frequency: u64,
    /// What is trained.
    pub trained: Trained,
    /// Files that every set gets besides: settings, tokenizer files.
    pub set_files: Vec<(String, Vec<u8>)>,
    /// What the card says.
    pub card: Option<CardFacts>,
    /// What became of the rows before training. With it, every set is followed by `data_ledger.json` in
    /// the run folder: this, and what the stream has read since.
    pub ledger: Option<Ledger>,
}

/// How a run ended.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// Steps taken in all.
    pub step: u64,
    /// The run reached its last step or stopped early by its own rule.
    pub finished: bool,
    /// Early stopping ended it.
    pub stopped_early: bool,
    /// The set to use: the last, or the best where the plan says so.
    pub set: PathBuf,
    /// First evaluation against the last.
    pub comparison: Option<Comparison>,
}
