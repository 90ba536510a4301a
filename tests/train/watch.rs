//! A run whose checkpoint sets are judged as they land, and a watcher that is killed.
//!
//! The judge and the generator are those of `cargo build --workspace`; cargo builds only the trainer for
//! these tests.

use std::fs;
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::program::{Workplace, outcome};

const TASKS: &str = r##"{"task_id":"double","prompt":"fn double(x: i32) -> i32 {\n","entry_point":"double","canonical_solution":"    x * 2\n}\n","test":"#[cfg(test)] mod tests { use super::*; #[test] fn one() { assert_eq!(double(1), 2); } }"}
{"task_id":"next","prompt":"fn next(x: i32) -> i32 {\n","entry_point":"next","canonical_solution":"    x + 1\n}\n","test":"#[cfg(test)] mod tests { use super::*; #[test] fn one() { assert_eq!(next(1), 2); } }"}
"##;

fn rows(run: &Path) -> Vec<Value> {
    let text = fs::read_to_string(run.join("evaluations.jsonl")).expect("the run has judged sets");
    text.lines().map(|line| serde_json::from_str(line).expect("a row is JSON")).collect()
}

fn card(run: &Path, step: u64) -> String {
    let set = run.join(format!("checkpoints/step-{step:08}"));
    fs::read_to_string(set.join("README.md")).expect("the set has a card")
}

/// `sigil-eval watch` of a run, with the settings of all tests here.
fn watcher(place: &Workplace, run: &str) -> Command {
    let program = Path::new(env!("CARGO_BIN_EXE_sigil-train")).with_file_name("sigil-eval");
    let mut command = Command::new(program);
    command.current_dir(place.path()).args(["watch", run, "--tasks", "tasks.jsonl", "--json"]);
    command.args(["--all-checkpoints", "--max-new-tokens", "64", "--poll", "0.1"]);
    command
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("a folder");
    for entry in fs::read_dir(from).expect("it is there") {
        let path = entry.expect("read").path();
        let target = to.join(path.file_name().expect("a name"));
        if path.is_dir() {
            copy(&path, &target);
        } else {
            fs::copy(&path, &target).expect("copied");
        }
    }
}

#[test]
fn sets_are_judged_while_the_run_goes_on() {
    let place = Workplace::new();
    place.file("tasks.jsonl", TASKS);
    let mut command = place.short("a");
    // The compiler that judges is found as the user's would be.
    command.envs(std::env::var_os("PATH").map(|path| ("PATH", path)));
    command.envs(
        ["CARGO_HOME", "RUSTUP_HOME", "HOME"]
            .iter()
            .filter_map(|name| Some((*name, std::env::var_os(name)?))),
    );
    command.args(["--watch-eval", "tasks.jsonl"]);
    let (_, stderr, code) = outcome(&command.output().expect("starts"));
    let run = place.path().join("a");
    let log = fs::read_to_string(run.join("evaluations/watch.log")).unwrap_or_default();
    assert_eq!(code, Some(0), "{stderr}\n{log}");
    assert!(log.contains("step-00000006"), "{stderr}\n{log}");

    let judged: Vec<u64> = rows(&run).iter().filter_map(|row| row["step"].as_u64()).collect();
    assert_eq!(judged.last(), Some(&6), "{log}");
    for row in rows(&run) {
        for tag in ["judge/pass_rate", "judge/compile_rate", "judge/pass_at_1"] {
            assert!(row["extra"][tag].is_number(), "{row}");
        }
    }
    let card = card(&run, 6);
    assert!(card.contains("Samples judged") && card.contains("pass@1"), "{card}");
    let events = fs::read_dir(run.join("tensorboard/judge")).expect("curves").count();
    assert_eq!(events, 1);
    // What the trainer wrote is its own: no number of the judge's is in it.
    let metrics = fs::read_to_string(run.join("metrics.jsonl")).expect("metrics");
    assert!(!metrics.contains("judge/"), "{metrics}");
    let page = fs::read_to_string(run.join("report.html")).expect("the page of the run");
    assert!(page.contains("pass rate"), "the page of the run shows what the judge found");
}

#[test]
fn a_killed_watcher_goes_on_to_the_same_numbers() {
    let place = Workplace::new();
    place.file("tasks.jsonl", TASKS);
    let (_, stderr, code) = outcome(&place.short("whole").output().expect("starts"));
    assert_eq!(code, Some(0), "{stderr}");
    copy(&place.path().join("whole"), &place.path().join("killed"));
    let finish = |run: &str| {
        let (stdout, stderr, code) = outcome(&watcher(&place, run).output().expect("starts"));
        assert_eq!(code, Some(0), "{stderr}");
        (stdout, stderr)
    };
    let (stdout, _) = finish("whole");
    let sets = stdout.lines().count();
    assert!(sets >= 3, "{stdout}");

    let mut command = watcher(&place, "killed");
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("starts");
    let evaluations = place.path().join("killed/evaluations");
    let judged = || {
        let entries = fs::read_dir(&evaluations).into_iter().flatten().flatten();
        entries.filter(|entry| entry.path().join("metrics.json").is_file()).count()
    };
    while judged() == 0 && child.try_wait().expect("it can be asked").is_none() {
        std::thread::yield_now();
    }
    child.kill().expect("killed");
    let status = child.wait().expect("ended");
    assert_eq!(status.signal(), Some(9), "it ended before it was killed");
    let before = judged();
    assert!(before < sets, "nothing was left to do");
    let (_, stderr) = finish("killed");
    assert!(stderr.contains(&format!("{} sets judged", sets - before)), "{stderr}");
    assert_eq!(rows(&place.path().join("killed")), rows(&place.path().join("whole")));
    for row in rows(&place.path().join("whole")) {
        let step = row["step"].as_u64().expect("a step");
        let [killed, whole] = ["killed", "whole"].map(|run| card(&place.path().join(run), step));
        assert_eq!(killed, whole);
    }
}
