//! Blocks of rows that are tokenized as they are needed, or a little before.
//!
//! Is: the position in the blocks of a window. Is not: what makes windows. Next: `ahead.rs` for the
//! thread, `windows.rs` for the windows.

use std::fmt;
use std::sync::Arc;

use super::ahead::Ahead;
use super::windows::{Window, WindowMaker};
use super::{BatchPlan, Cursor, StreamError};
use crate::Digest;
use crate::batch::Batch;
use crate::documents::{DocumentSettings, RowEncoder};
use crate::ledger::Ledger;
use crate::pipeline::RowSupply;
use crate::tokenizer::Tokenizer;

/// A window of rows, the position in its blocks, and the windows to come.
pub(super) struct RowBlocks {
    ahead: Ahead,
    window: Window,
    /// Blocks of the window that were handed out.
    block: usize,
    tokenizer: Arc<Tokenizer>,
    settings: DocumentSettings,
    /// The same rows once more, where they are kept.
    again: Option<RowSupply>,
    rows_per_epoch: Option<u64>,
    data: Digest,
    order_name: String,
}

impl fmt::Debug for RowBlocks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RowBlocks")
            .field("epoch", &self.window.epoch)
            .field("start", &self.window.start)
            .field("block", &self.block)
            .finish_non_exhaustive()
    }
}

impl RowBlocks {
    pub(super) fn new(
        rows: RowSupply,
        tokenizer: Arc<Tokenizer>,
        settings: DocumentSettings,
        plan: &BatchPlan,
    ) -> Result<Self, StreamError> {
        if settings.max_seq_len > plan.max_seq_len {
            return Err(StreamError::DocumentTooLong {
                row: "the first long row".to_owned(),
                length: settings.max_seq_len,
                max_seq_len: plan.max_seq_len,
            });
        }
        RowEncoder::new(&tokenizer, &settings)?;
        let (again, rows_per_epoch) = (rows.again(), rows.rows_per_epoch());
        let (data, order_name) = (rows.digest(), rows.order_name());
        let maker = WindowMaker::new(rows, Arc::clone(&tokenizer), settings.clone(), *plan);
        Ok(Self {
            ahead: Ahead::new(maker),
            window: Window::nothing(),
            block: 0,
            tokenizer,
            settings,
            again,
            rows_per_epoch,
            data,
            order_name,
        })
    }

    pub(super) fn next_batch(&mut self, plan: &BatchPlan) -> Result<Batch, StreamError> {
        let mut batch = Batch::from_documents([]);
        for _ in 0..plan.micro_batch_size {
            while self.block == self.window.blocks.blocks.len() {
                self.window = self.ahead.next()?;
                self.block = 0;
            }
            for &index in &self.window.blocks.blocks[self.block] {
                if let Some(view) = self.window.documents.get(index as usize) {
                    batch.push(view);
                }
            }
            self.block += 1;
        }
        Ok(batch)
    }

    pub(super) fn cursor(&self, plan: &BatchPlan) -> Cursor {
        let BatchPlan { max_seq_len, packing, shuffle, seed, .. } = plan;
        let settings = serde_json::to_string(&self.settings).expect("plain settings are JSON");
        let order = format!(
            "rows 1: {max_seq_len} {packing} {shuffle} {seed} {settings} {} {}",
            self.tokenizer.digest(),
            self.order_name,
        );
        Cursor {
            epoch: self.window.epoch,
            row: self.window.start,
            block: self.block as u64,
            data: self.data,
            order: Digest::of(order.as_bytes()),
        }
    }

    pub(super) fn seek(&mut self, cursor: &Cursor) -> Result<(), StreamError> {
        self.window = self.ahead.seek(cursor)?;
        self.block = cursor.block as usize;
        Ok(())
    }

    pub(super) fn epochs_done(&self) -> f64 {
        let part = self.rows_per_epoch.filter(|&rows| rows > 0).map_or(0.0, |rows| {
            let blocks = self.window.blocks.blocks.len().max(1);
            let done = self.window.rows as f64 * self.block as f64 / blocks as f64;
            (self.window.start as f64 + done) / rows as f64
        });
        self.window.epoch as f64 + part.min(1.0)
    }

    pub(super) fn count(&self, epochs: u64, plan: &BatchPlan) -> Result<u64, StreamError> {
        let rows = self.again.as_ref().and_then(RowSupply::again);
        let rows = rows.ok_or(StreamError::UnknownLength)?;
        let (tokenizer, settings) = (Arc::clone(&self.tokenizer), self.settings.clone());
        WindowMaker::new(rows, tokenizer, settings, *plan).count(epochs)
    }

    pub(super) fn ledger(&self) -> Ledger {
        self.ahead.ledger().unwrap_or_else(|| self.window.ledger.clone())
    }
}
