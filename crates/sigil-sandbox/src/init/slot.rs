//! The parent of one slot's jobs: makes what all of them share once, then starts each in a moment.
//!
//! Namespaces of a slot: user, process, mount, network, host name, control group. Of each job besides:
//! process, mount, IPC. The slot is process 1 of its process namespace, so if it dies the kernel kills
//! everything below it; it ends when the supervisor closes its socket. Next: `root.rs`, then `job.rs`.

use core::ffi::CStr;

use crate::init::job::Start;
use crate::init::kernel::{self, Fd, MAX_FDS, Words};
use crate::init::reader::Reader;
use crate::init::wire::{INNER_ID, Report, SLOT_MAGIC, Step, without};
use crate::init::{job, program, root};

const NEW_MOUNTS: u64 = 0x0002_0000;
const NEW_CGROUP: u64 = 0x0200_0000;
const NEW_UTS: u64 = 0x0400_0000;
const NEW_IPC: u64 = 0x0800_0000;
const NEW_USER: u64 = 0x1000_0000;
const NEW_PIDS: u64 = 0x2000_0000;
const NEW_NETWORK: u64 = 0x4000_0000;

/// Where a step failed.
pub(crate) struct Failed {
    pub(crate) step: Step,
    pub(crate) errno: i32,
    pub(crate) index: u32,
}

/// Names the step of a failed call.
pub(crate) fn at<T>(step: Step, answer: Result<T, i32>) -> Result<T, Failed> {
    answer.map_err(|errno| Failed { step, errno, index: 0 })
}

/// The head of a slot's plan; what `root.rs` reads follows.
pub(crate) struct SlotPlan<'a> {
    /// Started by root: mounts are made with its rights, then it becomes an unprivileged user.
    as_root: bool,
    outer_uid: u32,
    outer_gid: u32,
    /// See [`without`].
    pub(crate) without: u32,
    /// Whether jobs of this slot see `/proc`, or are watched through it.
    pub(crate) proc: bool,
    /// The program that this slot becomes, so that jobs find it loaded.
    pub(crate) loaded: Option<Loaded<'a>>,
}

/// A program to load ahead; see `ahead.rs`.
#[derive(Clone, Copy)]
pub(crate) struct Loaded<'a> {
    /// The library that stops it before its own code runs.
    pub(crate) library: &'a [u8],
    program: &'a CStr,
    variables: Reader<'a>,
}

/// Serves jobs from the supervisor's socket until it closes.
pub(crate) fn serve(socket: Fd) -> i32 {
    let _ = kernel::close_from(3);
    let mut fds = [-1; MAX_FDS];
    let mut message = [0u8; 16];
    let plan = match kernel::receive(socket, &mut message, &mut fds) {
        Ok((got, 1)) if got > 0 => fds[0],
        _ => return 65,
    };
    match prepare(plan) {
        Ok(None) => serve_jobs(socket, &Start::EXECUTE),
        // This process was the outer one; it only waited.
        Ok(Some(code)) => code,
        Err(failed) => {
            let report = Report {
                stage: failed.step as u32,
                errno: failed.errno as u32,
                index: failed.index,
                ..Report::default()
            };
            job::send_report(socket, &report, &[], &[]);
            71
        }
    }
}

/// Makes the slot. `None` in the process that goes on as the slot, the exit code in the outer one.
fn prepare(plan_fd: Fd) -> Result<Option<i32>, Failed> {
    let plan = at(Step::ReadPlan, kernel::map_file(plan_fd))?;
    kernel::close(plan_fd);
    let mut reader = Reader::new(plan);
    let bad = Failed { step: Step::ReadPlan, errno: kernel::EBADMSG, index: 0 };
    let head = read_head(&mut reader).ok_or(bad)?;
    kernel::set_umask(0);
    let proc = at(Step::Proc, kernel::open(kernel::AT_FDCWD, c"/proc", 0o10_200_000, 0))? as Fd;
    raise_oom_score(proc);
    if !head.as_root {
        let (uid, gid) = kernel::own_ids();
        at(Step::UserNamespace, kernel::unshare(NEW_USER))?;
        at(Step::IdentityMap, map_identity(proc, uid, gid))?;
    }
    let pids = if head.without & without::PROCESSES == 0 { NEW_PIDS } else { 0 };
    match at(Step::Namespaces, kernel::fork(pids))? {
        0 => {}
        child => {
            let _ = kernel::close_from(0);
            let (_, status) = kernel::wait(child as i32, true).unwrap_or((0, 1 << 8));
            return Ok(Some(status >> 8 & 0xff));
        }
    }
    // PR_SET_PDEATHSIG: the outer process is what the supervisor can kill.
    let _ = kernel::prctl(1, 9, 0);
    let network = if head.without & without::NETWORK == 0 { NEW_NETWORK } else { 0 };
    let shared = network | NEW_UTS | NEW_CGROUP;
    if head.as_root {
        at(Step::Namespaces, kernel::unshare(NEW_MOUNTS))?;
        root::build(&mut reader, &head)?;
        at(Step::ChangeUser, kernel::become_user(head.outer_uid, head.outer_gid))?;
        // Changing user made this process undumpable, and its files in /proc root's.
        at(Step::ChangeUser, kernel::prctl(4, 1, 0))?;
        // All mounts made so far are locked by this: they cannot be undone from inside.
        at(Step::UserNamespace, kernel::unshare(NEW_USER | NEW_MOUNTS | NEW_IPC | shared))?;
        at(Step::IdentityMap, map_identity(proc, head.outer_uid, head.outer_gid))?;
    } else {
        at(Step::Namespaces, kernel::unshare(NEW_MOUNTS | NEW_IPC | shared))?;
        root::build(&mut reader, &head)?;
    }
    at(Step::Namespaces, kernel::set_host_name(c"sandbox"))?;
    at(Step::ChangeUser, kernel::set_ids(INNER_ID, INNER_ID))?;
    if head.loaded.is_some() {
        at(Step::LoadAhead, kernel::keep_capabilities())?;
    }
    program::drop_bounding_set();
    // The death signal was cleared by the change of user.
    let _ = kernel::prctl(1, 9, 0);
    let _ = kernel::prctl(4, 0, 0);
    kernel::close(proc);
    if let Some(loaded) = head.loaded {
        return Err(load(loaded));
    }
    kernel::unmap(plan);
    Ok(None)
}

/// Becomes the program, in which `ahead.rs` goes on as the slot; returns only if it cannot.
fn load(loaded: Loaded<'_>) -> Failed {
    let failed = |errno| Failed { step: Step::LoadAhead, errno, index: 0 };
    if let Err(errno) = check_dynamic(loaded.program) {
        return failed(errno);
    }
    let (mut arguments, mut variables) = (Words::new(), Words::new());
    arguments.push(loaded.program);
    // Room for the arguments of jobs: the list cannot grow later.
    while arguments.push(c"") {}
    variables.push(c"LD_PRELOAD=/box/ahead.so");
    let mut rest = loaded.variables;
    while !rest.is_done() {
        match rest.text() {
            Some(text) if variables.push(text) => {}
            _ => return failed(kernel::EBADMSG),
        }
    }
    failed(kernel::execute(loaded.program, &arguments, &variables))
}

/// Refuses what no loader reads first: such a program would ignore the library and simply run.
fn check_dynamic(program: &CStr) -> Result<(), i32> {
    let file = kernel::open(kernel::AT_FDCWD, program, 0o2_000_000, 0)? as Fd;
    let mut bytes = [0u8; 4096];
    let got = kernel::read(file, &mut bytes);
    kernel::close(file);
    if asks_for_loader(bytes.get(..got?).unwrap_or_default()) {
        Ok(())
    } else {
        Err(kernel::ENOEXEC)
    }
}

/// Whether the beginning of a 64-bit ELF file has a program header PT_INTERP.
fn asks_for_loader(bytes: &[u8]) -> bool {
    let number = |at: usize, length: usize| {
        let part = bytes.get(at..at.checked_add(length)?)?;
        Some(part.iter().rev().fold(0usize, |sum, byte| sum << 8 | usize::from(*byte)))
    };
    if !bytes.starts_with(b"\x7fELF\x02\x01") {
        return false;
    }
    // e_phoff, e_phentsize, e_phnum.
    let (Some(first), Some(size), Some(count)) = (number(32, 8), number(54, 2), number(56, 2))
    else {
        return false;
    };
    (0..count.min(256)).any(|index| {
        let place = size.checked_mul(index).and_then(|offset| first.checked_add(offset));
        place.and_then(|place| number(place, 4)) == Some(3)
    })
}

fn read_head<'a>(reader: &mut Reader<'a>) -> Option<SlotPlan<'a>> {
    if reader.word()? != SLOT_MAGIC {
        return None;
    }
    Some(SlotPlan {
        as_root: reader.word()? != 0,
        outer_uid: reader.word()?,
        outer_gid: reader.word()?,
        without: reader.word()?,
        proc: reader.word()? != 0,
        loaded: match reader.block()? {
            [] => None,
            library => Some(Loaded {
                library,
                program: reader.text()?,
                variables: Reader::new(reader.block()?),
            }),
        },
    })
}

/// If the machine runs out of memory, this is what should go. Not being able to say so is no harm.
fn raise_oom_score(proc: Fd) {
    if let Ok(file) = kernel::open(proc, c"self/oom_score_adj", 0o2_000_001, 0) {
        let _ = kernel::write(file as Fd, b"1000");
        kernel::close(file as Fd);
    }
}

/// Maps [`INNER_ID`] to one identity outside, and gives up setting groups.
fn map_identity(proc: Fd, uid: u32, gid: u32) -> Result<(), i32> {
    put(proc, c"self/setgroups", b"deny")?;
    let mut line = [0u8; 40];
    let length = map_line(&mut line, uid);
    put(proc, c"self/uid_map", &line[..length])?;
    let length = map_line(&mut line, gid);
    put(proc, c"self/gid_map", &line[..length])
}

fn put(proc: Fd, name: &CStr, bytes: &[u8]) -> Result<(), i32> {
    let file = kernel::open(proc, name, 0o2_000_001, 0)? as Fd;
    let written = kernel::write_all(file, bytes);
    kernel::close(file);
    written
}

/// `1000 OUTER 1`.
fn map_line(line: &mut [u8; 40], outer: u32) -> usize {
    let mut length = 0;
    for number in [INNER_ID, outer, 1] {
        let mut digits = [0u8; 10];
        let mut rest = number;
        let mut first = digits.len();
        loop {
            first -= 1;
            digits[first] = b'0' + (rest % 10) as u8;
            rest /= 10;
            if rest == 0 {
                break;
            }
        }
        for digit in &digits[first..] {
            line[length] = *digit;
            length += 1;
        }
        line[length] = b' ';
        length += 1;
    }
    length
}

/// Makes a seat (`job.rs`) for each message that comes: its socket, and the control groups to join.
pub(crate) fn serve_jobs(socket: Fd, start: &Start) -> i32 {
    let ready = Report::default();
    job::send_report(socket, &ready, &[], &[]);
    loop {
        let mut fds = [-1; MAX_FDS];
        let mut message = [0u8; 16];
        let count = match kernel::receive(socket, &mut message, &mut fds) {
            Ok((got, count)) if got > 0 && count >= 1 => count,
            _ => return 0,
        };
        // Whoever ended since the last job; nobody waits for the dismantling of its namespaces.
        while matches!(kernel::wait(-1, false), Ok((pid, _)) if pid > 0) {}
        let fds = &fds[..count];
        let namespaces = job_namespaces(u32::from(message[0]) | u32::from(message[1]) << 8);
        match kernel::fork(namespaces) {
            Ok(0) => {
                kernel::close(socket);
                kernel::exit(job::serve_seat(start, fds[0], &fds[1..]));
            }
            Ok(_) => {}
            Err(errno) => {
                let report = Report {
                    stage: Step::StartInit as u32,
                    errno: errno as u32,
                    ..Report::default()
                };
                job::send_report(fds[0], &report, &[], &[]);
            }
        }
        for fd in fds {
            kernel::close(*fd);
        }
    }
}

/// The message's first two bytes say which layers a control takes away.
fn job_namespaces(spared: u32) -> u64 {
    let mut namespaces = NEW_MOUNTS;
    if spared & without::PROCESSES == 0 {
        namespaces |= NEW_PIDS;
    }
    if spared & without::IPC == 0 {
        namespaces |= NEW_IPC;
    }
    namespaces
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_dynamic_program_asks_for_a_loader_and_the_helper_does_not() {
        let shell = std::fs::read("/bin/sh").expect("there is a shell");
        assert!(asks_for_loader(&shell[..4096]));
        assert!(!asks_for_loader(&crate::embedded::HELPER[..4096]));
        assert!(!asks_for_loader(b"#!/bin/sh"));
    }

    proptest! {
        #[test]
        fn any_bytes_are_looked_at_without_panic(mut bytes in proptest::collection::vec(any::<u8>(), 0..200), elf in any::<bool>()) {
            if elf && bytes.len() > 6 {
                bytes[..6].copy_from_slice(b"\x7fELF\x02\x01");
            }
            let _ = asks_for_loader(&bytes);
        }
    }
}
