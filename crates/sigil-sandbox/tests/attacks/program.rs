//! The attacks, as one program that runs inside: its first argument names the attack.
//!
//! Exit code 0: held, the attempt was refused. 1: it succeeded. 2: it could not be tried. What a limit
//! must stop ends by itself with 1 after a bounded amount, so that it harms nothing even where nothing
//! holds it. Compiled by the test with `rustc` alone: the standard library and the C library's calls.

use std::ffi::{CString, c_char, c_int, c_long};
use std::io::{Read, Write};
use std::os::unix::process::CommandExt;
use std::process::{Command, exit};
use std::time::Duration;
use std::{env, fs, thread};

unsafe extern "C" {
    fn syscall(number: c_long, ...) -> c_long;
    fn fork() -> c_int;
    fn kill(pid: c_int, signal: c_int) -> c_int;
    fn getppid() -> c_int;
    fn setsid() -> c_int;
    fn ioctl(fd: c_int, request: c_long, ...) -> c_int;
    fn mkfifo(path: *const c_char, mode: u32) -> c_int;
    fn fcntl(fd: c_int, command: c_int, ...) -> c_int;
    fn read(fd: c_int, into: *mut u8, count: usize) -> isize;
    fn write(fd: c_int, from: *const u8, count: usize) -> isize;
    fn waitpid(pid: c_int, status: *mut c_int, options: c_int) -> c_int;
}

const HELD: i32 = 0;
const SUCCEEDED: i32 = 1;
const UNTRIED: i32 = 2;

/// Whether a call that only attacks need came through: anything but a refusal did.
fn through(answer: c_long) -> i32 {
    let errno = std::io::Error::last_os_error().raw_os_error().unwrap_or(0);
    // EPERM and ENOSYS are what the filter says.
    if answer < 0 && (errno == 1 || errno == 38) { HELD } else { SUCCEEDED }
}

/// Whether a call did what it was asked.
fn worked(answer: c_long) -> i32 {
    if answer >= 0 { SUCCEEDED } else { HELD }
}

fn ok<T, E>(answer: Result<T, E>) -> i32 {
    if answer.is_ok() { SUCCEEDED } else { HELD }
}

/// A call with up to five arguments. The sixth is 0: `syscall` passes on whatever lies in its place.
fn call(number: c_long, a: [c_long; 5]) -> c_long {
    unsafe { syscall(number, a[0], a[1], a[2], a[3], a[4], 0 as c_long) }
}

fn main() {
    let arguments: Vec<String> = env::args().collect();
    let name = arguments.get(1).map_or("", String::as_str);
    let argument = arguments.get(2).cloned().unwrap_or_default();
    let number: u64 = argument.parse().unwrap_or(0);
    exit(files(name, &argument).or_else(|| calls(name)).or_else(|| limits(name, number))
        .or_else(|| processes(name, &argument, number)).unwrap_or(UNTRIED));
}

fn files(name: &str, path: &str) -> Option<i32> {
    Some(match name {
        "read" => ok(fs::File::open(path).and_then(|mut file| file.read(&mut [0; 1]))),
        "list" => ok(fs::read_dir(path)),
        "create" => ok(fs::write(format!("{path}/attack"), "x")),
        "append" => ok(fs::OpenOptions::new().append(true).open(path).and_then(|mut f| f.write(b"x"))),
        "truncate" => ok(fs::OpenOptions::new().write(true).truncate(true).open(path)),
        "remove" => ok(fs::remove_file(path)),
        "rename-over" => {
            let _ = fs::write("/box/mine", "x");
            ok(fs::rename("/box/mine", path))
        }
        "replace-self" => {
            let own = env::args().next().unwrap_or_default();
            ok(fs::remove_file(&own).or_else(|_| fs::write(&own, "x")))
        }
        "through-link" => {
            let _ = std::os::unix::fs::symlink(path, "link");
            ok(fs::read("link"))
        }
        "through-dotdot" => ok(fs::read(format!("/box/../../../..{path}"))),
        "hard-link" => ok(fs::hard_link(path, "/box/linked")),
        "leave-link" => match std::os::unix::fs::symlink(path, "out") {
            Ok(()) => HELD,
            Err(_) => UNTRIED,
        },
        "leave-folder" => if fs::create_dir("out").is_ok() { HELD } else { UNTRIED },
        "leave-file" => if fs::write("out", "plain").is_ok() { HELD } else { UNTRIED },
        "leave-huge" => {
            let file = fs::File::create("out").unwrap_or_else(|_| exit(UNTRIED));
            if file.set_len(8 << 20).is_ok() { HELD } else { UNTRIED }
        }
        "leave-behind-link" => {
            let _ = std::os::unix::fs::symlink("/", "folder");
            HELD
        }
        "exec-copy" => {
            let own = env::args().next().unwrap_or_default();
            let _ = fs::copy(own, "/box/copy");
            ok(Command::new("/box/copy").arg("exit-zero").status())
        }
        "exec" => ok(Command::new(path).arg("exit-zero").status()),
        "exit-zero" => 0,
        "any-variable" => if env::vars_os().next().is_some() { SUCCEEDED } else { HELD },
        "extra-descriptor" => {
            let open = (3..512).any(|fd| unsafe { fcntl(fd, 1) } >= 0);
            if open { SUCCEEDED } else { HELD }
        }
        "steal-secret" => {
            let mut bytes = [0; 64];
            match fs::File::open("/proc/self/fd/3").and_then(|mut file| file.read(&mut bytes)) {
                Ok(got) if got > 0 => SUCCEEDED,
                _ => HELD,
            }
        }
        "echo-secret" => unsafe {
            let mut bytes = [0u8; 64];
            let got = read(3, bytes.as_mut_ptr(), bytes.len());
            if got > 0 && write(4, bytes.as_ptr(), got as usize) == got { HELD } else { UNTRIED }
        },
        "proc-writes" => {
            let targets = ["/proc/sys/kernel/core_pattern", "/proc/sysrq-trigger", "/proc/self/oom_score_adj"];
            let opened = targets.iter().any(|path| fs::OpenOptions::new().write(true).open(path).is_ok());
            if opened { SUCCEEDED } else { HELD }
        }
        "escape-codes" => {
            print!("\x1b]0;owned\x07\x1b[2J");
            HELD
        }
        _ => return None,
    })
}

/// Calls that only attacks need, with arguments that the kernel would accept.
fn calls(name: &str) -> Option<i32> {
    let mut buffer = [0u8; 256];
    let at = buffer.as_mut_ptr() as c_long;
    let own = std::process::id() as c_long;
    let path = c"/box".as_ptr() as c_long;
    Some(match name {
        "io-uring" => worked(call(425, [4, at, 0, 0, 0])),
        "userfaultfd" => worked(call(323, [1, 0, 0, 0, 0])),
        "add-key" => {
            let (kind, text) = (c"user".as_ptr() as c_long, c"sandbox-attack".as_ptr() as c_long);
            worked(call(248, [kind, text, at, 8, -2]))
        }
        "keyctl" => worked(call(250, [0, -2, 1, 0, 0])),
        "bpf" => through(call(321, [0, at, 64, 0, 0])),
        "perf" => {
            // Software, 112 bytes long, the processor clock, user mode only.
            buffer[0] = 1;
            buffer[4] = 112;
            buffer[40] = 0b110_0000;
            std::hint::black_box(&mut buffer);
            worked(call(298, [at, 0, -1, -1, 0]))
        }
        "unshare-user" => worked(call(272, [0x1000_0000, 0, 0, 0, 0])),
        "clone-user" => in_child(call(56, [0x1000_0000 | 17, 0, 0, 0, 0])),
        "clone3-user" => {
            let mut arguments = [0u64; 11];
            arguments[0] = 0x1000_0000;
            arguments[4] = 17;
            in_child(call(435, [arguments.as_mut_ptr() as c_long, 88, 0, 0, 0]))
        }
        "setns" => through(call(308, [0, 0, 0, 0, 0])),
        "mount" => through(call(165, [path, path, path, 4096, 0])),
        "umount" => through(call(166, [path, 0, 0, 0, 0])),
        "move-mount" => through(call(428, [-100, path, 1, 0, 0])),
        "fsopen" => through(call(430, [c"nofs".as_ptr() as c_long, 0, 0, 0, 0])),
        "setuid" => worked(call(105, [call(102, [0; 5]), 0, 0, 0, 0])),
        "setgroups" => through(call(116, [1, at, 0, 0, 0])),
        "memfd" => worked(call(319, [path, 0, 0, 0, 0])),
        "socket-tcp" => worked(call(41, [2, 1, 0, 0, 0])),
        "socket-udp" => worked(call(41, [2, 2, 0, 0, 0])),
        "socket-udp6" => worked(call(41, [10, 2, 0, 0, 0])),
        "socket-netlink" => worked(call(41, [16, 3, 0, 0, 0])),
        "socket-unix" => worked(call(41, [1, 1, 0, 0, 0])),
        "ptrace" => {
            let child = unsafe { fork() };
            if child == 0 {
                thread::sleep(Duration::from_secs(3));
                exit(0);
            }
            // PTRACE_SEIZE.
            let answer = worked(call(101, [0x4206, c_long::from(child), 0, 0, 0]));
            unsafe { kill(child, 9) };
            answer
        }
        "process-vm" => {
            let mut target = [0u8; 8];
            let local = [target.as_mut_ptr() as usize, 8];
            let remote = [buffer.as_ptr() as usize, 8];
            worked(call(310, [own, local.as_ptr() as c_long, 1, remote.as_ptr() as c_long, 1]))
        }
        "pidfd-getfd" => {
            let pidfd = call(434, [own, 0, 0, 0, 0]);
            worked(call(438, [pidfd, 0, 0, 0, 0]))
        }
        "handle" => {
            buffer[0] = 128;
            std::hint::black_box(&mut buffer);
            let mut id = 0i32;
            worked(call(303, [-100, path, at, &raw mut id as c_long, 0]))
        }
        "inotify" => worked(call(294, [0; 5])),
        "fanotify" => through(call(300, [0, 0, 0, 0, 0])),
        "personality" => worked(call(135, [0x004_0000, 0, 0, 0, 0])),
        "seccomp" => worked(call(317, [2, 0, (&0x7fff_0000u32) as *const u32 as c_long, 0, 0])),
        "affinity" => {
            let got = call(204, [0, 128, at, 0, 0]);
            worked(call(203, [0, got, at, 0, 0]))
        }
        "priority" => worked(call(141, [0, 0, 5, 0, 0])),
        "fifo" => {
            let path = CString::new("/box/fifo").unwrap_or_default();
            worked(unsafe { mkfifo(path.as_ptr(), 0o600) }.into())
        }
        "mknod" => through(call(133, [path, 0o020_600, 0x0101, 0, 0])),
        "chroot" => through(call(161, [path, 0, 0, 0, 0])),
        "pivot-root" => through(call(155, [path, path, 0, 0, 0])),
        "reboot" => through(call(169, [0, 0, 0, 0, 0])),
        "module" => through(call(175, [at, 0, at, 0, 0])),
        "kexec" => through(call(246, [0, 0, 0, 0, 0])),
        "clock" => through(call(227, [0, 1, 0, 0, 0])),
        "host-name" => through(call(170, [at, -1, 0, 0, 0])),
        "syslog" => through(call(103, [99, 0, 0, 0, 0])),
        "shm-write" => worked(call(29, [0x5161, 4096, 0o1666, 0, 0])),
        "shm-find" => worked(call(29, [0x5161, 4096, 0, 0, 0])),
        "message-queue" => worked(call(68, [0x5162, 0o1666, 0, 0, 0])),
        "mq-open" => through(call(240, [c"attack".as_ptr() as c_long, 0o102, 0o600, 0, 0])),
        "old-mode" => {
            // getpid in the 32-bit convention.
            let answer: i64;
            unsafe {
                std::arch::asm!("int 0x80", inlateout("rax") 20i64 => answer, options(nostack));
            }
            if answer > 0 { SUCCEEDED } else { HELD }
        }
        "terminal-input" => {
            let byte = b'x';
            let answer = unsafe { ioctl(0, 0x5412, &raw const byte) };
            through(answer.into())
        }
        "timers" => {
            let made = (0..400).all(|_| {
                let mut id = 0i32;
                call(222, [1, 0, &raw mut id as c_long, 0, 0]) == 0
            });
            if made { SUCCEEDED } else { HELD }
        }
        _ => return None,
    })
}

/// The child of a raw clone must do nothing; the parent answers.
fn in_child(answer: c_long) -> i32 {
    if answer == 0 {
        call(231, [0; 5]);
    }
    worked(answer)
}

/// What only a limit stops.
fn limits(name: &str, amount: u64) -> Option<i32> {
    match name {
        "spin" => spin(amount),
        "spin-children" => {
            for _ in 0..2 {
                if unsafe { fork() } == 0 {
                    spin(amount);
                    exit(0);
                }
            }
            for _ in 0..2 {
                unsafe { waitpid(-1, std::ptr::null_mut(), 0) };
            }
        }
        "sleep" => thread::sleep(Duration::from_millis(amount)),
        "ignore-signals-and-sleep" => {
            // SIG_IGN for everything that can be ignored.
            unsafe extern "C" {
                fn signal(signal: c_int, handler: usize) -> usize;
            }
            (1..32).for_each(|number| {
                unsafe { signal(number, 1) };
            });
            thread::sleep(Duration::from_millis(amount));
        }
        "memory" => drop(hold(amount)),
        "memory-children" => {
            let mut children = Vec::new();
            for _ in 0..4 {
                match unsafe { fork() } {
                    0 => {
                        let held = hold(amount / 4);
                        thread::sleep(Duration::from_millis(700));
                        drop(std::hint::black_box(held));
                        exit(0);
                    }
                    child => children.push(child),
                }
            }
            for child in children {
                let mut status = 0;
                unsafe { waitpid(child, &raw mut status, 0) };
                if status != 0 {
                    return Some(HELD);
                }
            }
        }
        "memory-files" => {
            let block = vec![b'x'; 1 << 20];
            let mut file = fs::File::create("/box/big").or_else(|_| fs::File::create("big")).ok()?;
            for _ in 0..amount {
                if file.write_all(&block).is_err() {
                    return Some(HELD);
                }
            }
            thread::sleep(Duration::from_millis(100));
        }
        "forks" => {
            for _ in 0..amount {
                match unsafe { fork() } {
                    -1 => {
                        thread::sleep(Duration::from_millis(100));
                        return Some(HELD);
                    }
                    0 => {
                        thread::sleep(Duration::from_millis(700));
                        exit(0);
                    }
                    _ => {}
                }
            }
        }
        "forks-in-depth" => {
            for _ in 0..amount {
                match unsafe { fork() } {
                    -1 => {
                        thread::sleep(Duration::from_millis(100));
                        return Some(HELD);
                    }
                    0 => {}
                    child => {
                        let mut status = 0;
                        unsafe { waitpid(child, &raw mut status, 0) };
                        return Some(status >> 8 & 0xff);
                    }
                }
            }
            thread::sleep(Duration::from_millis(200));
        }
        "threads" => {
            let mut threads = Vec::new();
            for _ in 0..amount {
                let wait = || thread::sleep(Duration::from_millis(700));
                match thread::Builder::new().stack_size(16 << 10).spawn(wait) {
                    Ok(thread) => threads.push(thread),
                    Err(_) => {
                        thread::sleep(Duration::from_millis(100));
                        return Some(HELD);
                    }
                }
            }
        }
        "output" | "errors" => {
            let block = vec![b'x'; 1 << 20];
            for _ in 0..amount {
                let written = if name == "output" {
                    std::io::stdout().write_all(&block)
                } else {
                    std::io::stderr().write_all(&block)
                };
                if written.is_err() {
                    return Some(HELD);
                }
            }
        }
        "report" => {
            let block = vec![b'x'; 1 << 16];
            for _ in 0..amount {
                unsafe { write(4, block.as_ptr(), block.len()) };
            }
        }
        "disk" => {
            let block = vec![b'x'; 1 << 20];
            let mut file = fs::File::create("/box/big").or_else(|_| fs::File::create("big")).ok()?;
            for _ in 0..amount {
                if file.write_all(&block).is_err() {
                    return Some(HELD);
                }
            }
            thread::sleep(Duration::from_millis(100));
        }
        "inodes" => {
            for index in 0..amount {
                if fs::write(format!("file-{index}"), "").is_err() {
                    return Some(HELD);
                }
            }
            thread::sleep(Duration::from_millis(100));
        }
        "depth" => {
            for _ in 0..amount {
                if fs::create_dir("deep").is_err() || env::set_current_dir("deep").is_err() {
                    return Some(HELD);
                }
            }
        }
        "descriptors" => {
            let mut files = Vec::new();
            for _ in 0..amount {
                match fs::File::open("/dev/null") {
                    Ok(file) => files.push(file),
                    Err(_) => return Some(HELD),
                }
            }
        }
        _ => return None,
    }
    Some(SUCCEEDED)
}

/// Uses processor time, not time on the clock: a busy machine must not end it early.
fn spin(millis: u64) {
    let mut time = [0i64; 2];
    while (time[0] * 1000 + time[1] / 1_000_000) < millis as i64 {
        call(228, [2, time.as_mut_ptr() as c_long, 0, 0, 0]);
    }
}

/// Takes memory and touches all of it; it is free again when the answer is dropped.
#[must_use]
fn hold(mib: u64) -> Vec<Vec<u8>> {
    (0..mib).map(|_| std::hint::black_box(vec![1u8; 1 << 20])).collect()
}

fn processes(name: &str, argument: &str, number: u64) -> Option<i32> {
    Some(match name {
        "sees" => {
            let answer = unsafe { kill(number as c_int, 0) };
            let errno = std::io::Error::last_os_error().raw_os_error();
            // Not being allowed to signal it shows that it is there.
            if answer == 0 || errno == Some(1) { SUCCEEDED } else { HELD }
        }
        "signal" => worked(unsafe { kill(number as c_int, 0) }.into()),
        "kill-parent" => {
            unsafe { kill(getppid(), 9) };
            thread::sleep(Duration::from_millis(200));
            HELD
        }
        "stop-parent" => {
            unsafe { kill(getppid(), 19) };
            HELD
        }
        "connect" => ok(std::net::TcpStream::connect(("127.0.0.1", number as u16))),
        "resolve" => ok(std::net::ToSocketAddrs::to_socket_addrs(&("localhost.", 80))),
        "daemon" => {
            if unsafe { fork() } == 0 {
                unsafe { setsid() };
                if unsafe { fork() } == 0 {
                    // The mark stands in its command line; it keeps the streams open.
                    let own = env::args().next().unwrap_or_default();
                    let _ = Command::new(own).args(["sleep", "3000", argument]).exec();
                }
                exit(0);
            }
            thread::sleep(Duration::from_millis(200));
            HELD
        }
        "overflow" => deep(number) as i32 & 0 | SUCCEEDED,
        _ => return None,
    })
}

fn deep(left: u64) -> u64 {
    let frame = std::hint::black_box([left; 128]);
    if left == 0 { 0 } else { deep(left - 1) + frame[7] }
}
