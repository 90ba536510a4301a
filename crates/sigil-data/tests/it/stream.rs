//! The stream of batches: every document once per epoch, exact resumption, masks.

use std::collections::BTreeMap;
use std::sync::Arc;

use proptest::prelude::*;
use sigil_data::{
    Batch, BatchPlan, BatchStream, Cursor, Document, DocumentSet, NO_TARGET, Origin, StreamError,
};

const MAX_SEQ_LEN: usize = 32;

fn plan() -> BatchPlan {
    BatchPlan {
        micro_batch_size: 2,
        accumulation: 2,
        max_seq_len: MAX_SEQ_LEN,
        packing: true,
        shuffle: true,
        seed: 7,
    }
}

/// Documents of given lengths; token values name the document and the position.
fn documents(lengths: &[usize], weight: impl Fn(usize) -> f32) -> Arc<DocumentSet> {
    let document = |(row, &length): (usize, &usize)| Document {
        tokens: (0..length).map(|position| (row * 100 + position) as u32).collect(),
        prompt_tokens: if row % 3 == 0 { length / 2 } else { 0 },
        masked: vec![],
        origin: Origin::new("test", "data.jsonl", row as u64 + 1),
        piece: 0,
        row: row as u32,
        weight: weight(row),
    };
    Arc::new(lengths.iter().enumerate().map(document).collect())
}

/// How often each (tokens so far in the document, target) is trained.
fn pairs(batches: &[Batch]) -> BTreeMap<(Vec<u32>, i32), usize> {
    let mut counts = BTreeMap::new();
    for batch in batches {
        for range in batch.document_starts.windows(2) {
            let (start, end) = (range[0] as usize, range[1] as usize);
            for index in start..end {
                assert_eq!(batch.positions[index] as usize, index - start);
                if batch.targets[index] != NO_TARGET {
                    let context = batch.tokens[start..=index].to_vec();
                    *counts.entry((context, batch.targets[index])).or_insert(0) += 1;
                }
            }
        }
        assert_eq!(batch.tokens.len(), batch.targets.len());
        assert_eq!(batch.document_starts.last(), Some(&(batch.tokens.len() as u32)));
        assert_eq!(batch.rows.len() + 1, batch.document_starts.len());
    }
    counts
}

/// The batches of the first `epochs` epochs, one block each.
fn epochs(documents: &Arc<DocumentSet>, plan: BatchPlan, epochs: u64) -> Vec<Batch> {
    let plan = BatchPlan { micro_batch_size: 1, accumulation: 1, ..plan };
    let mut stream = BatchStream::new(Arc::clone(documents), plan).expect("the plan is good");
    let steps = stream.steps_for_epochs(epochs).expect("documents have a length");
    (0..steps).flat_map(|_| stream.next_step().expect("documents are in memory")).collect()
}

fn row_counts(batches: &[Batch]) -> BTreeMap<u64, usize> {
    let mut counts = BTreeMap::new();
    for row in batches.iter().flat_map(|batch| &batch.rows) {
        *counts.entry(row.origin.row).or_insert(0) += 1;
    }
    counts
}

#[test]
fn one_step_has_the_planned_shape() -> Result<(), StreamError> {
    let documents = documents(&[MAX_SEQ_LEN; 9], |_| 1.0);
    let mut stream = BatchStream::new(documents, plan())?;
    assert_eq!(stream.steps_per_epoch()?, 3);
    let step = stream.next_step()?;
    assert_eq!(step.len(), 2);
    assert!(step.iter().all(|batch| batch.token_count() == 2 * MAX_SEQ_LEN));
    assert_eq!(stream.cursor().block, 4);
    Ok(())
}

#[test]
fn epochs_have_different_orders_that_the_seed_decides() {
    let documents = documents(&[20; 40], |_| 1.0);
    let order = |seed, range: std::ops::Range<usize>| -> Vec<u64> {
        let batches = epochs(&documents, BatchPlan { seed, ..plan() }, 2);
        batches[range].iter().flat_map(|batch| &batch.rows).map(|row| row.origin.row).collect()
    };
    assert_eq!(order(1, 0..40), order(1, 0..40));
    assert_ne!(order(1, 0..40), order(1, 40..80));
    assert_ne!(order(1, 0..40), order(2, 0..40));
    let in_order = epochs(&documents, BatchPlan { shuffle: false, packing: false, ..plan() }, 1);
    let rows: Vec<u64> = in_order.iter().map(|batch| batch.rows[0].origin.row).collect();
    assert_eq!(rows, (1..=40).collect::<Vec<_>>());
}

#[test]
fn weights_change_how_often_a_row_is_drawn() {
    let weights = [0.25, 1.0, 2.0, 2.5];
    let documents = documents(&[5; 400], |row| weights[row % 4]);
    let counts = row_counts(&epochs(&documents, plan(), 4));
    let drawn = |class: usize| -> usize {
        counts.iter().filter(|(row, _)| (**row as usize - 1) % 4 == class).map(|(_, n)| n).sum()
    };
    assert_eq!((drawn(1), drawn(2)), (400, 800));
    // 400 draws at 0.25: three standard deviations are 26; at 0.5 they are 30.
    assert!((74..=126).contains(&drawn(0)), "{}", drawn(0));
    assert!((970..=1030).contains(&drawn(3)), "{}", drawn(3));
}

#[test]
fn an_epoch_in_which_no_row_is_drawn_is_not_endless() -> Result<(), StreamError> {
    let mut stream = BatchStream::new(documents(&[5; 3], |_| 1e-6), plan())?;
    assert_eq!(stream.next_step()?.len(), 2);
    Ok(())
}

#[test]
fn wrong_plans_and_cursors_are_refused() -> Result<(), StreamError> {
    let good = documents(&[5, 9, 12], |_| 1.0);
    let new = |documents: &Arc<DocumentSet>, plan| BatchStream::new(Arc::clone(documents), plan);
    let empty = documents(&[], |_| 1.0);
    assert!(matches!(new(&empty, plan()), Err(StreamError::Empty)));
    let zero = BatchPlan { accumulation: 0, ..plan() };
    assert!(matches!(new(&good, zero), Err(StreamError::ZeroSize { name: "accumulation" })));
    let short = BatchPlan { max_seq_len: 10, ..plan() };
    let error = new(&good, short).expect_err("12 tokens do not fit in 10").to_string();
    assert_eq!(error, "a document of `data.jsonl:3` has 12 tokens, but max_seq_len is 10");

    let mut stream = new(&good, plan())?;
    let cursor = stream.cursor();
    let other_data = new(&documents(&[5, 9, 13], |_| 1.0), plan())?.cursor();
    assert!(matches!(stream.seek(&other_data), Err(StreamError::OtherData { .. })));
    let other_seed = new(&good, BatchPlan { seed: 8, ..plan() })?.cursor();
    assert!(matches!(stream.seek(&other_seed), Err(StreamError::OtherOrder)));
    let past_end = Cursor { block: 99, ..cursor };
    assert!(matches!(stream.seek(&past_end), Err(StreamError::PastEnd { block: 99, blocks: 1 })));
    assert_eq!(stream.cursor(), cursor);
    let other_batch = BatchPlan { micro_batch_size: 5, accumulation: 3, ..plan() };
    assert!(new(&good, other_batch)?.seek(&cursor).is_ok());
    Ok(())
}

#[test]
fn a_cursor_is_small_json() -> Result<(), serde_json::Error> {
    let stream = BatchStream::new(documents(&[5], |_| 1.0), plan()).expect("the plan is good");
    let json = serde_json::to_string(&stream.cursor())?;
    assert!(json.len() < 260, "{json}");
    assert_eq!(serde_json::from_str::<Cursor>(&json)?, stream.cursor());
    Ok(())
}

proptest! {
    #[test]
    fn every_document_appears_once_per_epoch(
        lengths in prop::collection::vec(2_usize..=MAX_SEQ_LEN, 1..120), packing: bool, seed: u64,
    ) {
        let documents = documents(&lengths, |_| 1.0);
        let batches = epochs(&documents, BatchPlan { packing, seed, ..plan() }, 3);
        let expected: BTreeMap<u64, usize> =
            (1..=lengths.len() as u64).map(|row| (row, 3)).collect();
        prop_assert_eq!(row_counts(&batches), expected);
        prop_assert!(batches.iter().all(|batch| batch.token_count() <= MAX_SEQ_LEN));
    }

    #[test]
    fn packing_on_and_off_train_the_same_pairs(
        lengths in prop::collection::vec(2_usize..=MAX_SEQ_LEN, 1..80), seed: u64,
    ) {
        let documents = documents(&lengths, |_| 1.0);
        let packed = epochs(&documents, BatchPlan { seed, ..plan() }, 1);
        let alone = epochs(&documents, BatchPlan { seed, packing: false, ..plan() }, 1);
        prop_assert!(packed.len() <= alone.len());
        prop_assert_eq!(pairs(&packed), pairs(&alone));
        let targets: usize = packed.iter().map(Batch::target_count).sum();
        prop_assert_eq!(targets as u64, documents.target_count());
    }

    #[test]
    fn a_resumed_stream_continues_with_the_same_batches(
        lengths in prop::collection::vec(2_usize..=MAX_SEQ_LEN, 1..40),
        steps in 0_usize..25, packing: bool, micro_batch_size in 1_usize..4,
    ) {
        let documents = documents(&lengths, |row| 0.5 + row as f32 % 3.0);
        let plan = BatchPlan { packing, micro_batch_size, ..plan() };
        let mut whole = BatchStream::new(Arc::clone(&documents), plan).expect("the plan is good");
        for _ in 0..steps {
            whole.next_step().expect("documents are in memory");
        }
        let cursor = whole.cursor();
        let mut resumed = BatchStream::new(documents, plan).expect("the plan is good");
        resumed.seek(&cursor).expect("the cursor is of this data");
        for _ in 0..10 {
            prop_assert_eq!(whole.next_step().expect("memory"), resumed.next_step().expect("memory"));
            prop_assert_eq!(whole.cursor(), resumed.cursor());
        }
    }
}
