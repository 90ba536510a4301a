//! Samples from prompts: what is in the rows, and that they depend on nothing but themselves.

use crate::program::{Workplace, sorted};

#[test]
fn without_prompts_the_eleven_are_answered() {
    let place = Workplace::new();
    let (stdout, stderr, code) = place.run(&["--max-new-tokens", "6"]);
    assert_eq!(code, Some(0), "{stderr}");
    assert!(!stdout.contains('\u{1b}') && stderr.contains("sigil-base"), "{stderr}");
    let rows = sorted(&stdout);
    assert_eq!(rows.len(), 11);
    for row in &rows {
        let object = row.as_object().expect("a row is a table");
        let mut keys: Vec<&str> = object.keys().map(String::as_str).collect();
        keys.sort_unstable();
        let wanted = [
            "code",
            "finish_reason",
            "id",
            "model",
            "prompt",
            "sample",
            "seed",
            "settings",
            "text",
            "tokens",
        ];
        assert_eq!(keys, wanted);
        assert!(row["tokens"].as_u64().is_some_and(|tokens| tokens <= 6), "{row}");
        assert!(["stop", "length"].contains(&row["finish_reason"].as_str().expect("a name")));
    }
}

#[test]
fn a_sample_does_not_depend_on_its_batch_or_on_the_threads() {
    let place = Workplace::new();
    let prompts = place.file(
        "prompts.yaml",
        "- fn main() {\n- id: b\n  prompt: |\n    use std::\n    pub struct\n- impl Iterator for\n",
    );
    let common = ["--prompts", &prompts, "-n", "4", "--max-new-tokens", "40", "--top-k", "30"];
    let run = |others: &[&str]| {
        let (stdout, stderr, code) = place.run(&[&common[..], others].concat());
        assert_eq!(code, Some(0), "{stderr}");
        sorted(&stdout)
    };
    let together = run(&[]);
    assert_eq!(together.len(), 12);
    assert_eq!(run(&["--batch", "1"]), together);
    assert_eq!(run(&["--batch", "5", "--threads", "1"]), together);
    // Room for two sequences at a time.
    assert_eq!(run(&["--cache-tokens", "256"]), together);
    assert_ne!(run(&["--seed", "1"]), together);
    let held_in_four_bits = run(&["--precision", "nf4"]);
    assert_ne!(held_in_four_bits[0]["model"], together[0]["model"]);

    // One row of the file alone, by its id and number; the digest of the settings is the same.
    let alone = run(&["--only", "b", "--sample", "2", "--batch", "7"]);
    let row = together.iter().find(|row| row["id"] == "b" && row["sample"] == 2);
    assert_eq!(alone, [row.expect("it was made").clone()]);
    // Without -n, which the number implies: drawn, as one of several.
    let arguments = [&common[..2], &common[4..], &["--only", "3", "--sample", "3"]].concat();
    let (stdout, stderr, code) = place.run(&arguments);
    assert_eq!(code, Some(0), "{stderr}");
    assert_eq!(sorted(&stdout), together[7..8]);

    // One prompt alone, outside of its file.
    let alone = ["--prompt", "fn main() {", "-n", "4", "--max-new-tokens", "40", "--top-k", "30"];
    let (stdout, _, _) = place.run(&alone);
    let texts = |rows: &[serde_json::Value]| -> Vec<_> {
        rows.iter().map(|row| (row["id"].clone(), row["text"].clone())).collect()
    };
    assert_eq!(texts(&sorted(&stdout)), texts(&together[..4]));
}

#[test]
fn a_stop_text_is_cut_off() {
    let place = Workplace::new();
    let prompt = ["--prompt", "fn main() {\n    let x = 1;", "--max-new-tokens", "60", "--json"];
    let (stdout, _, _) = place.run(&prompt);
    let free = sorted(&stdout)[0]["text"].as_str().expect("a text").to_owned();
    let middle: String = free.chars().skip(free.chars().count() / 2).take(3).collect();
    let (stdout, stderr, code) = place.run(&[&prompt[..], &["--stop", &middle]].concat());
    assert_eq!(code, Some(0), "{stderr}");
    let row = &sorted(&stdout)[0];
    assert_eq!(row["finish_reason"], "stop_text");
    assert_eq!(row["text"], free[..free.find(&middle).expect("it is there")]);
}

#[test]
fn a_report_is_one_object() {
    let place = Workplace::new();
    let arguments =
        ["--prompt", "fn a", "--max-new-tokens", "3", "--output", "a/b.jsonl", "--json"];
    let (stdout, stderr, code) = place.run(&arguments);
    assert_eq!(code, Some(0), "{stderr}");
    let report: serde_json::Value = serde_json::from_str(&stdout).expect("one object");
    assert_eq!((report["finished"].as_bool(), report["samples"].as_u64()), (Some(true), Some(1)));
    assert_eq!(report["model"], place.rows("a/b.jsonl")[0]["model"]);
    let (stdout, _, code) = place.run(&arguments);
    let report: serde_json::Value = serde_json::from_str(&stdout).expect("one object");
    assert_eq!((report["samples"].as_u64(), report["samples_before"].as_u64()), (Some(0), Some(1)));
    assert_eq!(code, Some(0));
}
