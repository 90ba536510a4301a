//! Cached and streamed rows: the same order, exact resumption, any number of threads.

use std::sync::Arc;

use sigil_data::mixing::{Mixture, RoundRule, Shuffle, Stop};
use sigil_data::pipeline::{
    HoldOutBy, HoldOutRule, collect_held_out, list_caches, prune_caches, verify_cache,
};
use sigil_data::{
    Batch, BatchPlan, BatchStream, Digest, DocumentSettings, KeptRows, Ledger, OpenSource,
    PipelineError, ReadSettings, Reason, RowCache, RowPlan, RowSupply, SourceSpec, Stage,
    StreamError,
};
use tempfile::TempDir;

use crate::fixture::{rust_texts, tokenizer, write_in};

/// Three sources of different kinds and lengths, with repeated rows and rows for evaluation.
fn sources() -> TempDir {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let texts = rust_texts(90);
    let line = |index: usize, more: &str| {
        let text = serde_json::to_string(&texts[index]).expect("a string is JSON");
        format!("{{\"text\": {text}{more}}}\n")
    };
    let mut lines = String::new();
    for index in 0..40 {
        lines.push_str(&line(index, if index % 9 == 4 { ", \"split\": \"val\"" } else { "" }));
        if index % 7 == 0 {
            lines.push_str(&line(index, ", \"weight\": 3"));
        }
    }
    write_in(&folder, "a.jsonl", &lines);
    let prompts: String = (30..60)
        .map(|index| {
            let text = serde_json::to_string(&texts[index]).expect("a string is JSON");
            format!("{{\"prompt\": \"Write {index}\", \"gen\": {text}, \"weight\": 1.5}}\n")
        })
        .collect();
    write_in(&folder, "b.jsonl", &prompts);
    for (index, text) in texts.iter().enumerate().skip(60) {
        write_in(&folder, &format!("c/crate-{}/src/file_{index}.rs", index % 5), text);
    }
    folder
}

fn plan(folder: &TempDir, mixture: Mixture, shuffle: Shuffle) -> RowPlan {
    let read = ReadSettings::new(folder.path());
    let open = |name: &str| OpenSource::open(&SourceSpec::from(name), &read).expect("it is there");
    let sources = vec![open("a.jsonl"), open("b.jsonl"), open("c")];
    // The texts are alike; only equal ones are to go.
    let mut plan = RowPlan::new(sources, read);
    (plan.mixture, plan.shuffle, plan.seed) = (mixture, shuffle, 5);
    plan.near_duplicates = false;
    plan
}

fn mixtures() -> Vec<Mixture> {
    let weights = vec![0.5, 0.2, 0.3];
    let (stop, seed) = (Stop::AllExhausted, 3);
    vec![
        Mixture::Sequential,
        Mixture::RoundRobin { stop: Stop::FirstExhausted, rounds: RoundRule::WholeRounds },
        Mixture::RoundRobin { stop, rounds: RoundRule::WholeRounds },
        Mixture::Weighted { weights: weights.clone(), stop, seed },
        Mixture::Weighted { weights, stop: Stop::AllExhaustedWithoutReplacement, seed },
    ]
}

fn kept(plan: &RowPlan) -> RowSupply {
    let plan = Arc::new(plan.clone());
    let rows = KeptRows::read(&plan, &[], &mut Ledger::new()).expect("rows are left");
    RowSupply::kept(plan, Arc::new(rows))
}

fn streamed(plan: &RowPlan) -> RowSupply {
    RowSupply::streamed(Arc::new(plan.clone()), &[]).expect("it can be streamed")
}

fn batches(supply: RowSupply) -> BatchStream {
    let plan = BatchPlan {
        micro_batch_size: 2,
        accumulation: 2,
        max_seq_len: 64,
        packing: true,
        shuffle: true,
        seed: 9,
    };
    BatchStream::of_rows(supply, Arc::new(tokenizer()), DocumentSettings::new(64), plan)
        .expect("the tokenizer fits")
}

fn digest(steps: &[Vec<Batch>]) -> Digest {
    Digest::of(format!("{steps:?}").as_bytes())
}

fn take(stream: &mut BatchStream, steps: usize) -> Vec<Vec<Batch>> {
    (0..steps).map(|_| stream.next_step().expect("rows are read")).collect()
}

#[test]
fn cached_and_streamed_runs_have_the_same_batches() {
    let folder = sources();
    for mixture in mixtures() {
        for shuffle in [Shuffle::None, Shuffle::Buffer { rows: 16, seed: 4 }] {
            let plan = plan(&folder, mixture.clone(), shuffle);
            let (mut cached, mut streamed) = (batches(kept(&plan)), batches(streamed(&plan)));
            let mut left = Vec::new();
            while cached.cursor().epoch < 1 {
                left.extend(take(&mut cached, 1));
            }
            left.extend(take(&mut cached, 15));
            let right = take(&mut streamed, left.len());
            assert_eq!(digest(&left), digest(&right), "{mixture:?} {shuffle:?}");
            // Epochs are shuffled differently.
            assert_eq!(cached.cursor().epoch, streamed.cursor().epoch);
        }
    }
}

#[test]
fn data_in_another_folder_is_drawn_alike() {
    // The same files, named by their whole paths, in two folders.
    let drawn = |folder: &TempDir| {
        let read = ReadSettings::new("/");
        let open = |name: &str| {
            let path = folder.path().join(name).display().to_string();
            OpenSource::open(&SourceSpec::from(path.as_str()), &read).expect("it is there")
        };
        let sources = vec![open("a.jsonl"), open("b.jsonl")];
        let mut plan = RowPlan::new(sources, read);
        (plan.seed, plan.near_duplicates) = (5, false);
        plan.hold_out.fraction = 0.2;
        plan.hold_out.by = HoldOutBy::Row;
        take(&mut batches(kept(&plan)), 20)
    };
    let tokens = |steps: Vec<Vec<Batch>>| -> Vec<Vec<u32>> {
        steps.concat().iter().map(|batch| batch.tokens.clone()).collect()
    };
    let (first, second) = (sources(), sources());
    assert_eq!(tokens(drawn(&first)), tokens(drawn(&second)));
}

#[test]
fn a_killed_stream_goes_on_with_the_same_batches() {
    let folder = sources();
    for mixture in mixtures() {
        let plan = plan(&folder, mixture.clone(), Shuffle::Buffer { rows: 16, seed: 4 });
        for make in [kept, streamed] {
            let mut whole = batches(make(&plan));
            take(&mut whole, 37);
            let cursor = whole.cursor();
            let text = serde_json::to_string(&cursor).expect("a cursor is JSON");
            let rest = digest(&take(&mut whole, 40));
            for threads in [1, 3] {
                let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
                let resumed = pool.expect("threads can be started").install(|| {
                    let mut resumed = batches(make(&plan));
                    let cursor = serde_json::from_str(&text).expect("it was written above");
                    resumed.seek(&cursor).expect("the data is the same");
                    assert_eq!(resumed.cursor(), cursor);
                    digest(&take(&mut resumed, 40))
                });
                assert_eq!(resumed, rest, "{mixture:?} with {threads} threads");
            }
        }
    }
}

#[test]
fn positions_of_other_data_and_full_shuffles_of_streams_are_refused() {
    let folder = sources();
    let full = plan(&folder, Mixture::Sequential, Shuffle::Full { seed: 1 });
    let refused = RowSupply::streamed(Arc::new(full.clone()), &[]).err().expect("it is refused");
    assert!(matches!(refused, PipelineError::FullShuffleOfStream));
    assert!(refused.hint().expect("there is a way").contains("buffer"));
    let cursor = batches(kept(&full)).cursor();
    let other = plan(&folder, Mixture::Sequential, Shuffle::Full { seed: 2 });
    assert!(matches!(batches(kept(&other)).seek(&cursor), Err(StreamError::OtherOrder)));
    let text = std::fs::read_to_string(folder.path().join("a.jsonl")).expect("it is there");
    write_in(&folder, "a.jsonl", &text.replace("Module 3", "Module three"));
    let changed = plan(&folder, Mixture::Sequential, Shuffle::Full { seed: 1 });
    assert!(matches!(batches(kept(&changed)).seek(&cursor), Err(StreamError::OtherData { .. })));
    let streamed = batches(streamed(&plan(&folder, Mixture::Sequential, Shuffle::None)));
    assert!(matches!(streamed.steps_per_epoch(), Err(StreamError::UnknownLength)));
}

#[test]
fn rows_marked_for_evaluation_and_copies_are_never_trained_on() {
    let folder = sources();
    let mut plan = plan(&folder, Mixture::Sequential, Shuffle::None);
    plan.hold_out = HoldOutRule { fraction: 0.2, seed: 1, ..HoldOutRule::default() };
    let held_out = collect_held_out(&mut plan, None).expect("the sources can be read").rows;
    let plan = Arc::new(plan);
    let mut ledger = Ledger::new();
    let kept = KeptRows::read(&plan, &held_out, &mut ledger).expect("rows are left");
    assert!(!held_out.is_empty());
    for row in &kept.rows {
        assert!(!plan.hold_out.holds_out(row), "{}", row.origin);
        assert!(held_out.iter().all(|other| other.text != row.text), "{}", row.origin);
    }
    assert!(ledger.dropped(Stage::HeldOut, Reason::HeldOut) >= 4, "{ledger}");
    assert!(ledger.dropped(Stage::Dedup, Reason::ExactDuplicate) >= 3, "{ledger}");
    let read = ledger.stage(Stage::Read).read;
    let dropped: u64 = ledger.stages().flat_map(|(_, tally)| tally.dropped.values()).sum();
    assert_eq!(read, kept.rows.len() as u64 + dropped, "every row has one fate: {ledger}");
}

#[test]
fn kept_rows_are_reused_until_something_changes() {
    let folder = sources();
    let cache = tempfile::tempdir().expect("a temporary folder can be made");
    let place = |path: &std::path::Path, bytes: &[u8]| std::fs::write(path, bytes);
    let rows = RowCache { folder: cache.path().to_owned(), place_file: &place };
    let mixture = mixtures().swap_remove(2);
    let mut first = plan(&folder, mixture.clone(), Shuffle::None);
    let made = rows.rows(&mut first).expect("the sources can be read");
    let again = rows.rows(&mut plan(&folder, mixture.clone(), Shuffle::None)).expect("cached");
    assert!(!made.reused && again.reused);
    assert_eq!((&made.kept, &made.held_out), (&again.kept, &again.held_out));
    assert_eq!(made.ledger, again.ledger);

    let entries = list_caches(cache.path()).expect("the folder can be read");
    assert_eq!(entries.len(), 1);
    assert_eq!(verify_cache(cache.path(), &entries[0].key), Ok(()));
    let shard = cache.path().join(&entries[0].key).join("rows-00000.parquet");
    let mut bytes = std::fs::read(&shard).expect("a shard was written");
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&shard, bytes).expect("the shard can be written");
    assert!(verify_cache(cache.path(), &entries[0].key).is_err());
    let mended = rows.rows(&mut plan(&folder, mixture.clone(), Shuffle::None)).expect("read anew");
    assert!(!mended.reused && mended.kept == made.kept);
    assert!(mended.ledger.notes().iter().any(|note| note.contains("made anew")));

    let mut stricter = plan(&folder, mixture, Shuffle::None);
    Arc::make_mut(&mut stricter.read).min_chars = 300;
    assert!(!rows.rows(&mut stricter).expect("other rules").reused);
    assert_eq!(list_caches(cache.path()).expect("the folder can be read").len(), 2);
    let pruned = prune_caches(cache.path(), 0).expect("entries can be removed");
    assert_eq!(pruned.removed.len(), 2);
    assert!(list_caches(cache.path()).expect("the folder can be read").is_empty());
}

#[test]
fn bad_rows_are_counted_and_bounded() {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let mut lines = "{\"text\": \"fn a() {}\"}\n".repeat(99);
    lines.push_str("{\"text\": 3}\n");
    lines.push_str("{broken\n");
    write_in(&folder, "a.jsonl", &lines);
    let read = |max_bad_fraction| {
        let settings = ReadSettings { max_bad_fraction, ..ReadSettings::new(folder.path()) };
        let mut ledger = Ledger::new();
        let spec = [SourceSpec::from("a.jsonl")];
        sigil_data::read_sources(&spec, &settings, &mut ledger).map(|rows| (rows.len(), ledger))
    };
    let (rows, ledger) = read(0.02).expect("two of 101 are tolerated");
    assert_eq!((rows, ledger.dropped(Stage::Read, Reason::Bad)), (99, 2));
    let places: Vec<&str> = ledger.quarantined().iter().map(|row| row.place.as_str()).collect();
    assert_eq!(places, ["a.jsonl:100", "a.jsonl:101"]);
    assert!(ledger.quarantined()[1].reason.contains("at byte 2"), "{ledger}");
    let error = read(0.01).expect_err("two of 101 are more than 1 %").to_string();
    assert!(error.contains("2 of the first 101 rows"), "{error}");
    assert!(read(0.0).expect_err("none is tolerated").to_string().contains("row 100"));
    // A file of another form is not a file with bad rows.
    write_in(&folder, "a.jsonl", "{\"body\": \"fn a() {}\"}\n");
    assert!(read(1.0).expect_err("there is no text").to_string().contains("(fields: body)"));
}

#[test]
fn a_stream_that_failed_goes_on_from_a_position_only() {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let line = |index| format!("{{\"text\": \"fn f_{index}() -> u64 {{ {index} }}\"}}\n");
    let good: String = (0..1200).map(line).collect();
    write_in(&folder, "a.jsonl", &format!("{good}{{broken\n"));
    let open = || {
        let read = ReadSettings::new(folder.path());
        let source = OpenSource::open(&SourceSpec::from("a.jsonl"), &read).expect("it is there");
        let mut plan = RowPlan::new(vec![source], read);
        plan.near_duplicates = false;
        batches(RowSupply::streamed(Arc::new(plan), &[]).expect("it can be streamed"))
    };
    let mut stream = open();
    assert_eq!(stream.ledger(), Ledger::new(), "nothing is read before it is asked for");
    take(&mut stream, 3);
    let (cursor, ledger) = (stream.cursor(), stream.ledger());
    assert_eq!(ledger.stage(Stage::Tokenize).kept, 512, "what is ahead does not count: {ledger}");
    let expected = digest(&take(&mut stream, 20));
    let error = loop {
        if let Err(error) = stream.next_step() {
            break error;
        }
    };
    assert!(error.to_string().contains("line 1201"), "{error}");
    assert!(matches!(stream.next_step(), Err(StreamError::Failed)), "no row is passed over");
    assert!(stream.ledger().stage(Stage::Read).kept >= 1024, "{}", stream.ledger());
    stream.seek(&cursor).expect("the rows up to there are good");
    assert_eq!(digest(&take(&mut stream, 20)), expected);
    // Somewhere else at once, while the thread is at work.
    let mut moved = open();
    take(&mut moved, 30);
    moved.seek(&cursor).expect("the rows up to there are good");
    assert_eq!(digest(&take(&mut moved, 20)), expected);
}

#[test]
fn rows_that_are_all_dropped_leave_an_account() {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    write_in(&folder, "a.jsonl", "{\"text\": \"fn a() {}\"}\n");
    let read = ReadSettings { min_chars: 100, ..ReadSettings::new(folder.path()) };
    let source = OpenSource::open(&SourceSpec::from("a.jsonl"), &read).expect("it is there");
    let plan = Arc::new(RowPlan::new(vec![source], read));
    let error = KeptRows::read(&plan, &[], &mut Ledger::new()).expect_err("nothing is left");
    assert!(error.to_string().contains("1 too short"), "{error}");
    let mut stream = batches(RowSupply::streamed(plan, &[]).expect("it can be streamed"));
    let error = stream.next_step().expect_err("nothing is left");
    assert!(error.to_string().contains("1 too short") && error.hint().is_some(), "{error}");
}
