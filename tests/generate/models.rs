//! Adapters, checkpoint sets and runs as the model.

use std::path::Path;

use sigil_run::{RunFolder, RunIdentity};
use sigil_weights::{Adapter, AdapterConfig, DecoderConfig, peft::LoraPair};

use crate::program::{Workplace, sorted};

/// An adapter over the attention's output of every layer, with numbers that show.
fn adapter(strength: f32) -> Vec<(String, Vec<u8>)> {
    let base = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../configs/sigil-base");
    let config = DecoderConfig::read(&base).expect("the base is there");
    let modules = config.linear_modules().into_iter().filter(|m| m.name.ends_with("o_proj"));
    let number = |i: usize| ((i * 7919 % 101) as f32 / 50.0 - 1.0) * strength;
    let modules = modules.map(|module| {
        let (rank, inputs, outputs) = (2, module.in_features, module.out_features);
        let pair = LoraPair {
            rank,
            in_features: inputs,
            out_features: outputs,
            a: (0..rank * inputs).map(number).collect(),
            b: (0..rank * outputs).map(|i| number(i + 3)).collect(),
        };
        (module.name, pair)
    });
    let adapter = Adapter {
        modules: modules.collect(),
        config: AdapterConfig {
            base_model_name_or_path: Some("sigil-base".to_owned()),
            rank: 2,
            alpha: 4.0,
            target_modules: sigil_weights::peft::TargetModules::Names(vec!["o_proj".to_owned()]),
            ..AdapterConfig::default()
        },
    };
    adapter.to_files().expect("it can be written")
}

/// A run with two sets, the older one marked as the best.
fn run(place: &Workplace, name: &str) {
    let identity =
        RunIdentity { created_by: "a test".to_owned(), seed: 0, config_digest: "0".repeat(64) };
    let (mut run, _) =
        RunFolder::create_or_open(place.path().join(name), &identity).expect("a run");
    for (step, strength) in [(10, 0.2), (20, 0.4)] {
        let mut set = run.begin_set(step).expect("a set");
        for (name, bytes) in adapter(strength) {
            set.put(&name, &bytes).expect("a file");
        }
        set.commit(5).expect("committed");
    }
    run.mark_best(10, "eval_loss", 1.5).expect("marked");
}

const SHORT: [&str; 4] = ["--prompt", "fn main() {", "--max-new-tokens", "24"];

#[test]
fn a_run_gives_its_newest_its_best_or_a_named_set() {
    let place = Workplace::new();
    run(&place, "trained");
    let generate = |others: &[&str]| {
        let (stdout, stderr, code) = place.run(&[&SHORT[..], others].concat());
        assert_eq!(code, Some(0), "{others:?}: {stderr}");
        (sorted(&stdout).remove(0), stderr)
    };
    let (base, _) = generate(&[]);
    let (newest, stderr) = generate(&["--run", "trained"]);
    assert!(stderr.contains("step-00000020"), "{stderr}");
    let (best, stderr) = generate(&["--run", "trained", "--set", "best"]);
    assert!(stderr.contains("eval_loss 1.5"), "{stderr}");
    let (tenth, _) = generate(&["--run", "trained", "--set", "10"]);
    assert_eq!(best, tenth);
    assert_ne!(base["text"], newest["text"]);
    assert_ne!(base["model"], newest["model"]);
    assert_ne!(best["model"], newest["model"]);
    let (folder, _) = generate(&["--adapter", "trained/checkpoints/step-00000020"]);
    assert_eq!(folder, newest);
    let (merged, _) = generate(&["--run", "trained", "--merge"]);
    assert_eq!(merged["text"], newest["text"]);
    generate(&["--run", "trained", "--precision", "nf4", "--merge"]);
}

#[test]
fn the_quickstarts_run_is_taken_where_nothing_is_named() {
    let place = Workplace::new();
    std::fs::create_dir(place.path().join("out")).expect("a folder");
    run(&place, "out/quickstart");
    let (_, stderr, code) = place.run(&SHORT);
    assert_eq!(code, Some(0), "{stderr}");
    assert!(stderr.contains("out/quickstart/checkpoints/step-00000020"), "{stderr}");
}

#[test]
fn a_damaged_set_is_never_used() {
    let place = Workplace::new();
    run(&place, "trained");
    let weights = "trained/checkpoints/step-00000020/adapter_model.safetensors";
    let path = place.path().join(weights);
    let mut bytes = std::fs::read(&path).expect("it is there");
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    std::fs::write(&path, bytes).expect("damaged");
    let (_, stderr, code) = place.run(&[&SHORT[..], &["--run", "trained"]].concat());
    assert_eq!(code, Some(0), "{stderr}");
    assert!(stderr.contains("note:") && stderr.contains("step-00000010"), "{stderr}");
    let (_, stderr, code) = place.run(&[&SHORT[..], &["--run", "trained", "--set", "20"]].concat());
    assert_eq!(code, Some(6), "{stderr}");
    assert!(stderr.contains("damaged"), "{stderr}");
}
