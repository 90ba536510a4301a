//! The rows of one epoch after another.
//!
//! Is: the mixture with weights applied and shuffled, from memory or straight from the sources; both
//! give the same rows in the same order for the same shuffle. Is not: tokens. Next: `feed.rs`,
//! `kept.rs`.

use std::sync::Arc;

use super::feed::{Decided, RowFeed};
use super::{KeptRows, PipelineError, RowPlan};
use crate::Digest;
use crate::ledger::Ledger;
use crate::mixing::{BufferShuffle, Shuffle, full_shuffle};
use crate::rows::Row;

/// Hands out rows, epoch after epoch.
pub struct RowSupply {
    plan: Arc<RowPlan>,
    kind: Kind,
    data: Digest,
}

enum Kind {
    Kept {
        kept: Arc<KeptRows>,
        order: std::vec::IntoIter<u32>,
        /// Rows of the first epoch.
        rows: u64,
    },
    Streamed {
        feed: Box<RowFeed>,
        buffer: Option<BufferShuffle<Arc<Row>>>,
        /// A row with a weight comes this many times more.
        again: Option<(Arc<Row>, usize)>,
        epoch: u64,
        ledger: Ledger,
    },
}

impl RowSupply {
    /// Hands out rows that are in memory.
    pub fn kept(plan: Arc<RowPlan>, kept: Arc<KeptRows>) -> Self {
        let data = kept.digest();
        let order = epoch_order(&plan, &kept, 0).into_iter();
        let rows = order.len() as u64;
        Self { plan, kind: Kind::Kept { kept, order, rows }, data }
    }

    /// Hands out rows as they are read from the sources; training rows too close to `held_out` are
    /// dropped.
    ///
    /// # Errors
    /// A full shuffle, a limit on the rows of each group, or a mixture that cannot be.
    pub fn streamed(plan: Arc<RowPlan>, held_out: &[Row]) -> Result<Self, PipelineError> {
        if matches!(plan.shuffle, Shuffle::Full { .. }) {
            return Err(PipelineError::FullShuffleOfStream);
        }
        if plan.max_rows_per_group.is_some() {
            return Err(PipelineError::GroupLimitOfStream);
        }
        let feed = Box::new(RowFeed::new(Arc::clone(&plan), Decided::new(&plan, held_out))?);
        let data = Digest::of_fields([
            plan.digest().as_bytes().as_slice(),
            crate::rows::rows_digest(held_out).as_bytes(),
        ]);
        let buffer = buffer(&plan, 0);
        let kind = Kind::Streamed { feed, buffer, again: None, epoch: 0, ledger: Ledger::new() };
        Ok(Self { plan, kind, data })
    }

    /// Returns the digest that names the rows: of the rows themselves where they are kept, of files
    /// and rules where they are streamed.
    pub fn digest(&self) -> Digest {
        self.data
    }

    /// Returns a second supply of the same rows, where they are kept.
    pub fn again(&self) -> Option<Self> {
        match &self.kind {
            Kind::Kept { kept, .. } => Some(Self::kept(Arc::clone(&self.plan), Arc::clone(kept))),
            Kind::Streamed { .. } => None,
        }
    }

    /// Returns the rows of the first epoch, where they are kept.
    pub fn rows_per_epoch(&self) -> Option<u64> {
        match &self.kind {
            Kind::Kept { rows, .. } => Some(*rows),
            Kind::Streamed { .. } => None,
        }
    }

    /// Names what decides the order of the rows besides the rows themselves.
    pub(crate) fn order_name(&self) -> String {
        format!("{:?} {}", self.plan.shuffle, self.plan.seed)
    }

    /// Says whether the rows are read from their sources as they are needed.
    pub fn is_streamed(&self) -> bool {
        matches!(self.kind, Kind::Streamed { .. })
    }

    /// Returns the account of the rows that were streamed so far.
    pub fn ledger(&self) -> Ledger {
        match &self.kind {
            Kind::Kept { .. } => Ledger::new(),
            Kind::Streamed { feed, ledger, .. } => {
                let mut all = ledger.clone();
                all.merge(&feed.ledger);
                all
            }
        }
    }

    /// Starts an epoch at its first row.
    ///
    /// # Errors
    /// A mixture that cannot be.
    pub fn start(&mut self, epoch: u64) -> Result<(), PipelineError> {
        match &mut self.kind {
            Kind::Kept { kept, order, .. } => {
                *order = epoch_order(&self.plan, kept, epoch).into_iter();
            }
            Kind::Streamed { feed, buffer: shuffled, again, epoch: current, ledger } => {
                let decided = std::mem::take(&mut feed.decided);
                ledger.merge(&feed.ledger);
                **feed = RowFeed::new(Arc::clone(&self.plan), decided)?;
                *shuffled = buffer(&self.plan, epoch);
                *again = None;
                *current = epoch;
            }
        }
        Ok(())
    }

    /// Returns the next row of the epoch; `None` at its end.
    ///
    /// # Errors
    /// A source that cannot be read.
    pub fn next_row(&mut self) -> Result<Option<Arc<Row>>, PipelineError> {
        match &mut self.kind {
            Kind::Kept { kept, order, .. } => {
                Ok(order.next().map(|index| Arc::new(kept.rows[index as usize].clone())))
            }
            Kind::Streamed { feed, buffer, again, epoch, .. } => {
                let plan = &self.plan;
                let mut weighted = || -> Result<Option<Arc<Row>>, PipelineError> {
                    loop {
                        if let Some((row, left)) = again {
                            let row = Arc::clone(row);
                            *left -= 1;
                            if *left == 0 {
                                *again = None;
                            }
                            return Ok(Some(row));
                        }
                        let Some(taken) = feed.next()? else { return Ok(None) };
                        let copies = plan.copies(&taken.row, *epoch);
                        *again = (copies > 0).then(|| (Arc::new(taken.row), copies));
                    }
                };
                match buffer {
                    Some(buffer) => buffer.next(weighted),
                    None => weighted(),
                }
            }
        }
    }

    /// Passes over rows of the epoch, as fast as that can be done.
    ///
    /// # Errors
    /// A source that cannot be read; returns how many rows there were.
    pub fn skip(&mut self, rows: u64) -> Result<u64, PipelineError> {
        if let Kind::Kept { order, .. } = &mut self.kind {
            let there = rows.min(order.len() as u64);
            if there > 0 {
                order.nth(there as usize - 1);
            }
            return Ok(there);
        }
        for done in 0..rows {
            if self.next_row()?.is_none() {
                return Ok(done);
            }
        }
        Ok(rows)
    }
}

fn buffer(plan: &RowPlan, epoch: u64) -> Option<BufferShuffle<Arc<Row>>> {
    match plan.shuffle {
        Shuffle::Buffer { rows, seed } => Some(BufferShuffle::new(rows, seed.wrapping_add(epoch))),
        _ => None,
    }
}

/// The order of an epoch over kept rows. An epoch in which nothing is drawn takes everything once.
fn epoch_order(plan: &RowPlan, kept: &KeptRows, epoch: u64) -> Vec<u32> {
    let plain: Vec<u32> = match &kept.order {
        Some(order) => order.clone(),
        None => (0..kept.rows.len() as u32).collect(),
    };
    let mut order = Vec::with_capacity(plain.len());
    for &index in &plain {
        let copies = plan.copies(&kept.rows[index as usize], epoch);
        order.extend(std::iter::repeat_n(index, copies));
    }
    if order.is_empty() {
        order = plain;
    }
    match plan.shuffle {
        Shuffle::None => order,
        Shuffle::Full { seed } => full_shuffle(order, seed.wrapping_add(epoch)),
        Shuffle::Buffer { rows, seed } => {
            let mut buffer = BufferShuffle::new(rows, seed.wrapping_add(epoch));
            let mut plain = order.into_iter();
            let next = || match buffer.next(|| Ok::<_, std::convert::Infallible>(plain.next())) {
                Ok(item) => item,
                Err(never) => match never {},
            };
            std::iter::from_fn(next).collect()
        }
    }
}
