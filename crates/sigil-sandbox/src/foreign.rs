//! What backends share that start one helper per job in a place that somebody else makes.
//!
//! The command (`bwrap`, `docker`, ...) is only trusted to make the place; files, limits, filters and
//! the report are the helper's, as everywhere. Next: `bubblewrap.rs`, `container.rs`, `reduced.rs`.

use std::fs;
use std::io::Read;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Once};
use std::time::{Duration, Instant};

use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};

use crate::cgroup::Cgroups;
use crate::meeting::{Meeting, Met};
use crate::message::send_fds;
use crate::plan::Place;
use crate::supervise::{failed, supervise};
use crate::{Infra, Job, Outcome, RootFile, embedded, owner};

/// A folder that is removed with everything in it.
pub(crate) struct PrivateFolder {
    path: PathBuf,
}

impl PrivateFolder {
    /// Makes one that only this user may list, but whose parts can be reached by name.
    pub(crate) fn make() -> Result<Self, Infra> {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        static SWEPT: Once = Once::new();
        SWEPT.call_once(sweep);
        let path = Path::new("/tmp").join(owner::name(NEXT.fetch_add(1, Ordering::Relaxed)));
        let fail = |source| Infra::Supervisor { action: "make a folder in /tmp", source };
        // If it is there already it is not ours: this fails rather than trusts it.
        fs::DirBuilder::new().mode(0o711).create(&path).map_err(fail)?;
        let made = Self { path };
        fs::set_permissions(&made.path, PermissionsExt::from_mode(0o711)).map_err(fail)?;
        Ok(made)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Writes a file into it.
    pub(crate) fn write(&self, name: &str, bytes: &[u8], mode: u32) -> Result<PathBuf, Infra> {
        let path = self.path.join(name);
        let fail = |source| Infra::Supervisor { action: "write into a folder in /tmp", source };
        fs::write(&path, bytes).map_err(fail)?;
        fs::set_permissions(&path, PermissionsExt::from_mode(mode)).map_err(fail)?;
        Ok(path)
    }

    /// Writes the helper into it.
    pub(crate) fn write_helper(&self) -> Result<PathBuf, Infra> {
        self.write("helper", embedded::HELPER, 0o555)
    }

    /// Writes a root's made-up files into it: where each lies, and where it belongs.
    pub(crate) fn write_files(&self, files: &[RootFile]) -> Result<Vec<(PathBuf, PathBuf)>, Infra> {
        let write = |(index, file): (usize, &RootFile)| {
            let path = self.write(&format!("file-{index}"), &file.bytes, 0o444)?;
            Ok((path, file.path.clone()))
        };
        files.iter().enumerate().map(write).collect()
    }
}

impl Drop for PrivateFolder {
    fn drop(&mut self) {
        if fs::remove_dir_all(&self.path).is_err() {
            // A program may have made folders that even their owner cannot list.
            open_folders(&self.path, 0);
            let _ = fs::remove_dir_all(&self.path);
        }
    }
}

/// Removes folders of this user whose process was killed before it could.
fn sweep() {
    let own = rustix::process::geteuid().as_raw();
    for entry in fs::read_dir("/tmp").into_iter().flatten().flatten() {
        let abandoned = entry.file_name().to_str().is_some_and(owner::is_abandoned);
        let ours = entry.path().symlink_metadata().is_ok_and(|found| found.uid() == own);
        if abandoned && ours {
            drop(PrivateFolder { path: entry.path() });
        }
    }
}

fn open_folders(folder: &Path, depth: u32) {
    let _ = fs::set_permissions(folder, PermissionsExt::from_mode(0o700));
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        if depth < 1000 && entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            open_folders(&entry.path(), depth + 1);
        }
    }
}

/// Runs a job with a helper that `command` starts with the supervisor's socket as its input.
pub(crate) fn run_with_socket(
    name: &'static str,
    command: &mut Command,
    job: &Job,
    place: &Place,
    cgroups: &Arc<Cgroups>,
) -> Result<Outcome, Infra> {
    let (socket, theirs) =
        socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)
            .map_err(failed("make a socket"))?;
    command.stdin(Stdio::from(theirs)).stdout(Stdio::null()).stderr(Stdio::piped());
    let mut started = Started::spawn(name, command)?;
    // The command's own copy of the socket, so that only the helper holds one.
    command.stdin(Stdio::null());
    let outcome = supervise(job, place, cgroups, |fds| send_fds(&socket, [1, 0], fds));
    started.explain(outcome)
}

/// A command that was started, and is no more when this is dropped.
pub(crate) struct Started {
    name: &'static str,
    child: Child,
}

impl Started {
    pub(crate) fn spawn(name: &'static str, command: &mut Command) -> Result<Self, Infra> {
        // Ctrl-C in a terminal is the supervisor's affair, here as in `embedded.rs`.
        let child = command
            .process_group(0)
            .spawn()
            .map_err(|error| Infra::Command { command: name, message: error.to_string() })?;
        Ok(Self { name, child })
    }

    /// Waits until the helper that the command starts has come to a meeting.
    pub(crate) fn meet(&mut self, meeting: &Meeting, until: Instant) -> Result<Met, Infra> {
        let said = self.child.stderr.as_mut().expect("the command was started with a pipe for it");
        meeting.wait(said, until)
    }

    /// Puts what the command said beside an error that only says that nothing came.
    pub(crate) fn explain(&mut self, outcome: Result<Outcome, Infra>) -> Result<Outcome, Infra> {
        let Err(Infra::NoReport(_) | Infra::Supervisor { .. }) = outcome else { return outcome };
        let _ = self.child.kill();
        let mut said = String::new();
        if let Some(stderr) = self.child.stderr.take() {
            let _ = stderr.take(2000).read_to_string(&mut said);
        }
        if said.trim().is_empty() {
            return outcome;
        }
        Err(Infra::Command { command: self.name, message: said.trim().to_owned() })
    }

    /// Waits for its end, and helps along after a while.
    pub(crate) fn finish(&mut self, patience: Duration) {
        let until = Instant::now() + patience;
        while Instant::now() < until {
            if !matches!(self.child.try_wait(), Ok(None)) {
                return;
            }
            std::thread::sleep(Duration::from_millis(2));
        }
        let _ = self.child.kill();
    }
}

impl Drop for Started {
    fn drop(&mut self) {
        self.finish(Duration::from_secs(2));
        let _ = self.child.wait();
    }
}

/// The first line that a command prints, to see whether it is there at all.
pub(crate) fn first_line(command: &str, words: &[&str]) -> Option<String> {
    let output = Command::new(command).args(words).stdin(Stdio::null()).output().ok()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    output.status.success().then(|| text.lines().next().unwrap_or_default().to_owned())
}
