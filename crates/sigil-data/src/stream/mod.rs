//! The endless, resumable sequence of training batches.
//!
//! Is: batches as a function of data, plan and cursor alone, over documents that are in memory or
//! over rows that are read and tokenized by a thread ahead of their use. Is not: an upload. Next:
//! `set_blocks.rs` and `row_blocks.rs` for the two kinds, `batch.rs` for what comes out.

mod ahead;
mod error;
mod row_blocks;
mod set_blocks;
mod windows;

use std::sync::Arc;

use serde::{Deserialize, Serialize};

pub use error::StreamError;
use row_blocks::RowBlocks;
use set_blocks::SetBlocks;

use crate::Digest;
use crate::batch::Batch;
use crate::documents::{DocumentSet, DocumentSettings};
use crate::ledger::Ledger;
use crate::pipeline::RowSupply;
use crate::tokenizer::Tokenizer;

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
    /// Rows of this epoch before the window of rows that is being handed out; 0 where documents are
    /// in memory.
    #[serde(default)]
    pub row: u64,
    /// Blocks of this epoch, or of that window, that were handed out.
    pub block: u64,
    /// [`DocumentSet::digest`] or [`RowSupply::digest`] of the data.
    pub data: Digest,
    /// Digest of seed, shuffle, packing, `max_seq_len` and so on, which decide the order.
    pub order: Digest,
}

/// Hands out the batches of one optimizer step after another, epoch after epoch.
#[derive(Debug)]
pub struct BatchStream {
    plan: BatchPlan,
    blocks: Kind,
}

#[derive(Debug)]
enum Kind {
    Set(SetBlocks),
    Rows(Box<RowBlocks>),
}

impl BatchStream {
    /// Starts at the first block of epoch 0 of documents that are in memory.
    ///
    /// # Errors
    /// An empty set, a size of zero, or a document longer than `max_seq_len`.
    pub fn new(documents: Arc<DocumentSet>, plan: BatchPlan) -> Result<Self, StreamError> {
        plan.check()?;
        Ok(Self { plan, blocks: Kind::Set(SetBlocks::new(documents, &plan)?) })
    }

    /// Starts at the first block of epoch 0 of rows that are tokenized some at a time on all cores, by
    /// a thread that stays a little ahead; the batches are the same at any number of threads.
    ///
    /// # Errors
    /// A size of zero, documents longer than a block, or a tokenizer that lacks what the settings
    /// need.
    pub fn of_rows(
        rows: RowSupply,
        tokenizer: Arc<Tokenizer>,
        documents: DocumentSettings,
        plan: BatchPlan,
    ) -> Result<Self, StreamError> {
        plan.check()?;
        let blocks = RowBlocks::new(rows, tokenizer, documents, &plan)?;
        Ok(Self { plan, blocks: Kind::Rows(Box::new(blocks)) })
    }

    /// Returns the micro batches of the next optimizer step, `accumulation` of them; a step may
    /// reach into the next epoch, so that every step is whole and no row is lost.
    ///
    /// # Errors
    /// Rows that cannot be read or encoded.
    pub fn next_step(&mut self) -> Result<Vec<Batch>, StreamError> {
        (0..self.plan.accumulation).map(|_| self.next_micro_batch()).collect()
    }

    fn next_micro_batch(&mut self) -> Result<Batch, StreamError> {
        match &mut self.blocks {
            Kind::Set(blocks) => Ok(blocks.next_batch(&self.plan)),
            Kind::Rows(blocks) => blocks.next_batch(&self.plan),
        }
    }

    /// Returns the position after the last step that was handed out.
    pub fn cursor(&self) -> Cursor {
        match &self.blocks {
            Kind::Set(blocks) => blocks.cursor(&self.plan),
            Kind::Rows(blocks) => blocks.cursor(&self.plan),
        }
    }

    /// Continues at a saved position. The batch size may differ from that of the saved run, and so
    /// may the number of threads. Rows of a stream that were handed out before are read again, to
    /// know what they are; they are not tokenized again.
    ///
    /// # Errors
    /// A cursor of other data or of another order, or one past the end of its epoch; documents in
    /// memory are then unchanged.
    pub fn seek(&mut self, cursor: &Cursor) -> Result<(), StreamError> {
        let now = self.cursor();
        if cursor.data != now.data {
            return Err(StreamError::OtherData { saved: cursor.data, now: now.data });
        }
        if cursor.order != now.order {
            return Err(StreamError::OtherOrder);
        }
        match &mut self.blocks {
            Kind::Set(blocks) => blocks.seek(cursor, &self.plan),
            Kind::Rows(blocks) => blocks.seek(cursor),
        }
    }

    /// Returns the epochs that are complete plus the part of the current one, as a number to show;
    /// of a stream only the former are known.
    pub fn epochs_done(&self) -> f64 {
        match &self.blocks {
            Kind::Set(blocks) => blocks.epochs_done(),
            Kind::Rows(blocks) => blocks.epochs_done(),
        }
    }

    /// Returns the steps of the first epoch, the last one counted whole.
    ///
    /// # Errors
    /// Those of [`BatchStream::steps_for_epochs`].
    pub fn steps_per_epoch(&self) -> Result<u64, StreamError> {
        self.steps_for_epochs(1)
    }

    /// Returns the steps that hand out every block of the first `epochs` epochs: packing and
    /// fractional weights give epochs slightly different numbers of blocks. Rows that are kept are
    /// tokenized for this.
    ///
    /// # Errors
    /// A stream, whose length is not known; rows that cannot be encoded.
    pub fn steps_for_epochs(&self, epochs: u64) -> Result<u64, StreamError> {
        let blocks: u64 = match &self.blocks {
            Kind::Set(blocks) => blocks.count(epochs, &self.plan),
            Kind::Rows(blocks) => blocks.count(epochs, &self.plan)?,
        };
        Ok(blocks.div_ceil((self.plan.micro_batch_size * self.plan.accumulation) as u64))
    }

    /// Returns what became of the rows so far: of their tokenizing, and of their reading where they
    /// are streamed.
    pub fn ledger(&self) -> Ledger {
        match &self.blocks {
            Kind::Set(_) => Ledger::new(),
            Kind::Rows(blocks) => blocks.ledger(),
        }
    }

    /// Returns the plan.
    pub fn plan(&self) -> &BatchPlan {
        &self.plan
    }
}

impl BatchPlan {
    fn check(&self) -> Result<(), StreamError> {
        for (name, size) in [
            ("micro_batch_size", self.micro_batch_size),
            ("accumulation", self.accumulation),
            ("max_seq_len", self.max_seq_len),
        ] {
            if size == 0 {
                return Err(StreamError::ZeroSize { name });
            }
        }
        Ok(())
    }
}
