//! The chain of one epoch: sources, judged and compared row by row, and mixed.
//!
//! Is: what is decided in the order in which the mixture asks for rows. A row's fate is decided the
//! first time it is met; when a short source starts again, the same rows come again. Is not: a
//! shuffle or an epoch (`supply.rs`). Next: `plan.rs`.

use std::collections::VecDeque;
use std::sync::Arc;

use rayon::prelude::*;

use super::{PipelineError, RowPlan};
use crate::dedup::{Fingerprint, Match, NearIndex};
use crate::ledger::{Ledger, Reason, Stage};
use crate::mixing::{Feed, Interleaver};
use crate::rows::Row;
use crate::sources::JudgedRows;

/// What was decided about rows, kept from epoch to epoch.
#[derive(Default)]
pub(super) struct Decided {
    /// For each source, which of its judged rows are kept, in order.
    fates: Vec<Vec<bool>>,
    seen: NearIndex,
    held_out: NearIndex,
    full_noted: bool,
}

impl Decided {
    /// Prepares the decisions of a plan; training rows are compared with `held_out`.
    pub(super) fn new(plan: &RowPlan, held_out: &[Row]) -> Self {
        let mut index = NearIndex::new();
        let print = |row: &Row| Fingerprint::of(&row.whole_text());
        let prints: Vec<Fingerprint> =
            held_out.par_iter().chain(plan.kept_apart.as_slice()).map(print).collect();
        for print in &prints {
            index.insert(print);
        }
        let seen = plan.compared_rows.map_or_else(NearIndex::new, NearIndex::with_capacity);
        let fates = vec![Vec::new(); plan.sources.len()];
        Self { fates, seen, held_out: index, full_noted: false }
    }
}

/// Pulls the rows of one epoch.
pub(super) struct RowFeed {
    plan: Arc<RowPlan>,
    sources: Vec<SourceState>,
    pub(super) decided: Decided,
    pub(super) ledger: Ledger,
    /// Away only while it asks for rows.
    interleaver: Option<Interleaver>,
    taken: Option<Taken>,
}

/// A row, and which of its source's kept rows it is.
#[derive(Debug)]
pub(super) struct Taken {
    pub(super) row: Row,
    pub(super) source: usize,
    pub(super) number: u32,
}

struct SourceState {
    rows: JudgedRows,
    waiting: VecDeque<(Row, Option<Compared>)>,
    /// Judged rows that were pulled since the source started.
    position: usize,
    /// Kept rows that were taken since the source started.
    taken: u32,
    next: Option<Row>,
}

/// What a row is compared by, computed ahead on all cores.
struct Compared {
    print: Fingerprint,
    contaminated: bool,
}

impl RowFeed {
    /// Starts an epoch; what was decided in earlier ones holds.
    pub(super) fn new(plan: Arc<RowPlan>, decided: Decided) -> Result<Self, PipelineError> {
        let account = String::new();
        let named = |error| PipelineError::Mixture { error, names: names(&plan), account };
        let interleaver =
            Interleaver::new(plan.mixture.clone(), plan.sources.len()).map_err(named)?;
        let sources = (0..plan.sources.len()).map(|index| SourceState::new(&plan, index)).collect();
        Ok(Self {
            plan,
            sources,
            decided,
            ledger: Ledger::new(),
            interleaver: Some(interleaver),
            taken: None,
        })
    }

    /// Returns the next row of the mixture.
    pub(super) fn next(&mut self) -> Result<Option<Taken>, PipelineError> {
        let mut interleaver = self.interleaver.take().expect("it is put back below");
        let outcome = interleaver.next(self);
        self.interleaver = Some(interleaver);
        match outcome {
            Ok(source) => Ok(source.and_then(|_| self.taken.take())),
            Err(PipelineError::Mixture { error, .. }) => {
                let account = format!("\n{}", self.ledger.to_string().trim_end());
                Err(PipelineError::Mixture { error, names: names(&self.plan), account })
            }
            Err(other) => Err(other),
        }
    }

    /// Pulls rows of a source until one is kept.
    fn fill(&mut self, source: usize) -> Result<bool, PipelineError> {
        while self.sources[source].next.is_none() {
            let Some((row, compared)) = self.sources[source].waiting.pop_front() else {
                if !self.fetch(source)? {
                    return Ok(false);
                }
                continue;
            };
            let position = self.sources[source].position;
            self.sources[source].position += 1;
            let keep = match self.decided.fates[source].get(position).copied() {
                Some(fate) => fate,
                None => {
                    // Rows that were decided before carry no comparison; this one was not.
                    let compared = compared.unwrap_or_else(|| compare(&self.plan, &row));
                    let fate = self.decide(&row, &compared);
                    self.decided.fates[source].push(fate);
                    fate
                }
            };
            if keep {
                self.sources[source].next = Some(row);
            }
        }
        Ok(true)
    }

    fn fetch(&mut self, source: usize) -> Result<bool, PipelineError> {
        let known = self.decided.fates[source].len();
        let state = &mut self.sources[source];
        // Rows that were counted before are not counted again.
        let mut uncounted = Ledger::new();
        let counted = state.position >= known;
        let ledger = if counted { &mut self.ledger } else { &mut uncounted };
        let Some(rows) = state.rows.next_batch(ledger)? else { return Ok(false) };
        let plan = &self.plan;
        let rows = match plan.max_rows_per_group {
            Some(_) => plan.group_limits.within(rows, ledger),
            None => rows,
        };
        let first = state.position;
        let compared: Vec<(Row, Option<Compared>)> = rows
            .into_par_iter()
            .enumerate()
            .map(|(offset, row)| {
                let compared = (first + offset >= known).then(|| compare(plan, &row));
                (row, compared)
            })
            .collect();
        state.waiting.extend(compared);
        Ok(true)
    }

    fn decide(&mut self, row: &Row, compared: &Compared) -> bool {
        let checked = |ledger: &mut Ledger, stage, reason: Option<Reason>| match reason {
            Some(reason) => {
                ledger.drop_row(stage, reason, &row.origin);
                false
            }
            None => {
                ledger.keep(stage);
                true
            }
        };
        let held_out = if self.plan.hold_out.holds_out(row) {
            Some(Reason::HeldOut)
        } else {
            self.decided.held_out.find(&compared.print).map(|_| Reason::NearHeldOut)
        };
        if !checked(&mut self.ledger, Stage::HeldOut, held_out) {
            return false;
        }
        if !self.plan.benchmarks.is_empty() {
            let reason = compared.contaminated.then_some(Reason::Contaminated);
            if !checked(&mut self.ledger, Stage::Decontaminate, reason) {
                return false;
            }
        }
        let duplicate = match self.decided.seen.find(&compared.print) {
            Some(Match::Exact(_)) => Some(Reason::ExactDuplicate),
            Some(Match::Near(_)) if self.plan.near_duplicates => Some(Reason::NearDuplicate),
            _ => None,
        };
        let kept = checked(&mut self.ledger, Stage::Dedup, duplicate);
        if kept && !self.decided.seen.insert(&compared.print) && !self.decided.full_noted {
            self.decided.full_noted = true;
            self.ledger.note(format!(
                "the index of duplicates is full: rows after the first {} are compared with those",
                self.decided.seen.len()
            ));
        }
        kept
    }
}

impl Feed for RowFeed {
    type Error = PipelineError;

    fn has_row(&mut self, source: usize) -> Result<bool, PipelineError> {
        self.fill(source)
    }

    fn take(&mut self, source: usize) -> Result<(), PipelineError> {
        self.fill(source)?;
        let state = &mut self.sources[source];
        let number = state.taken;
        self.taken = state.next.take().map(|row| Taken { row, source, number });
        state.taken += 1;
        Ok(())
    }

    fn rewind(&mut self, source: usize) -> Result<(), PipelineError> {
        self.sources[source] = SourceState::new(&self.plan, source);
        Ok(())
    }
}

impl SourceState {
    fn new(plan: &RowPlan, source: usize) -> Self {
        Self {
            rows: JudgedRows::new(Arc::clone(&plan.sources[source]), Arc::clone(&plan.read)),
            waiting: VecDeque::new(),
            position: 0,
            taken: 0,
            next: None,
        }
    }
}

fn compare(plan: &RowPlan, row: &Row) -> Compared {
    let text = row.whole_text();
    let contaminated = plan.benchmarks.find(&text).is_some();
    Compared { print: Fingerprint::of(&text), contaminated }
}

fn names(plan: &RowPlan) -> String {
    plan.sources.iter().map(|source| source.name()).collect::<Vec<_>>().join(", ")
}
