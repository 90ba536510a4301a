//! Writes the plans that the helper reads: the counterpart of `init/wire.rs`.
//!
//! Everything that can be decided outside is decided here (rights, limits, filters), so that the helper
//! only carries it out.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::Write;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, memfd_create};

use crate::landlock::Rules;
use crate::wire::{JOB_MAGIC, SLOT_MAGIC, flags, without};
use crate::{Infra, Job, Root, embedded};

/// A plan being written.
#[derive(Default)]
pub(crate) struct Writer {
    bytes: Vec<u8>,
}

impl Writer {
    pub(crate) fn word(&mut self, word: u32) {
        self.bytes.extend(word.to_le_bytes());
    }

    pub(crate) fn long(&mut self, long: u64) {
        self.bytes.extend(long.to_le_bytes());
    }

    pub(crate) fn block(&mut self, block: &[u8]) {
        self.long(block.len() as u64);
        self.bytes.extend(block);
    }

    /// A string with its final zero; what follows a zero inside it is lost, as with any C string.
    pub(crate) fn text(&mut self, text: &OsStr) {
        let bytes = text.as_bytes();
        let end = bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len());
        self.long(end as u64 + 1);
        self.bytes.extend(&bytes[..end]);
        self.bytes.push(0);
    }

    fn variables(&mut self, env: &[(OsString, OsString)]) {
        for (name, value) in env {
            let mut pair = name.clone();
            pair.push("=");
            pair.push(value);
            self.text(&pair);
        }
    }

    pub(crate) fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }
}

/// Who the programs of a slot are on this machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Identity {
    /// The supervisor is root, so that programs can be somebody else.
    pub(crate) as_root: bool,
    /// The user they are.
    pub(crate) uid: u32,
    /// The group they are of.
    pub(crate) gid: u32,
}

/// A program that a slot loads ahead, and its environment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Loaded {
    pub(crate) program: PathBuf,
    pub(crate) env: Vec<(OsString, OsString)>,
}

/// The plan of a slot.
pub(crate) fn slot_plan(
    root: &Root,
    identity: Identity,
    proc: bool,
    without: u32,
    loaded: Option<&Loaded>,
) -> Vec<u8> {
    let mut plan = Writer::default();
    plan.word(SLOT_MAGIC);
    plan.word(u32::from(identity.as_root));
    plan.word(identity.uid);
    plan.word(identity.gid);
    plan.word(without);
    plan.word(u32::from(proc));
    match loaded {
        None => plan.block(&[]),
        Some(loaded) => {
            plan.block(embedded::AHEAD);
            plan.text(loaded.program.as_os_str());
            let mut variables = Writer::default();
            variables.variables(&loaded.env);
            plan.block(&variables.into_bytes());
        }
    }
    plan.word(root.mounts.len() as u32);
    for mount in &root.mounts {
        plan.text(mount.host.as_os_str());
        plan.text(mount.inside.as_os_str());
        plan.word(u32::from(mount.host.is_dir()));
        plan.word(u32::from(mount.execute));
    }
    plan.word(root.links.len() as u32);
    for link in &root.links {
        plan.text(link.path.as_os_str());
        plan.text(link.target.as_os_str());
    }
    plan.word(root.files.len() as u32);
    for file in &root.files {
        plan.text(file.path.as_os_str());
        plan.block(&file.bytes);
    }
    plan.into_bytes()
}

/// Where and how a job runs, as far as its backend decides.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    /// [`flags`] that the backend decides; those of the job are added.
    pub(crate) flags: u32,
    /// Layers taken away by a control.
    pub(crate) without: u32,
    /// Where `/box` is.
    pub(crate) work: PathBuf,
    /// Where `/in` is.
    pub(crate) input: PathBuf,
    /// The kernel's Landlock version.
    pub(crate) landlock_abi: u32,
    /// Who the helper becomes first, if it is root; else 0.
    pub(crate) identity: u32,
    /// Processors, as a mask; empty leaves them as they are.
    pub(crate) affinity: Vec<u8>,
    /// Whether resource limits must stand in for control groups of memory and of processes.
    pub(crate) limit_memory: bool,
    /// See [`Place::limit_memory`]; how many processes besides the program's are counted with them.
    pub(crate) limit_processes: Option<u32>,
}

/// The plan of a job.
pub(crate) fn job_plan(job: &Job, place: &Place, filters: &[Vec<u8>]) -> Vec<u8> {
    let limits = &job.limits;
    let mut all_flags = place.flags;
    let mut set = |flag, wanted: bool| all_flags |= if wanted { flag } else { 0 };
    set(flags::PROC, job.proc);
    set(flags::WORK_EXECUTABLE, job.work_executable);
    set(flags::INPUT_FOLDER, job.inputs.iter().any(|file| file.path.starts_with("/in")));
    set(flags::CHANNEL, job.channel.is_some());
    let mut plan = Writer::default();
    plan.word(JOB_MAGIC);
    plan.word(all_flags);
    plan.word(place.without);
    plan.word(place.identity);
    plan.long(micros(limits.wall_time));
    plan.long(micros(limits.cpu_time));
    plan.long(limits.memory_bytes);
    plan.long(u64::from(limits.processes));
    plan.long(limits.work_bytes);
    plan.long(limits.work_files);
    plan.text(place.work.as_os_str());
    plan.block(&program_part(job, place, filters));
    let mut inputs = Writer::default();
    for file in &job.inputs {
        match in_work(&file.path) {
            Some(inside) => inputs.text(inside.as_os_str()),
            None => inputs.text(relocated(&file.path, place).as_os_str()),
        }
        inputs.word(u32::from(file.executable));
        inputs.block(&file.bytes);
    }
    plan.block(&inputs.into_bytes());
    let mut outputs = Writer::default();
    for file in &job.outputs {
        outputs.text(in_work(&file.path).unwrap_or(&file.path).as_os_str());
        outputs.long(file.max_bytes);
    }
    plan.block(&outputs.into_bytes());
    plan.into_bytes()
}

/// What the process reads that becomes the program.
fn program_part(job: &Job, place: &Place, filters: &[Vec<u8>]) -> Vec<u8> {
    let mut part = Writer::default();
    let limits = resource_limits(job, place);
    part.word(limits.len() as u32);
    for (resource, value) in limits {
        part.word(resource);
        part.long(value);
    }
    part.block(&place.affinity);
    let rules = Rules::of(job, place);
    part.word(rules.handled.len() as u32);
    for handled in &rules.handled {
        part.long(*handled);
    }
    part.word(rules.paths.len() as u32);
    for rule in &rules.paths {
        part.text(rule.path.as_os_str());
        part.long(rule.access);
        part.word(u32::from(rule.optional));
    }
    part.text(relocated(&job.program, place).as_os_str());
    part.word(job.args.len() as u32 + 1);
    part.text(job.program.as_os_str());
    for argument in &job.args {
        part.text(argument);
    }
    part.word(job.env.len() as u32);
    part.variables(&job.env);
    part.word(filters.len() as u32);
    for filter in filters {
        part.block(filter);
    }
    part.into_bytes()
}

/// The path of a file of `/box`, relative to it.
pub(crate) fn in_work(path: &Path) -> Option<&Path> {
    path.strip_prefix("/box").ok()
}

/// A path of the job where `/box` and `/in` may lie elsewhere.
pub(crate) fn relocated(path: &Path, place: &Place) -> PathBuf {
    match (in_work(path), path.strip_prefix("/in")) {
        (Some(inside), _) => place.work.join(inside),
        (_, Ok(inside)) => place.input.join(inside),
        _ => path.to_owned(),
    }
}

/// Limits of the process kind: backstops, and stand-ins where no control group counts.
fn resource_limits(job: &Job, place: &Place) -> Vec<(u32, u64)> {
    if place.without & without::RLIMITS != 0 {
        return Vec::new();
    }
    let limits = &job.limits;
    let mut wanted = vec![
        (libc::RLIMIT_CORE, 0),
        (libc::RLIMIT_MEMLOCK, 0),
        (libc::RLIMIT_MSGQUEUE, 0),
        (libc::RLIMIT_SIGPENDING, 256),
        (libc::RLIMIT_NOFILE, u64::from(limits.open_files)),
        // The kernel counts this one by sampling, which can be far off on a busy virtual machine.
        (libc::RLIMIT_CPU, limits.cpu_time.as_secs() * 2 + 5),
        (libc::RLIMIT_FSIZE, limits.work_bytes + (1 << 20)),
    ];
    if place.limit_memory {
        // Per process; the watcher adds all of them up, and sees to the limit itself.
        wanted.push((libc::RLIMIT_DATA, limits.memory_bytes.saturating_mul(2)));
    }
    if let Some(others) = place.limit_processes {
        wanted.push((libc::RLIMIT_NPROC, u64::from(limits.processes + others)));
    }
    wanted
}

fn micros(time: std::time::Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX / 4)
}

/// A memory file with these bytes that nobody can change any more, at its start.
pub(crate) fn sealed_file(name: &str, bytes: &[u8]) -> Result<OwnedFd, Infra> {
    let fail = |source: std::io::Error| Infra::Supervisor { action: "make a memory file", source };
    let file = memfd_create(name, MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING)
        .map_err(|errno| fail(errno.into()))?;
    let mut file = File::from(file);
    file.write_all(bytes).map_err(fail)?;
    std::io::Seek::rewind(&mut file).map_err(fail)?;
    let seals = SealFlags::SHRINK | SealFlags::GROW | SealFlags::WRITE | SealFlags::SEAL;
    fcntl_add_seals(&file, seals).map_err(|errno| fail(errno.into()))?;
    Ok(file.into())
}
