//! `card`: results go in, what a user wrote stays, the set stays whole.

use serde_json::json;

use crate::program::{Workplace, fixture, text};

fn metrics(place: &Workplace, rate: f64) {
    let metrics = json!({
        "protocol": {"benchmark": "humaneval-rust", "rustc_version": "1.95.0", "sandbox": "native",
                     "temperature": 0.2},
        "tasks": 20, "evaluated_samples": 40,
        "pass_at": {"1": {"value": rate}},
        "rates": {"compile_rate": {"value": 0.75}},
    });
    std::fs::write(place.path().join("metrics.json"), metrics.to_string()).expect("written");
}

#[test]
fn results_are_replaced_in_a_set_and_own_words_stay() {
    let place = Workplace::new();
    let run = place.run_folder("run", "llama3", &[10]);
    metrics(&place, 0.25);
    place.well(&["card", "run", "--results", "metrics.json"]);
    let path = run.join("checkpoints/step-00000010/README.md");
    let card = std::fs::read_to_string(&path).expect("there");
    assert!(card.contains("value: 0.25") && card.contains("| pass@1 (humaneval-rust) | 0.2500 |"));
    assert_eq!(place.well(&["card", "run"]), card, "the set is whole: its card was resealed");

    let own = format!("{card}\n## My notes\n\nMine.\n");
    place.well(&["card", "run", "--output", "copy.md"]);
    let folder = place.path().join("adapter");
    std::fs::create_dir(&folder).expect("made");
    for name in ["adapter_config.json", "adapter_model.safetensors"] {
        let from = fixture("llama3", "adapter").join(name);
        std::fs::copy(from, folder.join(name)).expect("copied");
    }
    std::fs::write(folder.join("README.md"), &own).expect("written");
    metrics(&place, 0.5);
    place.well(&["card", "adapter", "--results", "metrics.json"]);
    let card = std::fs::read_to_string(folder.join("README.md")).expect("there");
    assert!(card.contains("value: 0.5") && !card.contains("value: 0.25"), "{card}");
    assert!(card.ends_with("## My notes\n\nMine.\n"), "{card}");
}

#[test]
fn a_folder_without_a_card_gets_one_and_wrong_results_are_told() {
    let place = Workplace::new();
    let adapter = text(&fixture("qwen3", "adapter"));
    let card = place.well(&["card", &adapter]);
    assert!(card.starts_with("---\n") && card.contains("| rank |"), "{card}");
    assert!(!card.contains("Optimizer step"), "nobody knows its step: {card}");
    std::fs::write(place.path().join("bad.json"), "{}").expect("written");
    let (_, err, code) = place.run(&["card", &adapter, "--results", "bad.json"]);
    assert!(code == Some(1) && err.contains("bad.json") && err.contains("protocol"), "{err}");
    let (_, err, code) = place.run(&["card", &adapter, "--results", "none.json"]);
    assert!(code == Some(1) && err.contains("none.json"), "{err}");
}
