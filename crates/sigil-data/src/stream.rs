//! The endless, resumable sequence of training batches.
//!
//! Is: sampling weights, shuffling, packing and flattening, as a function of documents, plan and
//! cursor alone. Is not: a loader thread or an upload. Next: `batch.rs` for what comes out,
//! `evaluation.rs` for the single ordered pass.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::Digest;
use crate::batch::Batch;
use crate::documents::DocumentSet;
use crate::pack::{self, Blocks};
use crate::random::{Random, fraction_of};

/// Keys that keep the random streams of one seed apart.
const KEY_DOCUMENTS: u64 = 1;
const KEY_BLOCKS: u64 = 2;
const KEY_WEIGHTS: u64 = 3;

/// Says how documents become optimizer steps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BatchPlan {
    /// Blocks per micro batch.
    pub micro_batch_size: usize,
    /// Micro batches per optimizer step.
    pub accumulation: usize,
    /// Tokens per block.
    pub max_seq_len: usize,
    /// Whether documents share a block; otherwise each has its own, which needs no padding here.
    pub packing: bool,
    /// Whether each epoch has its own order; otherwise the order of the source.
    pub shuffle: bool,
    /// Decides every order and every fractional weight.
    pub seed: u64,
}

/// Names a position in a [`BatchStream`] exactly; goes into every checkpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cursor {
    /// Passes over the data that are complete.
    pub epoch: u64,
    /// Blocks of this epoch that were handed out.
    pub block: u64,
    /// [`DocumentSet::digest`] of the data.
    pub data: Digest,
    /// Digest of seed, shuffle, packing and `max_seq_len`, which decide the order.
    pub order: Digest,
}

/// Says why a stream cannot be made or resumed.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum StreamError {
    /// Nothing to train on.
    #[error("the training set has no document")]
    Empty,
    /// A size of the plan is zero.
    #[error("{name} must be at least 1")]
    ZeroSize {
        /// The setting.
        name: &'static str,
    },
    /// A document is longer than a block.
    #[error("a document of `{row}` has {length} tokens, but max_seq_len is {max_seq_len}")]
    DocumentTooLong {
        /// The row it came from.
        row: String,
        /// Its tokens.
        length: usize,
        /// Tokens of a block.
        max_seq_len: usize,
    },
    /// The saved position belongs to other data.
    #[error("the saved position belongs to other data (saved {saved}, now {now})")]
    OtherData {
        /// Digest in the cursor.
        saved: Digest,
        /// Digest of the documents.
        now: Digest,
    },
    /// The saved position belongs to another order of the same data.
    #[error("the saved position belongs to another seed, shuffle, packing or max_seq_len")]
    OtherOrder,
    /// The saved position lies past the end of its epoch.
    #[error("the saved position is block {block} of an epoch of {blocks} blocks")]
    PastEnd {
        /// Block in the cursor.
        block: u64,
        /// Blocks of that epoch.
        blocks: u64,
    },
}

impl StreamError {
    /// Returns what the user can do about it, if anything.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Empty => Some("look at the ledger: it counts every dropped row by reason"),
            Self::OtherData { .. } => Some(
                "put the files back as they were, or start a new run from the checkpoint's adapter",
            ),
            Self::OtherOrder => Some("resume with the settings of the run, kept in its folder"),
            _ => None,
        }
    }
}

/// Hands out the batches of one optimizer step after another, epoch after epoch.
#[derive(Debug, Clone)]
pub struct BatchStream {
    documents: Arc<DocumentSet>,
    plan: BatchPlan,
    epoch: u64,
    block: usize,
    blocks: Blocks,
}

impl BatchStream {
    /// Starts at the first block of epoch 0.
    ///
    /// # Errors
    /// An empty set, a size of zero, or a document longer than `max_seq_len`.
    pub fn new(documents: Arc<DocumentSet>, plan: BatchPlan) -> Result<Self, StreamError> {
        for (name, size) in [
            ("micro_batch_size", plan.micro_batch_size),
            ("accumulation", plan.accumulation),
            ("max_seq_len", plan.max_seq_len),
        ] {
            if size == 0 {
                return Err(StreamError::ZeroSize { name });
            }
        }
        if documents.is_empty() {
            return Err(StreamError::Empty);
        }
        let too_long = documents.iter().find(|view| view.tokens.len() > plan.max_seq_len);
        if let Some(view) = too_long {
            return Err(StreamError::DocumentTooLong {
                row: view.origin.to_string(),
                length: view.tokens.len(),
                max_seq_len: plan.max_seq_len,
            });
        }
        let blocks = blocks_of(&documents, &plan, 0);
        Ok(Self { documents, plan, epoch: 0, block: 0, blocks })
    }

    /// Returns the micro batches of the next optimizer step, `accumulation` of them; a step may
    /// reach into the next epoch, so that every step is whole and no row is lost.
    pub fn next_step(&mut self) -> Vec<Batch> {
        (0..self.plan.accumulation).map(|_| self.next_micro_batch()).collect()
    }

    fn next_micro_batch(&mut self) -> Batch {
        let mut chosen = Vec::new();
        for _ in 0..self.plan.micro_batch_size {
            if self.block == self.blocks.blocks.len() {
                self.epoch += 1;
                self.block = 0;
                self.blocks = blocks_of(&self.documents, &self.plan, self.epoch);
            }
            chosen.extend_from_slice(&self.blocks.blocks[self.block]);
            self.block += 1;
        }
        let documents = &self.documents;
        Batch::from_documents(chosen.iter().filter_map(|&index| documents.get(index as usize)))
    }

    /// Returns the position after the last step that was handed out.
    pub fn cursor(&self) -> Cursor {
        Cursor {
            epoch: self.epoch,
            block: self.block as u64,
            data: self.documents.digest(),
            order: self.order_digest(),
        }
    }

    /// Continues at a saved position. The batch size may differ from that of the saved run.
    ///
    /// # Errors
    /// A cursor of other data or of another order, or one past the end of its epoch; the stream is
    /// then unchanged.
    pub fn seek(&mut self, cursor: &Cursor) -> Result<(), StreamError> {
        let now = self.documents.digest();
        if cursor.data != now {
            return Err(StreamError::OtherData { saved: cursor.data, now });
        }
        if cursor.order != self.order_digest() {
            return Err(StreamError::OtherOrder);
        }
        let blocks = blocks_of(&self.documents, &self.plan, cursor.epoch);
        let count = blocks.blocks.len() as u64;
        if cursor.block > count {
            return Err(StreamError::PastEnd { block: cursor.block, blocks: count });
        }
        self.epoch = cursor.epoch;
        self.block = cursor.block as usize;
        self.blocks = blocks;
        Ok(())
    }

    /// Returns the epochs that are complete plus the part of the current one, as a number to show.
    pub fn epochs_done(&self) -> f64 {
        self.epoch as f64 + self.block as f64 / self.blocks.blocks.len() as f64
    }

    /// Returns the steps of the first epoch, the last one counted whole.
    pub fn steps_per_epoch(&self) -> u64 {
        self.steps_for_epochs(1)
    }

    /// Returns the steps that hand out every block of the first `epochs` epochs: packing and
    /// fractional weights give epochs slightly different numbers of blocks.
    pub fn steps_for_epochs(&self, epochs: u64) -> u64 {
        let count = |epoch| blocks_of(&self.documents, &self.plan, epoch).blocks.len() as u64;
        let blocks: u64 = (0..epochs).map(count).sum();
        blocks.div_ceil((self.plan.micro_batch_size * self.plan.accumulation) as u64)
    }

    /// Returns the documents.
    pub fn documents(&self) -> &DocumentSet {
        &self.documents
    }

    /// Returns the plan.
    pub fn plan(&self) -> &BatchPlan {
        &self.plan
    }

    fn order_digest(&self) -> Digest {
        let BatchPlan { max_seq_len, packing, shuffle, seed, .. } = self.plan;
        let text = format!("order 1: {max_seq_len} {packing} {shuffle} {seed}");
        Digest::of(text.as_bytes())
    }
}

/// Draws, shuffles and packs the documents of one epoch.
fn blocks_of(documents: &DocumentSet, plan: &BatchPlan, epoch: u64) -> Blocks {
    let mut order = drawn(documents, plan.seed, epoch);
    if plan.shuffle {
        Random::keyed(&[plan.seed, epoch, KEY_DOCUMENTS]).shuffle(&mut order);
    }
    if !plan.packing {
        return pack::one_per_block(&order);
    }
    let length_of = |document: u32| documents.entries[document as usize].length as usize;
    let mut blocks = pack::pack(&order, plan.max_seq_len, &length_of);
    if plan.shuffle {
        Random::keyed(&[plan.seed, epoch, KEY_BLOCKS]).shuffle(&mut blocks.blocks);
    }
    blocks
}

/// Repeats each document by its row's weight: the whole part always, the fraction by a hash of
/// seed, epoch and row. An epoch in which nothing is drawn takes everything once.
fn drawn(documents: &DocumentSet, seed: u64, epoch: u64) -> Vec<u32> {
    let mut order = Vec::with_capacity(documents.len());
    for (index, entry) in documents.entries.iter().enumerate() {
        let weight = f64::from(entry.weight.max(0.0));
        let chance = fraction_of(&[seed, epoch, KEY_WEIGHTS, u64::from(entry.row)]);
        let copies = weight.floor() as usize + usize::from(chance < weight.fract());
        order.extend(std::iter::repeat_n(index as u32, copies));
    }
    if order.is_empty() {
        order.extend(0..documents.len() as u32);
    }
    order
}
