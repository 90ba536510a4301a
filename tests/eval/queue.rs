//! Judging through a queue with real processes: a server, workers that are killed, jobs that come twice.
//!
//! `SIGIL_QUEUE_KILLS` asks for more kills than CI has time for; `cargo xtask nightly queue` sets it.

use std::path::Path;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::nats::{Doubler, Nats};
use crate::programs::{Running, err, out, run, sigil_eval};

const TASK: &str = r##"{"task_id":"double","prompt":"fn double(x: i32) -> i32 {\n","entry_point":"double","canonical_solution":"    x * 2\n}\n","test":"#[cfg(test)] mod tests { use super::*; #[test] fn one() { assert_eq!(double(1), 2); } #[test] fn big() { assert_eq!(double(500), 1000); } }"}
"##;

/// Nothing here takes so long, whatever else the machine does.
const NEVER: Duration = Duration::from_secs(3000);

/// A folder with a task and `count` samples of every fate; two of five are equal to others.
fn folder(count: usize) -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder can be made");
    std::fs::write(folder.path().join("tasks.jsonl"), TASK).expect("a file can be written");
    let rows: String = (0..count)
        .map(|i| {
            let code = match i % 5 {
                0 => format!("    x + x + {i} - {i}\\n}}\\n"),
                1 => format!("    x + {i}\\n}}\\n"),
                2 => format!("    y{i}\\n}}\\n"),
                3 => "    if x {".to_owned(),
                _ => "    x * 2\\n}\\n".to_owned(),
            };
            format!("{{\"task_id\":\"double\",\"completion\":\"{code}\"}}\n")
        })
        .collect();
    std::fs::write(folder.path().join("samples.jsonl"), rows).expect("a file can be written");
    folder
}

const EVALUATE: [&str; 5] = ["samples.jsonl", "--tasks", "tasks.jsonl", "--allow-reduced", "--out"];

/// The files that must not depend on who judged.
fn results(folder: &Path, out: &str) -> Vec<String> {
    ["results.jsonl", "metrics.json", "report.md"]
        .map(|name| {
            let path = folder.join(out).join(name);
            std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{out}/{name}: {error}"))
        })
        .into()
}

/// A generator of numbers with which a test can be repeated.
struct Draw(u64);

impl Draw {
    fn below(&mut self, most: u64) -> u64 {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % most
    }
}

/// A worker with one slot. `--tries` is high because these tests kill workers, not jobs.
fn worker(folder: &Path, address: &str, name: usize, lines: &Sender<(usize, String)>) -> Running {
    let arguments = [
        "worker",
        "--queue",
        address,
        "--ack-wait",
        "2",
        "--tries",
        "100",
        "-j1",
        "--allow-reduced",
    ];
    Running::start(sigil_eval(folder, &arguments), name, lines)
}

fn coordinator(folder: &Path, address: &str, lines: &Sender<(usize, String)>) -> Running {
    let arguments = [&EVALUATE[..], &["there", "--queue", address]].concat();
    Running::start(sigil_eval(folder, &arguments), 0, lines)
}

/// The next line that a coordinator says, if one comes in time; `false` when it has ended.
fn hears(lines: &Receiver<(usize, String)>, until: Instant, all: &mut Vec<String>) -> bool {
    loop {
        let left = until.saturating_duration_since(Instant::now());
        match lines.recv_timeout(left) {
            Ok((_, line)) => all.push(line),
            Err(RecvTimeoutError::Timeout) => return true,
            Err(RecvTimeoutError::Disconnected) => return false,
        }
    }
}

#[test]
fn killed_workers_a_killed_server_and_doubled_jobs_lose_and_double_nothing() {
    let kills: u64 =
        std::env::var("SIGIL_QUEUE_KILLS").ok().and_then(|n| n.parse().ok()).unwrap_or(6);
    // Enough to do that something is in hand at every kill.
    let folder = folder(20 + 10 * kills as usize);
    let folder = folder.path();
    let Some(mut server) = Nats::start(&folder.join("store"), &[]) else { return };
    let here = run(folder, &[&EVALUATE[..], &["here"]].concat());
    assert_eq!(here.status.code(), Some(0), "{}", err(&here));

    let doubler = Doubler::start(server.port());
    let address = server.address();
    let (worker_lines, heard_of_workers) = channel();
    let mut workers: Vec<Running> =
        (1..=2).map(|name| worker(folder, &address, name, &worker_lines)).collect();
    let (sender, lines) = channel();
    let mut asking = coordinator(folder, &address, &sender);
    drop(sender);
    let mut draw = Draw(7);
    let (mut said, mut lines, mut killed) = (Vec::new(), lines, 0);
    let mut coordinators = 1;
    let begun = Instant::now();
    loop {
        assert!(begun.elapsed() < NEVER, "{said:?}");
        let pause = Instant::now() + Duration::from_millis(300 + draw.below(900));
        if !hears(&lines, pause, &mut said) {
            break;
        }
        if killed == kills {
            continue;
        }
        killed += 1;
        match draw.below(8) {
            0 | 1 => server.kill_and_restart(),
            2 => {
                // The coordinator dies, and the same command is given again.
                asking.kill();
                let (sender, new_lines) = channel();
                asking = coordinator(folder, &address, &sender);
                lines = new_lines;
                coordinators += 1;
            }
            which => {
                let which = which as usize % workers.len();
                workers[which].kill();
                workers[which] = worker(folder, &address, which + 1, &worker_lines);
            }
        }
    }
    assert_eq!(asking.wait(), Some(0), "{said:?}");
    drop(workers);
    drop(worker_lines);
    let told: Vec<String> = heard_of_workers.iter().map(|(_, line)| line).collect();
    assert!(!told.iter().any(|line| line.starts_with("error")), "{told:?}");
    assert!(doubler.doubled() > 0, "no job was doubled");
    assert_eq!(results(folder, "here"), results(folder, "there"), "{coordinators} coordinators");
    assert!(killed > 0, "it ended before anything was killed");
    // Nothing is left behind but jobs that were doubled after their answer.
    let left = run(folder, &["queue", "--queue", &address, "--json"]);
    let left: Value = serde_json::from_str(&out(&left)).expect("stdout is JSON");
    let answered: u64 = left["runs"]
        .as_object()
        .into_iter()
        .flatten()
        .filter_map(|(_, r)| r["answered"].as_u64())
        .sum();
    assert_eq!(answered, 0, "{left}");
}

#[test]
fn jobs_for_another_identity_are_left_to_others_and_a_large_sample_travels() {
    let folder = folder(0);
    let folder = folder.path();
    let Some(server) = Nats::start(&folder.join("store"), &[]) else { return };
    let address = server.address();
    // More than a message: it compiles, with two megabytes of comment.
    let text = format!(
        "{{\"task_id\":\"large\",\"completion\":\"//{}\\npub fn f() {{}}\"}}\n",
        "x".repeat(2 << 20)
    );
    std::fs::write(folder.join("large.jsonl"), text).expect("a file can be written");
    let here = run(folder, &["large.jsonl", "--allow-reduced", "--out", "here"]);
    assert_eq!(here.status.code(), Some(0), "{}", err(&here));

    let (sender, lines) = channel();
    // A worker that has crates is another identity than a run without any.
    let set = folder.join("set");
    std::fs::create_dir(&set).expect("a folder can be made");
    let told = std::process::Command::new("rustc").arg("-vV").output().expect("rustc is here");
    let record = serde_json::json!({"schema": 1, "rustc": out(&told).trim(), "lock": "", "externs": {}, "files": {}});
    let schema = std::fs::write(set.join("set.json"), record.to_string());
    schema.expect("a file can be written");
    let set = set.display().to_string();
    let arguments = ["worker", "--queue", &address, "--deps", &set, "-j1", "--allow-reduced"];
    let mut other = Running::start(sigil_eval(folder, &arguments), 1, &sender);
    let asks = ["large.jsonl", "--allow-reduced", "--out", "there", "--queue", &address];
    let mut asking = Running::start(sigil_eval(folder, &asks), 2, &sender);
    let mut missing =
        vec!["a worker is left aside", "jobs are left to others", "jobs wait for a worker"];
    let mut said = Vec::new();
    for (_, line) in &lines {
        missing.retain(|wanted| !line.contains(wanted));
        said.push(line);
        if missing.is_empty() {
            break;
        }
    }
    assert_eq!(missing, [""; 0], "{said:?}");
    // A worker that has what is wanted ends it.
    let mut fitting = worker(folder, &address, 3, &sender);
    assert_eq!(asking.wait(), Some(0));
    assert_eq!(results(folder, "here"), results(folder, "there"));
    fitting.kill();
    other.kill();
}

#[test]
fn a_job_that_no_worker_survives_is_reported_and_counted() {
    let folder = folder(0);
    let folder = folder.path();
    let Some(server) = Nats::start(&folder.join("store"), &[]) else { return };
    let address = server.address();
    // Long enough that every worker is killed while it works.
    let text = "{\"task_id\":\"double\",\"completion\":\"    loop {}\\n}\\n\"}\n";
    std::fs::write(folder.join("samples.jsonl"), text).expect("a file can be written");
    let (sender, lines) = channel();
    let asks = [&EVALUATE[..], &["there", "--all-tasks", "--json", "--queue", &address]].concat();
    let mut asking = Running::start(sigil_eval(folder, &asks), 0, &sender);
    let arguments = [
        "worker",
        "--queue",
        &address,
        "--ack-wait",
        "1",
        "--tries",
        "2",
        "-j1",
        "--allow-reduced",
        "--verbose",
    ];
    for name in 1..=2 {
        let mut doomed = Running::start(sigil_eval(folder, &arguments), name, &sender);
        let begins = |(from, line): &(usize, String)| *from == name && line.contains("begins with");
        assert!(lines.iter().any(|said| begins(&said)), "worker {name} took nothing");
        doomed.kill();
    }
    let mut last = Running::start(sigil_eval(folder, &arguments), 3, &sender);
    assert_eq!(asking.wait(), Some(0));
    let read = &results(folder, "there")[0];
    assert!(read.contains("\"kind\":\"infra\""), "{read}");
    assert!(read.contains("2 workers began with it, and none came to an end"), "{read}");
    last.kill();
}

#[test]
fn off_this_machine_tls_and_credentials_are_required() {
    let folder = folder(0);
    let folder = folder.path();
    std::fs::write(folder.join("open"), "user: a\npassword: secret\n").expect("written");
    for (more, sentence) in [
        ("--queue nats://192.0.2.1:4222", "sends everything readable"),
        ("--queue nats://queue.example.org", "sends everything readable"),
        ("--queue tls://queue.example.org", "no credentials are given"),
        ("--queue tls://a:secret@queue.example.org", "names a user"),
        ("--queue 127.0.0.1", "no scheme"),
        ("--queue tls://queue.example.org --queue-credentials absent", "cannot be read"),
        ("--queue tls://queue.example.org --queue-credentials open", "can be read by others"),
        ("--queue nats://127.0.0.1:1", "cannot connect"),
    ] {
        for verb in ["samples.jsonl", "worker", "queue"] {
            let arguments = format!("{verb} {more} --allow-reduced");
            let output = run(folder, &arguments.split(' ').collect::<Vec<_>>());
            assert_eq!(output.status.code(), Some(7), "{arguments}: {}", err(&output));
            assert!(err(&output).contains(sentence), "{arguments}: {}", err(&output));
            assert!(!err(&output).contains("secret"), "{}", err(&output));
        }
    }
}
