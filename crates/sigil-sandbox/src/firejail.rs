//! Firejail as the maker of namespaces: the last choice.
//!
//! It is a program with root's rights started by a user, leaves the machine's file tree in place
//! (read-only), waits for daemons that a program leaves, and its own filter misses calls. So it only
//! makes process, network and IPC namespaces here, around what is otherwise the reduced tier, whose
//! conditions on jobs apply (mounts at their own paths, no `/proc`), and whose name it bears in reports:
//! files are kept from programs by Landlock alone.

use std::process::{Command, Stdio};
use std::sync::Arc;

use crate::cgroup::Cgroups;
use crate::foreign::{PrivateFolder, run_with_socket};
use crate::native::capabilities;
use crate::reduced::{WorkFolder, check};
use crate::{Backend, Capabilities, Infra, Job, Outcome, Slot, Tier, Unavailable};

/// The firejail backend. See the module.
pub struct Firejail {
    cgroups: Arc<Cgroups>,
}

impl Firejail {
    /// Looks for control groups.
    pub fn new() -> Self {
        Self { cgroups: Arc::new(Cgroups::find()) }
    }
}

impl Default for Firejail {
    fn default() -> Self {
        Self::new()
    }
}

impl Backend for Firejail {
    fn name(&self) -> &'static str {
        "firejail"
    }

    fn tier(&self) -> Tier {
        Tier::Reduced
    }

    fn probe(&self) -> Result<Capabilities, Unavailable> {
        let mend = "install bubblewrap, which is better";
        match Command::new("firejail").arg("--version").stdin(Stdio::null()).output() {
            Err(_) => {
                return Err(Unavailable {
                    reason: "there is no `firejail` command".to_owned(),
                    mend,
                });
            }
            // Debian keeps it to the users of a list.
            Ok(output) if !output.status.success() => {
                let said = String::from_utf8_lossy(&output.stderr);
                let reason =
                    format!("`firejail` says: {}", said.lines().next().unwrap_or("nothing").trim());
                return Err(Unavailable { reason, mend });
            }
            Ok(_) => {}
        }
        capabilities(&self.cgroups)
    }

    fn open_slot(&self, index: u32) -> Result<Box<dyn Slot>, Infra> {
        let found = capabilities(&self.cgroups)
            .map_err(|error| Infra::Unsupported { backend: "firejail", problem: error.reason })?;
        let folder = PrivateFolder::make()?;
        folder.write_helper()?;
        Ok(Box::new(FirejailSlot { cgroups: Arc::clone(&self.cgroups), found, folder, index }))
    }
}

struct FirejailSlot {
    cgroups: Arc<Cgroups>,
    found: Capabilities,
    folder: PrivateFolder,
    index: u32,
}

impl Slot for FirejailSlot {
    fn run(&mut self, job: &Job) -> Result<Outcome, Infra> {
        check(job, "firejail")?;
        let work = WorkFolder::make(self.index)?;
        let mut place = work.place(job, &self.found, self.index);
        // Root without capabilities cannot change its user, and needs none to be told apart: the
        // folders are made its own instead.
        place.limit_processes = None;
        let mut command = Command::new("firejail");
        command
            .args(["--quiet", "--noprofile", "--net=none", "--nonewprivs", "--ipc-namespace"])
            .args([
                "--caps.keep=setuid,setgid",
                "--deterministic-exit-code",
                "--nogroups",
                "--keep-var-tmp",
            ])
            .arg("--read-only=/")
            .arg(format!("--read-write={}", work.path().display()))
            .arg("--")
            .arg(self.folder.path().join("helper"))
            .arg("job");
        command
            .env_clear()
            .env("PATH", "/usr/local/bin:/usr/bin:/bin")
            .env("HOME", "/")
            .current_dir("/");
        run_with_socket("firejail", &mut command, job, &place, &self.cgroups)
    }
}
