//! The rows that are kept for evaluation, and where large groups are cut.
//!
//! Is: one pass over the sources, of all rows or of the first ones, that finds both. Is not: the
//! check of training rows against them (`feed.rs`). Next: `plan.rs`.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::share::GroupSizes;
use super::{HoldOutBy, PipelineError, RowPlan};
use crate::dedup::remove_duplicates;
use crate::ledger::Ledger;
use crate::rows::{Row, RowSplit};
use crate::sources::JudgedRows;

/// Groups that an error names.
const GROUPS_NAMED: usize = 12;

/// Rows for evaluation.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct HeldOutRows {
    /// The rows, without duplicates among them.
    pub rows: Vec<Row>,
    /// Rows that were looked at.
    pub looked_at: u64,
}

/// Finds the rows that the plan holds out, among the first `most` rows of each source (all of them
/// if `None`).
///
/// A pass over all rows also finds where the plan's `max_rows_per_group` cuts each group.
///
/// A share above zero of groups holds out at least one group where the rows have two or more; it is
/// then added to the plan's groups.
///
/// # Errors
/// A source that cannot be read; a named group without rows, if all rows were looked at.
pub fn collect_held_out(
    plan: &mut RowPlan,
    most: Option<u64>,
) -> Result<HeldOutRows, PipelineError> {
    let mut found = HeldOutRows::default();
    // The group with the smallest number, its rows, and whether there is any other group.
    let mut nearest: Option<(f64, Arc<str>, Vec<Row>)> = None;
    let mut several = false;
    let mut groups: BTreeSet<String> = BTreeSet::new();
    let by_group = plan.hold_out.by == HoldOutBy::Group && plan.hold_out.fraction > 0.0;
    let mut any_by_share = false;
    let mut sizes = plan.max_rows_per_group.filter(|_| most.is_none()).map(GroupSizes::new);
    for source in &plan.sources {
        let mut rows = JudgedRows::new(Arc::clone(source), Arc::clone(&plan.read));
        // The same rows are counted when they are read for training.
        let mut uncounted = Ledger::new();
        let mut read = 0_u64;
        while let Some(some) = rows.next_batch(&mut uncounted)? {
            read += some.len() as u64;
            for row in some {
                if groups.len() < GROUPS_NAMED && !groups.contains(row.group.as_ref()) {
                    groups.insert(row.group.to_string());
                }
                if let Some(sizes) = &mut sizes {
                    sizes.count(&row);
                }
                if plan.hold_out.holds_out(&row) {
                    any_by_share |= row.split == RowSplit::Train;
                    found.rows.push(row);
                } else if by_group && !any_by_share {
                    remember(&mut nearest, &mut several, plan.hold_out.chance(&row), row);
                }
            }
            if most.is_some_and(|most| read >= most) {
                break;
            }
        }
        found.looked_at += read;
    }
    if let Some(sizes) = sizes {
        plan.group_limits = Arc::new(sizes.limits());
    }
    let seen: BTreeSet<&str> = found.rows.iter().map(|row| row.group.as_ref()).collect();
    if let Some(group) = plan.hold_out.groups.iter().find(|group| !seen.contains(group.as_str()))
        && most.is_none()
    {
        return Err(PipelineError::UnknownGroup {
            group: group.clone(),
            known: groups.into_iter().collect::<Vec<_>>().join(", "),
        });
    }
    if let Some((_, group, rows)) = nearest.filter(|_| several && !any_by_share) {
        plan.hold_out.groups.insert(group.to_string());
        found.rows.extend(rows);
    }
    found.rows.retain(|row| plan.group_limits.allow(row));
    found.rows = remove_duplicates(std::mem::take(&mut found.rows), true, &mut Ledger::new());
    Ok(found)
}

fn remember(
    nearest: &mut Option<(f64, Arc<str>, Vec<Row>)>,
    several: &mut bool,
    chance: f64,
    row: Row,
) {
    match nearest {
        Some((_, group, rows)) if *group == row.group => rows.push(row),
        Some((least, ..)) if *least <= chance => *several = true,
        _ => {
            *several |= nearest.is_some();
            *nearest = Some((chance, Arc::clone(&row.group), vec![row]));
        }
    }
}
