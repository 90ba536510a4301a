//! Docker and Podman: one container per job, from an empty image, with the helper as its process 1.
//!
//! The slowest backends by far (a container takes hundreds of milliseconds); for machines where only
//! the engine may make namespaces. Descriptors do not pass through an engine, so the helper connects to
//! a socket in a folder that the container sees; the supervisor hands it one job and removes the
//! socket. Whoever may talk to the engine is as good as root, so only the supervisor does.

use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::net::{
    AddressFamily, SocketAddrUnix, SocketFlags, SocketType, accept_with, bind, listen, socket_with,
};

use crate::cgroup::Cgroups;
use crate::foreign::{PrivateFolder, Started, first_line};
use crate::message::send_fds;
use crate::native::{FIRST_OUTER_ID, capabilities};
use crate::plan::Place;
use crate::supervise::{failed, supervise};
use crate::wire::flags;
use crate::{
    Backend, Capabilities, CgroupControl, Infra, Job, Mount, Outcome, Slot, Tier, Unavailable,
    affinity,
};

/// The image: nothing. It is made by `import` and holds no layer of anybody.
const IMAGE: &str = "sigil-sandbox-empty:1";

/// How long an engine may take to start a container.
const PATIENCE: Duration = Duration::from_secs(60);

/// The Docker or Podman backend. See the module.
pub struct Container {
    engine: &'static str,
    cgroups: Arc<Cgroups>,
}

impl Container {
    /// Docker.
    pub fn docker() -> Self {
        Self { engine: "docker", cgroups: Arc::new(Cgroups::find()) }
    }

    /// Podman.
    pub fn podman() -> Self {
        Self { engine: "podman", cgroups: Arc::new(Cgroups::find()) }
    }

    /// Makes the empty image if it is not there.
    fn import(&self) -> Result<(), Infra> {
        if first_line(self.engine, &["image", "inspect", "--format", "{{.Id}}", IMAGE]).is_some() {
            return Ok(());
        }
        // The end of an archive, and nothing before it.
        let folder = PrivateFolder::make()?;
        let archive = folder.write("empty.tar", &[0; 10240], 0o444)?;
        let output = Command::new(self.engine)
            .arg("import")
            .arg(archive)
            .arg(IMAGE)
            .stdin(Stdio::null())
            .output()
            .map_err(|error| Infra::Command { command: self.engine, message: error.to_string() })?;
        if output.status.success() {
            return Ok(());
        }
        let message = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        Err(Infra::Command { command: self.engine, message })
    }
}

impl Backend for Container {
    fn name(&self) -> &'static str {
        self.engine
    }

    fn tier(&self) -> Tier {
        Tier::Full
    }

    fn probe(&self) -> Result<Capabilities, Unavailable> {
        let answers = match self.engine {
            "docker" => first_line("docker", &["version", "--format", "{{.Server.Version}}"]),
            engine => first_line(engine, &["version", "--format", "{{.Client.Version}}"]),
        };
        if answers.is_none() {
            return Err(Unavailable {
                reason: format!("`{} version` gets no answer from an engine", self.engine),
                mend: "install it, start its service, and join its group",
            });
        }
        capabilities(&self.cgroups)
    }

    fn open_slot(&self, index: u32) -> Result<Box<dyn Slot>, Infra> {
        let found = capabilities(&self.cgroups)
            .map_err(|error| Infra::Unsupported { backend: self.engine, problem: error.reason })?;
        self.import()?;
        let folder = PrivateFolder::make()?;
        let helper = folder.write_helper()?;
        let cgroups = Arc::clone(&self.cgroups);
        Ok(Box::new(ContainerSlot { engine: self.engine, cgroups, found, folder, helper, index }))
    }
}

struct ContainerSlot {
    engine: &'static str,
    cgroups: Arc<Cgroups>,
    found: Capabilities,
    folder: PrivateFolder,
    helper: PathBuf,
    index: u32,
}

impl Slot for ContainerSlot {
    fn run(&mut self, job: &Job) -> Result<Outcome, Infra> {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("sigil-sandbox-{}-{number}", std::process::id());
        if job.proc {
            return Err(Infra::Unsupported {
                backend: self.engine,
                problem: "an engine's `/proc` shows more than processes".to_owned(),
            });
        }
        let watched = [self.found.memory, self.found.processes, self.found.cpu]
            .contains(&CgroupControl::Watched);
        let place = Place {
            flags: if watched { flags::WATCH } else { 0 }
                | if self.engine == "podman" { flags::MEASURE_WORK } else { 0 },
            without: 0,
            work: PathBuf::from("/box"),
            input: PathBuf::from("/in"),
            landlock_abi: self.found.landlock_abi,
            identity: 0,
            affinity: affinity::mask(self.index, job.limits.cpus),
            limit_memory: self.found.memory == CgroupControl::Watched,
            limit_processes: None,
        };
        let job = &with_links_mounted(job);
        let meeting = Meeting::open()?;
        let mut command = self.command(job, &name, meeting.folder.path())?;
        let mut started = Started::spawn(self.engine, &mut command)?;
        let outcome = meeting.wait().and_then(|socket| {
            supervise(job, &place, &self.cgroups, |fds| send_fds(&socket, [1, 0], fds))
        });
        if outcome.is_err() {
            // The engine keeps a container alive whose client is gone.
            let _ = Command::new(self.engine)
                .args(["rm", "--force", &name])
                .stdin(Stdio::null())
                .output();
        }
        let outcome = started.explain(outcome);
        started.finish(Duration::from_secs(20));
        outcome
    }
}

/// An image without files has no place for links, so what they lead to is mounted there.
fn with_links_mounted(job: &Job) -> Job {
    let mut root = (*job.root).clone();
    for link in root.links.drain(..) {
        let target = link.path.parent().unwrap_or(Path::new("/")).join(&link.target);
        if let Ok(target) = target.canonicalize() {
            root.mounts.push(Mount::at(target, link.path, true));
        }
    }
    Job { root: Arc::new(root), ..job.clone() }
}

/// A socket in a folder, at which one helper is expected.
struct Meeting {
    folder: PrivateFolder,
    listener: OwnedFd,
}

impl Meeting {
    fn open() -> Result<Self, Infra> {
        let folder = PrivateFolder::make()?;
        let path = folder.path().join("socket");
        let listener =
            socket_with(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)
                .map_err(failed("make a socket"))?;
        let address = SocketAddrUnix::new(&path).map_err(failed("name a socket"))?;
        bind(&listener, &address).map_err(failed("name a socket"))?;
        listen(&listener, 1).map_err(failed("listen"))?;
        let open = std::fs::Permissions::from_mode(0o666);
        std::fs::set_permissions(&path, open).map_err(|source| Infra::Supervisor {
            action: "open a socket to a container",
            source,
        })?;
        Ok(Self { folder, listener })
    }

    fn wait(&self) -> Result<OwnedFd, Infra> {
        let until = Instant::now() + PATIENCE;
        let timeout = Timespec { tv_sec: PATIENCE.as_secs() as i64, tv_nsec: 0 };
        let mut polled = [PollFd::new(&self.listener, PollFlags::IN)];
        let ready = poll(&mut polled, Some(&timeout)).map_err(failed("wait for a container"))?;
        if ready == 0 || Instant::now() > until {
            return Err(Infra::NoReport("its container did not start in time".to_owned()));
        }
        accept_with(self.listener.as_fd(), SocketFlags::CLOEXEC).map_err(failed("meet a container"))
    }
}

impl ContainerSlot {
    fn command(&self, job: &Job, name: &str, meeting: &Path) -> Result<Command, Infra> {
        let limits = &job.limits;
        let outer = (FIRST_OUTER_ID + self.index).to_string();
        let tmpfs = |path: &str, size: u64, files: u64, exec: bool| {
            let exec = if exec { "exec" } else { "noexec" };
            // Podman refuses to limit the number of files, so they are measured there.
            let files = match self.engine {
                "podman" => String::new(),
                _ => format!(",nr_inodes={files}"),
            };
            format!("{path}:rw,{exec},nosuid,nodev,size={size}{files},mode=777")
        };
        let mut command = Command::new(self.engine);
        command
            .args(["run", "--rm", "--name", name, "--network", "none", "--read-only"])
            .args(["--cap-drop", "ALL", "--security-opt", "no-new-privileges"])
            // The engine's filter knows no Landlock; the helper's own is stricter and comes later.
            .args(["--security-opt", "seccomp=unconfined"])
            .args(["--hostname", "sandbox", "--user", &format!("{outer}:{outer}")])
            .args(["--pids-limit", &(limits.processes + 4).to_string()])
            .args(["--memory", &(limits.memory_bytes + (64 << 20)).to_string()])
            .args(["--log-driver", "none", "--workdir", "/", "--entrypoint", "/.helper"])
            .args([
                "--tmpfs",
                &tmpfs("/box", limits.work_bytes, limits.work_files, job.work_executable),
            ])
            .args(["--tmpfs", &tmpfs("/in", 1 << 30, 65536, true)]);
        let mut bind = |host: &Path, inside: &Path| {
            let mut volume = host.as_os_str().to_owned();
            volume.push(":");
            volume.push(inside);
            volume.push(":ro");
            command.arg("--volume").arg(volume);
        };
        bind(&self.helper, Path::new("/.helper"));
        bind(meeting, Path::new("/.meeting"));
        for mount in &job.root.mounts {
            bind(&mount.host, &mount.inside);
        }
        for (host, inside) in self.folder.write_files(&job.root.files)? {
            bind(&host, &inside);
        }
        command.args([IMAGE, "connect", "/.meeting/socket"]);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).current_dir("/");
        Ok(command)
    }
}
