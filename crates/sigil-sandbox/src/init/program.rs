//! The last steps before a program: from the fork to its execution, each one taking rights away.
//!
//! Order matters: descriptors and limits while everything is still allowed, then capabilities, then
//! Landlock (which needs `no_new_privs`), then the filter of system calls, under which only the
//! execution itself happens.

use crate::init::job::{JobPlan, LEAST_FDS, PLAN, STDERR, STDIN, STDOUT, Start};
use crate::init::kernel::{self, AT_FDCWD, Fd, MAX_FDS, Words};
use crate::init::reader::Reader;
use crate::init::slot::{Failed, at};
use crate::init::wire::{Step, flags, without};

/// Joins the control groups, waits for the descriptors of a job (in the order of `job.rs`), and becomes
/// its program; returns only if it cannot. `status` moves with the other descriptors.
pub(crate) fn wait_and_become(start: &Start, groups: &[Fd], socket: Fd, status: &mut Fd) -> Failed {
    match try_become(start, groups, socket, status) {
        Ok(failed) | Err(failed) => failed,
    }
}

fn try_become(start: &Start, groups: &[Fd], socket: Fd, status: &mut Fd) -> Result<Failed, Failed> {
    at(Step::StartProgram, kernel::new_session())?;
    for group in groups {
        at(Step::JoinCgroup, kernel::write_all(*group, b"0"))?;
    }
    let mut all = [-1; MAX_FDS];
    let mut message = [0u8; 4];
    let count = match kernel::receive(socket, &mut message, &mut all) {
        Ok((got, count)) if got > 0 && count >= LEAST_FDS => count,
        // Nobody wants the program any more.
        Ok(_) => kernel::exit(0),
        Err(errno) => return Err(Failed { step: Step::StartProgram, errno, index: 0 }),
    };
    let fds = &all[..count];
    let bytes = at(Step::ReadPlan, kernel::map_file(fds[PLAN]))?;
    let plan = &JobPlan::read(bytes).ok_or(BAD)?;
    let channel = if plan.has(flags::CHANNEL) { 2 } else { 0 };
    arrange_descriptors(fds.get(..LEAST_FDS + channel).ok_or(BAD)?, channel, status)?;
    // What a page was mapped from stays mapped after its descriptor is gone.
    let mut rest = plan.program;
    at(Step::WorkFolder, kernel::change_dir(plan.work))?;
    set_limits(&mut rest)?;
    drop_capabilities(plan)?;
    // PR_SET_NO_NEW_PRIVS.
    at(Step::Capabilities, kernel::prctl(38, 1, 0))?;
    apply_landlock(&mut rest, plan.without & without::LANDLOCK == 0)?;
    let program = rest.text().ok_or(BAD)?;
    let mut arguments = Words::new();
    let mut variables = Words::new();
    for list in [&mut arguments, &mut variables] {
        for _ in 0..word(&mut rest)? {
            if !list.push(rest.text().ok_or(BAD)?) {
                return Err(BAD);
            }
        }
    }
    at(Step::Execute, kernel::unblock_signals())?;
    for index in 0..word(&mut rest)? {
        let filter = rest.block().ok_or(BAD)?;
        if plan.without & without::SECCOMP == 0 {
            kernel::install_filter(filter).map_err(|errno| Failed {
                step: Step::Seccomp,
                errno,
                index,
            })?;
        }
    }
    let errno = (start.enter)(program, &arguments, &variables, bytes);
    Ok(Failed { step: Step::Execute, errno, index: 0 })
}

/// Puts the pipes at 0 to 4, and lets nothing else through the execution.
fn arrange_descriptors(fds: &[Fd], channel: usize, status: &mut Fd) -> Result<(), Failed> {
    let mut wanted = [-1; 5];
    wanted[..3].copy_from_slice(&[fds[STDIN], fds[STDOUT], fds[STDERR]]);
    wanted[3..3 + channel].copy_from_slice(&fds[LEAST_FDS..LEAST_FDS + channel]);
    // First out of the way of the numbers they go to.
    for fd in wanted.iter_mut().filter(|fd| **fd >= 0) {
        *fd = at(Step::Descriptors, kernel::dup_above(*fd, 64))? as Fd;
    }
    *status = at(Step::Descriptors, kernel::dup_above(*status, 64))? as Fd;
    for (number, fd) in wanted.iter().enumerate() {
        if *fd >= 0 {
            at(Step::Descriptors, kernel::dup_to(*fd, number as Fd))?;
        } else {
            kernel::close(number as Fd);
        }
    }
    // 0 to 4 stay; the way to report a failure moves to 5 and closes on execution.
    kernel::close(5);
    *status = at(Step::Descriptors, kernel::dup_above(*status, 5))? as Fd;
    at(Step::Descriptors, kernel::close_from(6))?;
    Ok(())
}

fn set_limits(plan: &mut Reader<'_>) -> Result<(), Failed> {
    for index in 0..word(plan)? {
        let (resource, value) = (word(plan)?, plan.long().ok_or(BAD)?);
        kernel::set_limit(resource, value).map_err(|errno| Failed {
            step: Step::Limits,
            errno,
            index,
        })?;
    }
    let mask = plan.block().ok_or(BAD)?;
    if !mask.is_empty() {
        at(Step::Limits, kernel::set_affinity(mask))?;
    }
    Ok(())
}

/// Leaves no capability that an execution could give back. The call fails where there are no rights to
/// drop any, and then there is no bounding set worth one.
pub(crate) fn drop_bounding_set() {
    // PR_CAPBSET_DROP for each that this kernel knows.
    for capability in 0..64 {
        if kernel::prctl(24, capability, 0).is_err() {
            break;
        }
    }
}

fn drop_capabilities(plan: &JobPlan<'_>) -> Result<(), Failed> {
    // A slot did it once for all its jobs.
    if !plan.has(flags::NATIVE) {
        drop_bounding_set();
    }
    // PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL.
    let _ = kernel::prctl(47, 4, 0);
    at(Step::Capabilities, kernel::drop_capabilities())?;
    Ok(())
}

fn apply_landlock(plan: &mut Reader<'_>, wanted: bool) -> Result<(), Failed> {
    let count = word(plan)? as usize;
    let mut handled = [0u64; 3];
    for place in handled.iter_mut().take(count) {
        *place = plan.long().ok_or(BAD)?;
    }
    let ruleset = if wanted && count > 0 {
        at(Step::Landlock, kernel::landlock_ruleset(&handled[..count.min(3)]))? as Fd
    } else {
        -1
    };
    for index in 0..word(plan)? {
        let path = plan.text().ok_or(BAD)?;
        let (access, optional) = (plan.long().ok_or(BAD)?, word(plan)? != 0);
        if ruleset < 0 {
            continue;
        }
        // O_PATH | O_CLOEXEC.
        let place = match kernel::open(AT_FDCWD, path, 0o12_000_000, 0) {
            Ok(place) => place as Fd,
            Err(_) if optional => continue,
            Err(errno) => return Err(Failed { step: Step::Landlock, errno, index }),
        };
        // Some rights make sense for folders only.
        let folder = kernel::stat(place).is_ok_and(|(mode, _)| mode & 0o170_000 == 0o040_000);
        let access = if folder { access } else { access & FILE_RIGHTS };
        kernel::landlock_allow(ruleset, place, access).map_err(|errno| Failed {
            step: Step::Landlock,
            errno,
            index,
        })?;
        kernel::close(place);
    }
    if ruleset >= 0 {
        at(Step::Landlock, kernel::landlock_restrict(ruleset))?;
        kernel::close(ruleset);
    }
    Ok(())
}

/// Execute, write, read, truncate, device control.
const FILE_RIGHTS: u64 = 1 | 1 << 1 | 1 << 2 | 1 << 14 | 1 << 15;

const BAD: Failed = Failed { step: Step::ReadPlan, errno: kernel::EBADMSG, index: 0 };

fn word(plan: &mut Reader<'_>) -> Result<u32, Failed> {
    plan.word().ok_or(BAD)
}
