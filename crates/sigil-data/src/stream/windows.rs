//! Windows of rows in the order of their epoch, read, tokenized, packed and shuffled each by itself.
//!
//! Is: so many rows at a time that the first batch needs one window and not the whole data, and a
//! position is a row and a block. Is not: the order of the rows (`pipeline`), or a thread
//! (`ahead.rs`). Next: `../documents/encode.rs`.

use std::sync::Arc;

use super::{BatchPlan, Cursor, StreamError};
use crate::documents::{DocumentSet, DocumentSettings, RowEncoder, cut_rows};
use crate::ledger::Ledger;
use crate::pack::{self, Blocks};
use crate::pipeline::{PipelineError, RowSupply};
use crate::random::Random;
use crate::rows::Row;
use crate::tokenizer::Tokenizer;

/// Rows of a window: enough to fill blocks well, few enough to start at once.
const WINDOW_ROWS: usize = 512;
/// Keeps the order of blocks apart from other uses of the seed.
const KEY_BLOCKS: u64 = 2;

/// Some rows as blocks of documents.
pub(super) struct Window {
    pub(super) epoch: u64,
    /// Rows of the epoch before the window.
    pub(super) start: u64,
    pub(super) rows: u64,
    pub(super) documents: DocumentSet,
    pub(super) blocks: Blocks,
    /// What became of all rows up to the end of the window.
    pub(super) ledger: Ledger,
}

impl Window {
    /// Returns the window before the first one.
    pub(super) fn nothing() -> Self {
        Self {
            epoch: 0,
            start: 0,
            rows: 0,
            documents: DocumentSet::from_iter([]),
            blocks: Blocks::default(),
            ledger: Ledger::new(),
        }
    }
}

/// Makes one window after the other.
pub(super) struct WindowMaker {
    rows: RowSupply,
    tokenizer: Arc<Tokenizer>,
    settings: DocumentSettings,
    plan: BatchPlan,
    epoch: u64,
    /// Rows of the epoch before the next window.
    start: u64,
    /// Whether any window of the epoch had a block.
    any: bool,
    ledger: Ledger,
}

impl WindowMaker {
    pub(super) fn new(
        rows: RowSupply,
        tokenizer: Arc<Tokenizer>,
        settings: DocumentSettings,
        plan: BatchPlan,
    ) -> Self {
        let ledger = Ledger::new();
        Self { rows, tokenizer, settings, plan, epoch: 0, start: 0, any: false, ledger }
    }

    /// Returns the next window that has rows, which may be the first of the next epoch.
    pub(super) fn next(&mut self) -> Result<Window, StreamError> {
        loop {
            let window = self.load()?;
            if window.rows > 0 {
                return Ok(window);
            }
            if !self.any {
                return Err(self.empty());
            }
            self.begin(self.epoch + 1)?;
        }
    }

    fn begin(&mut self, epoch: u64) -> Result<(), StreamError> {
        self.epoch = epoch;
        self.start = 0;
        self.any = false;
        Ok(self.rows.start(epoch)?)
    }

    /// Reads and tokenizes the next rows of the epoch; at its end there are none.
    fn load(&mut self) -> Result<Window, StreamError> {
        let mut rows: Vec<Arc<Row>> = Vec::with_capacity(WINDOW_ROWS);
        while rows.len() < WINDOW_ROWS {
            match self.rows.next_row()? {
                Some(row) => rows.push(row),
                None => break,
            }
        }
        let encoder = RowEncoder::new(&self.tokenizer, &self.settings)?;
        let views: Vec<&Row> = rows.iter().map(Arc::as_ref).collect();
        // Later epochs bring the same rows again.
        let mut again = Ledger::new();
        let ledger = if self.epoch == 0 { &mut self.ledger } else { &mut again };
        let documents: DocumentSet =
            cut_rows(&views, &encoder, &self.settings, ledger)?.into_iter().collect();
        let order: Vec<u32> = (0..documents.len() as u32).collect();
        let length = |document: u32| documents.entries[document as usize].length as usize;
        let plan = &self.plan;
        let mut blocks = match plan.packing {
            true => pack::pack(&order, plan.max_seq_len, &length),
            false => pack::one_per_block(&order),
        };
        if plan.shuffle {
            let keys = [plan.seed, self.epoch, KEY_BLOCKS, self.start];
            Random::keyed(&keys).shuffle(&mut blocks.blocks);
        }
        self.any |= !blocks.blocks.is_empty();
        let start = self.start;
        self.start += rows.len() as u64;
        let (epoch, rows, ledger) = (self.epoch, rows.len() as u64, self.ledger());
        Ok(Window { epoch, start, rows, documents, blocks, ledger })
    }

    /// Returns what became of all rows so far.
    pub(super) fn ledger(&self) -> Ledger {
        let mut ledger = self.rows.ledger();
        ledger.merge(&self.ledger);
        ledger
    }

    /// Goes to the window of a position and returns it.
    pub(super) fn seek(&mut self, cursor: &Cursor) -> Result<Window, StreamError> {
        // A streamed epoch decides what the next ones hold, so it is gone through first.
        let first = if self.rows.is_streamed() { 0 } else { cursor.epoch };
        for epoch in first..=cursor.epoch {
            self.begin(epoch)?;
            let wanted = if epoch == cursor.epoch { cursor.row } else { u64::MAX };
            let found = self.rows.skip(wanted)?;
            if epoch == cursor.epoch && found < wanted {
                return Err(StreamError::PastEnd { block: wanted, blocks: found });
            }
        }
        self.start = cursor.row;
        self.any = cursor.row > 0;
        let window = self.load()?;
        let blocks = window.blocks.blocks.len() as u64;
        if cursor.block > blocks {
            return Err(StreamError::PastEnd { block: cursor.block, blocks });
        }
        Ok(window)
    }

    /// Counts the blocks of the first epochs.
    pub(super) fn count(mut self, epochs: u64) -> Result<u64, StreamError> {
        let mut blocks = 0;
        for epoch in 0..epochs {
            self.begin(epoch)?;
            loop {
                let window = self.load()?;
                if window.rows == 0 {
                    break;
                }
                blocks += window.blocks.blocks.len() as u64;
            }
        }
        if blocks == 0 { Err(self.empty()) } else { Ok(blocks) }
    }

    fn empty(&self) -> StreamError {
        PipelineError::Empty(Box::new(self.ledger())).into()
    }
}
