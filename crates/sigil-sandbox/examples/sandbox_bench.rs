//! What a sandbox costs: starting and ending `/usr/bin/true` in every way this machine has, beside
//! plain fork and exec.
//!
//! `cargo run --release -p sigil-sandbox --example sandbox_bench -- [RUNS]`. Times are on the clock, from
//! asking to having the outcome; "cold" opens a slot for each job, "from a slot" uses a prepared one.
//! A busy machine inflates medians, so the least is shown too.
#![expect(clippy::print_stdout, reason = "the table is what this program is for")]

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use sigil_sandbox::{Backend, Job, Native, Root, backends, verify};

fn main() {
    let runs = std::env::args().nth(1).and_then(|word| word.parse().ok()).unwrap_or(200);
    let program = "/usr/bin/true";
    println!(
        "{:34} {:>6} {:>10} {:>10} {:>10}",
        "starting and ending true (ms)", "runs", "least", "median", "p95"
    );
    let base = measure("fork and exec", runs, || {
        Command::new(program).status().is_ok_and(|s| s.success())
    });
    let root = Root::system();
    let job = Job::new(&root, program);
    let native = Native::new();
    let cold = measure("native, cold", runs, || {
        let slot = native.open_slot(0);
        slot.and_then(|mut slot| slot.run(&job)).is_ok_and(|o| o.ended.is_success())
    });
    let mut warm = None;
    for backend in backends() {
        let (name, few) = (backend.name(), runs.min(if slow(backend.name()) { 10 } else { runs }));
        match verify(backend) {
            Ok(verified) => {
                let pool = verified.pool(1);
                let label = format!("{name}, from a slot");
                let took =
                    measure(&label, few, || pool.run(&job).is_ok_and(|o| o.ended.is_success()));
                if name == "native" {
                    warm = took;
                    let ahead = Job { load_ahead: true, ..job.clone() };
                    measure("native, loaded ahead", few, || {
                        pool.run(&ahead).is_ok_and(|o| o.ended.is_success() && o.loaded_ahead)
                    });
                }
            }
            Err(refusal) => println!("{name:34} not here: {}", one_line(&format!("{refusal:?}"))),
        }
    }
    by_hand(runs);
    if let (Some(base), Some(cold), Some(warm)) = (base, cold, warm) {
        println!(
            "native over fork and exec, least: {:.2} ms cold, {:.2} ms from a slot",
            over(cold.0, base.0),
            over(warm.0, base.0)
        );
        println!(
            "native over fork and exec, median: {:.2} ms cold, {:.2} ms from a slot",
            over(cold.1, base.1),
            over(warm.1, base.1)
        );
    }
}

/// The other programs without this crate around them.
fn by_hand(runs: usize) {
    let bwrap = ["--unshare-all", "--ro-bind", "/", "/", "--", "/usr/bin/true"];
    let run = |command: &str, words: &[&str]| {
        let mut command = Command::new(command);
        command.args(words).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        command.status().is_ok_and(|status| status.success())
    };
    measure("bwrap by hand", runs, || run("bwrap", &bwrap));
    let docker = [
        "run",
        "--rm",
        "--network",
        "none",
        "-v",
        "/usr:/usr:ro",
        "-v",
        "/usr/lib64:/lib64:ro",
        "-v",
        "/usr/lib:/lib:ro",
        "--entrypoint",
        "/usr/bin/true",
        "sigil-sandbox-empty:1",
    ];
    measure("docker run by hand", runs.min(10), || run("docker", &docker));
}

fn slow(name: &str) -> bool {
    ["docker", "podman", "firejail"].contains(&name)
}

/// Least and median; `None` (and a line) if a run fails.
fn measure(name: &str, runs: usize, mut run: impl FnMut() -> bool) -> Option<(Duration, Duration)> {
    let mut times = Vec::with_capacity(runs);
    for _ in 0..runs + 1 {
        let started = Instant::now();
        if !run() {
            println!("{name:34} does not run here");
            return None;
        }
        times.push(started.elapsed());
    }
    // The first one fills caches and slots.
    times.remove(0);
    times.sort();
    let millis = |time: Duration| time.as_secs_f64() * 1000.0;
    let (least, median) = (*times.first()?, times[times.len() / 2]);
    println!(
        "{name:34} {runs:6} {:10.2} {:10.2} {:10.2}",
        millis(least),
        millis(median),
        millis(times[times.len() * 95 / 100])
    );
    Some((least, median))
}

fn over(time: Duration, base: Duration) -> f64 {
    (time.as_secs_f64() - base.as_secs_f64()) * 1000.0
}

fn one_line(text: &str) -> String {
    text.chars().take(100).collect()
}
