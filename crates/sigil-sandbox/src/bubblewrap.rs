//! Bubblewrap (`bwrap`) as the maker of namespaces and root; everything inside is the helper's.
//!
//! By itself it has no Landlock, no resource limits and no cap on output, lets programs reach its own
//! process 1, and when started by root leaves them root's files: so the helper is process 1 here, and
//! root starts it as a user that owns nothing.

use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use crate::cgroup::Cgroups;
use crate::foreign::{PrivateFolder, first_line, run_with_socket};
use crate::native::{FIRST_OUTER_ID, capabilities};
use crate::plan::Place;
use crate::wire::{INNER_ID, flags};
use crate::{
    Backend, Capabilities, CgroupControl, Infra, Job, Outcome, Slot, Tier, Unavailable, affinity,
};

/// The bubblewrap backend. See the module.
pub struct Bubblewrap {
    cgroups: Arc<Cgroups>,
}

impl Bubblewrap {
    /// Looks for control groups.
    pub fn new() -> Self {
        Self { cgroups: Arc::new(Cgroups::find()) }
    }
}

impl Default for Bubblewrap {
    fn default() -> Self {
        Self::new()
    }
}

impl Backend for Bubblewrap {
    fn name(&self) -> &'static str {
        "bubblewrap"
    }

    fn tier(&self) -> Tier {
        Tier::Full
    }

    fn probe(&self) -> Result<Capabilities, Unavailable> {
        if first_line("bwrap", &["--version"]).is_none() {
            return Err(Unavailable {
                reason: "there is no `bwrap` command".to_owned(),
                mend: "install bubblewrap",
            });
        }
        capabilities(&self.cgroups)
    }

    fn open_slot(&self, index: u32) -> Result<Box<dyn Slot>, Infra> {
        let found = capabilities(&self.cgroups)
            .map_err(|error| Infra::Unsupported { backend: "bubblewrap", problem: error.reason })?;
        let folder = PrivateFolder::make()?;
        let helper = folder.write_helper()?;
        let cgroups = Arc::clone(&self.cgroups);
        Ok(Box::new(BubblewrapSlot { cgroups, found, folder, helper, index }))
    }
}

struct BubblewrapSlot {
    cgroups: Arc<Cgroups>,
    found: Capabilities,
    folder: PrivateFolder,
    helper: PathBuf,
    index: u32,
}

impl Slot for BubblewrapSlot {
    fn run(&mut self, job: &Job) -> Result<Outcome, Infra> {
        let watched = [self.found.memory, self.found.processes, self.found.cpu]
            .contains(&CgroupControl::Watched);
        let place = Place {
            flags: flags::MEASURE_WORK | if watched { flags::WATCH } else { 0 },
            without: 0,
            work: PathBuf::from("/work"),
            input: PathBuf::from("/in"),
            landlock_abi: self.found.landlock_abi,
            identity: 0,
            affinity: affinity::mask(self.index, job.limits.cpus),
            limit_memory: self.found.memory == CgroupControl::Watched,
            limit_processes: (self.found.processes == CgroupControl::Watched).then_some(8),
        };
        let mut command = self.command(job, watched)?;
        run_with_socket("bwrap", &mut command, job, &place, &self.cgroups)
    }
}

impl BubblewrapSlot {
    fn command(&self, job: &Job, watched: bool) -> Result<Command, Infra> {
        let id = INNER_ID.to_string();
        let mut command = Command::new("bwrap");
        command
            .args([
                "--unshare-all",
                "--die-with-parent",
                "--new-session",
                "--as-pid-1",
                "--clearenv",
            ])
            .args(["--cap-drop", "ALL", "--uid", &id, "--gid", &id, "--hostname", "sandbox"]);
        let bind = |command: &mut Command, host: &Path, inside: &Path| {
            command.arg("--ro-bind").arg(host).arg(inside);
        };
        for mount in &job.root.mounts {
            bind(&mut command, &mount.host, &mount.inside);
        }
        for link in &job.root.links {
            command.arg("--symlink").arg(&link.target).arg(&link.path);
        }
        for (host, inside) in self.folder.write_files(&job.root.files)? {
            bind(&mut command, &host, &inside);
        }
        for device in ["null", "zero", "full", "random", "urandom"] {
            let path = Path::new("/dev").join(device);
            command.arg("--dev-bind").arg(&path).arg(&path);
        }
        if job.proc || watched {
            command.args(["--proc", "/proc"]);
        }
        let work = job.limits.work_bytes.to_string();
        command
            .args(["--perms", "0755", "--size", &work, "--tmpfs", "/work"])
            .args(["--perms", "0755", "--size", "1073741824", "--tmpfs", "/in"])
            .args(["--symlink", "work/.tmp", "/tmp"]);
        bind(&mut command, &self.helper, Path::new("/.helper"));
        command.args(["--remount-ro", "/", "--chdir", "/", "--", "/.helper", "job"]);
        if rustix::process::geteuid().is_root() {
            let outer = FIRST_OUTER_ID + self.index;
            command.uid(outer).gid(outer);
        }
        command.env_clear().env("PATH", "/usr/local/bin:/usr/bin:/bin").current_dir("/");
        Ok(command)
    }
}
