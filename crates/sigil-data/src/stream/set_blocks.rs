//! Blocks of documents that are in memory.
//!
//! Is: sampling weights, shuffling and packing of whole epochs. Is not: reading or tokenizing. Next:
//! `../pack.rs`.

use std::sync::Arc;

use super::{BatchPlan, Cursor, StreamError};
use crate::Digest;
use crate::batch::Batch;
use crate::documents::DocumentSet;
use crate::pack::{self, Blocks};
use crate::random::{Random, fraction_of};

/// Keys that keep the random streams of one seed apart.
const KEY_DOCUMENTS: u64 = 1;
const KEY_BLOCKS: u64 = 2;
const KEY_WEIGHTS: u64 = 3;

/// Documents, and the position in their blocks.
#[derive(Debug)]
pub(super) struct SetBlocks {
    documents: Arc<DocumentSet>,
    epoch: u64,
    block: usize,
    blocks: Blocks,
}

impl SetBlocks {
    pub(super) fn new(documents: Arc<DocumentSet>, plan: &BatchPlan) -> Result<Self, StreamError> {
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
        let blocks = blocks_of(&documents, plan, 0);
        Ok(Self { documents, epoch: 0, block: 0, blocks })
    }

    pub(super) fn next_batch(&mut self, plan: &BatchPlan) -> Batch {
        let mut chosen = Vec::new();
        for _ in 0..plan.micro_batch_size {
            if self.block == self.blocks.blocks.len() {
                self.epoch += 1;
                self.block = 0;
                self.blocks = blocks_of(&self.documents, plan, self.epoch);
            }
            chosen.extend_from_slice(&self.blocks.blocks[self.block]);
            self.block += 1;
        }
        let documents = &self.documents;
        Batch::from_documents(chosen.iter().filter_map(|&index| documents.get(index as usize)))
    }

    pub(super) fn cursor(&self, plan: &BatchPlan) -> Cursor {
        let BatchPlan { max_seq_len, packing, shuffle, seed, .. } = plan;
        let order = format!("order 1: {max_seq_len} {packing} {shuffle} {seed}");
        Cursor {
            epoch: self.epoch,
            row: 0,
            block: self.block as u64,
            data: self.documents.digest(),
            order: Digest::of(order.as_bytes()),
        }
    }

    pub(super) fn seek(&mut self, cursor: &Cursor, plan: &BatchPlan) -> Result<(), StreamError> {
        let blocks = blocks_of(&self.documents, plan, cursor.epoch);
        let count = blocks.blocks.len() as u64;
        if cursor.block > count {
            return Err(StreamError::PastEnd { block: cursor.block, blocks: count });
        }
        self.epoch = cursor.epoch;
        self.block = cursor.block as usize;
        self.blocks = blocks;
        Ok(())
    }

    pub(super) fn epochs_done(&self) -> f64 {
        self.epoch as f64 + self.block as f64 / self.blocks.blocks.len() as f64
    }

    pub(super) fn count(&self, epochs: u64, plan: &BatchPlan) -> u64 {
        (0..epochs).map(|epoch| blocks_of(&self.documents, plan, epoch).blocks.len() as u64).sum()
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
