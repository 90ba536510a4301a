//! Runs of several processes: what one process trains, and how they end.

use std::{
    fs,
    path::Path,
    process::{Command, Stdio},
};

use rustix::process::{Pid, Signal, kill_process};

use crate::{
    program::{Workplace, outcome, wait_for},
    runs::adapter,
};

/// A short run with two micro-batches a step, in so many processes.
fn run(place: &Workplace, out: &str, processes: usize) -> Command {
    let mut command = place.short(out);
    command.args(["--set", "train.gradient_accumulation=2", "--set", "train.micro_batch_size=1"]);
    command.args(["--set", &format!("run.processes={processes}")]);
    command
}

/// Training loss, gradient norm and evaluation loss of every line of the metrics.
fn curve(root: &Path, run: &str) -> Vec<[Option<f64>; 3]> {
    let text = fs::read_to_string(root.join(run).join("metrics.jsonl")).expect("metrics");
    let rows = text.lines().map(|line| serde_json::from_str(line).expect("JSON"));
    rows.map(|row: serde_json::Value| {
        ["loss", "grad_norm", "eval_loss"].map(|name| row[name].as_f64())
    })
    .collect()
}

#[test]
fn two_processes_train_what_one_trains_and_repeat_it() {
    let place = Workplace::new();
    for (out, processes) in [("one", 1), ("two", 2), ("again", 2)] {
        let (_, stderr, code) = outcome(&run(&place, out, processes).output().expect("starts"));
        assert_eq!(code, Some(0), "{stderr}");
        assert_eq!(stderr.contains("2 processes share each step"), processes == 2, "{stderr}");
    }
    let (one, two) = (curve(place.path(), "one"), curve(place.path(), "two"));
    assert_eq!(one.len(), two.len());
    for (one, two) in one.iter().flatten().zip(two.iter().flatten()) {
        match (one, two) {
            (Some(one), Some(two)) => assert!((one / two - 1.0).abs() < 1e-5, "{one} {two}"),
            other => assert_eq!(other, (&None, &None)),
        }
    }
    assert_eq!(adapter(place.path(), "two", 6), adapter(place.path(), "again", 6));
}

/// Processes whose parent is `parent`.
fn children(parent: u32) -> Vec<i32> {
    let folder = format!("/proc/{parent}/task");
    let tasks = fs::read_dir(folder).into_iter().flatten().flatten();
    tasks
        .filter_map(|task| fs::read_to_string(task.path().join("children")).ok())
        .flat_map(|text| {
            text.split_whitespace().filter_map(|id| id.parse().ok()).collect::<Vec<i32>>()
        })
        .collect()
}

fn is_alive(pid: i32) -> bool {
    // A zombie that init has yet to collect does no harm.
    let status = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    status.rsplit_once(')').is_some_and(|(_, rest)| !rest.trim_start().starts_with('Z'))
}

#[test]
fn a_killed_process_ends_the_run_and_nothing_is_lost() {
    let place = Workplace::new();
    let mut long = run(&place, "out", 2);
    long.args(["--set", "train.num_steps=100000", "--set", "train.save_every=2"]);
    let child = long.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("starts");
    let latest = place.path().join("out/latest");
    wait_for("a checkpoint set", || latest.exists());
    let followers = children(child.id());
    assert_eq!(followers.len(), 1, "one other process");
    let follower = Pid::from_raw(followers[0]).expect("a process id");
    kill_process(follower, Signal::KILL).expect("signalled");
    let (_, stderr, code) = outcome(&child.wait_with_output().expect("ends"));
    assert_eq!(code, Some(1), "{stderr}");
    assert!(stderr.contains("process 1 of 2 has ended before the run did"), "{stderr}");
    assert!(stderr.contains("--resume"), "{stderr}");

    let done = fs::read_to_string(&latest).expect("a set was written");
    let step: u64 = done.trim().trim_start_matches("step-").parse().expect("a step");
    let mut on = run(&place, "out", 2);
    on.args(["--set", "train.num_steps=100000", "--set", "train.save_every=2", "--resume"]);
    let child = on.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("starts");
    wait_for("a later set", || {
        fs::read_to_string(&latest).is_ok_and(|text| text != done && !text.is_empty())
    });
    let followers = children(child.id());
    let pid = Pid::from_raw(child.id() as i32).expect("a process id");
    kill_process(pid, Signal::INT).expect("signalled");
    let (_, stderr, code) = outcome(&child.wait_with_output().expect("ends"));
    assert_eq!(code, Some(130), "{stderr}");
    assert!(stderr.contains(&format!("after step {step} of")), "{stderr}");
    assert!(followers.iter().all(|&pid| !is_alive(pid)), "no process is left");
}

#[test]
fn the_others_end_when_the_first_is_killed() {
    let place = Workplace::new();
    let mut long = run(&place, "out", 2);
    long.args(["--set", "train.num_steps=100000", "--set", "train.save_every=2"]);
    let mut child = long.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("starts");
    wait_for("a checkpoint set", || place.path().join("out/latest").exists());
    let followers = children(child.id());
    assert_eq!(followers.len(), 1, "one other process");
    child.kill().expect("killed");
    child.wait().expect("ends");
    wait_for("the end of the other process", || !is_alive(followers[0]));
}

#[test]
fn wrong_rows_are_told_once_and_leave_nothing() {
    let place = Workplace::new();
    let rows = place.file("rows.jsonl", "{\"text\": 1}\n");
    let mut command = run(&place, "out", 2);
    command.args(["--set", &format!("dataset.names=[\"{rows}\"]")]);
    let (_, stderr, code) = outcome(&command.output().expect("starts"));
    assert_eq!(code, Some(4), "{stderr}");
    assert!(stderr.contains("rows.jsonl") && !stderr.contains("process 1"), "{stderr}");
    assert!(!place.path().join("out").exists(), "no folder is left");
}

#[test]
fn micro_batches_that_cannot_be_shared_are_refused() {
    let place = Workplace::new();
    let (_, stderr, code) = outcome(&run(&place, "out", 3).output().expect("starts"));
    assert_eq!(code, Some(3), "{stderr}");
    let message = "`run.processes` (3) does not divide `train.gradient_accumulation` (2)";
    assert!(stderr.contains(message), "{stderr}");
    assert!(!place.path().join("out").exists(), "no folder is left");
}

#[test]
fn a_follower_without_a_first_process_ends_with_a_sentence() {
    let place = Workplace::new();
    let mut command = place.bare();
    let started = command.args(["--follow", "3"]).stdin(Stdio::null()).output();
    let (stdout, stderr, code) = outcome(&started.expect("starts"));
    assert_eq!(code, Some(1), "{stderr}");
    assert!(stdout.is_empty() && stderr.starts_with("error: process 0 of 3"), "{stdout}{stderr}");
}
