//! Wrong inputs: one clear sentence with the place, a documented exit code, never a panic.

use crate::program::Workplace;

#[track_caller]
fn refused(place: &Workplace, arguments: &[&str], code: i32, words: &[&str]) {
    let (stdout, stderr, actual) = place.run(arguments);
    assert_eq!(actual, Some(code), "{arguments:?}: {stderr}");
    assert!(stdout.is_empty(), "{arguments:?}: stdout is data: {stdout}");
    assert!(!stderr.contains("panicked"), "{arguments:?}: {stderr}");
    for word in words {
        assert!(stderr.contains(word), "{arguments:?}: no `{word}` in: {stderr}");
    }
}

#[test]
fn wrong_prompts_are_never_replaced_by_others() {
    let place = Workplace::new();
    refused(&place, &["--prompts", "absent.yaml"], 4, &["absent.yaml", "rust-basics"]);
    let name = place.file("torn.jsonl", "{\"prompt\": \"a\"}\n{\"prompt\": \"b\n");
    refused(&place, &["--prompts", &name], 4, &["torn.jsonl:2"]);
    let name = place.file("other.yaml", "- a\n- snippet: b\n");
    refused(&place, &["--prompts", &name], 4, &["other.yaml:2", "snippet"]);
    let name = place.file("none.json", "[]");
    refused(&place, &["--prompts", &name], 4, &["no prompts"]);
    refused(&place, &["--only", "nobody"], 4, &["`nobody`", "the ids are "]);
    let long = place.file("long.json", &format!("[\"{}\"]", "fn f() {} ".repeat(2000)));
    refused(&place, &["--prompts", &long], 4, &["1024 positions"]);
}

#[test]
fn wrong_settings() {
    let place = Workplace::new();
    refused(&place, &["--temperature=-1"], 3, &["temperature", "0 (greedy)"]);
    refused(&place, &["--temperature", "NaN"], 3, &["temperature"]);
    refused(&place, &["--top-p", "0"], 3, &["top_p"]);
    refused(&place, &["--min-p", "2"], 3, &["min_p"]);
    refused(&place, &["--repetition-penalty", "0"], 3, &["repetition_penalty"]);
    refused(&place, &["--max-new-tokens", "0"], 3, &["max_new_tokens"]);
    refused(&place, &["--stop-token", "<|nowhere|>"], 3, &["<|nowhere|>"]);
    let small = ["--prompt", "fn a", "--max-new-tokens", "200", "--cache-tokens", "255"];
    refused(&place, &small, 3, &["--cache-tokens", "255", "256", "--max-new-tokens"]);
    refused(&place, &["--n", "0"], 2, &["0"]);
    refused(&place, &["--set", "best"], 2, &["--run"]);
}

#[test]
fn wrong_models_and_runs() {
    let place = Workplace::new();
    refused(&place, &["--model", "./nowhere"], 5, &["nowhere"]);
    std::fs::create_dir(place.path().join("model")).expect("a folder");
    refused(&place, &["--model", "model"], 5, &["tokenizer.json"]);
    refused(&place, &["--adapter", "model"], 5, &["adapter_config.json"]);
    refused(&place, &["--run", "model"], 6, &["run"]);
}

#[test]
fn an_output_that_something_else_wrote() {
    let place = Workplace::new();
    let short = ["--prompt", "fn a", "--max-new-tokens", "2", "--output", "s.jsonl"];
    assert_eq!(place.run(&short).2, Some(0));
    let other = [&short[..], &["--temperature", "0.5"]].concat();
    refused(&place, &other, 6, &["s.jsonl:1", "other settings"]);
    let other = [&short[..], &["--precision", "nf4"]].concat();
    refused(&place, &other, 6, &["s.jsonl:1", "another model"]);
    place.file("t.jsonl", "{\"prompt\": \"a\", \"gen\": \"b\"}\n");
    let other = ["--prompt", "fn a", "--output", "t.jsonl"];
    refused(&place, &other, 6, &["t.jsonl:1"]);
}

#[test]
fn a_device_that_is_not_there() {
    let place = Workplace::new();
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_sigil-generate"));
    command.current_dir(place.path()).env_clear().args(["--device", "cuda:7"]);
    let (_, stderr, code) = crate::program::outcome(&command.output().expect("starts"));
    assert_eq!(code, Some(8), "{stderr}");
    assert!(stderr.contains("cuda:7"), "{stderr}");
}
