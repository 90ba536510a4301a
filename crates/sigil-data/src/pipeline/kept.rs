//! All rows of a mixture, kept in memory.
//!
//! Is: the chain pulled to its end once: each kept row once, and the order in which the mixture
//! takes them. Is not: on disk (`cache.rs`). Next: `supply.rs`.

use std::sync::Arc;

use super::feed::{Decided, RowFeed};
use super::{PipelineError, RowPlan};
use crate::Digest;
use crate::ledger::Ledger;
use crate::rows::{Row, rows_digest};

/// Rows and the order of one unshuffled epoch.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct KeptRows {
    /// Each kept row once.
    pub rows: Vec<Row>,
    /// Indices into `rows`: the mixture; `None` when it is the order of `rows`.
    pub order: Option<Vec<u32>>,
}

impl KeptRows {
    /// Reads everything that the plan keeps.
    ///
    /// # Errors
    /// A source that cannot be read or mixed, or no row left.
    pub fn read(
        plan: &Arc<RowPlan>,
        held_out: &[Row],
        ledger: &mut Ledger,
    ) -> Result<Self, PipelineError> {
        let mut feed = RowFeed::new(Arc::clone(plan), Decided::new(plan, held_out))?;
        let mut rows: Vec<Row> = Vec::new();
        let mut order: Vec<u32> = Vec::new();
        let mut places: Vec<Vec<u32>> = vec![Vec::new(); plan.sources.len()];
        let outcome = loop {
            match feed.next() {
                Ok(Some(taken)) => {
                    let places = &mut places[taken.source];
                    if taken.number as usize == places.len() {
                        places.push(rows.len() as u32);
                        rows.push(taken.row);
                    }
                    order.push(places[taken.number as usize]);
                }
                Ok(None) => break Ok(()),
                Err(error) => break Err(error),
            }
        };
        ledger.merge(&feed.ledger);
        outcome?;
        if rows.is_empty() {
            return Err(PipelineError::Empty(Box::new(ledger.clone())));
        }
        let plain = order.len() == rows.len() && order.iter().zip(0..).all(|(&a, b)| a == b);
        Ok(Self { rows, order: (!plain).then_some(order) })
    }

    /// Returns the digest of rows and order.
    pub fn digest(&self) -> Digest {
        let order: Vec<u8> =
            self.order.iter().flatten().flat_map(|index| index.to_le_bytes()).collect();
        Digest::of_fields([rows_digest(&self.rows).as_bytes().as_slice(), &order])
    }

    /// Returns the rows of one unshuffled epoch.
    pub fn len(&self) -> usize {
        self.order.as_ref().map_or(self.rows.len(), Vec::len)
    }

    /// Says whether there is no row.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Returns the characters of all rows, each counted once.
    pub fn text_bytes(&self) -> u64 {
        self.rows.iter().map(|row| row.text.len() as u64).sum()
    }
}
