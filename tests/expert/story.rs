//! The whole story at a small size: a model is trained, asked and judged, then goes through rounds, and is
//! better at tasks that it has never seen. docs/guides/expert.md tells it at full size.
//!
//! What a round writes for others is looked at here as well, because making a round takes longest.

use std::fs;
use std::sync::OnceLock;

use serde_json::Value;
use sigil_data::Tokenizer;

use crate::place::{Place, said};

/// The quickstart's settings with one round and smaller evaluations, for the judged arm.
const SMALLER: [(&str, &str); 6] = [
    ("development = 48", "development = 4"),
    ("held_out = 160", "held_out = 80"),
    ("development_samples = 4", "development_samples = 2"),
    ("held_out_samples = 8", "held_out_samples = 4"),
    ("count = 3", "count = 1"),
    ("save_every = 40", "save_every = 80"),
];

const QUICKSTART: &str = include_str!("../../configs/expert-quickstart.toml");

/// The folder of the one run that all of these tests look at.
fn story() -> &'static Place {
    static STORY: OnceLock<Place> = OnceLock::new();
    STORY.get_or_init(|| {
        let mut settings = QUICKSTART.to_owned();
        for (from, to) in SMALLER {
            assert!(settings.contains(from), "the quickstart has no `{from}`");
            settings = settings.replace(from, to);
        }
        let place = Place::new();
        place.write("small.toml", &settings);
        let (said, code) = place.run(&[
            "run",
            "--config",
            "small.toml",
            "--seed",
            "1",
            "--out",
            "run",
            "--arms",
            "judged",
        ]);
        assert_eq!(code, Some(0), "{said}");
        place
    })
}

/// Runs another program of sigil to a good end.
fn well(place: &Place, program: &str, arguments: &[&str]) -> String {
    let output = place.other(program, arguments);
    assert!(output.status.success(), "{program} {arguments:?}: {}", said(&output));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Two steps of a training that evaluates nothing.
fn train(place: &Place, settings: &[&str]) {
    place.write("train.toml", "[model]\nname = \"sigil-base\"\nmode = \"lora\"\n");
    let always = [
        "train.micro_batch_size=2",
        "train.gradient_accumulation=1",
        "train.num_steps=2",
        "train.warmup_steps=1",
        "train.save_every=2",
        "run.device=cpu",
    ];
    let all = settings.iter().chain(&always).flat_map(|setting| ["--set", setting]);
    let arguments: Vec<&str> = ["--config", "train.toml"].into_iter().chain(all).collect();
    well(place, "sigil-train", &arguments);
}

#[test]
fn a_model_is_trained_asked_and_judged() {
    let place = Place::new();
    fs::create_dir_all(place.path().join("data")).expect("made");
    for (name, text) in [
        ("a.rs", include_str!("story.rs")),
        ("b.rs", include_str!("kills.rs")),
        ("c.rs", include_str!("inputs.rs")),
    ] {
        place.write(&format!("data/{name}"), text);
    }
    train(
        &place,
        &[
            "dataset.names=data",
            "dataset.exclude_tests=false",
            "sequence.max_length=64",
            "run.output_dir=out/quickstart",
        ],
    );
    // The newest model of the quickstart is asked without being named.
    let prompt = "/// Adds.\npub fn add(left: i64, right: i64) -> i64 {";
    well(
        &place,
        "sigil-generate",
        &["--prompt", prompt, "-n", "2", "--max-new-tokens", "24", "--output", "s.jsonl"],
    );
    let answers: String = place
        .rows("s.jsonl")
        .iter()
        .map(|row| {
            let whole = format!("{prompt}{}", row["text"].as_str().expect("text"));
            format!("{}\n", serde_json::json!({"prompt": prompt, "gen": whole}))
        })
        .collect();
    place.write("answers.jsonl", &answers);
    let metrics: Value =
        serde_json::from_str(&well(&place, "sigil-eval", &["answers.jsonl", "--json"]))
            .expect("JSON");
    assert_eq!(metrics["total_samples"], 2);
}

#[test]
fn one_judged_round_makes_the_base_better_at_tasks_it_never_saw() {
    let report: Value = serde_json::from_str(&story().read("run/report.json")).expect("JSON");
    let rate = |value: &Value| value["value"].as_f64().expect("a number");
    let (before, arm) = (rate(&report["base"]["pass"]), &report["arms"][0]);
    let after = rate(&arm["held_out"]["pass"]);
    // Other processors may round otherwise, so much less is asked than what full runs show.
    assert!(after > before + 0.04, "{before} -> {after}");
    assert_eq!(arm["arm"], "judged");
    let shown = report["shown"].as_array().expect("samples before and after");
    assert!(shown.iter().all(|one| one["samples"].as_object().is_some_and(|by| by.len() == 2)));
}

#[test]
fn the_predecessors_files_of_a_round_load_in_training_with_their_weights() {
    let place = story();
    let round = "run/judged/round-1";
    let metadata: Value =
        serde_json::from_str(&place.read(&format!("{round}/metadata.json"))).expect("JSON");
    for name in ["instruction_data", "code_only"] {
        let rows = place.rows(&format!("{round}/{name}.jsonl"));
        assert_eq!(metadata["num_samples"], rows.len(), "{name}");
        for row in &rows {
            let text = row["text"].as_str().expect("text");
            assert!(row["weight"].as_f64().is_some_and(|weight| weight > 0.0), "{row}");
            assert_eq!(text.contains("```rust\n"), name == "instruction_data", "{text}");
        }
        let source = format!("dataset.names=local:{round}/{name}.jsonl");
        let out = format!("run.output_dir=from-{name}");
        train(place, &[&source, &out, "dataset.min_length=1", "sequence.max_length=256"]);
        let set_folder = place.path().join(format!("from-{name}")).join("latest");
        assert!(set_folder.exists(), "{name}");
    }
    for key in ["num_samples", "seed", "generated_at", "has_weights"] {
        assert!(metadata.get(key).is_some(), "{key}");
    }
    for key in ["avg_weight", "min_weight", "max_weight", "weighted_samples"] {
        assert!(metadata["quality_stats"][key].is_number(), "{key}");
    }
    for key in ["seeds", "score", "select", "fates", "development", "stages", "version"] {
        assert!(!metadata[key].is_null(), "{key}");
    }

    // Weights say how often a row is trained on: five times, once, and never.
    let text =
        |at: usize| format!("/// Number {at}.\npub fn number_{at}() -> u64 {{\n    {at}\n}}\n");
    let rows: String = [5.0, 1.0, 0.0]
        .iter()
        .enumerate()
        .map(|(at, weight)| {
            format!("{}\n", serde_json::json!({"text": text(at), "weight": weight}))
        })
        .collect();
    place.write("weighted.jsonl", &rows);
    let base = format!("{}/../../configs/sigil-base-tasks", env!("CARGO_MANIFEST_DIR"));
    let batches = well(
        place,
        "sigil-data",
        &[
            "batches",
            "--tokenizer",
            &base,
            "--steps",
            "6",
            "--rows",
            "--json",
            "--set",
            "dataset.names=local:weighted.jsonl",
            "--set",
            "dataset.min_length=1",
            "--set",
            "evaluation.fraction=0",
            "--set",
            "sequence.max_length=64",
            "--set",
            "sequence.pack=false",
            "--set",
            "train.micro_batch_size=1",
            "--set",
            "train.gradient_accumulation=1",
        ],
    );
    let mut counts = [0; 3];
    for line in batches.lines() {
        let step: Value = serde_json::from_str(line).expect("JSON");
        for row in step["rows"].as_array().expect("rows") {
            let row = row.as_str().expect("a place");
            let number: usize =
                row.rsplit(':').next().and_then(|at| at.parse().ok()).expect("a line");
            counts[number - 1] += 1;
        }
    }
    assert_eq!(counts, [5, 1, 0], "{batches}");
}

#[test]
fn prompts_at_training_are_those_at_generation_token_by_token() {
    let place = story();
    let base = format!("{}/../../configs/sigil-base-tasks", env!("CARGO_MANIFEST_DIR"));
    let tokenizer = Tokenizer::load(base.as_ref()).expect("the shipped tokenizer");
    let samples = place.rows("run/judged/round-1/samples.jsonl");
    let tokens = |text: &str| tokenizer.encode(text).expect("it encodes");
    let mut compared = 0;
    for row in place.rows("run/judged/round-1/rows.jsonl") {
        let (task, text) = (&row["_task"], row["text"].as_str().expect("text"));
        let Some(sample) = samples.iter().find(|sample| sample["id"] == *task) else { continue };
        // What the generator was given, as it wrote it down itself.
        let prompt = sample["prompt"].as_str().expect("a prompt");
        assert_eq!(tokens(text)[..tokens(prompt).len()], tokens(prompt)[..], "{text}");
        compared += 1;
    }
    assert!(compared > 20, "{compared}");
}

#[test]
fn pairs_of_the_best_and_the_worst_join_to_programs_that_were_judged() {
    let place = story();
    let pairs = place.rows("run/judged/round-1/preferences.jsonl");
    let samples = place.rows("run/judged/round-1/samples.jsonl");
    let results = place.rows("run/judged/round-1/judged/results.jsonl");
    assert_eq!(samples.len(), results.len());
    assert!(pairs.len() > 10, "{}", pairs.len());
    let text = |value: &Value| value.as_str().expect("text").trim_end().to_owned();
    let passes = |pair: &Value, side: &str| -> Vec<bool> {
        let answers =
            samples.iter().zip(&results).filter(|(sample, _)| sample["id"] == pair["_task"]);
        answers
            .filter(|(sample, _)| text(&sample["text"]).starts_with(&text(&pair[side])))
            .map(|(_, result)| result["passed"] == true)
            .collect()
    };
    for pair in &pairs {
        assert!(pair["prompt"].is_string() && pair["chosen"] != pair["rejected"], "{pair}");
        assert!(pair["score_chosen"].as_f64() > pair["score_rejected"].as_f64(), "{pair}");
        assert!(passes(pair, "chosen").contains(&true), "{pair}");
    }
}
