//! Counts of what became of every row.
//!
//! Is: counts per stage and reason, with the first places of each, in a form that prints and that
//! serde writes. Is not: a log. Next: `reason.rs` for the names; `sources/read.rs` writes into it.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use super::{Change, Reason, Stage};
use crate::rows::Origin;

/// Number of places that are kept per reason.
const EXAMPLES_PER_REASON: usize = 3;
/// Unreadable rows that are kept.
const QUARANTINED: usize = 1000;

/// A row that could not be read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Quarantined {
    /// File and row.
    pub place: String,
    /// Why, with the byte where it is known.
    pub reason: String,
    /// What was there, cut after 4 KiB.
    pub raw: String,
}

/// Counts what one stage did.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tally {
    /// Rows (or files) that came in.
    pub read: u64,
    /// Rows that went on.
    pub kept: u64,
    /// Rows that did not, by reason.
    pub dropped: BTreeMap<Reason, u64>,
    /// Rows that went on changed, by kind.
    pub changed: BTreeMap<Change, u64>,
    /// The first few places of each reason.
    pub examples: BTreeMap<Reason, Vec<String>>,
}

/// Holds the account of one load, by stage.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ledger {
    stages: BTreeMap<Stage, Tally>,
    notes: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    quarantine: Vec<Quarantined>,
}

impl Ledger {
    /// Returns an empty account.
    pub fn new() -> Self {
        Self::default()
    }

    /// Counts a row that goes on.
    pub fn keep(&mut self, stage: Stage) {
        let tally = self.stages.entry(stage).or_default();
        tally.read += 1;
        tally.kept += 1;
    }

    /// Counts a row that ends here.
    pub fn drop_row(&mut self, stage: Stage, reason: Reason, origin: &Origin) {
        let tally = self.stages.entry(stage).or_default();
        tally.read += 1;
        *tally.dropped.entry(reason.clone()).or_default() += 1;
        let examples = tally.examples.entry(reason).or_default();
        if examples.len() < EXAMPLES_PER_REASON {
            examples.push(origin.to_string());
        }
    }

    /// Counts a change of a row that is counted as kept besides.
    pub fn change(&mut self, stage: Stage, change: Change) {
        *self.stages.entry(stage).or_default().changed.entry(change).or_default() += 1;
    }

    /// Adds the counts and notes of another account.
    pub fn merge(&mut self, other: &Self) {
        for (&stage, more) in &other.stages {
            let tally = self.stages.entry(stage).or_default();
            tally.read += more.read;
            tally.kept += more.kept;
            for (reason, count) in &more.dropped {
                *tally.dropped.entry(reason.clone()).or_default() += count;
            }
            for (&change, count) in &more.changed {
                *tally.changed.entry(change).or_default() += count;
            }
            for (reason, places) in &more.examples {
                let kept = tally.examples.entry(reason.clone()).or_default();
                let room = EXAMPLES_PER_REASON.saturating_sub(kept.len());
                kept.extend(places.iter().take(room).cloned());
            }
        }
        self.notes.extend(other.notes.iter().cloned());
        other.quarantine.iter().for_each(|row| self.quarantine(row.clone()));
    }

    /// Adds a sentence for the user.
    pub fn note(&mut self, note: impl Into<String>) {
        self.notes.push(note.into());
    }

    /// Keeps a row that cannot be read, as far as there is room.
    pub fn quarantine(&mut self, row: Quarantined) {
        if self.quarantine.len() < QUARANTINED {
            self.quarantine.push(row);
        }
    }

    /// Returns the first rows that could not be read.
    pub fn quarantined(&self) -> &[Quarantined] {
        &self.quarantine
    }

    /// Returns the share of rows that every stage kept, from 0 to 1; `None` before the first row.
    pub fn pass_rate(&self) -> Option<f64> {
        let read = self.stage(Stage::Read).read;
        let dropped: u64 = self.stages.values().flat_map(|tally| tally.dropped.values()).sum();
        (read > 0).then(|| 1.0 - dropped as f64 / read as f64)
    }

    /// Adds a note if fewer rows passed than a share from 0 to 1.
    pub fn warn_below(&mut self, least: f64) {
        if let Some(rate) = self.pass_rate().filter(|&rate| rate < least) {
            self.note(format!(
                "only {:.1} % of the rows passed, less than the {:.1} % that are expected",
                100.0 * rate,
                100.0 * least
            ));
        }
    }

    /// Returns the stages that ran, in the order of the pipeline.
    pub fn stages(&self) -> impl Iterator<Item = (&'static str, &Tally)> {
        self.stages.iter().map(|(stage, tally)| (stage.name(), tally))
    }

    /// Returns the sentences for the user.
    pub fn notes(&self) -> &[String] {
        &self.notes
    }

    /// Returns what a stage did; all zero if it did not run.
    pub fn stage(&self, stage: Stage) -> Tally {
        self.stages.get(&stage).cloned().unwrap_or_default()
    }

    /// Returns how many rows a stage dropped for one reason.
    pub fn dropped(&self, stage: Stage, reason: Reason) -> u64 {
        self.stages.get(&stage).and_then(|tally| tally.dropped.get(&reason)).copied().unwrap_or(0)
    }
}

impl fmt::Display for Ledger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (stage, tally) in &self.stages {
            write!(f, "{}: {} in, {} kept", stage.name(), tally.read, tally.kept)?;
            for (reason, count) in &tally.dropped {
                write!(f, ", {count} {}", reason.name())?;
            }
            for (change, count) in &tally.changed {
                write!(f, ", {count} {}", change.name())?;
            }
            writeln!(f)?;
        }
        self.notes.iter().try_for_each(|note| writeln!(f, "note: {note}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prints_counts_by_reason_and_keeps_few_examples() {
        let mut ledger = Ledger::new();
        ledger.keep(Stage::Read);
        for row in 1..=5 {
            ledger.drop_row(Stage::Read, Reason::TooShort, &Origin::new("s", "f.jsonl", row));
        }
        ledger.note("two crates are not on this machine");
        assert_eq!(
            ledger.to_string(),
            "read: 6 in, 1 kept, 5 too short\nnote: two crates are not on this machine\n"
        );
        let tally = ledger.stage(Stage::Read);
        assert_eq!(tally.examples[&Reason::TooShort], ["f.jsonl:1", "f.jsonl:2", "f.jsonl:3"]);
        assert_eq!(ledger.dropped(Stage::Dedup, Reason::TooShort), 0);
    }
}
