//! At most so many rows of one group, so that a large crate does not drown the others.
//!
//! Is: a choice by a hash of what each row says, so that it depends on nothing but the group's own rows.
//! Is not: a weight (`rows.rs`). Next: `held_out.rs`, whose pass over the sources counts the groups.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::ledger::{Ledger, Reason, Stage};
use crate::rows::{Row, RowSplit};

/// Collects what decides where each group is cut.
pub(super) struct GroupSizes {
    most: usize,
    keys: BTreeMap<Arc<str>, Vec<u64>>,
}

impl GroupSizes {
    /// Starts a count; `most` rows of each group will be kept.
    pub(super) fn new(most: usize) -> Self {
        Self { most, keys: BTreeMap::new() }
    }

    /// Counts a row.
    pub(super) fn count(&mut self, row: &Row) {
        if row.split == RowSplit::Train {
            self.keys.entry(Arc::clone(&row.group)).or_default().push(row.draw_key());
        }
    }

    /// Returns the first number of each group that is too many.
    pub(super) fn limits(self) -> GroupLimits {
        let first_over = |(group, mut keys): (Arc<str>, Vec<u64>)| {
            let (_, &mut limit, _) =
                (keys.len() > self.most).then(|| keys.select_nth_unstable(self.most))?;
            Some((group, limit))
        };
        GroupLimits(self.keys.into_iter().filter_map(first_over).collect())
    }
}

/// For each group that has too many rows, the number from which on its rows are dropped. Rows that
/// their own data marks for evaluation are neither counted nor dropped.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct GroupLimits(BTreeMap<Arc<str>, u64>);

impl GroupLimits {
    /// Says whether the row is one of those that its group may give.
    pub(super) fn allow(&self, row: &Row) -> bool {
        row.split == RowSplit::Evaluation
            || self.0.get(row.group.as_ref()).is_none_or(|&limit| row.draw_key() < limit)
    }

    /// Keeps the rows within their groups' limits.
    pub(super) fn within(&self, mut rows: Vec<Row>, ledger: &mut Ledger) -> Vec<Row> {
        rows.retain(|row| {
            let keep = self.allow(row);
            match keep {
                true => ledger.keep(Stage::Share),
                false => ledger.drop_row(Stage::Share, Reason::OverShare, &row.origin),
            }
            keep
        });
        rows
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rows::Origin;

    fn rows(groups: &[(&str, u64)]) -> Vec<Row> {
        let row = |group: &str, index| Row::plain("x", Origin::new("test", group, index), group);
        groups
            .iter()
            .flat_map(|&(group, count)| (1..=count).map(move |index| row(group, index)))
            .collect()
    }

    /// Counts the groups and cuts them.
    fn cut(rows: Vec<Row>, most: usize, ledger: &mut Ledger) -> Vec<Row> {
        let mut sizes = GroupSizes::new(most);
        rows.iter().for_each(|row| sizes.count(row));
        sizes.limits().within(rows, ledger)
    }

    #[test]
    fn large_groups_are_cut_and_small_ones_stay() {
        let mut all = rows(&[("large", 50), ("small", 3)]);
        all[0].split = RowSplit::Evaluation;
        let mut ledger = Ledger::new();
        let kept = cut(all.clone(), 5, &mut ledger);
        let count = |group: &str| kept.iter().filter(|row| row.group.as_ref() == group).count();
        assert_eq!((count("large"), count("small")), (6, 3), "the marked row is not counted");
        assert_eq!(ledger.dropped(Stage::Share, Reason::OverShare), 44);
        // What one group gives does not depend on the others.
        let alone: Vec<Row> = all.into_iter().filter(|row| row.group.as_ref() == "large").collect();
        let again = cut(alone, 5, &mut Ledger::new());
        let places = |rows: &[Row]| -> Vec<String> {
            let large = rows.iter().filter(|row| row.group.as_ref() == "large");
            large.map(|row| row.origin.to_string()).collect()
        };
        assert_eq!(places(&again), places(&kept));
    }
}
