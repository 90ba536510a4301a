//! Processor time of this process and of all its children that have ended, as the kernel counts it.

use std::time::{Duration, Instant};

/// Time used between two moments.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Used {
    /// Processor milliseconds, own and of children.
    pub(crate) cpu_ms: f64,
    /// Milliseconds on the clock.
    pub(crate) wall_ms: f64,
}

/// A moment from which time is counted.
pub(crate) struct Since {
    cpu_ticks: u64,
    start: Instant,
}

impl Since {
    /// Now.
    pub(crate) fn now() -> Self {
        Self { cpu_ticks: ticks(), start: Instant::now() }
    }

    /// What was used since.
    pub(crate) fn used(&self) -> Used {
        let elapsed: Duration = self.start.elapsed();
        // A tick is 10 ms on every Linux that Rust runs on.
        Used {
            cpu_ms: (ticks() - self.cpu_ticks) as f64 * 10.0,
            wall_ms: elapsed.as_secs_f64() * 1e3,
        }
    }
}

/// User and system ticks of this process and of its waited-for children: fields 14 to 17.
fn ticks() -> u64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    // The name before the last bracket may hold spaces.
    let fields: Vec<&str> =
        stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    fields.iter().skip(11).take(4).filter_map(|field| field.parse::<u64>().ok()).sum()
}
