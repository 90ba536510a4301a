//! `metrics.jsonl`: one curve across kills and resumes, whatever the last run left behind.

use std::error::Error;
use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::sync::Arc;

use proptest::prelude::*;
use sigil_run::storage::{Fault, FaultStorage};
use sigil_run::{MetricsFile, MetricsRow, Note, ResumePoint, RunError, RunFolder, RunIdentity};

type TestResult = Result<(), Box<dyn Error>>;

fn identity() -> RunIdentity {
    RunIdentity { created_by: "test 0.1.0".into(), seed: 7, config_digest: "abc".into() }
}

fn row(step: u64) -> MetricsRow {
    MetricsRow { loss: Some(1.0 / (step + 1) as f64), ..MetricsRow::new(step) }
}

fn steps(run: &RunFolder) -> Result<Vec<u64>, RunError> {
    Ok(run.view().metrics()?.rows.iter().map(|row| row.step).collect())
}

/// Logs the steps `range` in a run of its own, as a process would.
fn log(
    path: &Path,
    resume: ResumePoint,
    range: std::ops::Range<u64>,
) -> Result<Vec<Note>, RunError> {
    let (run, _) = RunFolder::create_or_open(path, &identity())?;
    let (mut metrics, notes) = run.metrics_writer(resume, 1.0)?;
    for step in range {
        metrics.append(&row(step), 1.0)?;
    }
    metrics.sync()?;
    Ok(notes)
}

#[test]
fn resuming_drops_the_rows_that_will_be_logged_again() -> TestResult {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("run");
    assert!(log(&path, ResumePoint::Start, 1..8)?.is_empty());
    let notes = log(&path, ResumePoint::After(4), 5..11)?;
    assert_eq!(notes, [Note::RowsDropped { count: 3, after_step: 4 }]);
    let (run, _) = RunFolder::open(&path)?;
    assert_eq!(steps(&run)?, (1..11).collect::<Vec<_>>());
    Ok(())
}

#[test]
fn starting_again_drops_the_rows_of_the_attempt_before() -> TestResult {
    let folder = tempfile::tempdir()?;
    log(folder.path(), ResumePoint::Start, 0..3)?;
    let notes = log(folder.path(), ResumePoint::Start, 0..2)?;
    assert_eq!(notes, [Note::RowsDropped { count: 3, after_step: 0 }]);
    let (run, _) = RunFolder::open(folder.path())?;
    assert_eq!(steps(&run)?, [0, 1]);
    Ok(())
}

#[test]
fn a_last_line_torn_by_a_kill_is_dropped_at_every_length() -> TestResult {
    let whole = row(3).to_line();
    for length in 1..whole.len() {
        let folder = tempfile::tempdir()?;
        log(folder.path(), ResumePoint::Start, 1..3)?;
        let path = folder.path().join("metrics.jsonl");
        fs::OpenOptions::new().append(true).open(&path)?.write_all(&whole.as_bytes()[..length])?;
        let notes = log(folder.path(), ResumePoint::After(2), 3..5)?;
        let expected = Note::BadLineDropped { line: 3, reason: "it was cut short".into() };
        assert_eq!(notes, [expected], "{length}");
        let (run, _) = RunFolder::open(folder.path())?;
        assert_eq!(steps(&run)?, [1, 2, 3, 4], "{length}");
        assert!(run.view().metrics()?.bad_lines.is_empty());
    }
    Ok(())
}

#[test]
fn a_row_cut_short_by_a_full_disk_is_taken_back_and_logging_goes_on() -> TestResult {
    let folder = tempfile::tempdir()?;
    let storage = FaultStorage::healthy();
    let shared = Arc::new(storage.clone());
    let (run, _) = RunFolder::create_or_open_with(folder.path(), &identity(), shared)?;
    let (mut metrics, _) = run.metrics_writer(ResumePoint::Start, 1.0)?;
    metrics.append(&row(1), 1.0)?;
    for (step, operations_ahead) in [(2, 0), (3, 1)] {
        storage.plan_ahead(operations_ahead, Fault::ShortWrite(28));
        let error = metrics.append(&row(step), 1.0).expect_err("the disk is full");
        assert!(matches!(error, RunError::NoSpace { .. }), "{error:?}");
        assert!(storage.hit().expect("the fault struck").starts_with("write"));
    }
    metrics.append(&row(4), 1.0)?;
    // Row 2 failed in the lines; row 3 in the event file only, so its line is there.
    assert_eq!(steps(&run)?, [1, 3, 4]);
    assert!(run.view().metrics()?.bad_lines.is_empty());
    Ok(())
}

#[test]
fn values_that_are_no_numbers_come_back_as_nan() {
    let mut row = row(1);
    row.grad_norm = Some(f64::INFINITY);
    row.extra.insert("train/entropy".into(), f64::NAN);
    let file = MetricsFile::parse(row.to_line().as_bytes());
    assert!(file.bad_lines.is_empty(), "{file:?}");
    assert!(file.rows[0].grad_norm.expect("it was logged").is_nan());
    assert!(file.rows[0].extra["train/entropy"].is_nan());
    assert_eq!(file.rows[0].eval_loss, None);
}

#[test]
fn tags_are_grouped_by_what_they_measure() {
    let mut row = MetricsRow { eval_loss: Some(2.0), tokens_seen: Some(3), ..row(0) };
    row.extra.insert("entropy".into(), 4.0);
    row.extra.insert("eval/accuracy".into(), 5.0);
    let expected = [
        ("train/loss", 1.0),
        ("train/tokens_seen", 3.0),
        ("eval/loss", 2.0),
        ("train/entropy", 4.0),
        ("eval/accuracy", 5.0),
    ];
    assert_eq!(row.tags(), expected.map(|(tag, value)| (tag.to_owned(), value)));
}

prop_compose! {
    fn any_row()(
        step in any::<u64>(),
        loss in proptest::option::of(proptest::num::f64::NORMAL),
        grad_norm in proptest::option::of(proptest::num::f64::SUBNORMAL),
        tokens_seen in any::<Option<u64>>(),
        extra in proptest::collection::btree_map(any::<String>(), -1e300..1e300, 0..4),
    ) -> MetricsRow {
        MetricsRow { loss, grad_norm, tokens_seen, extra, ..MetricsRow::new(step) }
    }
}

proptest! {
    #[test]
    fn rows_come_back_bit_for_bit(rows in proptest::collection::vec(any_row(), 0..5)) {
        let text: String = rows.iter().map(MetricsRow::to_line).collect();
        let file = MetricsFile::parse(text.as_bytes());
        prop_assert!(file.bad_lines.is_empty());
        prop_assert_eq!(file.rows, rows);
    }

    #[test]
    fn any_bytes_are_read_without_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let file = MetricsFile::parse(&bytes);
        let lines = bytes.split_inclusive(|&byte| byte == b'\n').count();
        prop_assert_eq!(file.rows.len() + file.bad_lines.len(), lines);
    }

    #[test]
    fn lines_with_changed_bytes_are_read_without_panic(
        row in any_row(), at in any::<prop::sample::Index>(), byte in any::<u8>(),
    ) {
        let mut bytes = row.to_line().into_bytes();
        let at = at.index(bytes.len());
        bytes[at] = byte;
        let file = MetricsFile::parse(&bytes);
        prop_assert!(!file.rows.is_empty() || !file.bad_lines.is_empty());
    }
}
