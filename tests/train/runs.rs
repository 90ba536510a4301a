//! Whole runs: what they leave, what they say, that they repeat, and how they stop.

use std::{fs, path::Path, process::Stdio};

use rustix::process::{Pid, Signal, kill_process};

use crate::program::{Workplace, outcome, wait_for};

#[test]
fn a_short_run_leaves_a_whole_adapter_and_repeats() {
    let place = Workplace::new();
    let (stdout, stderr, code) = outcome(&place.short("a").output().expect("starts"));
    assert_eq!(code, Some(0), "{stderr}");
    let set = place.path().join(stdout.trim());
    for name in [
        "adapter_model.safetensors",
        "adapter_config.json",
        "optimizer.safetensors",
        "trainer_state.json",
        "config.toml",
        "tokenizer.json",
        "README.md",
        "manifest.json",
    ] {
        assert!(set.join(name).is_file(), "{name} is missing");
    }
    assert!(stderr.contains("evaluation loss"), "{stderr}");
    let metrics = fs::read_to_string(place.path().join("a/metrics.jsonl")).expect("metrics");
    assert!(metrics.lines().count() >= 5, "{metrics}");

    let again = place.short("b").output().expect("starts");
    assert_eq!(again.status.code(), Some(0));
    assert_eq!(adapter(place.path(), "a", 6), adapter(place.path(), "b", 6));
    let threads = place.short("c").args(["--set", "run.threads=1"]).output().expect("starts");
    assert_eq!(threads.status.code(), Some(0));
    assert_eq!(adapter(place.path(), "a", 6), adapter(place.path(), "c", 6));
}

/// Bytes of the adapter and the moments at a step.
pub(crate) fn adapter(root: &Path, run: &str, step: u64) -> [Vec<u8>; 2] {
    let set = root.join(run).join(format!("checkpoints/step-{step:08}"));
    ["adapter_model.safetensors", "optimizer.safetensors"]
        .map(|name| fs::read(set.join(name)).expect("in the set"))
}

#[test]
fn an_interrupt_saves_and_names_the_command_that_resumes() {
    let place = Workplace::new();
    let mut long = place.short("out");
    long.args(["--set", "train.num_steps=100000", "--set", "train.save_every=100000"]);
    let child = long.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("starts");
    let metrics = place.path().join("out/metrics.jsonl");
    let steps = || fs::read_to_string(&metrics).map_or(0, |text| text.lines().count());
    wait_for("logged steps", || steps() > 3);
    let pid = Pid::from_raw(child.id() as i32).expect("a process id");
    kill_process(pid, Signal::INT).expect("signalled");
    let (_, stderr, code) = outcome(&child.wait_with_output().expect("ends"));
    assert_eq!(code, Some(130), "{stderr}");
    assert!(stderr.contains("--resume"), "{stderr}");
    let latest = fs::read_to_string(place.path().join("out/latest")).expect("a set was written");
    assert!(latest.starts_with("step-"), "{latest}");
}

#[test]
fn a_streamed_run_accounts_for_what_it_read_while_it_trained() {
    let place = Workplace::new();
    // Not the quickstart's preset, which counts the rows of each group first.
    let config = place.file("own.toml", "[model]\nname = \"sigil-base\"\n");
    let mut command = place.short("out");
    command.args(["--config", &config]);
    command.args(["--set", "dataset.use_cache=false", "--set", "dataset.test_code=keep"]);
    let (_, stderr, code) = outcome(&command.output().expect("starts"));
    assert_eq!(code, Some(0), "{stderr}");
    let text = fs::read(place.path().join("out/data_ledger.json")).expect("the account is there");
    let ledger: serde_json::Value = serde_json::from_slice(&text).expect("JSON");
    // Rows become documents when a step asks for them, so only the end knows how many.
    let tokenized = &ledger["stages"]["tokenize"]["kept"];
    assert!(tokenized.as_u64().is_some_and(|rows| rows > 0), "{ledger:#}");
}

#[test]
fn the_log_file_the_events_folder_and_the_best_set_are_honoured() {
    let place = Workplace::new();
    let mut command = place.short("out");
    for setting in [
        "run.log_file=talk.log",
        "run.logging_dir=events",
        "train.load_best_model_at_end=true",
        "train.save_every=6",
        "train.learning_rate=0.05",
    ] {
        command.args(["--set", setting]);
    }
    let (stdout, stderr, code) = outcome(&command.output().expect("starts"));
    assert_eq!(code, Some(0), "{stderr}");
    let log = fs::read_to_string(place.path().join("out/talk.log")).expect("a log file");
    assert_eq!(log.trim(), stderr.trim(), "the log file holds what was said");
    let events = fs::read_dir(place.path().join("events")).expect("the events folder");
    assert_eq!(events.count(), 1);
    let best = fs::read_to_string(place.path().join("out/best"));
    match best {
        Ok(best) => {
            let best: serde_json::Value = serde_json::from_str(&best).expect("JSON");
            let set = best["set"].as_str().expect("a name");
            assert!(stdout.trim().ends_with(set), "{stdout} is not the best set {set}");
        }
        // Such a learning rate may never beat the untrained model; then it is said.
        Err(_) => assert!(stderr.contains("no evaluation was better"), "{stderr}"),
    }
}

#[test]
fn two_runs_do_not_share_a_folder() {
    let place = Workplace::new();
    let mut long = place.short("out");
    long.args(["--set", "train.num_steps=100000"]);
    let mut child = long.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("starts");
    let metrics = place.path().join("out/metrics.jsonl");
    wait_for("the metrics", || metrics.is_file());
    let (_, stderr, code) = outcome(&place.short("out").output().expect("starts"));
    child.kill().expect("killed");
    child.wait().expect("ended");
    assert_eq!(code, Some(6), "{stderr}");
    assert!(stderr.contains("out"), "{stderr}");
}

#[test]
fn plan_and_doctor_answer_in_json() {
    let place = Workplace::new();
    for arguments in [["--plan", "--json"], ["doctor", "--json"]] {
        let output = place.bare().args(arguments).output().expect("starts");
        let (stdout, stderr, _) = outcome(&output);
        let value: serde_json::Value = serde_json::from_str(&stdout).expect("one JSON value");
        assert!(value.is_object(), "{stderr}");
    }
}
