//! What each verb prints.

use serde_json::Value;

use crate::program::{bare, err, folder, out, run};

#[test]
fn filter_writes_what_is_kept_and_tells_what_is_not() {
    let folder = folder();
    let output = run(folder.path(), &["filter", "rows.jsonl", "--quarantine", "bad.jsonl"]);
    assert!(output.status.success(), "{}", err(&output));
    let rows: Vec<Value> = out(&output)
        .lines()
        .map(|line| serde_json::from_str(line).expect("each line is JSON"))
        .collect();
    assert_eq!(rows.len(), 2);
    assert_eq!(rows[0]["gen"], "fn a() -> u8 { 1 }");
    assert_eq!(rows[0]["_task_type"], "fix");
    assert_eq!(rows[0]["_place"], "rows.jsonl:1");
    for expected in ["1 too short", "1 unreadable", "1 exact duplicates", "2 rows written"] {
        assert!(err(&output).contains(expected), "{expected}: {}", err(&output));
    }
    let bad = std::fs::read_to_string(folder.path().join("bad.jsonl")).expect("it was written");
    assert!(bad.contains("rows.jsonl:5"), "{bad}");
    // What is written is read back the same.
    std::fs::write(folder.path().join("kept.jsonl"), out(&output)).expect("written");
    let again = run(folder.path(), &["filter", "kept.jsonl"]);
    assert_eq!(out(&again).lines().count(), 2, "{}", err(&again));
}

#[test]
fn preview_puts_what_is_learned_in_brackets() {
    let folder = folder();
    let output = run(folder.path(), &["preview", "rows.jsonl", "--tokenizer", "model", "-n", "1"]);
    assert!(output.status.success(), "{}", err(&output));
    let text = out(&output);
    assert!(text.contains("Write a\n\n⟦fn a() -> u8 { 1 }<|end|>⟧"), "{text}");
    assert!(!text.contains('\u{1b}'), "no colour outside a terminal");
    let json =
        run(folder.path(), &["preview", "rows.jsonl", "--tokenizer", "model", "-n", "1", "--json"]);
    let line: Value = serde_json::from_str(out(&json).trim()).expect("JSON");
    let given = line["given"][0][1].as_u64().expect("the prompt is given");
    let tokens = line["tokens"].as_array().expect("tokens").len() as u64;
    assert_eq!(line["learned"].as_u64(), Some(tokens - given));
}

#[test]
fn stats_count_and_the_page_is_safe() {
    let folder = folder();
    let arguments = ["stats", "rows.jsonl", "--tokenizer", "model", "--html", "p.html", "--json"];
    let output = run(folder.path(), &arguments);
    assert!(output.status.success(), "{}", err(&output));
    let counted: Value = serde_json::from_str(&out(&output)).expect("JSON");
    assert_eq!(counted["rows"], 2);
    assert_eq!(counted["ledger"]["stages"]["read"]["dropped"]["too_short"], 1);
    let page = std::fs::read_to_string(folder.path().join("p.html")).expect("it was written");
    assert!(page.contains("default-src 'none'") && page.contains("&lt;script&gt;"));
    for forbidden in ["<script", "http://", "https://", "src="] {
        let body = page.replace("-src ", "");
        assert!(!body.contains(forbidden), "{forbidden}");
    }
    let shown = run(folder.path(), &["stats", "rows.jsonl"]);
    assert!(out(&shown).contains("characters: mean"), "{}", out(&shown));
}

#[test]
fn failures_are_sentences_with_exit_codes() {
    let folder = folder();
    for (arguments, code, expected) in [
        (&["filter", "absent.jsonl"][..], 4, "the data source `absent.jsonl` does not exist"),
        (&["filter", "model/tokenizer_config.json"], 4, "no text was found (fields: eos_token)"),
        (&["preview", "rows.jsonl", "--tokenizer", "absent"], 5, "cannot read the tokenizer file"),
        (&["filter", "rows.jsonl", "--set", "dataset.mim_length=3"], 3, "min_length"),
        (&["stats", "rows.jsonl", "--html", "no/such/folder/x"], 1, "No such file"),
    ] {
        let output = run(folder.path(), arguments);
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {}", err(&output));
        assert!(err(&output).contains(expected), "{arguments:?}: {}", err(&output));
    }
}

#[test]
fn an_empty_cache_is_no_failure() {
    let folder = folder();
    for verb in [&["cache", "list"][..], &["cache", "verify"], &["cache", "prune"]] {
        let output = bare(folder.path()).args(verb).arg("--json").output().expect("it starts");
        assert!(output.status.success(), "{}", err(&output));
        assert!(serde_json::from_str::<Value>(&out(&output)).is_ok(), "{}", out(&output));
    }
}
