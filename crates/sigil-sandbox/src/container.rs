//! Docker and Podman: one container per job, from an image of links alone, with the helper as its process 1.
//!
//! The slowest backends by far (a container takes hundreds of milliseconds); for machines where only
//! the engine may make namespaces. Descriptors do not pass through an engine, so the helper connects to
//! a socket in a folder that the container sees; the supervisor hands it one job and removes the
//! socket. Whoever may talk to the engine is as good as root, so only the supervisor does. Next:
//! `engine.rs`, which finds out how to use the engine, and `meeting.rs`.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use crate::cgroup::Cgroups;
use crate::engine::Engine;
use crate::foreign::{PrivateFolder, Started};
use crate::meeting::{Meeting, Met};
use crate::message::send_fds;
use crate::native::capabilities;
use crate::plan::Place;
use crate::supervise::supervise;
use crate::wire::flags;
use crate::{
    Backend, Capabilities, CgroupControl, Infra, Job, Link, Outcome, Slot, Tier, Unavailable,
    affinity, owner,
};

/// How long an engine may take to start a container.
const PATIENCE: Duration = Duration::from_secs(60);

/// The Docker or Podman backend. See the module.
pub struct Container {
    command: &'static str,
    /// Found by the first probe.
    engine: OnceLock<Engine>,
    cgroups: Arc<Cgroups>,
}

impl Container {
    /// Docker.
    pub fn docker() -> Self {
        Self::of("docker")
    }

    /// Podman.
    pub fn podman() -> Self {
        Self::of("podman")
    }

    fn of(command: &'static str) -> Self {
        Self { command, engine: OnceLock::new(), cgroups: Arc::new(Cgroups::find()) }
    }

    fn engine(&self) -> Result<&Engine, Unavailable> {
        if let Some(engine) = self.engine.get() {
            return Ok(engine);
        }
        let found = Engine::find(self.command)?;
        Ok(self.engine.get_or_init(|| found))
    }
}

impl Backend for Container {
    fn name(&self) -> &'static str {
        self.command
    }

    fn tier(&self) -> Tier {
        Tier::Full
    }

    fn probe(&self) -> Result<Capabilities, Unavailable> {
        let found = capabilities(&self.cgroups)?;
        self.engine()?;
        Ok(found)
    }

    fn open_slot(&self, index: u32) -> Result<Box<dyn Slot>, Infra> {
        let fail = |error: Unavailable| Infra::Unsupported {
            backend: self.command,
            problem: error.reason,
        };
        let found = capabilities(&self.cgroups).map_err(fail)?;
        let engine = self.engine().map_err(fail)?.clone();
        let folder = PrivateFolder::make()?;
        let helper = folder.write_helper()?;
        let cgroups = Arc::clone(&self.cgroups);
        let images = HashMap::new();
        Ok(Box::new(ContainerSlot { engine, cgroups, found, folder, helper, images, index }))
    }
}

struct ContainerSlot {
    engine: Engine,
    cgroups: Arc<Cgroups>,
    found: Capabilities,
    folder: PrivateFolder,
    helper: PathBuf,
    /// The image for the links of a root.
    images: HashMap<Vec<Link>, String>,
    index: u32,
}

impl Slot for ContainerSlot {
    fn run(&mut self, job: &Job) -> Result<Outcome, Infra> {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let backend = self.engine.command;
        if job.proc {
            return Err(Infra::Unsupported {
                backend,
                problem: "an engine's `/proc` shows more than processes".to_owned(),
            });
        }
        let name = owner::name(NEXT.fetch_add(1, Ordering::Relaxed));
        let place = self.place(job);
        let meeting = Meeting::open()?;
        let mut command = self.command(job, &name, meeting.path())?;
        let mut started = Started::spawn(backend, &mut command)?;
        let met = started.meet(&meeting, Instant::now() + PATIENCE);
        let outcome = met.and_then(|met| match met {
            Met::Helper(socket) => {
                supervise(job, &place, &self.cgroups, |fds| send_fds(&socket, [1, 0], fds))
            }
            Met::Ended(message) => Err(Infra::Command { command: backend, message }),
        });
        if outcome.is_err() {
            // The engine keeps a container whose client is gone.
            self.engine.remove(&name);
        }
        started.finish(Duration::from_secs(20));
        outcome
    }
}

impl ContainerSlot {
    fn place(&self, job: &Job) -> Place {
        let found = &self.found;
        let watched = [found.memory, found.processes, found.cpu].contains(&CgroupControl::Watched);
        let uncounted = found.processes == CgroupControl::Watched;
        // A rootless engine mostly may not limit processes, and its users are this user's alone.
        let limit_processes = (uncounted && self.engine.rootless).then_some(8);
        Place {
            flags: if watched { flags::WATCH } else { 0 }
                | if self.limits_files() { 0 } else { flags::MEASURE_WORK },
            without: 0,
            work: PathBuf::from("/box"),
            input: PathBuf::from("/in"),
            landlock_abi: found.landlock_abi,
            identity: 0,
            affinity: affinity::mask(self.index, job.limits.cpus),
            limit_memory: found.memory == CgroupControl::Watched,
            limit_processes,
        }
    }

    /// Podman refuses to limit the number of files, so they are measured there.
    fn limits_files(&self) -> bool {
        self.engine.command != "podman"
    }

    fn command(&mut self, job: &Job, name: &str, meeting: &Path) -> Result<Command, Infra> {
        let limits = &job.limits;
        let tmpfs = |path: &str, size: u64, files: u64, exec: bool| {
            let exec = if exec { "exec" } else { "noexec" };
            let files =
                if self.limits_files() { format!(",nr_inodes={files}") } else { String::new() };
            format!("{path}:rw,{exec},nosuid,nodev,size={size}{files},mode=777")
        };
        let mut command = self.engine.run(name, self.engine.user(self.index), limits);
        let work = tmpfs("/box", limits.work_bytes, limits.work_files, job.work_executable);
        command.args(["--tmpfs", &work, "--tmpfs", &tmpfs("/in", 1 << 30, 65536, true)]);
        Engine::mount(&mut command, &self.helper, Path::new("/.helper"));
        Engine::mount(&mut command, meeting, Path::new("/.meeting"));
        for mount in &job.root.mounts {
            Engine::mount(&mut command, &mount.host, &mount.inside);
        }
        for (host, inside) in self.folder.write_files(&job.root.files)? {
            Engine::mount(&mut command, &host, &inside);
        }
        Engine::helper(
            &mut command,
            &self.image(&job.root.links)?,
            &["connect", "/.meeting/socket"],
        );
        Ok(command)
    }

    fn image(&mut self, links: &[Link]) -> Result<String, Infra> {
        if let Some(image) = self.images.get(links) {
            return Ok(image.clone());
        }
        let image = self.engine.image(links)?;
        self.images.insert(links.to_owned(), image.clone());
        Ok(image)
    }
}
