//! Control groups of both versions, each controller wherever this machine has it.
//!
//! Machines differ per controller, not as a whole (a "hybrid" one has some in version 1 and others in
//! version 2), so each is looked for by itself, and believed only after a process could be moved into a
//! new group with a limit. Every job gets groups of its own; a thread removes them afterwards, since
//! the kernel takes its time. What stands in where there are none is `init/watch.rs`.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use crate::cgroup_map::{CgroupMap, Hierarchy};
use crate::{CgroupControl, Infra, Limits, embedded};

/// Where groups can be made, per controller.
pub(crate) struct Cgroups {
    /// Folders in which jobs get theirs, with the controllers of each.
    bases: Vec<Base>,
    /// Removes groups; ends when this is dropped.
    removals: Option<Sender<PathBuf>>,
    remover: Option<JoinHandle<()>>,
}

struct Base {
    path: PathBuf,
    version: CgroupControl,
    controllers: Vec<&'static str>,
}

/// The controllers that a job needs.
const NEEDED: [&str; 3] = ["memory", "pids", "cpuacct"];

/// Bases made by this process, to give each a name of its own.
static MADE: AtomicU64 = AtomicU64::new(0);

impl Cgroups {
    /// Finds and tries what this machine has; perhaps nothing.
    pub(crate) fn find() -> Self {
        let map = CgroupMap::read();
        let mut bases: Vec<Base> = Vec::new();
        for controller in NEEDED {
            let Some(place) = map.as_ref().and_then(|map| map.place(controller)) else { continue };
            let known = bases.iter_mut().find(|base| base.path.parent() == Some(&place.folder));
            if let Some(base) = known {
                base.controllers.push(controller);
            } else if let Some(base) = make_base(&place.folder, place.hierarchy, controller) {
                bases.push(base);
            }
        }
        let (removals, requests) = channel::<PathBuf>();
        let remover = std::thread::Builder::new()
            .name("sandbox-groups".to_owned())
            .spawn(move || requests.iter().for_each(|group| remove(&group)))
            .ok();
        let mut found = Self { bases, removals: Some(removals), remover };
        found.bases.retain(|base| base.can_be_joined());
        found
    }

    /// No groups at all.
    #[cfg_attr(not(any(test, feature = "controls")), expect(dead_code, reason = "for controls"))]
    pub(crate) fn none() -> Self {
        Self { bases: Vec::new(), removals: None, remover: None }
    }

    /// Who counts a controller's resource.
    pub(crate) fn control(&self, controller: &str) -> CgroupControl {
        self.base(controller).map_or(CgroupControl::Watched, |base| base.version)
    }

    fn base(&self, controller: &str) -> Option<&Base> {
        self.bases.iter().find(|base| base.controllers.contains(&controller))
    }

    /// Makes the groups of one job, without limits yet.
    pub(crate) fn make(self: &Arc<Self>) -> Result<JobGroups, Infra> {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let name = format!("job-{}", NEXT.fetch_add(1, Ordering::Relaxed));
        let mut groups = JobGroups { owner: Arc::clone(self), folders: Vec::new() };
        for base in &self.bases {
            let folder = base.path.join(&name);
            fs::create_dir(&folder)
                .map_err(|source| Infra::Cgroup { path: folder.clone(), source })?;
            groups.folders.push(folder);
        }
        Ok(groups)
    }
}

impl Drop for Cgroups {
    fn drop(&mut self) {
        // The thread ends after the last removal.
        self.removals = None;
        if let Some(remover) = self.remover.take() {
            let _ = remover.join();
        }
        for base in &self.bases {
            remove(&base.path);
        }
    }
}

/// Makes the folder that holds this process's groups, and hands its controllers down.
fn make_base(parent: &Path, hierarchy: Hierarchy, controller: &'static str) -> Option<Base> {
    sweep(parent);
    let number = MADE.fetch_add(1, Ordering::Relaxed);
    let path = parent.join(format!("sigil-{}-{number}", std::process::id()));
    fs::create_dir(&path).ok()?;
    let version = match hierarchy {
        Hierarchy::V1 => CgroupControl::V1,
        Hierarchy::V2 => CgroupControl::V2,
    };
    if hierarchy == Hierarchy::V2 {
        // Version 2 hands controllers down one level at a time; processor time needs none.
        for needed in ["memory", "pids"] {
            let _ = fs::write(path.join("cgroup.subtree_control"), format!("+{needed}"));
        }
    }
    Some(Base { path, version, controllers: vec![controller] })
}

/// Removes what processes left behind that are gone.
fn sweep(parent: &Path) {
    let Ok(entries) = fs::read_dir(parent) else { return };
    for entry in entries.flatten() {
        let name = entry.file_name();
        let owner = name.to_str().and_then(|name| name.strip_prefix("sigil-")?.split('-').next());
        let owner: Option<u32> = owner.and_then(|pid| pid.parse().ok());
        if owner.is_some_and(|pid| !Path::new(&format!("/proc/{pid}")).exists()) {
            if let Ok(groups) = fs::read_dir(entry.path()) {
                for group in groups.flatten().filter(|group| group.path().is_dir()) {
                    let _ = fs::remove_dir(group.path());
                }
            }
            let _ = fs::remove_dir(entry.path());
        }
    }
}

/// Removes a group as soon as its last process is gone.
fn remove(group: &Path) {
    for attempt in 0..12 {
        match fs::remove_dir(group) {
            Err(error) if error.raw_os_error() == Some(libc::EBUSY) => {
                std::thread::sleep(Duration::from_millis(1 << attempt));
            }
            _ => return,
        }
    }
}

impl Base {
    /// Whether a group here takes a process and a limit.
    fn can_be_joined(&self) -> bool {
        let group = self.path.join("try");
        let tried = self.try_group(&group);
        remove(&group);
        if tried.is_err() {
            remove(&self.path);
        }
        tried.is_ok()
    }

    fn try_group(&self, group: &Path) -> io::Result<()> {
        fs::create_dir(group)?;
        for controller in &self.controllers {
            let file = match (self.version, *controller) {
                (CgroupControl::V1, "memory") => "memory.limit_in_bytes",
                (_, "memory") => "memory.max",
                (_, "pids") => "pids.max",
                (CgroupControl::V1, _) => "cpuacct.usage",
                _ => "cpu.stat",
            };
            if file.ends_with("usage") || file.ends_with("stat") {
                fs::read(group.join(file))?;
            } else {
                fs::write(group.join(file), "1048576")?;
            }
        }
        let mut command = embedded::command().map_err(io::Error::other)?;
        let mut child = command.arg("hold").stdin(Stdio::piped()).spawn()?;
        let joined = fs::write(group.join("cgroup.procs"), child.id().to_string());
        drop(child.stdin.take());
        child.wait()?;
        joined
    }
}

/// The groups of one job; removed some time after this is dropped.
pub(crate) struct JobGroups {
    owner: Arc<Cgroups>,
    /// One for each base.
    folders: Vec<PathBuf>,
}

/// What the groups of a job say.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Counted {
    /// Processes killed for want of memory.
    pub(crate) memory_kills: u64,
    /// Forks refused.
    pub(crate) refused_forks: u64,
    pub(crate) peak_memory: Option<u64>,
    pub(crate) peak_processes: Option<u64>,
    pub(crate) cpu: Option<Duration>,
}

impl JobGroups {
    /// Descriptors through which a process joins by writing `0`.
    pub(crate) fn entrances(&self) -> Result<Vec<OwnedFd>, Infra> {
        let open = |folder: &PathBuf| {
            let path = folder.join("cgroup.procs");
            let file = OpenOptions::new().write(true).open(&path);
            file.map(File::into).map_err(|source| Infra::Cgroup { path, source })
        };
        self.folders.iter().map(open).collect()
    }

    /// Each group, with what it counts.
    fn groups(&self) -> impl Iterator<Item = (&PathBuf, &Base)> {
        self.folders.iter().zip(&self.owner.bases)
    }

    /// Sets the limits of the job.
    pub(crate) fn set_limits(&self, limits: &Limits) -> Result<(), Infra> {
        let put =
            |path: PathBuf, value: u64, needed: bool| match fs::write(&path, value.to_string()) {
                Err(source) if needed => Err(Infra::Cgroup { path, source }),
                _ => Ok(()),
            };
        for (folder, base) in self.groups() {
            for controller in &base.controllers {
                match (base.version, *controller) {
                    (CgroupControl::V1, "memory") => {
                        put(folder.join("memory.limit_in_bytes"), limits.memory_bytes, true)?;
                        // Together with swap; the file is absent where swap is not counted.
                        put(
                            folder.join("memory.memsw.limit_in_bytes"),
                            limits.memory_bytes,
                            false,
                        )?;
                    }
                    (_, "memory") => {
                        put(folder.join("memory.max"), limits.memory_bytes, true)?;
                        put(folder.join("memory.swap.max"), 0, false)?;
                    }
                    (_, "pids") => put(folder.join("pids.max"), limits.processes.into(), true)?,
                    _ => {}
                }
            }
        }
        Ok(())
    }

    fn file(&self, controller: &str, v1: &str, v2: &str) -> Option<String> {
        let (folder, base) =
            self.groups().find(|(_, base)| base.controllers.contains(&controller))?;
        let name = if base.version == CgroupControl::V1 { v1 } else { v2 };
        read_once(&folder.join(name))
    }

    /// Whether [`JobGroups::cpu_time`] is known.
    pub(crate) fn counts_cpu_time(&self) -> bool {
        self.owner.base("cpuacct").is_some()
    }

    /// Processor time so far.
    pub(crate) fn cpu_time(&self) -> Option<Duration> {
        let text = self.file("cpuacct", "cpuacct.usage", "cpu.stat")?;
        match text.trim().parse() {
            Ok(nanos) => Some(Duration::from_nanos(nanos)),
            Err(_) => Some(Duration::from_micros(field(&text, "usage_usec")?)),
        }
    }

    /// Everything the groups counted.
    pub(crate) fn counted(&self) -> Counted {
        let number = |controller, v1, v2| -> Option<u64> {
            self.file(controller, v1, v2)?.trim().parse().ok()
        };
        let events = |controller, v1, v2, name| {
            self.file(controller, v1, v2).and_then(|text| field(&text, name)).unwrap_or_default()
        };
        Counted {
            memory_kills: events("memory", "memory.oom_control", "memory.events", "oom_kill"),
            refused_forks: events("pids", "pids.events", "pids.events", "max"),
            peak_memory: number("memory", "memory.max_usage_in_bytes", "memory.peak"),
            peak_processes: number("pids", "pids.peak", "pids.peak"),
            cpu: self.cpu_time(),
        }
    }
}

impl Drop for JobGroups {
    fn drop(&mut self) {
        for folder in self.folders.drain(..) {
            if let Some(removals) = &self.owner.removals {
                // If the thread is gone the folder stays until the next sweep.
                let _ = removals.send(folder);
            }
        }
    }
}

/// What one call reads of a file: all of it, for the short ones that groups have.
fn read_once(path: &Path) -> Option<String> {
    let mut bytes = [0u8; 4096];
    let got = File::open(path).ok()?.read(&mut bytes).ok()?;
    Some(std::str::from_utf8(bytes.get(..got)?).ok()?.to_owned())
}

/// The number after `name` in a file of lines `name number`.
fn field(text: &str, name: &str) -> Option<u64> {
    text.lines().find_map(|line| {
        let (key, value) = line.split_once(' ')?;
        (key == name).then(|| value.trim().parse().ok())?
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_found_by_their_whole_name() {
        let text = "oom_kill_disable 0\nunder_oom 0\noom_kill 3\nmax x\n";
        assert_eq!(field(text, "oom_kill"), Some(3));
        assert_eq!(field(text, "oom"), None);
        assert_eq!(field(text, "max"), None);
    }
}
