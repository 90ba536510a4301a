//! The reduced tier: Landlock, seccomp and resource limits alone, for containers without the right to
//! make namespaces.
//!
//! The program shares the machine's process list, network stack and file tree and is kept from them by
//! filters; mounts must lie at their own paths, `/box` and `/in` are folders in `/tmp` (so jobs name
//! their files relative to the folder they start in), and room in them is measured, not limited. Never
//! chosen unless [`crate::Selection::allow_reduced`] says so. Next: `landlock.rs`.

use std::fs;
use std::os::unix::fs::{DirBuilderExt, chown};
use std::path::Path;
use std::sync::Arc;

use crate::cgroup::Cgroups;
use crate::foreign::{PrivateFolder, run_with_socket};
use crate::native::{FIRST_OUTER_ID, capabilities};
use crate::plan::Place;
use crate::wire::flags;
use crate::{
    Backend, Capabilities, CgroupControl, Infra, Job, Outcome, Slot, Tier, Unavailable, affinity,
    embedded,
};

/// The version of Landlock that keeps signals inside.
const SIGNAL_SCOPE_ABI: u32 = 6;

/// The reduced tier. See the module.
pub struct Reduced {
    cgroups: Arc<Cgroups>,
}

impl Reduced {
    /// Looks for control groups.
    pub fn new() -> Self {
        Self { cgroups: Arc::new(Cgroups::find()) }
    }
}

impl Default for Reduced {
    fn default() -> Self {
        Self::new()
    }
}

impl Backend for Reduced {
    fn name(&self) -> &'static str {
        "reduced"
    }

    fn tier(&self) -> Tier {
        Tier::Reduced
    }

    fn probe(&self) -> Result<Capabilities, Unavailable> {
        let found = capabilities(&self.cgroups)?;
        if found.landlock_abi < SIGNAL_SCOPE_ABI && !rustix::process::geteuid().is_root() {
            return Err(Unavailable {
                reason: "without namespaces, this kernel's Landlock does not keep programs from \
                         signalling your other processes"
                    .to_owned(),
                mend: "use Linux 6.12 or later, or run as root, who can give programs another user",
            });
        }
        Ok(found)
    }

    fn open_slot(&self, index: u32) -> Result<Box<dyn Slot>, Infra> {
        let found = capabilities(&self.cgroups)
            .map_err(|error| Infra::Unsupported { backend: "reduced", problem: error.reason })?;
        Ok(Box::new(ReducedSlot { cgroups: Arc::clone(&self.cgroups), found, index }))
    }
}

struct ReducedSlot {
    cgroups: Arc<Cgroups>,
    found: Capabilities,
    index: u32,
}

impl Slot for ReducedSlot {
    fn run(&mut self, job: &Job) -> Result<Outcome, Infra> {
        check(job, "reduced")?;
        let folder = WorkFolder::make(self.index)?;
        let place = folder.place(job, &self.found, self.index);
        let mut command = embedded::command()?;
        command.arg("job");
        run_with_socket("helper", &mut command, job, &place, &self.cgroups)
    }
}

/// What cannot be had without a root of one's own.
pub(crate) fn check(job: &Job, backend: &'static str) -> Result<(), Infra> {
    let elsewhere = job.root.mounts.iter().find(|mount| mount.host != mount.inside);
    let problem = match elsewhere {
        Some(mount) => format!("`{}` cannot be seen as another path", mount.host.display()),
        None if job.proc => "`/proc` would be the whole machine's".to_owned(),
        None => return Ok(()),
    };
    Err(Infra::Unsupported { backend, problem })
}

/// `/box` and `/in` of one job, as folders of this machine.
pub(crate) struct WorkFolder {
    folder: PrivateFolder,
    /// Who owns it, if this is root.
    outer: u32,
}

impl WorkFolder {
    pub(crate) fn make(slot: u32) -> Result<Self, Infra> {
        let fail = |source| Infra::Supervisor { action: "make a work folder in /tmp", source };
        let folder = PrivateFolder::make()?;
        let outer = if rustix::process::geteuid().is_root() { FIRST_OUTER_ID + slot } else { 0 };
        for name in ["work", "in"] {
            let path = folder.path().join(name);
            fs::DirBuilder::new().mode(0o700).create(&path).map_err(fail)?;
            if outer != 0 {
                chown(&path, Some(outer), Some(outer)).map_err(fail)?;
            }
        }
        Ok(Self { folder, outer })
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn place(&self, job: &Job, found: &Capabilities, slot: u32) -> Place {
        let watched = [found.memory, found.processes, found.cpu].contains(&CgroupControl::Watched);
        let watch = if watched { flags::WATCH } else { 0 };
        let uncounted = found.processes == CgroupControl::Watched;
        Place {
            flags: flags::SUBREAPER | flags::MEASURE_WORK | watch,
            without: 0,
            work: self.folder.path().join("work"),
            input: self.folder.path().join("in"),
            landlock_abi: found.landlock_abi,
            identity: self.outer,
            affinity: affinity::mask(slot, job.limits.cpus),
            limit_memory: found.memory == CgroupControl::Watched,
            limit_processes: uncounted.then(|| if self.outer != 0 { 1 } else { own_tasks() }),
        }
    }
}

/// Threads of this user on the whole machine, which count against the limit of processes.
fn own_tasks() -> u32 {
    let uid = rustix::process::geteuid().as_raw();
    let tasks = |status: String| {
        let field = |name: &str| {
            status
                .lines()
                .find_map(|line| line.strip_prefix(name)?.split_whitespace().next()?.parse().ok())
        };
        (field("Uid:") == Some(uid)).then(|| field("Threads:")).flatten().unwrap_or(0)
    };
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries
        .filter_map(|entry| fs::read_to_string(entry.path().join("status")).ok())
        .map(tasks)
        .sum()
}
