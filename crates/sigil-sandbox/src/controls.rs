//! Negative controls: the native backend with one layer taken away, so that a test can show that an
//! attack succeeds without it and that its failure means something.
//!
//! Behind the feature `controls`, which only this crate's own tests switch on. Nothing here is for
//! running programs that nobody vouches for.

use crate::wire::without;
use crate::{CanaryReport, Capabilities, CgroupControl, Native, Pool, Tier, Verified};

/// A layer that a control takes away.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Layer {
    /// The network namespace.
    Network,
    /// The Landlock rules.
    Landlock,
    /// The filter of system calls.
    Seccomp,
    /// The namespace of processes.
    Processes,
    /// Read-only mounts.
    ReadOnly,
    /// Showing only processes in `/proc`.
    ProcSubset,
    /// Resource limits of the process kind.
    Rlimits,
    /// Killing what is left when a program ends.
    Kill,
    /// The IPC namespace of each job.
    Ipc,
    /// Control groups.
    Cgroups,
}

/// A pool without these layers. Its report says that no canary was tried.
pub fn pool_without(layers: &[Layer], slots: usize) -> Pool {
    let bits = layers.iter().map(|layer| layer.bit()).fold(0, |all, bit| all | bit);
    let backend = Native::weakened(bits, !layers.contains(&Layer::Cgroups));
    let report = CanaryReport {
        backend: "native, weakened",
        tier: Tier::Reduced,
        capabilities: Capabilities {
            landlock_abi: 0,
            memory: CgroupControl::Watched,
            processes: CgroupControl::Watched,
            cpu: CgroupControl::Watched,
            policy: "weakened".to_owned(),
        },
        results: Vec::new(),
    };
    Verified::new(Box::new(backend), report).pool(slots)
}

impl Layer {
    fn bit(self) -> u32 {
        match self {
            Self::Network => without::NETWORK,
            Self::Landlock => without::LANDLOCK,
            Self::Seccomp => without::SECCOMP,
            Self::Processes => without::PROCESSES,
            Self::ReadOnly => without::READ_ONLY,
            Self::ProcSubset => without::PROC_SUBSET,
            Self::Rlimits => without::RLIMITS,
            Self::Kill => without::KILL,
            Self::Ipc => without::IPC,
            Self::Cgroups => 0,
        }
    }
}
