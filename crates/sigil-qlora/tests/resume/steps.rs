//! Stopping and resuming at every step; damaged sets; refusals.

use std::{fs, sync::Arc};

use sigil_config::OnNonFinite;
use sigil_qlora::TrainError;
use sigil_run::{RunView, storage::RealStorage};

use crate::harness::{STEPS, Variant, curve, fingerprint, newest_step, train, train_here};

#[test]
fn stopping_at_any_step_changes_nothing() {
    for full in [false, true] {
        let variant = Variant { full, save_every: 1, keep: 100, ..Variant::default() };
        let whole = tempfile::tempdir().expect("folder");
        assert!(train_here(whole.path(), variant, None).finished);
        for stop in 1..STEPS {
            let parts = tempfile::tempdir().expect("folder");
            let outcome = train_here(parts.path(), variant, Some(stop));
            assert!(!outcome.finished && outcome.step == stop);
            assert!(train_here(parts.path(), variant, None).finished);
            for step in 1..=STEPS {
                let expected = fingerprint(whole.path(), step);
                assert_eq!(fingerprint(parts.path(), step), expected, "stop {stop}, step {step}");
            }
            assert_eq!(curve(parts.path()), curve(whole.path()), "stop {stop}");
        }
    }
}

#[test]
fn a_run_in_single_steps_is_the_same_run() {
    let variant = Variant { save_every: 1, keep: 100, ..Variant::default() };
    let (whole, parts) =
        (tempfile::tempdir().expect("folder"), tempfile::tempdir().expect("folder"));
    train_here(whole.path(), variant, None);
    for step in 1..=STEPS {
        train_here(parts.path(), variant, (step < STEPS).then_some(step));
    }
    assert_eq!(fingerprint(parts.path(), STEPS), fingerprint(whole.path(), STEPS));
}

#[test]
fn training_learns() {
    let folder = tempfile::tempdir().expect("folder");
    let variant = Variant { full: true, learning_rate: 3e-2, ..Variant::default() };
    let outcome = train_here(folder.path(), variant, None);
    let losses: Vec<f64> =
        curve(folder.path()).iter().filter_map(|row| row.1.map(f64::from_bits)).collect();
    assert!(losses.first() > losses.last(), "{losses:?}");
    assert!(outcome.comparison.is_some());
}

#[test]
fn a_damaged_newest_set_falls_back_and_says_so() {
    let folder = tempfile::tempdir().expect("folder");
    let whole = tempfile::tempdir().expect("folder");
    let variant = Variant::default();
    train_here(whole.path(), variant, None);
    train_here(folder.path(), variant, Some(4));
    let set = RunView::open(folder.path()).expect("a run").set(4).expect("there");
    for name in ["adapter_model.safetensors", "optimizer.safetensors", "trainer_state.json"] {
        let path = set.path(name).expect("in the set");
        let mut bytes = fs::read(&path).expect("readable");
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        fs::write(&path, bytes).expect("writable");
        // The set before is that of the evaluation after step 3, the best so far.
        assert_eq!(newest_step(folder.path()), Some(3), "{name}");
    }
    let mut notes = vec![];
    let storage = Arc::new(RealStorage);
    let outcome = train(folder.path(), storage, variant, true, None, &mut notes).expect("goes on");
    assert!(outcome.finished);
    assert!(notes.iter().any(|note| note.contains("step-00000004")), "{notes:?}");
    assert_eq!(fingerprint(folder.path(), STEPS), fingerprint(whole.path(), STEPS));
}

#[test]
fn an_incompatible_optimizer_state_keeps_weights_and_step() {
    let folder = tempfile::tempdir().expect("folder");
    let variant = Variant { keep: 100, ..Variant::default() };
    train_here(folder.path(), variant, Some(2));
    // A whole set whose moments belong to other parameters.
    let own = RunView::open(folder.path()).expect("a run").set(2).expect("there");
    let identity =
        sigil_run::RunIdentity { created_by: "test".into(), seed: 7, config_digest: "x".into() };
    let (mut run, _) = sigil_run::RunFolder::create_or_open(folder.path(), &identity).expect("run");
    let mut set = run.begin_set(2).expect("a set");
    for file in &own.manifest().files {
        let bytes = own.read(&file.name).expect("whole");
        let foreign = file.name == "optimizer.safetensors";
        let bytes = if foreign { foreign_moments(&bytes) } else { bytes };
        set.put(&file.name, &bytes).expect("written");
    }
    set.commit(100).expect("committed");
    drop(run);
    let mut notes = vec![];
    let storage = Arc::new(RealStorage);
    let outcome =
        train(folder.path(), storage, variant, true, Some(3), &mut notes).expect("goes on");
    assert_eq!(outcome.step, 3);
    assert!(notes.iter().any(|note| note.contains("optimizer state")), "{notes:?}");
}

/// The same file with its first tensor's name changed.
fn foreign_moments(bytes: &[u8]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    let at = bytes.windows(6).position(|part| part == b"first.").expect("a first moment");
    bytes[at..at + 5].copy_from_slice(b"thirs");
    bytes
}

#[test]
fn a_folder_with_a_run_is_not_trained_over() {
    let folder = tempfile::tempdir().expect("folder");
    let variant = Variant::default();
    train_here(folder.path(), variant, Some(2));
    let storage = Arc::new(RealStorage);
    let error = train(folder.path(), storage.clone(), variant, false, None, &mut vec![])
        .expect_err("there is a run");
    assert!(matches!(error, TrainError::RunExists { steps: 2, .. }), "{error}");
    let empty = tempfile::tempdir().expect("folder");
    let error = train(empty.path(), storage, variant, true, None, &mut vec![])
        .expect_err("nothing to resume");
    assert!(matches!(error, TrainError::NothingToResume { .. }), "{error}");
}

#[test]
fn a_loss_that_is_not_finite_stops_before_the_step() {
    let folder = tempfile::tempdir().expect("folder");
    let storage = Arc::new(RealStorage);
    let poison = Variant { poison: true, ..Variant::default() };
    let error = train(folder.path(), storage.clone(), poison, false, None, &mut vec![])
        .expect_err("NaN weights");
    let TrainError::NonFinite { step: 1, rows, .. } = &error else { panic!("{error}") };
    assert!(rows.iter().any(|row| row.starts_with("rows:")), "{rows:?}");
    assert_eq!(newest_step(folder.path()), None, "nothing was saved");

    let folder = tempfile::tempdir().expect("folder");
    let skip = Variant { on_non_finite: OnNonFinite::Skip, ..poison };
    let mut notes = vec![];
    let error = train(folder.path(), storage, skip, false, None, &mut notes)
        .expect_err("more than may be skipped");
    assert!(matches!(error, TrainError::TooManySkipped { skipped: 3, .. }), "{error}");
    assert_eq!(notes.iter().filter(|note| note.contains("left out")).count(), 2, "{notes:?}");
}
