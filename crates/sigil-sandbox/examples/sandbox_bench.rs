//! What a sandbox costs: starting and ending `/usr/bin/true` in every way this machine has, beside
//! plain fork and exec.
//!
//! `cargo run --release -p sigil-sandbox --example sandbox_bench -- [RUNS] [--json]`. Times are on the clock, from
//! asking to having the outcome; "cold" opens a slot for each job, "from a slot" uses a prepared one.
//! A busy machine inflates medians, so the least is shown too.
#![expect(clippy::print_stdout, reason = "the table is what this program is for")]

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use sigil_sandbox::{Backend, Job, Native, Root, backends, verify};

fn main() {
    let runs = std::env::args().nth(1).and_then(|word| word.parse().ok()).unwrap_or(200);
    let mut table = Table { json: std::env::args().any(|word| word == "--json"), rows: Vec::new() };
    let program = "/usr/bin/true";
    table.say(&format!(
        "{:34} {:>6} {:>10} {:>10} {:>10}",
        "starting and ending true (ms)", "runs", "least", "median", "p95"
    ));
    let base = table.measure("fork and exec", runs, || {
        Command::new(program).status().is_ok_and(|s| s.success())
    });
    let root = Root::system();
    let job = Job::new(&root, program);
    let native = Native::new();
    let cold = table.measure("native, cold", runs, || {
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
                let took = table
                    .measure(&label, few, || pool.run(&job).is_ok_and(|o| o.ended.is_success()));
                if name == "native" {
                    warm = took;
                    let ahead = Job { load_ahead: true, ..job.clone() };
                    table.measure("native, loaded ahead", few, || {
                        pool.run(&ahead).is_ok_and(|o| o.ended.is_success() && o.loaded_ahead)
                    });
                }
            }
            Err(refusal) => {
                table.say(&format!("{name:34} not here: {}", one_line(&format!("{refusal:?}"))));
            }
        }
    }
    by_hand(&mut table, runs);
    if let (Some(base), Some(cold), Some(warm)) = (base, cold, warm) {
        for (which, at) in [("least", 0), ("median", 1)] {
            table.say(&format!(
                "native over fork and exec, {which}: {:.2} ms cold, {:.2} ms from a slot",
                cold[at] - base[at],
                warm[at] - base[at]
            ));
        }
    }
    table.print_json();
}

/// What was measured, as lines while it goes on or as JSON in the end.
struct Table {
    json: bool,
    rows: Vec<(String, usize, [f64; 3])>,
}

impl Table {
    fn say(&self, line: &str) {
        if !self.json {
            println!("{line}");
        }
    }

    /// Least, median and 95th percentile in milliseconds; `None` (and a line) if a run fails.
    fn measure(
        &mut self,
        name: &str,
        runs: usize,
        mut run: impl FnMut() -> bool,
    ) -> Option<[f64; 3]> {
        let mut times = Vec::with_capacity(runs);
        for _ in 0..runs + 1 {
            let started = Instant::now();
            if !run() {
                self.say(&format!("{name:34} does not run here"));
                return None;
            }
            times.push(started.elapsed());
        }
        // The first one fills caches and slots.
        times.remove(0);
        times.sort();
        let at = |index: usize| times.get(index).map(Duration::as_secs_f64);
        let of = [at(0)?, at(times.len() / 2)?, at(times.len() * 95 / 100)?];
        let millis = of.map(|seconds| seconds * 1000.0);
        let [least, median, p95] = millis;
        self.say(&format!("{name:34} {runs:6} {least:10.2} {median:10.2} {p95:10.2}"));
        self.rows.push((name.to_owned(), runs, millis));
        Some(millis)
    }

    /// Names are this file's own: letters, spaces and commas.
    fn print_json(&self) {
        if !self.json {
            return;
        }
        let rows = self.rows.iter().map(|(name, runs, [least, median, p95])| {
            format!(
                "  {{\"name\": \"{name}\", \"runs\": {runs}, \"least_ms\": {least:.3}, \
                 \"median_ms\": {median:.3}, \"p95_ms\": {p95:.3}}}"
            )
        });
        println!("{{\"rows\": [\n{}\n]}}", rows.collect::<Vec<_>>().join(",\n"));
    }
}

/// The other programs without this crate around them.
fn by_hand(table: &mut Table, runs: usize) {
    let bwrap = ["--unshare-all", "--ro-bind", "/", "/", "--", "/usr/bin/true"];
    let run = |command: &str, words: &[&str]| {
        let mut command = Command::new(command);
        command.args(words).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        command.status().is_ok_and(|status| status.success())
    };
    table.measure("bwrap by hand", runs, || run("bwrap", &bwrap));
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
    table.measure("docker run by hand", runs.min(10), || run("docker", &docker));
}

fn slow(name: &str) -> bool {
    ["docker", "podman", "firejail"].contains(&name)
}

fn one_line(text: &str) -> String {
    text.chars().take(100).collect()
}
