//! Why a row was dropped, and what was changed in one that was kept.
//!
//! Is: the names, in words and as keys of files. Is not: the counting (`account.rs`). Next:
//! `account.rs`.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

/// Names the step of the pipeline that decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Stage {
    /// Reading files into rows.
    Read,
    /// At most so many training rows of one group.
    Share,
    /// Rows that are kept for evaluation, and training rows too close to them.
    HeldOut,
    /// Training rows too much like a benchmark.
    Decontaminate,
    /// Exact and near duplicates.
    Dedup,
    /// Rows into documents of tokens.
    Tokenize,
}

impl Stage {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Share => "share of each group",
            Self::HeldOut => "held-out check",
            Self::Decontaminate => "benchmark check",
            Self::Dedup => "duplicates",
            Self::Tokenize => "tokenize",
        }
    }
}

/// Names why a row was dropped.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
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
    /// Its group gives as many rows as it may.
    OverShare,
    /// The row cannot be read, or its conversation cannot be rendered.
    Bad,
    /// The row is kept for evaluation.
    HeldOut,
    /// Close to a held-out row.
    NearHeldOut,
    /// Too much like a benchmark.
    Contaminated,
    /// Equal to an earlier row but for white space.
    ExactDuplicate,
    /// Close to an earlier row.
    NearDuplicate,
    /// No position of the document would have a target.
    NothingToLearn,
    /// A rule of the filter.
    Filter(Cow<'static, str>),
}

/// Every reason but the rules of a filter, with its key in files and its words.
const KNOWN: [(Reason, &str, &str); 17] = [
    (Reason::NotUtf8, "not_utf8", "not UTF-8"),
    (Reason::Empty, "empty", "empty"),
    (Reason::TooShort, "too_short", "too short"),
    (Reason::TooLong, "too_long", "too long"),
    (Reason::VendorPath, "vendor_path", "vendored"),
    (Reason::TestFile, "test_file", "tests"),
    (Reason::ExampleFile, "example_file", "examples"),
    (Reason::BenchFile, "bench_file", "benchmarks"),
    (Reason::ZeroWeight, "zero_weight", "with weight 0"),
    (Reason::OverShare, "over_share", "over their group's share"),
    (Reason::Bad, "bad", "unreadable"),
    (Reason::HeldOut, "held_out", "held out"),
    (Reason::NearHeldOut, "near_held_out", "close to held-out rows"),
    (Reason::Contaminated, "contaminated", "like a benchmark"),
    (Reason::ExactDuplicate, "exact_duplicate", "exact duplicates"),
    (Reason::NearDuplicate, "near_duplicate", "near duplicates"),
    (Reason::NothingToLearn, "nothing_to_learn", "with nothing to learn"),
];

const FILTER_PREFIX: &str = "filter:";

impl Reason {
    /// Returns the reason in words.
    pub fn name(&self) -> Cow<'static, str> {
        match self {
            Self::Filter(rule) => Cow::Owned(rule.replace('_', " ")),
            known => Cow::Borrowed(known.entry().2),
        }
    }

    fn entry(&self) -> &'static (Self, &'static str, &'static str) {
        KNOWN
            .iter()
            .find(|(reason, ..)| reason == self)
            .expect("the table holds every reason but those of filters")
    }
}

impl From<Reason> for String {
    fn from(reason: Reason) -> Self {
        match reason {
            Reason::Filter(rule) => format!("{FILTER_PREFIX}{rule}"),
            known => known.entry().1.to_owned(),
        }
    }
}

impl TryFrom<String> for Reason {
    type Error = String;

    fn try_from(key: String) -> Result<Self, String> {
        if let Some(rule) = key.strip_prefix(FILTER_PREFIX) {
            return Ok(Self::Filter(Cow::Owned(rule.to_owned())));
        }
        let known = KNOWN.iter().find(|(_, name, _)| *name == key);
        known.map(|(reason, ..)| reason.clone()).ok_or(format!("`{key}` is no reason"))
    }
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
    /// Rearranged for filling in the middle.
    FillInMiddle,
}

impl Change {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Split => "split into pieces",
            Self::Truncated => "truncated",
            Self::FillInMiddle => "made to be filled in",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_come_back() {
        let rule = Reason::Filter(Cow::Borrowed("no_documentation"));
        for reason in KNOWN.iter().map(|(reason, ..)| reason).chain([&rule]) {
            assert_eq!(Reason::try_from(String::from(reason.clone())).as_ref(), Ok(reason));
            assert!(!reason.name().is_empty());
        }
        assert!(Reason::try_from("other".to_owned()).is_err());
    }
}
