//! The predecessor's own configs, over a hub on loopback, from download to batches.

use std::borrow::Cow;
use std::path::Path;
use std::sync::Arc;

use arrow::array::{ArrayRef, Float64Array, Int64Array, RecordBatch, StringArray};
use parquet::arrow::ArrowWriter;
use sigil_config::{Layers, Settings};
use sigil_data::recipe::{DataPlaces, PreparedRows, batch_plan, document_settings, prepare_rows};
use sigil_data::{BatchStream, Digest, Reason, Stage};
use tempfile::TempDir;

use crate::fake_hub::{FakeHub, Fault};
use crate::fixture::tokenizer;

const REPO: &str = "ammarnasr/the-stack-rust-clean";

/// Code that both phases keep.
fn good(index: usize) -> String {
    format!(
        "/// Holds item {index}.\n#[derive(Debug, Clone, PartialEq)]\npub struct Item{index} {{\n    \
         value: u64,\n}}\n\nimpl Item{index} {{\n    /// Adds {index} unless that overflows.\n    \
         pub fn plus_{index}(&self, other: u64) -> Option<u64> {{\n        \
         self.value.checked_add(other).map(|sum| sum + {index})\n    }}\n}}\n"
    )
}

fn without_docs(index: usize) -> String {
    good(index)
        .lines()
        .filter(|line| !line.trim().starts_with("///"))
        .collect::<Vec<_>>()
        .join("\n")
}

fn careless(index: usize) -> String {
    format!(
        "/// Prints {index}.\nfn print_{index}() {{\n    // TODO: mend this\n    \
         println!(\"{{}}\", unsafe {{ *(0x{index:04x} as *const u32) }});\n    \
         dbg!({index});\n    // FIXME: and this as well, before anybody sees it\n}}\n"
    )
}

fn tested(index: usize) -> String {
    format!("{}\n#[cfg(test)]\nmod tests {{\n    #[test]\n    fn holds() {{}}\n}}\n", good(index))
}

/// A shard with the columns that the dataset has.
fn shard(texts: &[String]) -> Vec<u8> {
    let numbers = 0..texts.len() as i64;
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("hexsha", Arc::new(StringArray::from_iter_values(numbers.clone().map(|n| n.to_string())))),
        ("size", Arc::new(Int64Array::from_iter_values(texts.iter().map(|t| t.len() as i64)))),
        ("content", Arc::new(StringArray::from_iter_values(texts))),
        ("avg_line_length", Arc::new(Float64Array::from_iter_values(numbers.map(|n| n as f64)))),
        ("max_line_length", Arc::new(Int64Array::from_iter_values(texts.iter().map(|_| 80)))),
        ("alphanum_fraction", Arc::new(Float64Array::from_iter_values(texts.iter().map(|_| 0.5)))),
    ];
    let batch = RecordBatch::try_from_iter(columns).expect("the columns have one length");
    let mut bytes = Vec::new();
    let mut writer = ArrowWriter::try_new(&mut bytes, batch.schema(), None).expect("a schema");
    writer.write(&batch).expect("memory can be written");
    writer.close().expect("memory can be written");
    bytes
}

/// 80 good rows, 20 of each kind that a phase drops, one too short, in two shards; and a test split.
fn hub() -> FakeHub {
    let mut texts: Vec<String> = (0..80).map(good).collect();
    texts.extend((80..100).map(without_docs));
    texts.extend((100..120).map(careless));
    texts.extend((120..140).map(tested));
    texts.push("fn short() {}".to_owned());
    let (first, second) = texts.split_at(70);
    let files = [
        ("README.md", b"# the-stack-rust-clean".to_vec()),
        ("data/train-00000-of-00002.parquet", shard(first)),
        ("data/train-00001-of-00002.parquet", shard(second)),
        ("data/test-00000-of-00001.parquet", shard(&texts[..5])),
    ];
    FakeHub::start(REPO, &files, Fault::None)
}

/// The config as it was shipped, at toy size.
fn settings(phase: &str, hub: &FakeHub, more: &[&str]) -> Settings {
    let name = format!("llama8b-{phase}.yml");
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/fixtures/predecessor-configs");
    let text = std::fs::read_to_string(Path::new(folder).join(&name)).expect("the config is there");
    let toy = [
        format!("hub.endpoint={}", hub.endpoint()),
        "sequence.max_length=96".to_owned(),
        "train.micro_batch_size=4".to_owned(),
        "train.gradient_accumulation=2".to_owned(),
        // The texts are alike; only equal ones are to go.
        "dataset.near_duplicates=false".to_owned(),
    ];
    let more = more.iter().map(|&setting| setting.to_owned());
    let loaded = Layers::new().file(name, text).set(toy.into_iter().chain(more)).load();
    loaded.expect("the config is understood").settings
}

fn prepare(settings: &Settings, folder: &TempDir) -> PreparedRows {
    let places = DataPlaces {
        base_folder: folder.path().to_owned(),
        cargo_home: None,
        cache_folder: folder.path().join("rows"),
        hub_cache: folder.path().join("hub"),
    };
    let place = |path: &Path, bytes: &[u8]| std::fs::write(path, bytes);
    prepare_rows(settings, &places, &place, &mut |_, _, _| ()).expect("the data can be had")
}

/// The digest of the first steps, and whether every row in them has been seen.
fn digest(settings: &Settings, rows: PreparedRows, steps: usize) -> Digest {
    let stream = BatchStream::of_rows(
        rows.supply,
        Arc::new(tokenizer()),
        document_settings(settings),
        batch_plan(settings),
    );
    let mut stream = stream.expect("the tokenizer fits");
    let mut text = String::new();
    for _ in 0..steps {
        let step = stream.next_step().expect("rows are read");
        assert_eq!(step.len(), 2);
        assert!(step.iter().all(|batch| batch.target_count() > 0));
        text.push_str(&format!("{step:?}"));
    }
    assert!(stream.cursor().epoch > 0, "{steps} steps are not an epoch");
    Digest::of(text.as_bytes())
}

#[test]
fn both_phases_run_from_the_hub_to_batches() {
    let (hub, folder) = (hub(), tempfile::tempdir().expect("a temporary folder can be made"));
    let rule = |name: &'static str| Reason::Filter(Cow::Borrowed(name));
    for (phase, kept, dropped) in [
        ("phase1", 120, vec![(Reason::TestFile, 20), (Reason::TooShort, 1)]),
        (
            "phase2",
            80,
            vec![
                (Reason::TestFile, 20),
                (Reason::TooShort, 1),
                (rule("no_documentation"), 20),
                (rule("not_idiomatic"), 20),
            ],
        ),
    ] {
        let settings = settings(phase, &hub, &[]);
        let rows = prepare(&settings, &folder);
        assert!(!rows.reused);
        assert_eq!(rows.supply.rows_per_epoch(), Some(kept), "{phase}: {}", rows.ledger);
        for (reason, count) in dropped {
            let found = rows.ledger.dropped(Stage::Read, reason.clone());
            assert_eq!(found, count, "{phase} {reason:?}: {}", rows.ledger);
        }
        let first = digest(&settings, rows, 80);
        // The second run reads its own rows, and the same ones.
        let again = prepare(&settings, &folder);
        assert!(again.reused);
        assert_eq!(digest(&settings, again, 80), first, "{phase}");
    }
    let fetched = |head: &String| head.starts_with("GET /datasets") && head.contains("data/train");
    let shards = hub.requests().iter().filter(|head| fetched(head)).count();
    assert_eq!(shards, 2, "each shard is fetched once, and the other split never");
}

#[test]
fn a_phase_streamed_and_cached_has_the_same_batches() {
    let hub = hub();
    for phase in ["phase1", "phase2"] {
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        let buffer = ["dataset.shuffle=buffer", "dataset.shuffle_buffer=32"];
        let cached = settings(phase, &hub, &buffer);
        let streamed = settings(phase, &hub, &[&buffer[..], &["dataset.use_cache=false"]].concat());
        let rows = prepare(&cached, &folder);
        let expected = digest(&cached, rows, 80);
        let rows = prepare(&streamed, &folder);
        assert_eq!(rows.supply.rows_per_epoch(), None, "it is streamed");
        assert_eq!(digest(&streamed, rows, 80), expected, "{phase}");
    }
}
