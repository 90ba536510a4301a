//! A run that somebody stops with Ctrl-C names the command that goes on, and that one ends alike.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};

/// As small as a run can be. The unjudged arm trains on every sample, so that the test hangs on no rate
/// of passes; what is judged is so all the same.
const SETTINGS: &str = "\
[tasks]
per_round = 8
seen_percent = 100
development = 3
held_out = 3
[generate]
samples = 2
development_samples = 2
held_out_samples = 2
max_new_tokens = 64
[select]
max_composition_share = 1.0
[rounds]
count = 1
min_rows = 1
[training.sequence]
max_length = 128
[training.train]
micro_batch_size = 2
gradient_accumulation = 1
num_steps = 4
save_every = 2
log_backend = \"jsonl\"
";

fn program(folder: &Path, out: &str) -> Command {
    std::fs::write(folder.join("expert.toml"), SETTINGS).expect("written");
    let mut command = Command::new(env!("CARGO_BIN_EXE_sigil-expert"));
    command.current_dir(folder).args([
        "run",
        "--config",
        "expert.toml",
        "--seed",
        "5",
        "--out",
        out,
        "--arms",
        "unjudged",
    ]);
    command.stdout(Stdio::null());
    command
}

#[test]
fn a_run_that_is_stopped_goes_on_to_the_same_report() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let whole = program(folder.path(), "whole").output().expect("it starts");
    let said = String::from_utf8_lossy(&whole.stderr).into_owned();
    assert!(whole.status.success(), "{said}");

    // It is asked to stop as soon as the training of the first round begins.
    let mut child =
        program(folder.path(), "stopped").stderr(Stdio::piped()).spawn().expect("it starts");
    let errors = BufReader::new(child.stderr.take().expect("it is piped"));
    let (mut asked, mut told) = (false, false);
    for line in errors.lines() {
        let line = line.expect("text");
        if !asked && line.ends_with("unjudged/round-1/train: begins") {
            asked = true;
            kill_process(Pid::from_child(&child), Signal::INT).expect("it runs");
        }
        told |= line.starts_with("to go on: sigil-expert run --config expert.toml");
    }
    let status = child.wait().expect("it ends");
    assert_eq!((status.code(), asked, told), (Some(130), true, true));
    let again = program(folder.path(), "stopped").output().expect("it starts");
    let said = String::from_utf8_lossy(&again.stderr).into_owned();
    assert!(again.status.success(), "{said}");
    assert!(said.contains("base/held_out/generate: was done"), "{said}");

    let read = |run: &str, name: &str| {
        std::fs::read_to_string(folder.path().join(run).join(name)).expect("the run wrote it")
    };
    for name in [
        "report.json",
        "unjudged/round-1/rows.jsonl",
        "unjudged/held_out/samples.jsonl",
        "report.md",
    ] {
        assert_eq!(read("whole", name), read("stopped", name), "{name}");
    }
}
