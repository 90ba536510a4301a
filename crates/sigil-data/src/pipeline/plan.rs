//! What is asked of the rows.
//!
//! Is: plain data, and the digest that names cached rows. Is not: anything open. Next: `feed.rs`.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::share::GroupLimits;
use crate::Digest;
use crate::decontaminate::BenchmarkIndex;
use crate::mixing::{Mixture, Shuffle};
use crate::random::fraction_of;
use crate::rows::{Row, RowSplit, rows_digest};
use crate::sources::{OpenSource, ReadSettings};

/// Changes whenever the same plan would give other rows than before.
const CODE_VERSION: u32 = 2;

/// Says which rows are wanted, and in which order.
#[derive(Debug, Clone)]
pub struct RowPlan {
    /// The sources in order.
    pub sources: Vec<Arc<OpenSource>>,
    /// How they are read.
    pub read: Arc<ReadSettings>,
    /// Most rows of one group, on either side, chosen by a hash of what they say; `None` for all.
    pub max_rows_per_group: Option<usize>,
    /// Where the choice cuts each group that has more; found by [`collect_held_out`].
    ///
    /// [`collect_held_out`]: super::collect_held_out
    pub group_limits: Arc<GroupLimits>,
    /// How they are mixed.
    pub mixture: Mixture,
    /// How the mixture is shuffled.
    pub shuffle: Shuffle,
    /// Decides fractional weights.
    pub seed: u64,
    /// Whether near duplicates are dropped besides exact ones.
    pub near_duplicates: bool,
    /// Most rows that later ones are compared with; `None` for all.
    pub compared_rows: Option<usize>,
    /// Tasks that no row may hold.
    pub benchmarks: Arc<BenchmarkIndex>,
    /// Which rows are kept for evaluation.
    pub hold_out: HoldOutRule,
    /// Rows of other sources that training rows must not be close to.
    pub kept_apart: Arc<Vec<Row>>,
}

impl RowPlan {
    /// Returns the plan that reads `sources` one after the other, drops duplicates, and holds
    /// nothing out.
    pub fn new(sources: Vec<OpenSource>, read: ReadSettings) -> Self {
        Self {
            sources: sources.into_iter().map(Arc::new).collect(),
            read: Arc::new(read),
            max_rows_per_group: None,
            group_limits: Arc::default(),
            mixture: Mixture::Sequential,
            shuffle: Shuffle::None,
            seed: 0,
            near_duplicates: true,
            compared_rows: None,
            benchmarks: Arc::new(BenchmarkIndex::default()),
            hold_out: HoldOutRule::default(),
            kept_apart: Arc::default(),
        }
    }

    /// Returns a digest of everything that decides which rows are kept and how they are mixed:
    /// files with their sizes and times, rules, code version. Shuffles are not part of it.
    pub fn digest(&self) -> Digest {
        let files: Vec<_> = self.sources.iter().map(|source| source.fingerprint()).collect();
        let names: Vec<&str> = self.sources.iter().map(|source| source.name()).collect();
        let text = format!(
            "rows {CODE_VERSION} {names:?} {files:?} {:?} {:?} {:?} {} {:?} {} {:?} {}",
            self.read,
            self.max_rows_per_group,
            self.mixture,
            self.near_duplicates,
            self.compared_rows,
            self.benchmarks.digest(),
            self.hold_out,
            rows_digest(&self.kept_apart),
        );
        Digest::of(text.as_bytes())
    }

    /// Returns how often a row comes in an epoch: the whole part of its weight always, the fraction
    /// by a hash of seed, epoch and what it says.
    pub(super) fn copies(&self, row: &Row, epoch: u64) -> usize {
        const KEY_WEIGHTS: u64 = 3;
        let weight = f64::from(row.weight.max(0.0));
        let fraction = weight.fract();
        let drawn = fraction > 0.0
            && fraction_of(&[self.seed, epoch, KEY_WEIGHTS, row.draw_key()]) < fraction;
        weight as usize + usize::from(drawn)
    }
}

/// Says what the held-out share is drawn by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum HoldOutBy {
    /// Whole groups.
    #[default]
    Group,
    /// Single rows.
    Row,
}

/// Says which rows are kept for evaluation and never trained on. Rows that their own data marks so
/// always are.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct HoldOutRule {
    /// Groups held out by name.
    pub groups: BTreeSet<String>,
    /// Share of the other groups or rows, from 0 to below 1.
    pub fraction: f64,
    /// Decides which ones the share takes; the fate of one does not depend on the others.
    pub seed: u64,
    /// What the share is drawn by.
    pub by: HoldOutBy,
}

impl HoldOutRule {
    /// Says whether a row is kept for evaluation.
    pub fn holds_out(&self, row: &Row) -> bool {
        row.split == RowSplit::Evaluation
            || self.groups.contains(row.group.as_ref())
            || (self.fraction > 0.0 && self.chance(row) < self.fraction)
    }

    /// Maps the row's group, or the row, to a number in `[0, 1)`.
    pub(super) fn chance(&self, row: &Row) -> f64 {
        let key = match self.by {
            HoldOutBy::Group => Digest::of(row.group.as_bytes()).to_u64(),
            HoldOutBy::Row => row.draw_key(),
        };
        fraction_of(&[self.seed, key])
    }
}
