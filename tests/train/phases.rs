//! The predecessor's two phases with its own configs, from a hub on loopback to adapters: the second
//! starts from the adapter of the first.

use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::fake_hub::{FakeHub, Fault};
use crate::program::{Workplace, outcome};

const REPO: &str = "ammarnasr/the-stack-rust-clean";

/// Rows of the dataset's form: 30 that both phases keep, 10 without docs, one too short.
fn rows() -> Vec<u8> {
    let code = |index: usize, docs: &str| {
        format!(
            "{docs}#[derive(Debug, Clone, PartialEq)]\npub struct Item{index} {{\n    value: u64,\n}}\n\n\
             impl Item{index} {{\n    pub fn plus_{index}(&self, other: u64) -> Option<u64> {{\n        \
             self.value.checked_add(other).map(|sum| sum + {index})\n    }}\n}}\n"
        )
    };
    let mut texts: Vec<String> =
        (0..30).map(|index| code(index, &format!("/// Holds item {index}.\n"))).collect();
    texts.extend((30..40).map(|index| code(index, "")));
    texts.push("fn short() {}".to_owned());
    let row = |(index, text): (usize, &String)| serde_json::json!({ "hexsha": index.to_string(), "size": text.len(), "content": text });
    texts.iter().enumerate().map(|pair| format!("{}\n", row(pair))).collect::<String>().into_bytes()
}

fn dropped(root: &Path, run: &str) -> Value {
    let bytes = fs::read(root.join(run).join("data_ledger.json")).expect("the account is there");
    let ledger: Value = serde_json::from_slice(&bytes).expect("JSON");
    ledger["stages"]["read"]["dropped"].clone()
}

#[test]
fn both_phases_train_from_the_hub_one_after_the_other() {
    let place = Workplace::new();
    let hub = FakeHub::start(REPO, &[("data/train.jsonl", rows())], Fault::None);
    let configs =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures/predecessor-configs");
    let train = |phase: &str, more: &[&str]| {
        let mut command = place.bare();
        command.env("HF_ENDPOINT", hub.endpoint());
        command.arg("--config").arg(configs.join(format!("llama8b-{phase}.yml")));
        let output_dir = format!("run.output_dir={phase}");
        let logging_dir = format!("run.logging_dir={phase}/logs");
        for setting in [
            "model.name=sigil-base",
            "sequence.max_length=64",
            "train.micro_batch_size=2",
            "train.gradient_accumulation=2",
            "train.num_steps=4",
            "train.warmup_steps=1",
            "train.logging_steps=2",
            "train.save_every=4",
            // The texts are alike; only equal ones are to go.
            "dataset.near_duplicates=false",
            "run.device=cpu",
            &output_dir,
            &logging_dir,
        ]
        .iter()
        .chain(more)
        {
            command.args(["--set", setting]);
        }
        let (stdout, stderr, code) = outcome(&command.output().expect("starts"));
        assert_eq!(code, Some(0), "{phase}: {stderr}");
        let set = place.path().join(stdout.trim());
        let adapter = fs::read(set.join("adapter_model.safetensors")).expect("in the set");
        (stderr, adapter)
    };
    let (_, first) = train("phase1", &[]);
    assert_eq!(dropped(place.path(), "phase1"), serde_json::json!({"too_short": 1}));
    let (stderr, second) = train("phase2", &["model.load_from=./phase1"]);
    assert!(stderr.contains("starting from the adapter in"), "{stderr}");
    let expected = serde_json::json!({"filter:no_documentation": 10, "too_short": 1});
    assert_eq!(dropped(place.path(), "phase2"), expected);
    assert_ne!(first, second, "the second phase has trained");
    // A fresh optimizer from step 0: its own steps are counted, and the warm-up is gone through again.
    let metrics = fs::read_to_string(place.path().join("phase2/metrics.jsonl")).expect("logged");
    let rows: Vec<Value> =
        metrics.lines().map(|line| serde_json::from_str(line).expect("a row")).collect();
    let steps: Vec<u64> = rows.iter().filter_map(|row| row["step"].as_u64()).collect();
    assert_eq!(steps, [2, 4], "{metrics}");
    let set = place.path().join("phase2/checkpoints/step-00000004");
    let state: Value =
        serde_json::from_slice(&fs::read(set.join("trainer_state.json")).expect("in the set"))
            .expect("JSON");
    assert_eq!((&state["step"], &state["total_steps"]), (&4.into(), &4.into()));
    let fetched =
        |head: &&String| head.starts_with("GET /datasets") && head.contains("train.jsonl");
    assert_eq!(hub.requests().iter().filter(fetched).count(), 1, "the file is fetched once");
}
