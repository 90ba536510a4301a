//! `inspect`, `diff` and `report`.

use serde_json::Value;

use crate::program::{Workplace, fixture, text};

fn json(text: &str) -> Value {
    serde_json::from_str(text).expect("stdout is JSON")
}

#[test]
fn a_run_is_shown_with_its_sets_and_its_adapter() {
    let place = Workplace::new();
    place.run_folder("run", "llama3", &[10, 20]);
    let found = json(&place.well(&["inspect", "run", "--json"]));
    assert_eq!(found["kind"], "a run");
    assert_eq!(found["run"]["set"], "step-00000020");
    assert_eq!(found["run"]["sets"].as_array().map(Vec::len), Some(2));
    assert_eq!(found["run"]["last_evaluation"]["eval_loss"], 2.5);
    assert_eq!(found["run"]["last_metrics"]["step"], 10);
    let adapter = &found["adapter"];
    let modules = adapter["modules"].as_object().expect("modules");
    let sum: f64 =
        modules.values().map(|m| m["update_norm"].as_f64().expect("a norm").powi(2)).sum();
    let whole = adapter["update_norm"].as_f64().expect("a norm");
    assert!(whole > 0.0 && (sum.sqrt() - whole).abs() < 1e-9, "{whole}");
    let files = found["files"].as_array().expect("files");
    let purpose = |name: &str| {
        let file = files.iter().find(|file| file["name"] == name).expect("it is listed");
        file["purpose"].as_str().expect("it has a purpose").to_owned()
    };
    assert_eq!(purpose("adapter_model.safetensors"), "LoRA matrices");
    assert_eq!(purpose("optimizer.safetensors"), "the optimizer's moments, needed to resume");

    let text = place.well(&["inspect", "run", "--set", "10"]);
    assert!(text.contains("step-00000010") && text.contains("<- this one"), "{text}");
    assert!(text.contains("update norm by layer"), "{text}");
    let (_, err, code) = place.run(&["inspect", "run", "--set", "30"]);
    assert_eq!(code, Some(6), "{err}");
    let (_, err, code) = place.run(&["inspect", "nowhere"]);
    assert!(code == Some(1) && err.contains("`nowhere`"), "{err}");
}

#[test]
fn models_are_shown_and_what_is_none_is_told() {
    let place = Workplace::new();
    let found = json(&place.well(&["inspect", &text(&fixture("qwen3", "base")), "--json"]));
    assert_eq!(found["model"]["model_type"], "qwen3");
    assert!(found["model"]["parameters"].as_u64() > Some(1000));
    std::fs::create_dir(place.path().join("empty")).expect("made");
    let (_, err, code) = place.run(&["inspect", "empty"]);
    assert!(code == Some(5) && err.contains("hint:"), "{err}");
}

#[test]
fn two_adapters_are_compared() {
    let place = Workplace::new();
    let (one, two) = (fixture("llama3", "adapter"), fixture("llama3", "adapter_after_30_steps"));
    let (one, two) = (text(&one), text(&two));
    let same = json(&place.well(&["diff", &one, &one, "--json"]));
    assert!(same["whole"]["difference_norm"].as_f64().expect("a norm") < 1e-6, "{same}");
    assert_eq!(same["adapter_settings"], serde_json::json!([]));
    let other = json(&place.well(&["diff", &one, &two, "--json"]));
    let whole = &other["whole"];
    assert!(whole["difference_norm"].as_f64() > Some(0.0) && whole["cosine"].as_f64() < Some(1.0));
    let shown = place.well(&["diff", &one, &two]);
    assert!(shown.contains("cosine") && shown.contains("layer 0"), "{shown}");
    let model = text(&fixture("llama3", "base"));
    let (_, err, code) = place.run(&["diff", &one, &model]);
    assert!(code == Some(5) && err.contains("is a model"), "{err}");
}

#[test]
fn a_report_opens_without_a_network() {
    let place = Workplace::new();
    place.run_folder("a", "llama3", &[10]);
    place.run_folder("b", "llama3", &[10]);
    assert_eq!(place.well(&["report", "a"]).trim(), "a/report.html");
    let page = std::fs::read_to_string(place.path().join("a/report.html")).expect("written");
    assert!(page.contains("default-src 'none'") && page.contains("Evaluation loss"), "{page}");
    assert!(!page.contains("http://") && !page.contains("https://"), "it asks for nothing");
    place.well(&["report", "a", "b", "--output", "both.html"]);
    let page = std::fs::read_to_string(place.path().join("both.html")).expect("written");
    assert!(page.contains("2 runs"), "{page}");
}

#[test]
fn a_folder_that_is_not_there_is_a_sentence_with_advice() {
    let place = Workplace::new();
    for verb in [&["inspect", "gone"][..], &["merge", "gone", "--output", "m"]] {
        let (out, err, code) = place.run(verb);
        assert_eq!((code, out.as_str()), (Some(1), ""), "{verb:?}: {err}");
        assert!(err.contains("gone") && err.contains("hint: name a run folder"), "{verb:?}: {err}");
    }
    assert!(!place.path().join("m").exists(), "nothing is written");
}

#[test]
fn names_with_spaces_are_names() {
    let place = Workplace::new();
    place.run_folder("my first run", "qwen3", &[10]);
    assert!(place.well(&["inspect", "my first run"]).contains("step-00000010"));
    let base = text(&fixture("qwen3", "base"));
    place.well(&["merge", "my first run", "--base", &base, "--output", "a whole model"]);
    assert!(place.path().join("a whole model/model.safetensors").is_file());
    let page = place.well(&["report", "my first run", "--output", "the page.html"]);
    assert_eq!(page.trim(), "the page.html");
    assert!(place.path().join("the page.html").is_file());
}
