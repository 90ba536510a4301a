//! Attempts to get out, run as programs inside: each says by its exit code whether it failed to.
//!
//! 0: held, the attempt failed as it must. 1: it got out. 2: it could not be tried. What a limit must
//! stop simply goes on until it is stopped, within bounds that do no harm if nothing does. Who expects
//! what is in the library's `canary.rs`.

use core::ffi::CStr;

use crate::init::kernel::{self, AT_FDCWD, Arguments};

const HELD: i32 = 0;
const OUT: i32 = 1;
const UNTRIED: i32 = 2;

/// Runs the attempt that the arguments name.
pub(crate) fn attempt(arguments: &Arguments) -> i32 {
    let Some(name) = arguments.get(2) else { return UNTRIED };
    match name.to_bytes() {
        b"runs" => match kernel::write_all(1, b"ok") {
            Ok(()) => HELD,
            Err(_) => UNTRIED,
        },
        b"reads-secret-file" => any(arguments, |path| {
            // O_RDONLY | O_CLOEXEC.
            kernel::open(AT_FDCWD, path, 0o2_000_000, 0).is_ok()
        }),
        b"reads-environment" => {
            let mut variables = arguments.variables();
            let only = variables.next().is_some_and(|first| first == c"CANARY=1");
            if only && variables.next().is_none() { HELD } else { OUT }
        }
        b"connects" => connects(number(arguments, 3)),
        b"writes-root" => any(arguments, |path| {
            // O_CREAT | O_WRONLY | O_CLOEXEC.
            kernel::open(AT_FDCWD, path, 0o2_000_101, 0o600).is_ok()
        }),
        b"sees-processes" => {
            let pid = number(arguments, 3);
            if kernel::kill(pid as i32, 0).is_ok() { OUT } else { HELD }
        }
        b"forks-too-much" => forks(number(arguments, 3)),
        b"holds-too-much" => {
            for _ in 0..number(arguments, 3) {
                if kernel::hold_memory(1 << 20).is_none() {
                    return HELD;
                }
            }
            OUT
        }
        b"runs-too-long" => {
            // Of processor time, so that a busy machine does not end it early.
            while kernel::own_cpu_micros() < number(arguments, 3) as u64 * 1000 {}
            OUT
        }
        b"writes-too-much" => {
            for _ in 0..number(arguments, 3) {
                if kernel::write_all(1, &[b'x'; 4096]).is_err() {
                    return HELD;
                }
            }
            OUT
        }
        b"makes-calls" => makes_calls(),
        b"becomes-root" => becomes_root(),
        b"survives" => survives(),
        _ => UNTRIED,
    }
}

/// Whether any of the remaining arguments works.
fn any(arguments: &Arguments, works: impl Fn(&CStr) -> bool) -> i32 {
    let mut index = 3;
    while let Some(argument) = arguments.get(index) {
        if works(argument) {
            return OUT;
        }
        index += 1;
    }
    if index == 3 { UNTRIED } else { HELD }
}

fn number(arguments: &Arguments, index: usize) -> usize {
    let digits = arguments.get(index).map_or(&b""[..], |text| text.to_bytes());
    digits.iter().fold(0, |sum, byte| sum * 10 + usize::from(byte.wrapping_sub(b'0') % 10))
}

fn connects(port: usize) -> i32 {
    // AF_INET, SOCK_STREAM.
    let Ok(socket) = kernel::attempt(41, [2, 1, 0, 0, 0, 0]) else { return HELD };
    let mut address = [0u8; 16];
    address[0] = 2;
    address[2..4].copy_from_slice(&(port as u16).to_be_bytes());
    address[4..8].copy_from_slice(&[127, 0, 0, 1]);
    match kernel::attempt(42, [socket, address.as_ptr() as usize, 16, 0, 0, 0]) {
        Ok(_) => OUT,
        Err(_) => HELD,
    }
}

/// Starts children that wait, at most `most`; out if all of them start.
fn forks(most: usize) -> i32 {
    for _ in 0..most {
        match kernel::fork(0) {
            Ok(0) => {
                kernel::poll_readable(&[], 2_000_000);
                kernel::exit(0);
            }
            Ok(_) => {}
            Err(_) => return HELD,
        }
    }
    OUT
}

/// Calls that only attacks need: each must be refused outright.
fn makes_calls() -> i32 {
    const CALLS: [(usize, [usize; 6]); 17] = [
        (425, [1, 0, 0, 0, 0, 0]),           // io_uring_setup
        (101, [0, 0, 0, 0, 0, 0]),           // ptrace(TRACEME)
        (321, [0, 0, 0, 0, 0, 0]),           // bpf
        (250, [0, 0, 0, 0, 0, 0]),           // keyctl
        (248, [0, 0, 0, 0, 0, 0]),           // add_key
        (323, [0, 0, 0, 0, 0, 0]),           // userfaultfd
        (165, [0, 0, 0, 0, 0, 0]),           // mount
        (272, [0x1000_0000, 0, 0, 0, 0, 0]), // unshare(NEWUSER)
        (298, [0, 0, 0, 0, 0, 0]),           // perf_event_open
        (310, [1, 0, 0, 0, 0, 0]),           // process_vm_readv
        (308, [0, 0, 0, 0, 0, 0]),           // setns
        (304, [0, 0, 0, 0, 0, 0]),           // open_by_handle_at
        (161, [0, 0, 0, 0, 0, 0]),           // chroot
        (155, [0, 0, 0, 0, 0, 0]),           // pivot_root
        (438, [0, 0, 0, 0, 0, 0]),           // pidfd_getfd
        (29, [0, 4096, 0o1600, 0, 0, 0]),    // shmget
        (319, [0, 0, 0, 0, 0, 0]),           // memfd_create
    ];
    for (index, (call, arguments)) in CALLS.iter().enumerate() {
        match kernel::attempt(*call, *arguments) {
            Err(1 | kernel::ENOSYS) => {}
            _ => return 10 + index as i32,
        }
    }
    HELD
}

fn becomes_root() -> i32 {
    let (uid, gid) = kernel::own_ids();
    if uid == 0 || gid == 0 {
        return OUT;
    }
    if kernel::set_ids(0, 0).is_ok() {
        return OUT;
    }
    // capget: version 3, this thread.
    let header: [u32; 2] = [0x2008_0522, 0];
    let mut sets = [0u32; 6];
    let asked =
        kernel::attempt(125, [header.as_ptr() as usize, sets.as_mut_ptr() as usize, 0, 0, 0, 0]);
    match asked {
        Ok(_) if sets != [0; 6] => OUT,
        _ => HELD,
    }
}

/// Leaves a grandchild in a session of its own that holds the streams, and ends at once.
fn survives() -> i32 {
    match kernel::fork(0) {
        Ok(0) => {
            let _ = kernel::new_session();
            if let Ok(0) = kernel::fork(0) {
                kernel::poll_readable(&[], 5_000_000);
            }
            kernel::exit(0);
        }
        Ok(_) => HELD,
        Err(_) => UNTRIED,
    }
}
