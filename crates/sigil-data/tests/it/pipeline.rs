//! From files to batches, as a training run does it.

use std::sync::Arc;

use sigil_data::{
    BatchPlan, BatchStream, DocumentSettings, EvaluationPass, Ledger, LongRows, NO_TARGET,
    ReadSettings, Reason, SourceSpec, Stage, Tokenizer, build_documents, read_sources,
    remove_duplicates, remove_near_held_out,
};

use sigil_data::pipeline::HoldOutRule;

use crate::fixture::{rust_texts, tokenizer, tokenizer_folder, write_in};

#[test]
fn crates_become_batches_and_held_out_crates_are_never_trained_on() {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    for (index, text) in rust_texts(40).iter().enumerate() {
        let name = format!("crates/crate-{}/src/file_{index}.rs", index % 8);
        write_in(&folder, &name, text);
        // A second version of each crate, nearly the same.
        let copy = format!("crates/crate-{}-next/src/file_{index}.rs", index % 8);
        write_in(&folder, &copy, &text.replacen("Module", "The module", 1));
    }
    let mut ledger = Ledger::new();
    let settings = ReadSettings::new(folder.path());
    let rows = read_sources(&[SourceSpec::from("crates")], &settings, &mut ledger)
        .expect("the folder can be read");
    assert_eq!(rows.len(), 80);
    let rows = remove_duplicates(rows, false, &mut ledger);
    let rule = HoldOutRule { groups: ["crate-3".to_owned()].into(), ..HoldOutRule::default() };
    let (held_out, train): (Vec<_>, Vec<_>) = rows.into_iter().partition(|row| rule.holds_out(row));
    let train = remove_near_held_out(train, &held_out, &mut ledger);
    assert_eq!(held_out.len(), 5);
    assert!(ledger.dropped(Stage::HeldOut, Reason::NearHeldOut) >= 5, "{ledger}");

    let tokenizer = tokenizer();
    let settings = DocumentSettings::new(48);
    let train = build_documents(&train, &tokenizer, &settings, &mut ledger).expect("encodes");
    let evaluation =
        build_documents(&held_out, &tokenizer, &settings, &mut ledger).expect("encodes");
    let plan = BatchPlan {
        micro_batch_size: 4,
        accumulation: 2,
        max_seq_len: 48,
        packing: true,
        shuffle: true,
        seed: 1,
    };
    let mut stream = BatchStream::new(Arc::new(train), plan).expect("the plan is good");
    for _ in 0..stream.steps_per_epoch().expect("documents have a length") {
        for batch in stream.next_step().expect("documents are in memory") {
            assert!(batch.token_count() <= 4 * 48);
            assert!(batch.rows.iter().all(|row| !row.origin.file.contains("crate-3/")));
        }
    }
    let seen: usize = EvaluationPass::new(&evaluation, 256).map(|batch| batch.target_count()).sum();
    assert_eq!(seen as u64, evaluation.target_count());
}

#[test]
fn only_completions_and_eos_are_learned() {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    write_in(&folder, "a.jsonl", "{\"prompt\": \"Say fn\", \"gen\": \"fn a() {}\"}\n");
    let mut ledger = Ledger::new();
    let rows = read_sources(
        &[SourceSpec::from("a.jsonl")],
        &ReadSettings::new(folder.path()),
        &mut ledger,
    )
    .expect("the file can be read");
    let model = tokenizer_folder(
        r#"{"eos_token": "<|endoftext|>", "bos_token": "<|begin|>", "add_bos_token": true}"#,
    );
    let tokenizer = Tokenizer::load(model.path()).expect("the tokenizer loads");
    let learned = |settings: &DocumentSettings| -> (Vec<u32>, Vec<u32>) {
        let documents = build_documents(&rows, &tokenizer, settings, &mut Ledger::new())
            .expect("the row encodes");
        let batch = EvaluationPass::new(&documents, 1000).next().expect("there is a row");
        let targets = batch.targets.iter().filter(|&&target| target != NO_TARGET);
        (batch.tokens.clone(), targets.map(|&target| target as u32).collect())
    };
    let settings = DocumentSettings::new(64);
    let (tokens, targets) = learned(&settings);
    assert_eq!(
        tokenizer.decode(&tokens, false).expect("decodes"),
        "<|begin|>Say fn\n\nfn a() {}<|endoftext|>"
    );
    assert_eq!(tokenizer.decode(&targets, false).expect("decodes"), "fn a() {}<|endoftext|>");
    let (_, all) = learned(&DocumentSettings { train_on_prompt: true, ..settings.clone() });
    assert_eq!(tokenizer.decode(&all, false).expect("decodes"), "Say fn\n\nfn a() {}<|endoftext|>");
    // Split into short pieces, the same tokens are learned.
    let (_, pieces) = learned(&DocumentSettings { max_seq_len: 5, ..settings });
    assert_eq!(pieces, targets);
}

#[test]
fn long_rows_and_rows_without_targets_are_counted() {
    let tokenizer = tokenizer();
    let rows: Vec<_> = rust_texts(6)
        .into_iter()
        .map(|text| sigil_data::Row::plain(text, sigil_data::Origin::new("t", "f", 1), "g"))
        .collect();
    let mut split = Ledger::new();
    let settings = DocumentSettings::new(40);
    let documents =
        build_documents(&rows, &tokenizer, &settings, &mut split).expect("the rows encode");
    assert!(split.to_string().contains("split into pieces"), "{split}");
    assert!(documents.longest() <= 40);
    let mut cut = Ledger::new();
    let truncating = DocumentSettings { long_rows: LongRows::Truncate, ..settings };
    let documents =
        build_documents(&rows, &tokenizer, &truncating, &mut cut).expect("the rows encode");
    assert_eq!(documents.len(), 6);
    assert!(cut.to_string().contains("truncated"), "{cut}");

    let mut only_prompt = rows[0].clone();
    only_prompt.prompt = Some("a long prompt ".repeat(20));
    let mut ledger = Ledger::new();
    let documents = build_documents(&[only_prompt], &tokenizer, &truncating, &mut ledger)
        .expect("the row encodes");
    assert!(documents.is_empty());
    assert_eq!(ledger.dropped(Stage::Tokenize, Reason::NothingToLearn), 1);
}

#[test]
fn a_tokenizer_without_eos_is_refused() {
    let model = tokenizer_folder("{}");
    let tokenizer = Tokenizer::load(model.path()).expect("the tokenizer loads");
    let settings = DocumentSettings::new(40);
    let error = build_documents(&[], &tokenizer, &settings, &mut Ledger::new())
        .expect_err("there is no EOS");
    assert!(error.to_string().contains("never learn to stop"), "{error}");
    let without = DocumentSettings { append_eos: false, ..settings };
    assert!(build_documents(&[], &tokenizer, &without, &mut Ledger::new()).is_ok());
}
