//! The account of every row's fate: read, kept, dropped and why.
//!
//! Is: counts per stage and reason, with the first places of each, in a form that prints and that
//! serde writes. Is not: a log. Next: `sources/mod.rs`, whose functions write into it.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::rows::Origin;

/// Number of places that are kept per reason.
const EXAMPLES_PER_REASON: usize = 3;

/// Names the step of the pipeline that decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Stage {
    /// Reading files into rows.
    Read,
    /// At most so many rows of one group.
    Share,
    /// Exact and near duplicates.
    Dedup,
    /// Training rows too close to held-out ones.
    HeldOut,
    /// Rows into documents of tokens.
    Tokenize,
}

/// Names why a row was dropped or changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Reason {
    /// The bytes are not UTF-8.
    NotUtf8,
    /// Nothing but white space.
    Empty,
    /// Fewer characters than the limit.
    TooShort,
    /// More characters than the limit.
    TooLong,
    /// The path is one of a vendored or generated tree.
    VendorPath,
    /// The path is one of a test.
    TestFile,
    /// The path is one of an example.
    ExampleFile,
    /// The path is one of a benchmark.
    BenchFile,
    /// Weight (its own times that of its task) of zero or less.
    ZeroWeight,
    /// Its group has given as many rows as it may.
    OverShare,
    /// Equal to an earlier row but for white space.
    ExactDuplicate,
    /// Close to an earlier row.
    NearDuplicate,
    /// Close to a held-out row.
    NearHeldOut,
    /// No position of the document would have a target.
    NothingToLearn,
}

/// Names a change that keeps the row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Change {
    /// Longer than `max_seq_len`, made into several documents.
    Split,
    /// Longer than `max_seq_len`, cut.
    Truncated,
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
        *tally.dropped.entry(reason).or_default() += 1;
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
            for (&reason, count) in &more.dropped {
                *tally.dropped.entry(reason).or_default() += count;
            }
            for (&change, count) in &more.changed {
                *tally.changed.entry(change).or_default() += count;
            }
            for (&reason, places) in &more.examples {
                let kept = tally.examples.entry(reason).or_default();
                let room = EXAMPLES_PER_REASON.saturating_sub(kept.len());
                kept.extend(places.iter().take(room).cloned());
            }
        }
        self.notes.extend(other.notes.iter().cloned());
    }

    /// Adds a sentence for the user.
    pub fn note(&mut self, note: impl Into<String>) {
        self.notes.push(note.into());
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

impl Stage {
    fn name(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Share => "share of each group",
            Self::Dedup => "duplicates",
            Self::HeldOut => "held-out check",
            Self::Tokenize => "tokenize",
        }
    }
}

impl Reason {
    /// Returns the reason in words.
    pub fn name(self) -> &'static str {
        match self {
            Self::NotUtf8 => "not UTF-8",
            Self::Empty => "empty",
            Self::TooShort => "too short",
            Self::TooLong => "too long",
            Self::VendorPath => "vendored",
            Self::TestFile => "tests",
            Self::ExampleFile => "examples",
            Self::BenchFile => "benchmarks",
            Self::ZeroWeight => "with weight 0",
            Self::OverShare => "over their group's share",
            Self::ExactDuplicate => "exact duplicates",
            Self::NearDuplicate => "near duplicates",
            Self::NearHeldOut => "close to held-out rows",
            Self::NothingToLearn => "with nothing to learn",
        }
    }
}

impl Change {
    fn name(self) -> &'static str {
        match self {
            Self::Split => "split into pieces",
            Self::Truncated => "truncated",
        }
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
