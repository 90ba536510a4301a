//! `sigil-data batches`: cached and streamed runs with the same digests, and positions after SIGKILL.

use std::io::{BufRead as _, BufReader};
use std::os::unix::process::ExitStatusExt as _;
use std::process::{Command, Stdio};

use serde_json::Value;
use tempfile::TempDir;

use crate::program::{bare, err, folder, out, run, write};

const SETTINGS: &str = r#"
[model]
name = "sigil-base"

[dataset]
names = ["a.jsonl", "local:b.jsonl", "c"]
min_length = 3
near_duplicates = false
interleave_mode = "weighted"
interleave_stop = "all_exhausted"
dataset_weights = { "a.jsonl" = 3.0, "c" = 0.5 }
task_weights = { fix = 1.5 }
shuffle = "buffer"
shuffle_buffer = 50
shuffle_seed = 7

[sequence]
max_length = 64

[train]
micro_batch_size = 2
gradient_accumulation = 2
"#;

/// Three sources of different kinds and lengths, about 1,400 rows.
fn mixture() -> TempDir {
    let folder = folder();
    let code = |index: usize| format!("fn f_{index}(x: u64) -> u64 {{ x + {} }}", index * 7);
    let task = |index: usize| if index.is_multiple_of(3) { "fix" } else { "write" };
    let line = |index: usize| {
        format!("{{\"text\": \"{}\", \"_task_type\": \"{}\"}}\n", code(index), task(index))
    };
    write(&folder, "a.jsonl", (0..900).map(line).collect::<String>());
    let line = |index: usize| {
        format!(
            "{{\"prompt\": \"Write {index}\", \"gen\": \"{}\", \"weight\": 1.25}}\n",
            code(index)
        )
    };
    write(&folder, "b.jsonl", (900..1300).map(line).collect::<String>());
    for index in 1300..1360 {
        write(&folder, &format!("c/crate-{}/src/file_{index}.rs", index % 7), code(index));
    }
    write(&folder, "run.toml", SETTINGS);
    folder
}

fn batches(folder: &TempDir, cached: bool, steps: usize) -> Command {
    let mut command = bare(folder.path());
    command
        .args(["batches", "--config", "run.toml", "--tokenizer", "model", "--json"])
        .args(["-n", &steps.to_string()])
        .args(["--set", &format!("dataset.use_cache={cached}")]);
    command
}

fn lines(command: &mut Command) -> Vec<Value> {
    let output = command.output().expect("the program can be started");
    assert!(output.status.success(), "{}", err(&output));
    out(&output).lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

fn digests(lines: &[Value]) -> Vec<&str> {
    lines.iter().map(|line| line["digest"].as_str().expect("text")).collect()
}

#[test]
fn cached_and_streamed_runs_have_the_same_digests() {
    let folder = mixture();
    let cached = lines(&mut batches(&folder, true, 900));
    let streamed = lines(&mut batches(&folder, false, 900));
    assert_eq!(digests(&cached), digests(&streamed));
    // More than one epoch was compared, and no step is like another.
    assert!(cached[899]["position"]["epoch"].as_u64() > Some(0), "{}", cached[899]);
    let mut distinct = digests(&cached);
    distinct.sort_unstable();
    distinct.dedup();
    assert_eq!(distinct.len(), 900);
    // The second cached run reads what the first one wrote.
    std::fs::remove_dir_all(folder.path().join("cache/sigil/rows")).expect("the cache is there");
    let anew = lines(&mut batches(&folder, true, 20));
    let again = lines(&mut batches(&folder, true, 20));
    assert_eq!((digests(&anew), digests(&again)), (digests(&cached[..20]), digests(&cached[..20])));
}

#[test]
fn a_killed_run_goes_on_with_the_same_batches_at_any_number_of_threads() {
    let folder = mixture();
    let whole = lines(&mut batches(&folder, false, 420));
    for cached in [true, false] {
        for (kill_after, threads) in [(1, "3"), (90, "1"), (333, "4")] {
            let mut child = batches(&folder, cached, 1_000_000)
                .env("RAYON_NUM_THREADS", "2")
                .stdout(Stdio::piped())
                .spawn()
                .expect("the program can be started");
            // Held until the end: a closed pipe would end the program before it is killed.
            let mut printed = BufReader::new(child.stdout.take().expect("it is piped")).lines();
            let seen: Vec<String> =
                printed.by_ref().take(kill_after).map(|line| line.expect("text")).collect();
            child.kill().expect("it can be killed");
            assert_eq!(child.wait().expect("it has ended").signal(), Some(9), "it was running");
            write(&folder, "last.json", seen.last().expect("there is a line"));
            let mut resumed = batches(&folder, cached, 60);
            let resumed =
                lines(resumed.args(["--from", "last.json"]).env("RAYON_NUM_THREADS", threads));
            assert_eq!(
                digests(&resumed),
                digests(&whole[kill_after..kill_after + 60]),
                "cached: {cached}, killed after {kill_after} steps"
            );
        }
    }
}

#[test]
fn steps_are_shown_with_their_rows_and_positions_of_other_data_are_refused() {
    let folder = mixture();
    let arguments = ["batches", "--config", "run.toml", "--tokenizer", "model", "-n", "1"];
    let shown = run(folder.path(), &[&arguments[..], &["--rows"]].concat());
    assert!(out(&shown).starts_with("step 1, epoch 0: "), "{}{}", out(&shown), err(&shown));
    assert!(out(&shown).contains("\n  a.jsonl:"), "{}", out(&shown));
    let state = lines(&mut batches(&folder, true, 1)).remove(0);
    // A checkpoint set's state has the position under another name, among other things.
    let state = serde_json::json!({ "step": 1, "cursor": state["position"] });
    write(&folder, "trainer_state.json", state.to_string());
    let from = [&arguments[..], &["--from", "trainer_state.json"]].concat();
    assert!(run(folder.path(), &from).status.success(), "{}", err(&run(folder.path(), &from)));
    write(&folder, "b.jsonl", "{\"text\": \"fn other() {}\"}\n");
    let refused = run(folder.path(), &from);
    assert_eq!(refused.status.code(), Some(4), "{}", err(&refused));
    assert!(err(&refused).contains("belongs to other data"), "{}", err(&refused));
    write(&folder, "torn.json", "{\"position\": {\"epoch\"");
    let torn = run(folder.path(), &[&arguments[..], &["--from", "torn.json"]].concat());
    assert_eq!(torn.status.code(), Some(2), "{}", err(&torn));
    assert!(err(&torn).contains("`torn.json` holds no position"), "{}", err(&torn));
}
