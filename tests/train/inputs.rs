//! Wrong inputs: one clear sentence with the place, a documented exit code, never a panic.

use crate::program::{Workplace, outcome};

/// Runs with the arguments and checks the code and that every word is said.
#[track_caller]
fn refused(workplace: &Workplace, arguments: &[&str], code: i32, words: &[&str]) {
    let output = workplace.short("out").args(arguments).output().expect("starts");
    let (stdout, stderr, actual) = outcome(&output);
    assert_eq!(actual, Some(code), "{arguments:?}: {stderr}");
    assert!(stdout.is_empty(), "{arguments:?}: stdout is data: {stdout}");
    assert!(!stderr.contains("panicked"), "{arguments:?}: {stderr}");
    for word in words {
        assert!(stderr.contains(word), "{arguments:?}: no `{word}` in: {stderr}");
    }
}

#[test]
fn wrong_settings() {
    let place = Workplace::new();
    let set = |setting: &'static str| ["--set", setting];
    refused(&place, &set("train.lr_rate=1"), 3, &["unknown", "did you mean"]);
    refused(&place, &set("train.num_steps=many"), 3, &["train.num_steps"]);
    refused(&place, &set("train.log_backend=wandb"), 3, &["wandb", "tensorboard"]);
    refused(&place, &set("lora.target_modules=[\"w_proj\"]"), 3, &["w_proj"]);
    refused(&place, &set("train.warmup_steps=100"), 3, &["train.warmup_steps"]);
    let stream = ["--set", "dataset.shuffle=full", "--set", "dataset.use_cache=false"];
    refused(&place, &stream, 3, &["dataset.shuffle", "dataset.use_cache"]);
    let name = place.file("wrong.toml", "[train]\nlearning_rate = \"fast\"\n[lorra]\nr = 1\n");
    let words = ["wrong.toml:2", "learning_rate", "lorra", "lora"];
    refused(&place, &["--config", &name], 3, &words);
    let name = place.file("torn.toml", "[train\nlearning_rate = 1");
    refused(&place, &["--config", &name], 3, &["torn.toml:1"]);
    refused(&place, &["--config", "absent.toml"], 3, &["absent.toml"]);
    refused(&place, &["--preset", "quickstrat"], 3, &["quickstart"]);
}

#[test]
fn wrong_data() {
    let place = Workplace::new();
    let set = |setting: &'static str| ["--set", setting];
    refused(&place, &set("dataset.names=[\"nowhere\"]"), 4, &["nowhere"]);
    place.file("rows.jsonl", "{\"text\": \"fn a() {}\"}\n{\"text\": \"fn b() {}\n");
    refused(&place, &set("dataset.names=[\"rows.jsonl\"]"), 4, &["rows.jsonl", "2"]);
    place.file("other.jsonl", "{\"snippet\": \"fn a() {}\"}\n");
    refused(&place, &set("dataset.names=[\"other.jsonl\"]"), 4, &["other.jsonl", "snippet"]);
    place.file("torn.parquet", "PAR1 and nothing more");
    refused(&place, &set("dataset.names=[\"torn.parquet\"]"), 4, &["torn.parquet"]);
}

#[test]
fn wrong_model_files() {
    let place = Workplace::new();
    let set = |setting: &'static str| ["--set", setting];
    refused(&place, &set("model.name=./nowhere"), 5, &["nowhere"]);
    std::fs::create_dir(place.path().join("model")).expect("a folder");
    refused(&place, &set("model.name=model"), 5, &["config.json"]);
    place.file("model/config.json", "{\"model_type\": \"mamba\"}");
    refused(&place, &set("model.name=model"), 5, &["mamba"]);
    refused(&place, &set("model.load_from=nowhere"), 5, &["nowhere"]);
}

#[test]
fn a_base_that_is_cut_is_told_before_data_is_read() {
    let place = Workplace::new();
    let base = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../configs/sigil-base");
    std::fs::create_dir(place.path().join("base")).expect("a folder");
    for entry in std::fs::read_dir(base).expect("the base is there") {
        let path = entry.expect("readable").path();
        let name = path.file_name().expect("a file has a name").to_owned();
        let mut bytes = std::fs::read(&path).expect("readable");
        if name == "model.safetensors" {
            bytes.truncate(bytes.len() / 2);
        }
        std::fs::write(place.path().join("base").join(name), bytes).expect("written");
    }
    let output = place.short("out").args(["--set", "model.name=base"]).output().expect("starts");
    let (_, stderr, code) = outcome(&output);
    assert_eq!(code, Some(5), "{stderr}");
    assert!(stderr.contains("model.safetensors"), "{stderr}");
    assert!(!stderr.contains("reading"), "data was read first: {stderr}");
}

#[test]
fn a_run_that_never_began_leaves_no_folder() {
    let place = Workplace::new();
    refused(&place, &["--set", "dataset.names=[\"nowhere\"]"], 4, &["nowhere"]);
    assert!(!place.path().join("out").exists(), "an empty run folder stayed");
}

#[test]
fn a_run_that_does_not_fit_into_memory() {
    let place = Workplace::new();
    let set = ["--set", "train.micro_batch_size=250000"];
    let words = ["can be had", "activations", "train.micro_batch_size", "checkpoint_policy"];
    refused(&place, &set, 9, &words);
    assert!(!place.path().join("out").exists(), "nothing was begun");
}

#[test]
fn a_device_that_is_not_there() {
    let place = Workplace::new();
    let arguments = ["--set", "run.device=cuda:7"];
    refused(&place, &arguments, 8, &["cuda:7"]);
}

#[test]
fn wrong_run_folders() {
    let place = Workplace::new();
    refused(&place, &["--resume"], 6, &["resume"]);
    place.file("taken", "a file");
    refused(&place, &["--set", "run.output_dir=taken"], 6, &["taken"]);
}

#[test]
fn nothing_is_printed_about_a_secret() {
    let place = Workplace::new();
    let output = place
        .bare()
        .env("HF_TOKEN", "hf_verysecretverysecret")
        .args(["--print-config"])
        .output()
        .expect("starts");
    let (stdout, stderr, code) = outcome(&output);
    assert_eq!(code, Some(0), "{stderr}");
    assert!(!stdout.contains("verysecret") && !stderr.contains("verysecret"));
    assert!(stdout.contains("[train]"));
}
