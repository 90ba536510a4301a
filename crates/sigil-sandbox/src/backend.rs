//! Who runs jobs: the trait of all backends, what they can do, and what their canaries found.
//!
//! How a backend is chosen is in `select.rs`; the strongest one is `native/mod.rs`.

use std::fmt;

use crate::{Infra, Job, Outcome, Unavailable};

/// A way to run programs inside limits.
///
/// A backend runs nothing by itself: [`crate::verify`] and [`crate::select`] try its canaries and
/// make it a [`crate::Verified`], from which a [`crate::Pool`] is made.
pub trait Backend: Send + Sync {
    /// `native`, `bubblewrap`, `docker`, `podman`, `firejail` or `reduced`.
    fn name(&self) -> &'static str;

    /// How strong it is meant to be.
    fn tier(&self) -> Tier;

    /// Looks at the machine, without running any program of a job.
    ///
    /// # Errors
    /// What is missing, and how to mend it.
    fn probe(&self) -> Result<Capabilities, Unavailable>;

    /// Prepares to run one job at a time; `index` is unique among the slots in use.
    ///
    /// # Errors
    /// If the inside cannot be prepared.
    fn open_slot(&self, index: u32) -> Result<Box<dyn Slot>, Infra>;
}

/// Runs one job at a time.
pub trait Slot: Send {
    /// Runs a job to its end or to its first limit, and leaves nothing of it behind.
    ///
    /// # Errors
    /// [`Infra`] where nothing can be said about the program.
    fn run(&mut self, job: &Job) -> Result<Outcome, Infra>;
}

/// How strong a backend is meant to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Tier {
    /// Landlock, seccomp and resource limits only: the program shares the machine's process list,
    /// network stack and file tree, and is kept from using them by filters alone.
    Reduced,
    /// Namespaces and a root of its own besides.
    Full,
}

/// Who counts a resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CgroupControl {
    /// A control group of version 1.
    V1,
    /// A control group of version 2.
    V2,
    /// No control group: resource limits per process, and a watcher that adds up all processes every
    /// few milliseconds and may see a short peak too late.
    Watched,
}

/// What a backend can do on this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Capabilities {
    /// The kernel's Landlock version; 0 is none.
    pub landlock_abi: u32,
    /// Who counts memory.
    pub memory: CgroupControl,
    /// Who counts processes.
    pub processes: CgroupControl,
    /// Who counts processor time.
    pub cpu: CgroupControl,
    /// A digest of the policy (helper, filters): equal policies judge equally.
    pub policy: String,
}

/// An attempt to get out that must fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Canary {
    /// A harmless program runs and its output comes back.
    Runs,
    /// Reads a file of this machine that is not in its root.
    ReadsSecretFile,
    /// Finds a variable of the supervisor's environment.
    ReadsEnvironment,
    /// Connects to a listener on the loopback interface.
    Connects,
    /// Writes to its root.
    WritesRoot,
    /// Finds a process of this machine.
    SeesProcesses,
    /// Has more processes than allowed.
    ForksTooMuch,
    /// Holds more memory than allowed.
    HoldsTooMuch,
    /// Runs longer than allowed.
    RunsTooLong,
    /// Writes more output than allowed.
    WritesTooMuch,
    /// Makes calls that only attacks need: io_uring, ptrace, bpf, keyctl, userfaultfd, mount.
    MakesCalls,
    /// Becomes another user or gets capabilities.
    BecomesRoot,
    /// Leaves a process behind.
    Survives,
}

/// What one canary found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CanaryResult {
    /// The canary.
    pub canary: Canary,
    /// Whether it failed to get out, as it must.
    pub held: bool,
    /// What happened, as a clause.
    pub found: String,
}

/// What all canaries found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CanaryReport {
    /// The backend.
    pub backend: &'static str,
    /// How strong it is meant to be.
    pub tier: Tier,
    /// What it can do here.
    pub capabilities: Capabilities,
    /// Every canary, in order.
    pub results: Vec<CanaryResult>,
}

impl CanaryReport {
    /// Whether all canaries held.
    pub fn passed(&self) -> bool {
        self.failures().next().is_none() && !self.results.is_empty()
    }

    /// The canaries that did not hold.
    pub fn failures(&self) -> impl Iterator<Item = &CanaryResult> {
        self.results.iter().filter(|result| !result.held)
    }
}

impl Canary {
    /// All canaries, in the order they run.
    pub const ALL: [Self; 13] = [
        Self::Runs,
        Self::ReadsSecretFile,
        Self::ReadsEnvironment,
        Self::Connects,
        Self::WritesRoot,
        Self::SeesProcesses,
        Self::ForksTooMuch,
        Self::HoldsTooMuch,
        Self::RunsTooLong,
        Self::WritesTooMuch,
        Self::MakesCalls,
        Self::BecomesRoot,
        Self::Survives,
    ];

    /// Its name in reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Runs => "runs",
            Self::ReadsSecretFile => "reads-secret-file",
            Self::ReadsEnvironment => "reads-environment",
            Self::Connects => "connects",
            Self::WritesRoot => "writes-root",
            Self::SeesProcesses => "sees-processes",
            Self::ForksTooMuch => "forks-too-much",
            Self::HoldsTooMuch => "holds-too-much",
            Self::RunsTooLong => "runs-too-long",
            Self::WritesTooMuch => "writes-too-much",
            Self::MakesCalls => "makes-calls",
            Self::BecomesRoot => "becomes-root",
            Self::Survives => "survives",
        }
    }

    /// What a user can look at when it does not hold.
    pub fn mend(self) -> &'static str {
        match self {
            Self::Runs => "read its message; a container may forbid namespaces or mounts",
            Self::ReadsSecretFile | Self::WritesRoot => {
                "use a kernel with Landlock (5.13 or later) and `landlock` in the `lsm=` list"
            }
            Self::ReadsEnvironment => "report this: the environment is cleared by this crate",
            Self::Connects => "allow network namespaces, or use a kernel with seccomp filters",
            Self::SeesProcesses => "allow process namespaces and mounting proc",
            Self::ForksTooMuch => {
                "give a writable `pids` control group, or run as an ordinary user"
            }
            Self::HoldsTooMuch => "give a writable `memory` control group",
            Self::RunsTooLong | Self::WritesTooMuch => {
                "look for a machine that stops its processes"
            }
            Self::MakesCalls | Self::BecomesRoot => "use a kernel with CONFIG_SECCOMP_FILTER",
            Self::Survives => "allow process namespaces",
        }
    }
}

impl fmt::Display for Tier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Full => "full",
            Self::Reduced => "reduced",
        })
    }
}
