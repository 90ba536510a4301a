//! Bubblewrap (`bwrap`) as the maker of namespaces and root; everything inside is the helper's.
//!
//! By itself it has no Landlock, no resource limits and no cap on output, lets programs reach its own
//! process 1, and when started by root leaves them root's files: so the helper is process 1 here, and
//! root starts it as a user that owns nothing.

use std::collections::BTreeSet;
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
        if job.proc {
            return Err(Infra::Unsupported {
                backend: "bubblewrap",
                problem: "its `/proc` shows more than processes".to_owned(),
            });
        }
        let watched = [self.found.memory, self.found.processes, self.found.cpu]
            .contains(&CgroupControl::Watched);
        let place = Place {
            flags: flags::MEASURE_WORK | if watched { flags::WATCH | flags::SLOT_PROC } else { 0 },
            without: 0,
            work: PathBuf::from("/box"),
            input: PathBuf::from("/in"),
            landlock_abi: self.found.landlock_abi,
            identity: self.outer(),
            affinity: affinity::mask(self.index, job.limits.cpus),
            limit_memory: self.found.memory == CgroupControl::Watched,
            limit_processes: (self.found.processes == CgroupControl::Watched).then_some(8),
        };
        let mut command = self.command(job, watched)?;
        run_with_socket("bwrap", &mut command, job, &place, &self.cgroups)
    }
}

impl BubblewrapSlot {
    /// The user that programs are if this is root, else 0.
    fn outer(&self) -> u32 {
        if rustix::process::geteuid().is_root() { FIRST_OUTER_ID + self.index } else { 0 }
    }

    fn command(&self, job: &Job, watched: bool) -> Result<Command, Infra> {
        let mut command = Command::new("bwrap");
        command
            .args(["--unshare-ipc", "--unshare-pid", "--unshare-net", "--unshare-uts"])
            .args(["--unshare-cgroup", "--die-with-parent", "--new-session", "--as-pid-1"])
            .args(["--clearenv", "--hostname", "sandbox", "--cap-drop", "ALL"]);
        if self.outer() != 0 {
            // Mounts are made with root's rights; then the helper becomes a user that owns nothing.
            command.args(["--cap-add", "CAP_SETUID", "--cap-add", "CAP_SETGID"]);
        } else {
            let id = INNER_ID.to_string();
            command.args(["--unshare-user", "--uid", &id, "--gid", &id]);
        }
        let bind = |command: &mut Command, host: &Path, inside: &Path| {
            command.arg("--ro-bind").arg(host).arg(inside);
        };
        // By itself it makes folders on the way that only root can enter.
        let inside = job.root.mounts.iter().map(|mount| mount.inside.as_path());
        let inside = inside.chain(job.root.links.iter().map(|link| link.path.as_path()));
        let inside = inside.chain(job.root.files.iter().map(|file| file.path.as_path()));
        let folders: BTreeSet<&Path> = inside
            .flat_map(|path| path.ancestors().skip(1))
            .chain([Path::new("/dev")])
            .filter(|folder| folder.parent().is_some())
            .collect();
        for folder in folders {
            command.args(["--perms", "0755", "--dir"]).arg(folder);
        }
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
        if watched {
            // The helper lays an empty folder over it, and gives the right to do so up.
            command.args(["--proc", "/proc", "--cap-add", "CAP_SYS_ADMIN"]);
        }
        let work = job.limits.work_bytes.to_string();
        command
            .args(["--perms", "0777", "--size", &work, "--tmpfs", "/box"])
            .args(["--perms", "0777", "--size", "1073741824", "--tmpfs", "/in"])
            .args(["--symlink", "box/.tmp", "/tmp"]);
        bind(&mut command, &self.helper, Path::new("/.helper"));
        command.args(["--remount-ro", "/", "--chdir", "/", "--", "/.helper", "job"]);
        command.env_clear().env("PATH", "/usr/local/bin:/usr/bin:/bin").current_dir("/");
        Ok(command)
    }
}
