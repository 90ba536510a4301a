//! At most so many rows of one group, so that a large crate does not drown the others.
//!
//! Is: a choice by a hash of each row's place, so that it depends on nothing but the group's own rows.
//! Is not: a weight (`rows.rs`). Next: `split.rs`, the other thing done by group.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::Digest;
use crate::ledger::{Ledger, Reason, Stage};
use crate::rows::{Row, RowSplit};

/// Keeps at most `most` training rows of each group, in their old order.
///
/// Rows that the data marks for evaluation are not counted and stay.
pub fn limit_groups(rows: Vec<Row>, most: usize, ledger: &mut Ledger) -> Vec<Row> {
    let key = |row: &Row| Digest::of(row.origin.to_string().as_bytes()).to_u64();
    let mut keys: BTreeMap<Arc<str>, Vec<u64>> = BTreeMap::new();
    for row in rows.iter().filter(|row| row.split == RowSplit::Train) {
        keys.entry(Arc::from(row.group.as_ref())).or_default().push(key(row));
    }
    // The first key of each group that is too many.
    let mut limits: BTreeMap<Arc<str>, u64> = BTreeMap::new();
    for (group, mut keys) in keys {
        keys.sort_unstable();
        if let Some(&limit) = keys.get(most) {
            limits.insert(group, limit);
        }
    }
    let mut kept = Vec::with_capacity(rows.len());
    for row in rows {
        let limit = limits.get(row.group.as_ref());
        if row.split == RowSplit::Train && limit.is_some_and(|&limit| key(&row) >= limit) {
            ledger.drop_row(Stage::Share, Reason::OverShare, &row.origin);
        } else {
            ledger.keep(Stage::Share);
            kept.push(row);
        }
    }
    kept
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

    #[test]
    fn large_groups_are_cut_and_small_ones_stay() {
        let mut all = rows(&[("large", 50), ("small", 3)]);
        all[0].split = RowSplit::Evaluation;
        let mut ledger = Ledger::new();
        let kept = limit_groups(all.clone(), 5, &mut ledger);
        let count = |group: &str| kept.iter().filter(|row| row.group.as_ref() == group).count();
        assert_eq!((count("large"), count("small")), (6, 3), "the marked row is not counted");
        assert_eq!(ledger.dropped(Stage::Share, Reason::OverShare), 44);
        // What one group gives does not depend on the others.
        let alone: Vec<Row> = all.into_iter().filter(|row| row.group.as_ref() == "large").collect();
        let again = limit_groups(alone, 5, &mut Ledger::new());
        let places = |rows: &[Row]| -> Vec<String> {
            let large = rows.iter().filter(|row| row.group.as_ref() == "large");
            large.map(|row| row.origin.to_string()).collect()
        };
        assert_eq!(places(&again), places(&kept));
    }
}
