//! A day's worth of short jobs, and what is left of them: nothing, and as much memory as before.
//!
//! `cargo run --release -p sigil-sandbox --example sandbox_soak -- [JOBS] [SLOTS]`. Exits with 1 if a
//! job went wrong, anything is left, or memory or descriptors grew.
#![expect(clippy::print_stdout, reason = "the table is what this program is for")]

use std::fs;
use std::process::ExitCode;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use sigil_sandbox::{Ended, Job, Limits, Pool, Root, Selection, leftovers, select};

/// Growth of this process's memory that is still its allocator's business, in KiB.
const MEMORY_SLACK_KIB: u64 = 8 << 10;

fn main() -> ExitCode {
    let number = |index, otherwise| {
        std::env::args().nth(index).and_then(|word| word.parse().ok()).unwrap_or(otherwise)
    };
    let (jobs, slots): (usize, usize) = (number(1, 100_000), number(2, 4));
    let pool = match select(&Selection { only: Vec::new(), allow_reduced: true }) {
        Ok(verified) => verified.pool(slots),
        Err(refused) => {
            println!("{refused}");
            return ExitCode::FAILURE;
        }
    };
    let mark = format!("soak-mark-{}", std::process::id());
    let all = mix(&mark);
    println!(
        "{} ({} tier), {jobs} jobs, {slots} slots: {:?}",
        pool.report().backend,
        pool.report().tier,
        pool.report().capabilities
    );
    // Slots and allocator arenas come into being during the first jobs.
    let warm_up = jobs.min(2000);
    let mut wrong = batch(&pool, &all, warm_up, slots);
    let before = State::now(&mark);
    println!("{:>8} {:>9} {before}", warm_up, "jobs/s");
    let mut done = warm_up;
    let started = Instant::now();
    while done < jobs {
        let step = (jobs - done).min((jobs / 10).max(1));
        wrong += batch(&pool, &all, step, slots);
        done += step;
        let rate = (done - warm_up) as f64 / started.elapsed().as_secs_f64();
        println!("{done:8} {rate:9.0} {}", State::now(&mark));
    }
    drop(pool);
    let after = State::now(&mark);
    println!("   after           {after}");
    let grown = after.memory_kib.saturating_sub(before.memory_kib);
    let clean = after.processes == 0
        && after.mounts <= before.mounts
        && after.groups == 0
        && after.shared == before.shared
        && after.descriptors <= before.descriptors
        && grown <= MEMORY_SLACK_KIB;
    println!(
        "{wrong} jobs went wrong; memory grew by {grown} KiB; {}",
        if clean { "nothing is left" } else { "NOT CLEAN" }
    );
    if wrong == 0 && clean { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Short programs that each try to leave something, with how each must end.
fn mix(mark: &str) -> Vec<(Job, Ended)> {
    let root = Root::system();
    let shell = |script: String| {
        let mut job = Job::new(&root, "/usr/bin/sh").arg("-c").arg(script).env("PATH", "/usr/bin");
        job.limits = Limits {
            wall_time: Duration::from_secs(60),
            memory_bytes: 64 << 20,
            work_bytes: 4 << 20,
            ..Limits::default()
        };
        job
    };
    let mut killed = shell("while :; do :; done".to_owned());
    killed.limits.cpu_time = Duration::from_millis(20);
    vec![
        (Job::new(&root, "/usr/bin/true"), Ended::Exited(0)),
        (Job::new(&root, "/usr/bin/false"), Ended::Exited(1)),
        (shell("echo x > file; cat file".to_owned()), Ended::Exited(0)),
        (shell(format!("setsid sleep 100.{} & exit 3", mark.len())), Ended::Exited(3)),
        (shell(format!("(sleep 50; : {mark}) & kill -9 $$")), Ended::Signalled(9)),
        (Job::new(&root, "/usr/bin/true"), Ended::Exited(0)),
        (killed, Ended::CpuTime),
        (Job::new(&root, "/usr/bin/true"), Ended::Exited(0)),
    ]
}

/// Runs `count` jobs on all slots; how many did not end as they must.
fn batch(pool: &Pool, all: &[(Job, Ended)], count: usize, slots: usize) -> usize {
    let (next, wrong) = (AtomicUsize::new(0), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        for _ in 0..slots {
            scope.spawn(|| {
                loop {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    if index >= count {
                        return;
                    }
                    let (job, ended) = &all[index % all.len()];
                    let result = pool.run(job);
                    if !result.as_ref().is_ok_and(|outcome| outcome.ended == *ended) {
                        println!("job {index}: {ended} expected, {result:?}");
                        wrong.fetch_add(1, Ordering::Relaxed);
                    }
                }
            });
        }
    });
    wrong.into_inner()
}

/// What this process and its jobs hold.
struct State {
    memory_kib: u64,
    descriptors: usize,
    processes: usize,
    mounts: usize,
    groups: usize,
    shared: usize,
    slab_kib: u64,
}

impl State {
    fn now(mark: &str) -> Self {
        let found = leftovers(mark);
        let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
        let kib = |text: &str, name: &str| {
            let line = text.lines().find_map(|line| line.strip_prefix(name));
            line.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or(0)
        };
        Self {
            memory_kib: kib(&read("/proc/self/status"), "VmRSS:"),
            descriptors: fs::read_dir("/proc/self/fd").map_or(0, |entries| entries.count()),
            processes: found.processes.len(),
            mounts: read("/proc/self/mountinfo").lines().count(),
            groups: count_groups("/sys/fs/cgroup".as_ref(), 0),
            shared: found.ipc_objects + found.shared_files.len(),
            slab_kib: kib(&read("/proc/meminfo"), "Slab:"),
        }
    }
}

impl std::fmt::Display for State {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "memory {} KiB, {} descriptors, {} processes, {} mounts, {} groups, {} shared, slab {} KiB",
            self.memory_kib,
            self.descriptors,
            self.processes,
            self.mounts,
            self.groups,
            self.shared,
            self.slab_kib
        )
    }
}

/// Groups of this process that are still there.
fn count_groups(folder: &std::path::Path, depth: usize) -> usize {
    let own = format!("sigil-{}-", std::process::id());
    let mut count = 0;
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        if depth < 6 && entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            count += usize::from(entry.file_name().to_string_lossy().starts_with(&own));
            count += count_groups(&entry.path(), depth + 1);
        }
    }
    count
}
