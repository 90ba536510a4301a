//! Runs `sigil-sweep` with the real `sigil-train` beside it: runs, one made to fail, a stop and a resume.
//!
//! The trainer is that of `cargo build --workspace`; cargo builds only this program for its tests.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Command, Output, Stdio};

use rustix::process::{Pid, Signal, kill_process};

const SETTINGS: &str = "[sweep]\npreset = \"quickstart\"\n[keys]\n\"lora.r\" = [2, 4]\n\
\"train.learning_rate\" = [1e-3, 2e-3, 4e-3, 8e-3]\n[set]\n\"dataset.names\" = [\"data\"]\n\
\"dataset.min_length\" = 10\n\"sequence.max_length\" = 48\n\"evaluation.groups\" = []\n\
\"evaluation.fraction\" = 0.25\n\"evaluation.max_rows\" = 2\n\"evaluation.every_steps\" = 2\n\
\"train.micro_batch_size\" = 2\n\"train.gradient_accumulation\" = 1\n\"train.num_steps\" = 4\n\
\"train.warmup_steps\" = 1\n\"train.logging_steps\" = 2\n\"train.save_every\" = 2\n\
\"run.device\" = \"cpu\"\n";

/// A folder with some of this repository's own sources to train on.
fn workplace() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../crates/sigil-run/src");
    let mut files: Vec<_> = fs::read_dir(sources)
        .expect("sources are there")
        .map(|entry| entry.expect("read").path())
        .filter(|path| path.extension().is_some_and(|ending| ending == "rs"))
        .collect();
    files.sort();
    for (at, path) in files.iter().take(8).enumerate() {
        let group = folder.path().join("data").join(["one", "two", "three", "four"][at % 4]);
        fs::create_dir_all(&group).expect("made");
        fs::copy(path, group.join(path.file_name().expect("a name"))).expect("copied");
    }
    fs::write(folder.path().join("s.toml"), SETTINGS).expect("written");
    folder
}

fn command(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sigil-sweep"));
    command
        .current_dir(folder)
        .env_clear()
        .env("HOME", folder)
        // It would make every run fail, were it passed on.
        .env("SIGIL_TRAIN__LEARNING_RATE", "none")
        .args(arguments);
    command
}

fn sweep(folder: &Path, arguments: &[&str]) -> Output {
    command(folder, arguments).output().expect("it starts")
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn eight_runs_one_of_which_fails_are_ranked() {
    let place = workplace();
    let folder = place.path();
    let listed = sweep(folder, &["s.toml", "--dry-run"]);
    let lines = String::from_utf8_lossy(&listed.stdout).lines().count();
    assert!(listed.status.success() && lines == 8, "{}", said(&listed));
    assert!(!folder.join("out").exists(), "a dry run writes nothing");

    // What is in the way of the third run's folder makes it fail.
    fs::create_dir_all(folder.join("out/sweep/s/round-1")).expect("made");
    fs::write(folder.join("out/sweep/s/round-1/trial-003"), "in the way").expect("written");
    let output = sweep(folder, &["s.toml", "--json"]);
    assert_eq!(output.status.code(), Some(10), "{}", said(&output));
    let results: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!((&results["ended"], &results["failed"]), (&8.into(), &1.into()));
    let runs = results["runs"].as_array().expect("runs");
    let values: Vec<f64> = runs.iter().filter_map(|run| run["value"].as_f64()).collect();
    assert!(values.len() == 7 && values.is_sorted(), "{values:?}");
    assert_eq!(runs[7]["trial"], "trial-003");
    assert!(runs[7]["failure"].as_str().is_some_and(|words| words.contains("error:")), "{runs:?}");
    let page = fs::read_to_string(folder.join("out/sweep/s/report.html")).expect("written");
    assert!(page.contains("By setting") && page.contains("Failures"), "{page}");

    fs::remove_file(folder.join("out/sweep/s/round-1/trial-003")).expect("removed");
    let again = sweep(folder, &["s.toml", "--retry-failed", "--json"]);
    assert_eq!(again.status.code(), Some(0), "{}", said(&again));
    let results: serde_json::Value = serde_json::from_slice(&again.stdout).expect("JSON");
    assert_eq!(results["failed"], 0);
}

#[test]
fn a_sweep_that_is_stopped_goes_on_to_the_same_results() {
    let place = workplace();
    let short = SETTINGS.replace("[1e-3, 2e-3, 4e-3, 8e-3]", "[1e-3, 2e-3]");
    fs::write(place.path().join("s.toml"), short).expect("written");
    let whole = sweep(place.path(), &["s.toml", "--out", "whole"]);
    assert!(whole.status.success(), "{}", said(&whole));

    let mut child = command(place.path(), &["s.toml", "--out", "stopped"])
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("it starts");
    let errors = BufReader::new(child.stderr.take().expect("it is piped"));
    let mut asked = false;
    for line in errors.lines() {
        let line = line.expect("text");
        // The third run begins; it is asked to stop before it can end.
        if !asked && line.contains("(3 of 4)") {
            asked = true;
            kill_process(Pid::from_child(&child), Signal::INT).expect("it runs");
        }
    }
    assert_eq!((child.wait().expect("it ends").code(), asked), (Some(130), true));
    assert!(!place.path().join("stopped/results.json").exists(), "it is not ranked half done");
    let again = sweep(place.path(), &["s.toml", "--out", "stopped"]);
    assert!(again.status.success(), "{}", said(&again));
    let read = |run: &str| {
        fs::read_to_string(place.path().join(run).join("results.json")).expect("written")
    };
    assert_eq!(read("stopped"), read("whole"));
}

#[test]
fn runs_are_ranked_by_the_samples_that_pass() {
    let place = workplace();
    let folder = place.path();
    let base = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../configs/sigil-base-tasks");
    let tasks =
        Command::new(Path::new(env!("CARGO_BIN_EXE_sigil-sweep")).with_file_name("sigil-expert"))
            .current_dir(folder)
            .args([
                "tasks",
                "write",
                "--split",
                "development",
                "--count",
                "4",
                "--out",
                "dev.jsonl",
            ])
            .output()
            .expect("sigil-expert lies beside it");
    assert!(tasks.status.success(), "{}", said(&tasks));
    // The base solves half of such tasks; steps of this length leave nothing of what it knows.
    let text = SETTINGS
        .replace("[sweep]", "[sweep]\nrank_by = \"pass_rate\"\ntasks = \"dev.jsonl\"")
        .replace("\"lora.r\" = [2, 4]\n", "")
        .replace("[1e-3, 2e-3, 4e-3, 8e-3]", "[10.0, 1e-5]")
        .replace("[set]", &format!("[set]\n\"model.name\" = \"{}\"", base.display()));
    fs::write(folder.join("judged.toml"), text).expect("written");
    // The judge needs a compiler, which rustup finds through these.
    let of_user = |name: &str| std::env::var_os(name);
    let home = of_user("HOME").unwrap_or_default();
    let rustup = of_user("RUSTUP_HOME").unwrap_or_else(|| Path::new(&home).join(".rustup").into());
    let mut judged = command(folder, &["judged.toml", "--json"]);
    judged.env("PATH", of_user("PATH").unwrap_or_default()).env("RUSTUP_HOME", rustup);
    if let Some(toolchain) = of_user("RUSTUP_TOOLCHAIN") {
        judged.env("RUSTUP_TOOLCHAIN", toolchain);
    }
    let output = judged.output().expect("it starts");
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    let results: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(results["rank_by"], "pass_rate");
    let rate = |at: usize| results["runs"][at]["value"].as_f64().expect("it was judged");
    assert!(rate(0) > rate(1), "{results}");
    assert_eq!(results["runs"][0]["trial"], "trial-002", "{results}");
    let page = fs::read_to_string(folder.join("out/sweep/judged/report.html")).expect("written");
    assert!(page.contains("pass_rate"), "{page}");
}

#[test]
fn what_is_wrong_is_told_before_anything_starts() {
    let place = workplace();
    fs::write(place.path().join("bad.toml"), "[keys]\n\"lora.r\" = [8, 0]\n").expect("written");
    let output = sweep(place.path(), &["bad.toml"]);
    assert_eq!(output.status.code(), Some(3), "{}", said(&output));
    assert!(said(&output).contains("trial-002") && !place.path().join("out").exists());
    let output = sweep(place.path(), &["none.toml"]);
    assert!(output.status.code() == Some(1) && said(&output).contains("none.toml"));
}

#[test]
fn the_shipped_sweeps_are_accepted() {
    let configs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../configs");
    let place = workplace();
    for (name, runs) in [("sweep-quickstart", 8), ("sweep-llama-3.1-8b-phase1", 108)] {
        let file = configs.join(format!("{name}.toml")).display().to_string();
        let output = sweep(place.path(), &[&file, "--dry-run"]);
        let lines = String::from_utf8_lossy(&output.stdout).lines().count();
        assert!(output.status.success() && lines == runs, "{name}: {}", said(&output));
    }
}

#[test]
fn the_reference_of_the_command_is_current() {
    let place = workplace();
    let help = sweep(place.path(), &["--help"]);
    let text = String::from_utf8_lossy(&help.stdout).into_owned();
    let text: String = text.lines().map(|line| line.trim_end().to_owned() + "\n").collect();
    let page = format!(
        "# sigil-sweep\n\nThis page is what the program prints for `--help`; a test keeps it \
         current. How it is used: [guides/sweeps.md](../guides/sweeps.md).\n\n```text\n{text}```\n"
    );
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/reference/sigil-sweep.md");
    if std::env::var_os("UPDATE_EXPECT").is_some() {
        fs::write(&path, &page).expect("written");
    }
    let committed = fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(committed, page, "run `UPDATE_EXPECT=1 cargo test --workspace --test sweep`");
}
