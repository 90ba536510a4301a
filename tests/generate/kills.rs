//! Killed or interrupted, and started again: the file is that of a run nobody disturbed.

use std::{
    fs,
    process::{Child, Stdio},
};

use rustix::process::{Pid, Signal, kill_process};

use crate::program::{Workplace, outcome};

const JOB: [&str; 6] = ["-n", "6", "--max-new-tokens", "80", "--batch", "8"];

/// Waits until the file has so many rows; false if the program ended before.
fn wait_for_rows(place: &Workplace, name: &str, rows: usize, child: &mut Child) -> bool {
    loop {
        let ended = child.try_wait().expect("it can be asked").is_some();
        let bytes = fs::read(place.path().join(name)).unwrap_or_default();
        if bytes.iter().filter(|&&byte| byte == b'\n').count() >= rows {
            return true;
        }
        if ended {
            return false;
        }
        std::thread::yield_now();
    }
}

fn start(place: &Workplace, name: &str) -> Child {
    let mut command = place.program(&[&JOB[..], &["--output", name]].concat());
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("starts")
}

fn finish(place: &Workplace, name: &str) -> String {
    let (_, stderr, code) = place.run(&[&JOB[..], &["--output", name]].concat());
    assert_eq!(code, Some(0), "{stderr}");
    stderr
}

#[test]
fn a_killed_generation_continues_to_the_same_file() {
    let place = Workplace::new();
    finish(&place, "whole.jsonl");
    let whole = place.rows("whole.jsonl");
    assert_eq!(whole.len(), 66);
    for rows in [1, 25] {
        let name = format!("killed-after-{rows}.jsonl");
        let mut child = start(&place, &name);
        assert!(wait_for_rows(&place, &name, rows, &mut child), "it ended before it was killed");
        child.kill().expect("killed");
        child.wait().expect("ended");
        // A kill between the two halves of a write leaves a line without its end.
        let mut bytes = fs::read(place.path().join(&name)).expect("read");
        bytes.extend_from_slice(b"{\"id\":\"serde\",\"sample\":1,\"prom");
        fs::write(place.path().join(&name), bytes).expect("torn");
        let stderr = finish(&place, &name);
        assert!(stderr.contains("torn") && stderr.contains("there already"), "{stderr}");
        assert_eq!(place.rows(&name), whole);
    }
}

#[test]
fn an_interrupted_generation_names_the_command_that_continues_it() {
    let place = Workplace::new();
    let mut child = start(&place, "samples.jsonl");
    assert!(wait_for_rows(&place, "samples.jsonl", 3, &mut child), "it ended by itself");
    let pid = Pid::from_child(&child);
    kill_process(pid, Signal::INT).expect("interrupted");
    let (_, stderr, code) = outcome(&child.wait_with_output().expect("ends"));
    assert_eq!(code, Some(130), "{stderr}");
    assert!(stderr.contains("to continue:\n  sigil-generate -n 6"), "{stderr}");
    let before = place.rows("samples.jsonl").len();
    assert!((3..66).contains(&before), "{before} rows");
    finish(&place, "samples.jsonl");
    finish(&place, "whole.jsonl");
    assert_eq!(place.rows("samples.jsonl"), place.rows("whole.jsonl"));
}
