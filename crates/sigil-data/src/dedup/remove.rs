//! The passes over rows.
//!
//! Is: first come, first kept, in the order of the rows, at any thread count. Is not: a choice of
//! the better copy. Next: `index.rs`.

use rayon::prelude::*;

use super::index::Match;
use super::{Fingerprint, NearIndex};
use crate::ledger::{Ledger, Reason, Stage};
use crate::rows::Row;

/// Removes rows that repeat an earlier one; `near` decides whether near duplicates go too.
///
/// Prompt and text are compared together. The evaluation rows of the data come first, so that a
/// training row never displaces its held-out copy.
pub fn remove_duplicates(rows: Vec<Row>, near: bool, ledger: &mut Ledger) -> Vec<Row> {
    let prints = fingerprints(&rows);
    let mut order: Vec<usize> = (0..rows.len()).collect();
    order.sort_by_key(|&index| rows[index].split == crate::RowSplit::Train);
    let mut index = NearIndex::new();
    let mut fate: Vec<Option<Reason>> = vec![None; rows.len()];
    for position in order {
        fate[position] = match index.find(&prints[position]) {
            Some(Match::Exact(_)) => Some(Reason::ExactDuplicate),
            Some(Match::Near(_)) if near => Some(Reason::NearDuplicate),
            _ => None,
        };
        if fate[position].is_none() {
            index.insert(&prints[position]);
        }
    }
    keep_where(rows, fate, Stage::Dedup, ledger)
}

/// Removes the rows of `train` that equal or nearly equal one of `held_out`.
pub fn remove_near_held_out(train: Vec<Row>, held_out: &[Row], ledger: &mut Ledger) -> Vec<Row> {
    let mut index = NearIndex::new();
    for print in fingerprints(held_out) {
        index.insert(&print);
    }
    let fate = train
        .par_iter()
        .map(|row| index.find(&fingerprint(row)).map(|_| Reason::NearHeldOut))
        .collect();
    keep_where(train, fate, Stage::HeldOut, ledger)
}

fn fingerprints(rows: &[Row]) -> Vec<Fingerprint> {
    rows.par_iter().map(fingerprint).collect()
}

fn fingerprint(row: &Row) -> Fingerprint {
    Fingerprint::of(&row.whole_text())
}

fn keep_where(
    rows: Vec<Row>,
    fate: Vec<Option<Reason>>,
    stage: Stage,
    ledger: &mut Ledger,
) -> Vec<Row> {
    let judge = |(row, reason): (Row, Option<Reason>)| match reason {
        Some(reason) => {
            ledger.drop_row(stage, reason, &row.origin);
            None
        }
        None => {
            ledger.keep(stage);
            Some(row)
        }
    };
    rows.into_iter().zip(fate).filter_map(judge).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rows::{Origin, RowSplit};

    fn row(name: &str, text: &str) -> Row {
        Row::plain(text, Origin::new("test", name, 0), name)
    }

    fn code(seed: usize, lines: usize) -> String {
        (0..lines)
            .map(|line| format!("let value_{seed}_{line} = compute({line}, {seed});\n"))
            .collect()
    }

    fn names(rows: &[Row]) -> Vec<&str> {
        rows.iter().map(|row| row.origin.file.as_ref()).collect()
    }

    #[test]
    fn versions_of_a_file_leave_one_copy() {
        let text = code(1, 60);
        let edited = text.replace("value_1_30", "renamed").replace("value_1_59", "last");
        let rows = vec![
            row("a-1.0/lib.rs", &text),
            row("b/lib.rs", &code(2, 60)),
            row("a-1.1/lib.rs", &edited),
            row("a-1.2/lib.rs", &text.replace('\n', "\r\n    ")),
        ];
        let mut ledger = Ledger::new();
        let kept = remove_duplicates(rows.clone(), true, &mut ledger);
        assert_eq!(names(&kept), ["a-1.0/lib.rs", "b/lib.rs"]);
        assert_eq!(ledger.dropped(Stage::Dedup, Reason::NearDuplicate), 1);
        assert_eq!(ledger.dropped(Stage::Dedup, Reason::ExactDuplicate), 1);
        assert_eq!(remove_duplicates(rows, false, &mut Ledger::new()).len(), 3);
    }

    #[test]
    fn a_training_row_never_displaces_its_held_out_copy() {
        let mut held_out = row("val.jsonl", &code(1, 60));
        held_out.split = RowSplit::Evaluation;
        let rows = vec![row("train.jsonl", &code(1, 60)), held_out.clone()];
        let kept = remove_duplicates(rows.clone(), true, &mut Ledger::new());
        assert_eq!(names(&kept), ["val.jsonl"]);
        let mut ledger = Ledger::new();
        let train = remove_near_held_out(vec![rows[0].clone()], &[held_out], &mut ledger);
        assert!(train.is_empty());
        assert_eq!(ledger.dropped(Stage::HeldOut, Reason::NearHeldOut), 1);
    }

    #[test]
    fn texts_without_tokens_are_only_compared_exactly() {
        let rows = vec![row("a", ""), row("b", " "), row("c", "x")];
        assert_eq!(names(&remove_duplicates(rows, true, &mut Ledger::new())), ["a", "c"]);
    }
}
