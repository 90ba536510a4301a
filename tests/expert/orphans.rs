//! What a run leaves behind when it is SIGKILLed: no process, whatever it was doing. A file of its own,
//! because the test adopts every process that loses its parent, and so must be alone in its process.
//!
//! The programs are those of `cargo build --workspace`.

#[expect(dead_code, reason = "the other tests use all of it")]
mod place;

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{
    Pid, Signal, WaitOptions, getpid, kill_process, set_child_subreaper, wait as wait_for_any,
};
use sigil_data::Digest;

use place::Place;

/// Longer than anything that is ending takes; what is still there then is left behind.
const LONG: Duration = Duration::from_secs(120);

/// Work for hours in every stage.
const SETTINGS: &str = "\
[tasks]
per_round = 4
seen_percent = 100
development = 2
held_out = 1
[generate]
model = \"sigil-base-tasks\"
samples = 1
development_samples = DEVELOPMENT
held_out_samples = 1
max_new_tokens = 64
[select]
replay = 4.0
[rounds]
count = 1
min_rows = 1
[training.sequence]
max_length = 128
[training.train]
micro_batch_size = 1
gradient_accumulation = 1
num_steps = 1000000
save_every = 1
save_total_limit = 1
log_backend = \"jsonl\"
";

fn start(place: &Place, samples: u32) -> Child {
    place.write("e.toml", &SETTINGS.replace("DEVELOPMENT", &samples.to_string()));
    place
        .command(&["run", "--config", "e.toml", "--out", "run", "--arms", "unjudged"])
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("it starts")
}

/// Waits until a run says that a stage begins.
fn wait_for_stage(child: &mut Child, stage: &str) {
    let errors = child.stderr.take().expect("it is piped");
    let mut said = String::new();
    for line in BufReader::new(errors).lines().map_while(Result::ok) {
        if line.ends_with(&format!("{stage}: begins")) {
            return;
        }
        said += &format!("{line}\n");
    }
    panic!("it ended before {stage}:\n{said}");
}

/// A process as `/proc` has it.
#[derive(Debug)]
struct Process {
    id: i32,
    parent: i32,
    name: String,
    /// Processor time, in hundredths of a second.
    used: u64,
}

/// Everything that runs.
fn processes() -> Vec<Process> {
    let entries = fs::read_dir("/proc").expect("/proc is there").flatten();
    let ids = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
    let read = |id: i32| {
        let stat = fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
        let (head, rest) = stat.rsplit_once(')')?;
        let name = head.split_once('(')?.1.to_owned();
        let fields: Vec<&str> = rest.split_whitespace().collect();
        let (parent, used) = (fields.get(1)?.parse().ok()?, fields.get(11)?.parse().ok()?);
        Some(Process { id, parent, name, used })
    };
    ids.filter_map(read).collect()
}

/// Everything below a process.
fn below(root: i32) -> Vec<Process> {
    let (mut all, mut found, mut roots) = (processes(), Vec::new(), vec![root]);
    while let Some(root) = roots.pop() {
        let (own, others): (Vec<Process>, Vec<Process>) =
            all.into_iter().partition(|process| process.parent == root);
        roots.extend(own.iter().map(|process| process.id));
        found.extend(own);
        all = others;
    }
    found
}

/// Whether a program runs below a run.
fn runs(child: &Child, name: &str) -> bool {
    below(child.id() as i32).iter().any(|process| process.name == name)
}

/// Waits for something that a run at work brings about.
fn wait_until(what: &str, mut holds: impl FnMut() -> bool) {
    let started = Instant::now();
    while !holds() {
        assert!(started.elapsed() < LONG, "never: {what}");
        std::thread::yield_now();
    }
}

/// Kills the run alone, and sees everything below it end.
fn kill_and_see_all_end(child: &Child, what: &str) {
    kill_process(Pid::from_child(child), Signal::KILL).expect("killed");
    let killed = Instant::now();
    // Whatever loses its parent becomes this process's child, so this hears of every end.
    while let Ok(ended) = wait_for_any(WaitOptions::NOHANG) {
        if ended.is_none() {
            let left = below(getpid().as_raw_pid());
            if killed.elapsed() > LONG {
                for process in &left {
                    let _gone = Pid::from_raw(process.id).map(|id| kill_process(id, Signal::KILL));
                }
                panic!("{what}: left behind: {left:?}");
            }
            std::thread::yield_now();
        }
    }
    let left = below(getpid().as_raw_pid());
    assert!(left.is_empty(), "{what}: {left:?}");
}

/// Replaces all samples of the development tasks by programs without end, and the digest of their file
/// in the record of the stage that made them.
fn make_endless(place: &Place) {
    let name = "run/base/development/samples.jsonl";
    let digest = |text: &str| Digest::of(text.as_bytes()).to_string();
    let before = digest(&place.read(name));
    let mut rows = place.rows(name);
    for (at, row) in rows.iter_mut().enumerate() {
        row["text"] =
            format!("\n    loop {{\n        std::hint::black_box({at});\n    }}\n}}\n").into();
    }
    let text: String = rows.iter().map(|row| format!("{row}\n")).collect();
    place.write(name, &text);
    let record = "run/base/development/generate.stage.json";
    place.write(record, &place.read(record).replace(&before, &digest(&text)));
}

#[test]
#[expect(clippy::zombie_processes, reason = "kill_and_see_all_end hears of the end of each child")]
fn a_killed_run_leaves_no_process_behind() {
    set_child_subreaper(Some(getpid())).expect("the kernel can do that");

    // While samples are made.
    let place = Place::new();
    let child = start(&place, 4000);
    let samples = place.path().join("run/base/development/samples.jsonl");
    wait_until("a sample is written", || fs::metadata(&samples).is_ok_and(|file| file.len() > 0));
    assert!(runs(&child, "sigil-generate"));
    kill_and_see_all_end(&child, "generate");

    // While a sample that does not end is tested in the sandbox.
    let place = Place::new();
    let mut child = start(&place, 8);
    wait_for_stage(&mut child, "base/development/judge");
    kill_and_see_all_end(&child, "judge, as it begins");
    make_endless(&place);
    let mut child = start(&place, 8);
    wait_for_stage(&mut child, "base/development/judge");
    // No compiler takes a second for such a function: this is the function itself.
    let is_endless = |process: &Process| !process.name.starts_with("sigil-") && process.used > 100;
    wait_until("a sample is tested", || below(child.id() as i32).iter().any(is_endless));
    assert!(runs(&child, "sigil-eval"));
    kill_and_see_all_end(&child, "judge");

    // While it trains.
    let place = Place::new();
    let mut child = start(&place, 1);
    wait_for_stage(&mut child, "unjudged/round-1/train");
    let latest = place.path().join("run/unjudged/round-1/run/latest");
    wait_until("a set is written", || latest.exists());
    assert!(runs(&child, "sigil-train"));
    kill_and_see_all_end(&child, "train");
}
