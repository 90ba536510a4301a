//! Processor time of everything that this bench starts, as a control group counts it: to the microsecond,
//! and with the sandbox's helpers, which are nobody's ended children.
//!
//! Where no group can be made, the ticks of this process and its ended children stand in, and the time of
//! samples' processes is added by whoever knows it; [`Meter::is_exact`] says which it is.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Time used between two moments.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Used {
    /// Processor milliseconds.
    pub(crate) cpu_ms: f64,
    /// Milliseconds on the clock.
    pub(crate) wall_ms: f64,
}

/// Counts processor time.
pub(crate) struct Meter {
    /// A group that this process moved itself into, and the one that it came from.
    group: Option<(PathBuf, PathBuf)>,
}

/// A moment from which time is counted.
pub(crate) struct Since<'a> {
    meter: &'a Meter,
    cpu_ms: f64,
    start: Instant,
}

impl Meter {
    /// Moves this process into a group of its own, if it may.
    pub(crate) fn open() -> Self {
        let own = std::fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
        let group_of = |line: &str, name: &str| {
            let mut parts = line.splitn(3, ':').skip(1);
            let found = parts.next()?.split(',').any(|controller| controller == name);
            found.then(|| parts.next().unwrap_or("/").trim_start_matches('/').to_owned())
        };
        let find = |name: &str| own.lines().find_map(|line| group_of(line, name));
        let places = [
            find("cpuacct").map(|own| Path::new("/sys/fs/cgroup/cpuacct").join(own)),
            find("").map(|own| Path::new("/sys/fs/cgroup").join(own)),
        ];
        let group = places.into_iter().flatten().find_map(|parent| {
            let group = parent.join(format!("bench-eval-{}", std::process::id()));
            std::fs::create_dir(&group).ok()?;
            if usage_ms(&group).is_some() && join(&group) {
                return Some((group, parent));
            }
            let _ = std::fs::remove_dir(&group);
            None
        });
        Self { group }
    }

    /// Whether helpers and samples are counted too.
    pub(crate) fn is_exact(&self) -> bool {
        self.group.is_some()
    }

    /// Now.
    pub(crate) fn since(&self) -> Since<'_> {
        Since { meter: self, cpu_ms: self.cpu_ms(), start: Instant::now() }
    }

    fn cpu_ms(&self) -> f64 {
        let counted = self.group.as_ref().and_then(|(group, _)| usage_ms(group));
        // A tick is 10 ms on every Linux that Rust runs on.
        counted.unwrap_or_else(|| ticks() as f64 * 10.0)
    }
}

impl Drop for Meter {
    fn drop(&mut self) {
        if let Some((group, parent)) = &self.group {
            join(parent);
            let _ = std::fs::remove_dir(group);
        }
    }
}

impl Since<'_> {
    /// What was used since.
    pub(crate) fn used(&self) -> Used {
        let elapsed: Duration = self.start.elapsed();
        Used { cpu_ms: self.meter.cpu_ms() - self.cpu_ms, wall_ms: elapsed.as_secs_f64() * 1e3 }
    }
}

fn join(group: &Path) -> bool {
    std::fs::write(group.join("cgroup.procs"), std::process::id().to_string()).is_ok()
}

/// What a group and those below it used: version 1 in nanoseconds, version 2 in microseconds.
fn usage_ms(group: &Path) -> Option<f64> {
    if let Ok(text) = std::fs::read_to_string(group.join("cpuacct.usage")) {
        return Some(text.trim().parse::<u64>().ok()? as f64 / 1e6);
    }
    let text = std::fs::read_to_string(group.join("cpu.stat")).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("usage_usec "))?;
    Some(line.trim().parse::<u64>().ok()? as f64 / 1e3)
}

/// User and system ticks of this process and of its waited-for children: fields 14 to 17.
fn ticks() -> u64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    // The name before the last bracket may hold spaces.
    let fields: Vec<&str> =
        stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    fields.iter().skip(11).take(4).filter_map(|field| field.parse::<u64>().ok()).sum()
}
