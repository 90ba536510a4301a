//! Several ranks in one process, one a thread: the same run as one alone, and how it ends when a rank is
//! wrong or gone.

use std::{path::Path, sync::Arc, thread::JoinHandle};

use sigil_qlora::{
    Outcome, TrainError,
    optimizer::AdamWSettings,
    ranks::{Channel, RanksError, follow},
};
use sigil_run::storage::RealStorage;

use crate::harness::{
    ADAMW, STEPS, Variant, curve, fingerprint, fresh, micro_batches, newest_step, train_here,
    train_with,
};

type Follower = JoinHandle<Result<(), RanksError>>;

/// Ranks 1 and up on threads of their own, each with a model of its own.
fn followers(others: usize, full: bool, adamw: AdamWSettings) -> (Vec<Channel>, Vec<Follower>) {
    let one = |i| {
        let (orders, to) = std::io::pipe().expect("a pipe");
        let (from, answers) = std::io::pipe().expect("a pipe");
        let follower = std::thread::spawn(move || {
            let (decoder, parameters) = fresh(full);
            let channel = Channel::new(orders, answers, 0, others + 1);
            follow(&decoder, parameters, adamw, &micro_batches(), channel, None)
        });
        (Channel::new(from, to, i + 1, others + 1), follower)
    };
    (0..others).map(one).unzip()
}

fn train(
    path: &Path,
    others: usize,
    variant: Variant,
    stop_after: Option<u64>,
) -> (Result<Outcome, TrainError>, Vec<Result<(), RanksError>>) {
    let (channels, threads) = followers(others, variant.full, ADAMW);
    let resume = newest_step(path).is_some();
    let mut notes = vec![];
    let storage = Arc::new(RealStorage);
    let outcome = train_with(channels, path, storage, variant, resume, stop_after, &mut notes);
    let said = notes.iter().any(|note| note.contains("processes share each step"));
    assert_eq!(said, others > 0, "{notes:?}");
    let ended = threads.into_iter().map(|thread| thread.join().expect("no panic")).collect();
    (outcome, ended)
}

/// Largest relative distance between the numbers of two runs' curves.
fn distance(a: &Path, b: &Path) -> f64 {
    let pairs = curve(a).into_iter().zip(curve(b));
    let numbers = pairs.flat_map(|(a, b)| {
        assert_eq!(a.0, b.0);
        [(a.1, b.1), (a.2, b.2), (a.3, b.3)]
    });
    let far = numbers.map(|(a, b)| match (a, b) {
        (Some(a), Some(b)) => {
            let (a, b) = (f64::from_bits(a), f64::from_bits(b));
            ((a - b) / a).abs()
        }
        (None, None) => 0.0,
        other => panic!("one run has a number and the other none: {other:?}"),
    });
    far.fold(0.0, f64::max)
}

#[test]
fn ranks_that_share_a_step_train_what_one_trains() {
    for full in [false, true] {
        let variant = Variant { full, ..Variant::default() };
        let alone = tempfile::tempdir().expect("a folder");
        train_here(alone.path(), variant, None);
        // Two micro-batches a step: of three ranks the last has none.
        for others in [1, 2] {
            let shared = tempfile::tempdir().expect("a folder");
            let (outcome, ended) = train(shared.path(), others, variant, None);
            assert!(outcome.expect("trains").finished);
            assert!(ended.iter().all(Result::is_ok), "{ended:?}");
            let far = distance(alone.path(), shared.path());
            assert!(far < 2e-6, "{others} others, full {full}: {far:e}");
            eprintln!("{} ranks, full {full}: off by {far:e}", others + 1);
        }
    }
}

#[test]
fn a_stopped_run_of_two_ranks_goes_on_to_the_same_bits() {
    let variant = Variant::default();
    let whole = tempfile::tempdir().expect("a folder");
    train(whole.path(), 1, variant, None).0.expect("trains");
    let cut = tempfile::tempdir().expect("a folder");
    let (outcome, ended) = train(cut.path(), 1, variant, Some(3));
    assert!(!outcome.expect("stops").finished);
    assert!(ended[0].is_ok());
    train(cut.path(), 1, variant, None).0.expect("goes on");
    assert_eq!(fingerprint(whole.path(), STEPS), fingerprint(cut.path(), STEPS));
    assert_eq!(curve(whole.path()), curve(cut.path()));
}

#[test]
fn a_run_may_go_on_with_another_number_of_ranks() {
    let variant = Variant::default();
    let alone = tempfile::tempdir().expect("a folder");
    train_here(alone.path(), variant, None);
    let mixed = tempfile::tempdir().expect("a folder");
    train_here(mixed.path(), variant, Some(2));
    train(mixed.path(), 1, variant, Some(4)).0.expect("goes on with two");
    train_here(mixed.path(), variant, None);
    let far = distance(alone.path(), mixed.path());
    assert!(far < 2e-6, "{far:e}");
}

#[test]
fn a_loss_that_is_no_number_names_the_rows_whoever_had_them() {
    let variant = Variant { poison: true, ..Variant::default() };
    let rows = |others| {
        let folder = tempfile::tempdir().expect("a folder");
        match train(folder.path(), others, variant, None).0 {
            Err(TrainError::NonFinite { step: 1, what: "loss", rows }) => rows,
            other => panic!("{other:?}"),
        }
    };
    let alone = rows(0);
    assert!(!alone.is_empty());
    assert_eq!(rows(1), alone);
}

#[test]
fn a_rank_that_goes_away_ends_the_run_with_its_number() {
    let folder = tempfile::tempdir().expect("a folder");
    let (orders, to) = std::io::pipe().expect("a pipe");
    let (from, answers) = std::io::pipe().expect("a pipe");
    drop((orders, answers));
    let channel = Channel::new(from, to, 1, 2);
    let storage = Arc::new(RealStorage);
    let variant = Variant::default();
    let mut notes = vec![];
    let ended = train_with(vec![channel], folder.path(), storage, variant, false, None, &mut notes);
    let gone = matches!(ended, Err(TrainError::Ranks(RanksError::Gone { rank: 1, ranks: 2 })));
    assert!(gone, "{ended:?}");
}

#[test]
fn a_rank_with_another_model_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let (channels, threads) = followers(1, true, ADAMW);
    let storage = Arc::new(RealStorage);
    let variant = Variant::default();
    let mut notes = vec![];
    let ended = train_with(channels, folder.path(), storage, variant, false, None, &mut notes);
    let message = ended.expect_err("the numbers of parameters differ").to_string();
    assert!(
        message.contains("process 1 of 2 sent") && message.contains("trained numbers"),
        "{message}"
    );
    for thread in threads {
        thread.join().expect("no panic").expect("it was told to end");
    }
}

#[test]
fn ranks_that_drift_apart_are_found_before_a_set_is_written() {
    let folder = tempfile::tempdir().expect("a folder");
    let other = AdamWSettings { weight_decay: 0.02, ..ADAMW };
    let (channels, threads) = followers(1, false, other);
    let storage = Arc::new(RealStorage);
    let variant = Variant::default();
    let mut notes = vec![];
    let ended = train_with(channels, folder.path(), storage, variant, false, None, &mut notes);
    let far = matches!(ended, Err(TrainError::Ranks(RanksError::Diverged { rank: 1, ranks: 2 })));
    assert!(far, "{ended:?}");
    assert_eq!(newest_step(folder.path()), None);
    for thread in threads {
        thread.join().expect("no panic").expect("it was told to end");
    }
}
