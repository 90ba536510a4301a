//! Which rows are held out for evaluation.
//!
//! Is: a choice of whole groups (crates, repositories), by name or by a hash of the name, plus the
//! rows that the data itself marks. Is not: duplicate removal between the sides (`dedup`). Next:
//! `rows.rs` for what a group is.

use std::collections::BTreeSet;

use crate::Digest;
use crate::random::fraction_of;
use crate::rows::{Row, RowSplit};

/// Says which groups are held out.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct HeldOut {
    /// Groups held out by name.
    pub groups: Vec<String>,
    /// Share of the other groups that is held out, from 0 to below 1.
    pub fraction: f64,
    /// Decides which groups the share takes; a group's fate does not depend on the other groups.
    pub seed: u64,
}

/// Holds the two sides.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct SplitRows {
    /// Rows to train on.
    pub train: Vec<Row>,
    /// Rows that are never trained on.
    pub evaluation: Vec<Row>,
}

/// Says why rows cannot be split as asked.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum SplitError {
    /// The share is not one.
    #[error("the held-out share {fraction} is not between 0 and 1")]
    Fraction {
        /// As given.
        fraction: f64,
    },
    /// A named group has no row.
    #[error("the held-out group `{group}` has no row (groups: {known})")]
    UnknownGroup {
        /// As given.
        group: String,
        /// Some of the groups there are.
        known: String,
    },
    /// Everything would be held out.
    #[error("all {rows} rows are held out, so nothing is left to train on")]
    NothingToTrain {
        /// Rows given.
        rows: usize,
    },
}

impl SplitError {
    /// Returns what the user can do about it, if anything.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Fraction { .. } => None,
            Self::UnknownGroup { .. } => Some(
                "`evaluation.groups` names crates without their versions, as in Cargo.lock; with \
                     other data set `evaluation.groups=[]` and a fraction",
            ),
            Self::NothingToTrain { .. } => {
                Some("hold out fewer groups, or give the data more than one group")
            }
        }
    }
}

/// Splits rows by group; the order inside each side is that of `rows`.
///
/// A share above zero holds out at least one group where there are two or more.
///
/// # Errors
/// A share outside `[0, 1)`, a named group without rows, or nothing left to train on.
pub fn split_rows(rows: Vec<Row>, held_out: &HeldOut) -> Result<SplitRows, SplitError> {
    let fraction = held_out.fraction;
    if !(0.0..1.0).contains(&fraction) {
        return Err(SplitError::Fraction { fraction });
    }
    let groups: BTreeSet<&str> = rows
        .iter()
        .filter(|row| row.split == RowSplit::Train)
        .map(|row| row.group.as_ref())
        .collect();
    let all: BTreeSet<&str> = rows.iter().map(|row| row.group.as_ref()).collect();
    let mut chosen: BTreeSet<String> = BTreeSet::new();
    for group in &held_out.groups {
        if !all.contains(group.as_str()) {
            let known = all.iter().take(12).copied().collect::<Vec<_>>().join(", ");
            return Err(SplitError::UnknownGroup { group: group.clone(), known });
        }
        chosen.insert(group.clone());
    }
    let chance = |group: &str| fraction_of(&[held_out.seed, Digest::of(group.as_bytes()).to_u64()]);
    let others: Vec<&str> =
        groups.iter().copied().filter(|&group| !chosen.contains(group)).collect();
    let by_share: Vec<&str> =
        others.iter().copied().filter(|group| chance(group) < fraction).collect();
    if fraction > 0.0 && by_share.is_empty() && others.len() > 1 {
        let first = others.iter().copied().min_by(|a, b| chance(a).total_cmp(&chance(b)));
        chosen.extend(first.map(str::to_owned));
    }
    chosen.extend(by_share.into_iter().map(str::to_owned));
    let count = rows.len();
    let (evaluation, train): (Vec<Row>, Vec<Row>) = rows
        .into_iter()
        .partition(|row| row.split == RowSplit::Evaluation || chosen.contains(row.group.as_ref()));
    if train.is_empty() && count > 0 {
        return Err(SplitError::NothingToTrain { rows: count });
    }
    Ok(SplitRows { train, evaluation })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::rows::Origin;

    fn rows(groups: &[&str]) -> Vec<Row> {
        groups
            .iter()
            .enumerate()
            .map(|(index, &group)| {
                Row::plain("x", Origin::new("test", "t", index as u64 + 1), group)
            })
            .collect()
    }

    fn groups(rows: &[Row]) -> BTreeSet<String> {
        rows.iter().map(|row| row.group.to_string()).collect()
    }

    #[test]
    fn named_groups_are_held_out_whole() -> Result<(), SplitError> {
        let held_out = HeldOut { groups: vec!["b".into()], ..HeldOut::default() };
        let split = split_rows(rows(&["a", "b", "a", "b", "c"]), &held_out)?;
        assert_eq!((split.train.len(), split.evaluation.len()), (3, 2));
        let unknown = HeldOut { groups: vec!["b-1.0".into()], ..HeldOut::default() };
        let error = split_rows(rows(&["a", "b"]), &unknown).expect_err("b-1.0 is no group");
        assert_eq!(error.to_string(), "the held-out group `b-1.0` has no row (groups: a, b)");
        Ok(())
    }

    #[test]
    fn rows_marked_as_validation_are_never_trained_on() -> Result<(), SplitError> {
        let mut rows = rows(&["a", "a", "a"]);
        rows[1].split = RowSplit::Evaluation;
        let split = split_rows(rows, &HeldOut::default())?;
        assert_eq!((split.train.len(), split.evaluation.len()), (2, 1));
        Ok(())
    }

    #[test]
    fn a_small_share_still_holds_out_one_group() -> Result<(), SplitError> {
        let held_out = HeldOut { fraction: 1e-9, ..HeldOut::default() };
        assert_eq!(split_rows(rows(&["a", "b", "c"]), &held_out)?.evaluation.len(), 1);
        assert_eq!(split_rows(rows(&["a", "a"]), &held_out)?.evaluation.len(), 0);
        let all = HeldOut { groups: vec!["a".into()], ..HeldOut::default() };
        assert!(matches!(
            split_rows(rows(&["a", "a"]), &all),
            Err(SplitError::NothingToTrain { rows: 2 })
        ));
        Ok(())
    }

    proptest! {
        #[test]
        fn no_group_is_on_both_sides_and_no_row_is_lost(
            names in prop::collection::vec("[a-e]{1,2}", 2..40), fraction in 0.0..0.9, seed: u64,
        ) {
            let names: Vec<&str> = names.iter().map(String::as_str).collect();
            let held_out = HeldOut { fraction, seed, ..HeldOut::default() };
            if let Ok(split) = split_rows(rows(&names), &held_out) {
                prop_assert_eq!(split.train.len() + split.evaluation.len(), names.len());
                prop_assert!(groups(&split.train).is_disjoint(&groups(&split.evaluation)));
            }
        }
    }
}
