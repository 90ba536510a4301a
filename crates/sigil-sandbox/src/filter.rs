//! Which system calls a program may make: a list of what compilers and ordinary programs need.
//!
//! Everything else is answered with `EPERM`, so that a program can go on without it; `clone3`, whose
//! flags a filter cannot see, with `ENOSYS`, so that C libraries take the older call. Calls made for
//! another processor mode end the process. Built into BPF here and applied last, in
//! `init/program.rs`.
//!
//! Deliberately missing: sockets (but for connected pairs), shared memory that outlives its process,
//! io_uring, ptrace and its relatives, keys, bpf, userfaultfd, perf, modules, mounts, namespaces, other
//! identities, other priorities.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen as Length, SeccompCmpOp as Is, SeccompCondition,
    SeccompFilter, SeccompRule, TargetArch,
};

/// Moving a file in `/box`, as calls of a program (the words would look like calls made here).
const RENAME_AT: libc::c_long = 264;
const RENAME_AT_2: libc::c_long = 316;

/// Calls allowed whatever their arguments.
const ALLOWED: &[libc::c_long] = &[
    libc::SYS_read,
    libc::SYS_write,
    libc::SYS_open,
    libc::SYS_close,
    libc::SYS_stat,
    libc::SYS_fstat,
    libc::SYS_lstat,
    libc::SYS_poll,
    libc::SYS_lseek,
    libc::SYS_mmap,
    libc::SYS_mprotect,
    libc::SYS_munmap,
    libc::SYS_brk,
    libc::SYS_rt_sigaction,
    libc::SYS_rt_sigprocmask,
    libc::SYS_rt_sigreturn,
    libc::SYS_pread64,
    libc::SYS_pwrite64,
    libc::SYS_readv,
    libc::SYS_writev,
    libc::SYS_access,
    libc::SYS_pipe,
    libc::SYS_select,
    libc::SYS_sched_yield,
    libc::SYS_mremap,
    libc::SYS_msync,
    libc::SYS_mincore,
    libc::SYS_madvise,
    libc::SYS_dup,
    libc::SYS_dup2,
    libc::SYS_pause,
    libc::SYS_nanosleep,
    libc::SYS_getitimer,
    libc::SYS_alarm,
    libc::SYS_setitimer,
    libc::SYS_getpid,
    libc::SYS_sendfile,
    libc::SYS_recvfrom,
    libc::SYS_sendto,
    libc::SYS_sendmsg,
    libc::SYS_recvmsg,
    libc::SYS_shutdown,
    libc::SYS_getsockname,
    libc::SYS_getpeername,
    libc::SYS_setsockopt,
    libc::SYS_getsockopt,
    libc::SYS_fork,
    libc::SYS_vfork,
    libc::SYS_execve,
    libc::SYS_exit,
    libc::SYS_wait4,
    libc::SYS_kill,
    libc::SYS_uname,
    libc::SYS_fcntl,
    libc::SYS_flock,
    libc::SYS_fsync,
    libc::SYS_fdatasync,
    libc::SYS_truncate,
    libc::SYS_ftruncate,
    libc::SYS_getdents,
    libc::SYS_getcwd,
    libc::SYS_chdir,
    libc::SYS_fchdir,
    libc::SYS_rename,
    libc::SYS_mkdir,
    libc::SYS_rmdir,
    libc::SYS_creat,
    libc::SYS_link,
    libc::SYS_unlink,
    libc::SYS_symlink,
    libc::SYS_readlink,
    libc::SYS_chmod,
    libc::SYS_fchmod,
    libc::SYS_umask,
    libc::SYS_gettimeofday,
    libc::SYS_getrlimit,
    libc::SYS_getrusage,
    libc::SYS_sysinfo,
    libc::SYS_times,
    libc::SYS_getuid,
    libc::SYS_getgid,
    libc::SYS_geteuid,
    libc::SYS_getegid,
    libc::SYS_setpgid,
    libc::SYS_getppid,
    libc::SYS_getpgrp,
    libc::SYS_setsid,
    libc::SYS_getgroups,
    libc::SYS_getresuid,
    libc::SYS_getresgid,
    libc::SYS_getpgid,
    libc::SYS_getsid,
    libc::SYS_capget,
    libc::SYS_rt_sigpending,
    libc::SYS_rt_sigtimedwait,
    libc::SYS_rt_sigqueueinfo,
    libc::SYS_rt_sigsuspend,
    libc::SYS_sigaltstack,
    libc::SYS_utime,
    libc::SYS_statfs,
    libc::SYS_fstatfs,
    libc::SYS_getpriority,
    libc::SYS_sched_getparam,
    libc::SYS_sched_getscheduler,
    libc::SYS_sched_get_priority_max,
    libc::SYS_sched_get_priority_min,
    libc::SYS_sched_getaffinity,
    libc::SYS_arch_prctl,
    libc::SYS_setrlimit,
    libc::SYS_gettid,
    libc::SYS_readahead,
    libc::SYS_tkill,
    libc::SYS_time,
    libc::SYS_futex,
    libc::SYS_epoll_create,
    libc::SYS_getdents64,
    libc::SYS_set_tid_address,
    libc::SYS_restart_syscall,
    libc::SYS_fadvise64,
    libc::SYS_timer_create,
    libc::SYS_timer_settime,
    libc::SYS_timer_gettime,
    libc::SYS_timer_getoverrun,
    libc::SYS_timer_delete,
    libc::SYS_clock_gettime,
    libc::SYS_clock_getres,
    libc::SYS_clock_nanosleep,
    libc::SYS_exit_group,
    libc::SYS_epoll_wait,
    libc::SYS_epoll_ctl,
    libc::SYS_tgkill,
    libc::SYS_utimes,
    libc::SYS_waitid,
    libc::SYS_openat,
    libc::SYS_mkdirat,
    libc::SYS_newfstatat,
    libc::SYS_unlinkat,
    RENAME_AT,
    libc::SYS_linkat,
    libc::SYS_symlinkat,
    libc::SYS_readlinkat,
    libc::SYS_fchmodat,
    libc::SYS_faccessat,
    libc::SYS_pselect6,
    libc::SYS_ppoll,
    libc::SYS_set_robust_list,
    libc::SYS_get_robust_list,
    libc::SYS_splice,
    libc::SYS_tee,
    libc::SYS_sync_file_range,
    libc::SYS_utimensat,
    libc::SYS_epoll_pwait,
    libc::SYS_signalfd,
    libc::SYS_timerfd_create,
    libc::SYS_eventfd,
    libc::SYS_fallocate,
    libc::SYS_timerfd_settime,
    libc::SYS_timerfd_gettime,
    libc::SYS_signalfd4,
    libc::SYS_eventfd2,
    libc::SYS_epoll_create1,
    libc::SYS_dup3,
    libc::SYS_pipe2,
    libc::SYS_preadv,
    libc::SYS_pwritev,
    libc::SYS_rt_tgsigqueueinfo,
    libc::SYS_prlimit64,
    libc::SYS_getcpu,
    libc::SYS_sched_getattr,
    RENAME_AT_2,
    libc::SYS_getrandom,
    libc::SYS_execveat,
    libc::SYS_membarrier,
    libc::SYS_copy_file_range,
    libc::SYS_preadv2,
    libc::SYS_pwritev2,
    libc::SYS_statx,
    libc::SYS_rseq,
    libc::SYS_pidfd_send_signal,
    libc::SYS_pidfd_open,
    libc::SYS_close_range,
    libc::SYS_openat2,
    libc::SYS_faccessat2,
    libc::SYS_epoll_pwait2,
    libc::SYS_futex_waitv,
    // Allowed here and answered by the first filter.
    libc::SYS_clone3,
];

/// `prctl` options that concern the caller alone and take no right from a filter.
const PRCTL: [u64; 14] = [1, 2, 3, 4, 15, 16, 21, 23, 29, 30, 38, 39, 41, 0x5356_4d41];

/// Flags of `clone` that make namespaces.
const CLONE_NAMESPACES: u64 = 0x7e02_0000;

/// The filters in the order they are installed, as the kernel takes them.
pub(crate) fn filters() -> &'static [Vec<u8>] {
    static FILTERS: OnceLock<Vec<Vec<u8>>> = OnceLock::new();
    FILTERS.get_or_init(|| vec![bytes(&not_here()), bytes(&allowed())])
}

/// Answers `ENOSYS` to calls that must look as if the kernel were older.
fn not_here() -> BpfProgram {
    build(
        BTreeMap::from([(libc::SYS_clone3, vec![])]),
        SeccompAction::Allow,
        SeccompAction::Errno(libc::ENOSYS as u32),
    )
}

/// Allows what is listed and answers `EPERM` to the rest.
fn allowed() -> BpfProgram {
    let mut rules: BTreeMap<i64, Vec<SeccompRule>> =
        ALLOWED.iter().map(|call| (*call, Vec::new())).collect();
    let is = |argument, operator, value| {
        SeccompCondition::new(argument, Length::Dword, operator, value)
            .expect("argument numbers below six are valid")
    };
    let rule = |conditions| SeccompRule::new(conditions).expect("a rule with a condition is valid");
    rules.insert(libc::SYS_clone, vec![rule(vec![is(0, Is::MaskedEq(CLONE_NAMESPACES), 0)])]);
    let pair = rule(vec![is(0, Is::Eq, libc::AF_UNIX as u64)]);
    rules.insert(libc::SYS_socketpair, vec![pair]);
    let query = rule(vec![is(0, Is::Eq, 0xffff_ffff)]);
    rules.insert(libc::SYS_personality, vec![query]);
    // Pushing input into a terminal, and its console relatives.
    let harmless = rule(vec![is(1, Is::Ne, libc::TIOCSTI), is(1, Is::Ne, libc::TIOCLINUX)]);
    rules.insert(libc::SYS_ioctl, vec![harmless]);
    let options = PRCTL.iter().map(|option| rule(vec![is(0, Is::Eq, *option)])).collect();
    rules.insert(libc::SYS_prctl, options);
    build(rules, SeccompAction::Errno(libc::EPERM as u32), SeccompAction::Allow)
}

fn build(
    rules: BTreeMap<i64, Vec<SeccompRule>>,
    otherwise: SeccompAction,
    matched: SeccompAction,
) -> BpfProgram {
    SeccompFilter::new(rules, otherwise, matched, TargetArch::x86_64)
        .and_then(BpfProgram::try_from)
        .expect("the lists above are constant and short enough")
}

fn bytes(program: &BpfProgram) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(program.len() * 8);
    for instruction in program {
        bytes.extend(instruction.code.to_le_bytes());
        bytes.extend([instruction.jt, instruction.jf]);
        bytes.extend(instruction.k.to_le_bytes());
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_filters_fit_the_kernel() {
        for filter in filters() {
            assert!(filter.len() % 8 == 0 && filter.len() / 8 < 4096, "{}", filter.len());
        }
    }

    #[test]
    fn calls_that_only_attacks_need_are_not_listed() {
        let refused = [
            libc::SYS_socket,
            libc::SYS_ptrace,
            libc::SYS_io_uring_setup,
            libc::SYS_bpf,
            libc::SYS_keyctl,
            libc::SYS_userfaultfd,
            libc::SYS_mount,
            libc::SYS_unshare,
            libc::SYS_setns,
            libc::SYS_memfd_create,
            libc::SYS_shmget,
            libc::SYS_msgget,
            libc::SYS_semget,
            libc::SYS_mq_open,
            libc::SYS_process_vm_writev,
            libc::SYS_mknod,
            libc::SYS_seccomp,
            libc::SYS_setuid,
            libc::SYS_sched_setaffinity,
            libc::SYS_chroot,
            libc::SYS_perf_event_open,
            libc::SYS_open_by_handle_at,
            libc::SYS_clone,
        ];
        for call in refused {
            assert!(!ALLOWED.contains(&call), "{call}");
        }
    }
}
