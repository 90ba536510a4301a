//! CPU time of this process, all threads together, and wall time.

use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};
use serde::Serialize;

/// What a case took.
#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct Spent {
    pub(super) cpu_secs: f64,
    pub(super) wall_secs: f64,
}

/// Runs `work` and measures it.
pub(super) fn measure<T>(work: impl FnOnce() -> T) -> (T, Spent) {
    let (cpu, wall) = (cpu_time(), Instant::now());
    let result = work();
    let spent = Spent {
        cpu_secs: (cpu_time().saturating_sub(cpu)).as_secs_f64(),
        wall_secs: wall.elapsed().as_secs_f64(),
    };
    (result, spent)
}

fn cpu_time() -> Duration {
    let now = clock_gettime(ClockId::ProcessCPUTime);
    Duration::new(now.tv_sec.unsigned_abs(), u32::try_from(now.tv_nsec).unwrap_or(0))
}
