//! Trying whether a backend holds, here and now: the attempts of `init/canary.rs` as jobs, and what
//! each must end with.

use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use crate::{
    Backend, Canary, CanaryReport, CanaryResult, Capabilities, Ended, Infra, Job, Limits, Outcome,
    Root, Slot, embedded, leftovers,
};

/// A slot number far from those of pools.
const CANARY_SLOT: u32 = 60_000;

/// Runs all canaries in one slot.
pub(crate) fn run_canaries(backend: &dyn Backend, capabilities: Capabilities) -> CanaryReport {
    let mut slot = backend.open_slot(CANARY_SLOT);
    let mut results = Vec::new();
    for canary in Canary::ALL {
        let (held, found) = match &mut slot {
            Ok(slot) => try_one(slot.as_mut(), canary),
            Err(error) => (false, error.to_string()),
        };
        results.push(CanaryResult { canary, held, found });
        // Where not even this runs, the others would only say the same.
        if canary == Canary::Runs && !held {
            break;
        }
    }
    CanaryReport { backend: backend.name(), tier: backend.tier(), capabilities, results }
}

/// Runs one canary: whether it held, and what happened.
fn try_one(slot: &mut dyn Slot, canary: Canary) -> (bool, String) {
    let targets = Targets::set_up();
    let mark = format!("canary-{}-{}", std::process::id(), canary.name());
    let outcome = slot.run(&job(canary, &targets, &mark));
    let escaped = targets.written();
    match outcome {
        Err(error) => (false, infra(&error)),
        Ok(_) if !escaped.is_empty() => (false, format!("it wrote `{}`", escaped[0].display())),
        Ok(outcome) => judge(canary, &outcome, &mark),
    }
}

fn infra(error: &Infra) -> String {
    match error.hint() {
        Some(hint) => format!("{error} ({hint})"),
        None => error.to_string(),
    }
}

fn job(canary: Canary, targets: &Targets, mark: &str) -> Job {
    let program: Arc<[u8]> = embedded::HELPER.into();
    let mut job = Job::new(&Arc::new(Root::default()), "/in/canary")
        .program_file("/in/canary", program)
        .env("CANARY", "1")
        .args(["canary", canary.name()]);
    job.limits = Limits {
        cpu_time: Duration::from_millis(300),
        wall_time: Duration::from_secs(30),
        memory_bytes: 64 << 20,
        processes: 8,
        output_kept_bytes: 4096,
        output_max_bytes: 64 << 10,
        work_bytes: 1 << 20,
        work_files: 100,
        open_files: 64,
        cpus: 1,
    };
    match canary {
        Canary::ReadsSecretFile => job.args(&targets.readable),
        Canary::WritesRoot => job.args(&targets.writable),
        Canary::Connects => job.arg(targets.port.to_string()),
        Canary::SeesProcesses => job.arg(std::process::id().to_string()),
        Canary::ForksTooMuch => job.arg("32"),
        Canary::HoldsTooMuch => job.arg("256"),
        Canary::RunsTooLong => job.arg("3000"),
        Canary::WritesTooMuch => job.arg("4096"),
        Canary::Survives => job.arg(mark),
        _ => job,
    }
}

fn judge(canary: Canary, outcome: &Outcome, mark: &str) -> (bool, String) {
    let ended = outcome.ended;
    let refused = ended == Ended::Exited(0);
    let held = match canary {
        Canary::Runs => refused && outcome.stdout.bytes == b"ok",
        Canary::ForksTooMuch => refused || ended == Ended::Processes,
        Canary::HoldsTooMuch => refused || ended == Ended::Memory,
        Canary::RunsTooLong => ended == Ended::CpuTime,
        Canary::WritesTooMuch => ended == Ended::Output,
        Canary::Survives => {
            let left = leftovers(mark).processes;
            if !left.is_empty() {
                return (false, format!("process {} is still there", left[0]));
            }
            refused
        }
        _ => refused,
    };
    (held, format!("it ended with {ended}"))
}

/// What canaries aim at.
struct Targets {
    readable: Vec<PathBuf>,
    writable: Vec<PathBuf>,
    /// Kept open while a canary runs; 0 where there is no loopback to connect to.
    port: u16,
    _listener: Option<TcpListener>,
}

impl Targets {
    fn set_up() -> Self {
        let name = format!("sandbox-canary-{}", std::process::id());
        let listener = TcpListener::bind(("127.0.0.1", 0)).ok();
        let port = listener.as_ref().and_then(|listener| listener.local_addr().ok());
        let readable =
            ["/etc/passwd", "/etc/hostname", "/etc/os-release", "/proc/1/status", "/proc/mounts"];
        let writable = ["/", "/etc", "/in", "/usr", "/var/tmp", "/dev/shm", "/run"];
        Self {
            // Only what can be read out here shows anything when it cannot be read in there.
            readable: readable
                .into_iter()
                .map(PathBuf::from)
                .filter(|path| fs::File::open(path).is_ok())
                .collect(),
            writable: writable.into_iter().map(|folder| Path::new(folder).join(&name)).collect(),
            port: port.map_or(0, |address| address.port()),
            _listener: listener,
        }
    }

    /// What a canary managed to write out here; removed at once.
    fn written(&self) -> Vec<PathBuf> {
        self.writable.iter().filter(|path| fs::remove_file(path).is_ok()).cloned().collect()
    }
}
