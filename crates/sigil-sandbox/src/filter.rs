//! Which system calls a program may make: a list of what compilers and ordinary programs need.
//!
//! Everything else is answered with `EPERM`, so that a program can go on without it; `clone3`, whose
//! flags a filter cannot see, with `ENOSYS`, so that C libraries take the older call. Calls made for
//! another processor mode end the process. The lists are here, made into a program of the kernel's by
//! `filter_program.rs`, and applied last, in `init/program.rs`.
//!
//! Deliberately missing: sockets (but for connected pairs), shared memory that outlives its process,
//! io_uring, ptrace and its relatives, keys, bpf, userfaultfd, perf, modules, mounts, namespaces, other
//! identities, other priorities.

use std::sync::OnceLock;

use crate::filter_program::{Answer, program};

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
];

/// `prctl` options that concern the caller alone and take no right from a filter.
const PRCTL: [u32; 14] = [1, 2, 3, 4, 15, 16, 21, 23, 29, 30, 38, 39, 41, 0x5356_4d41];

/// Flags of `clone` that make namespaces.
const CLONE_NAMESPACES: u32 = 0x7e02_0000;

/// Calls that depend on an argument, and one that must look as if the kernel were older.
const SPECIAL: [(libc::c_long, Answer); 6] = [
    (libc::SYS_clone, Answer::NoBits { argument: 0, bits: CLONE_NAMESPACES }),
    (libc::SYS_socketpair, Answer::OneOf { argument: 0, values: &[libc::AF_UNIX as u32] }),
    // Asking only.
    (libc::SYS_personality, Answer::OneOf { argument: 0, values: &[0xffff_ffff] }),
    // Pushing input into a terminal, and its console relatives.
    (
        libc::SYS_ioctl,
        Answer::NoneOf { argument: 1, values: &[libc::TIOCSTI as u32, libc::TIOCLINUX as u32] },
    ),
    (libc::SYS_prctl, Answer::OneOf { argument: 0, values: &PRCTL }),
    (libc::SYS_clone3, Answer::Error(libc::ENOSYS as u32)),
];

/// The filters in the order they are installed, as the kernel takes them.
pub(crate) fn filters() -> &'static [Vec<u8>] {
    static FILTERS: OnceLock<Vec<Vec<u8>>> = OnceLock::new();
    FILTERS.get_or_init(|| vec![bytes()])
}

/// Allows what is listed and answers `EPERM` to the rest.
fn bytes() -> Vec<u8> {
    let allowed = ALLOWED.iter().map(|call| (*call, Answer::Allow));
    let calls = allowed.chain(SPECIAL).map(|(call, answer)| (call as u32, answer)).collect();
    let instructions = program(&calls, Answer::Error(libc::EPERM as u32));
    instructions.iter().flat_map(|instruction| instruction.to_bytes()).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use seccompiler::{
        BpfProgram, SeccompAction, SeccompCmpArgLen as Length, SeccompCmpOp as Is,
        SeccompCondition, SeccompFilter, SeccompRule, TargetArch,
    };

    use super::*;
    use crate::filter_program::Instruction;
    use crate::filter_program::tests::{Data, MODE};

    #[test]
    fn the_filters_fit_the_kernel() {
        for filter in filters() {
            assert!(filter.len() % 8 == 0 && filter.len() / 8 < 4096, "{}", filter.len());
        }
    }

    /// The same lists in the hands of `seccompiler`, whose programs are long chains: they take the
    /// kernel 0.2 ms to take in, which is a fifth of what a job may cost.
    fn in_a_chain() -> BpfProgram {
        let mut rules: BTreeMap<i64, Vec<SeccompRule>> =
            ALLOWED.iter().map(|call| (*call, Vec::new())).collect();
        let is = |argument, operator, value: u32| {
            SeccompCondition::new(argument, Length::Dword, operator, value.into())
                .expect("argument numbers below six are valid")
        };
        let rule = |conditions| SeccompRule::new(conditions).expect("it has a condition");
        for (call, answer) in SPECIAL {
            let made = match answer {
                Answer::Allow => vec![],
                Answer::Error(_) => continue,
                Answer::OneOf { argument, values } => {
                    values.iter().map(|value| rule(vec![is(argument, Is::Eq, *value)])).collect()
                }
                Answer::NoneOf { argument, values } => {
                    vec![rule(values.iter().map(|v| is(argument, Is::Ne, *v)).collect())]
                }
                Answer::NoBits { argument, bits } => {
                    vec![rule(vec![is(argument, Is::MaskedEq(bits.into()), 0)])]
                }
            };
            rules.insert(call, made);
        }
        let refuse = SeccompAction::Errno(libc::EPERM as u32);
        SeccompFilter::new(rules, refuse, SeccompAction::Allow, TargetArch::x86_64)
            .and_then(BpfProgram::try_from)
            .expect("the lists above are constant and short enough")
    }

    #[test]
    fn the_tree_answers_as_a_chain_would() {
        let chain: Vec<Instruction> = in_a_chain()
            .iter()
            .map(|one| Instruction { code: one.code, yes: one.jt, no: one.jf, value: one.k })
            .collect();
        let calls = ALLOWED.iter().map(|call| (*call as u32, Answer::Allow));
        let calls = calls.chain(SPECIAL.map(|(call, answer)| (call as u32, answer))).collect();
        let tree = program(&calls, Answer::Error(libc::EPERM as u32));
        let mut arguments =
            vec![0, 1, 2, 3, 5, 16, 0x11, 0xffff_ffff, CLONE_NAMESPACES, 0x2000_0000];
        arguments.extend([libc::TIOCSTI as u32, libc::TIOCLINUX as u32, 0x0101_0011]);
        arguments.extend(PRCTL.iter().flat_map(|option| [*option, option + 1]));
        let wide = [0x4000_0000u32, 0x4000_0001, 0x7fff_ffff, u32::MAX];
        for call in (0..1100).chain(wide) {
            for first in &arguments {
                for second in &arguments {
                    let data = Data { call, mode: MODE, arguments: [*first, *second] };
                    let wanted = match i64::from(call) {
                        libc::SYS_clone3 => 0x0005_0000 | libc::ENOSYS as u32,
                        _ => data.run(&chain),
                    };
                    assert_eq!(data.run(&tree), wanted, "{call} {first:#x} {second:#x}");
                }
            }
        }
        let foreign = Data { call: 0, mode: 0x4000_0003, arguments: [0; 2] };
        assert_eq!(foreign.run(&tree), 0x8000_0000);
        assert_eq!(foreign.run(&chain), 0x8000_0000);
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
