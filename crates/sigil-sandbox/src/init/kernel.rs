//! The system calls of the helper, each as a safe function: the only unsafe code of this crate.
//!
//! The helper has no C library, so the calls are made here by instruction. Every function passes
//! pointers that come from references or `CStr`s alive during the call, with their true lengths, and
//! the kernel checks the rest; that is the argument of each `SAFETY` comment below unless it says
//! more. x86-64 Linux only. Next: `main.rs`.

use core::arch::asm;
use core::ffi::CStr;
use core::ptr;

/// What the kernel answers: a value, or the number of an error.
pub(crate) type Answer = Result<usize, i32>;

/// A descriptor. The helper closes what it must by hand: processes here are short-lived and few.
pub(crate) type Fd = i32;

/// Relative to the current folder.
pub(crate) const AT_FDCWD: Fd = -100;

fn call(number: usize, a: [usize; 6]) -> Answer {
    let answer: isize;
    // SAFETY: the x86-64 Linux calling convention: the kernel changes rax, rcx, r11 and the memory
    // that the arguments point to, which callers borrow for as long as this lasts.
    unsafe {
        asm!(
            "syscall",
            inlateout("rax") number as isize => answer,
            in("rdi") a[0], in("rsi") a[1], in("rdx") a[2],
            in("r10") a[3], in("r8") a[4], in("r9") a[5],
            lateout("rcx") _, lateout("r11") _,
            options(nostack),
        );
    }
    if answer < 0 { Err(-answer as i32) } else { Ok(answer as usize) }
}

macro_rules! call {
    ($number:expr $(, $argument:expr)* $(,)?) => {{
        let given = [$($argument as usize),*];
        let mut all = [0usize; 6];
        all[..given.len()].copy_from_slice(&given);
        call($number, all)
    }};
}

pub(crate) fn read(fd: Fd, into: &mut [u8]) -> Answer {
    call!(0, fd, into.as_mut_ptr(), into.len())
}

pub(crate) fn write(fd: Fd, bytes: &[u8]) -> Answer {
    call!(1, fd, bytes.as_ptr(), bytes.len())
}

/// Writes all of it.
pub(crate) fn write_all(fd: Fd, mut bytes: &[u8]) -> Result<(), i32> {
    while !bytes.is_empty() {
        match write(fd, bytes) {
            Ok(written) => bytes = bytes.get(written..).unwrap_or_default(),
            Err(EINTR) => {}
            Err(errno) => return Err(errno),
        }
    }
    Ok(())
}

pub(crate) fn close(fd: Fd) {
    // A descriptor is gone whatever the kernel answers.
    let _ = call!(3, fd);
}

/// Closes every descriptor from `first` on.
pub(crate) fn close_from(first: Fd) -> Answer {
    call!(436, first, u32::MAX, 0)
}

pub(crate) fn open(at: Fd, path: &CStr, flags: u32, mode: u32) -> Answer {
    call!(257, at, path.as_ptr(), flags, mode)
}

/// Opens a path that may not leave `at`, follow a link or cross into another mount.
pub(crate) fn open_beneath(at: Fd, path: &CStr, flags: u32) -> Answer {
    // NO_XDEV | NO_MAGICLINKS | NO_SYMLINKS | BENEATH.
    let how: [u64; 3] = [u64::from(flags), 0, 0x01 | 0x02 | 0x04 | 0x08];
    call!(437, at, path.as_ptr(), how.as_ptr(), size_of_val(&how))
}

pub(crate) fn dup_to(from: Fd, to: Fd) -> Answer {
    if from == to { call!(72, from, 2, 0) } else { call!(292, from, to, 0) }
}

/// Copies a descriptor to a number of at least `least`, closed on execution.
pub(crate) fn dup_above(from: Fd, least: Fd) -> Answer {
    call!(72, from, 1030, least)
}

/// Two connected descriptors that close on execution.
pub(crate) fn pipe() -> Result<(Fd, Fd), i32> {
    let mut ends = [0i32; 2];
    call!(293, ends.as_mut_ptr(), 0o2_000_000)?;
    Ok((ends[0], ends[1]))
}

/// Two connected sockets that carry descriptors and close on execution.
pub(crate) fn socket_pair() -> Result<(Fd, Fd), i32> {
    let mut ends = [0i32; 2];
    // AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC.
    call!(53, 1, 5 | 0o2_000_000, 0, ends.as_mut_ptr())?;
    Ok((ends[0], ends[1]))
}

pub(crate) fn make_dir(at: Fd, path: &CStr, mode: u32) -> Answer {
    call!(258, at, path.as_ptr(), mode)
}

pub(crate) fn make_link(target: &CStr, path: &CStr) -> Answer {
    call!(266, target.as_ptr(), AT_FDCWD, path.as_ptr())
}

pub(crate) fn change_dir(path: &CStr) -> Answer {
    call!(80, path.as_ptr())
}

pub(crate) fn set_umask(mask: u32) {
    let _ = call!(95, mask);
}

/// The kind-and-mode word and the length of an open file.
pub(crate) fn stat(fd: Fd) -> Result<(u32, u64), i32> {
    // struct stat of x86-64: st_mode at byte 24, st_size at byte 48, 144 bytes long.
    let mut words = [0u64; 18];
    call!(5, fd, words.as_mut_ptr())?;
    Ok((words[3] as u32, words[6]))
}

/// Room of a file system: block size, blocks, free blocks, files, free files.
pub(crate) fn room(fd: Fd) -> Result<[u64; 5], i32> {
    // struct statfs: type, bsize, blocks, bfree, bavail, files, ffree, ...
    let mut words = [0u64; 15];
    call!(138, fd, words.as_mut_ptr())?;
    Ok([words[1], words[2], words[3], words[5], words[6]])
}

pub(crate) fn mount(from: &CStr, to: &CStr, kind: &CStr, flags: u64, data: &CStr) -> Answer {
    call!(165, from.as_ptr(), to.as_ptr(), kind.as_ptr(), flags, data.as_ptr())
}

/// Takes a mount off its place at once, and away when its last user goes.
pub(crate) fn detach(path: &CStr) -> Answer {
    call!(166, path.as_ptr(), 2)
}

pub(crate) fn pivot_root(new: &CStr, old: &CStr) -> Answer {
    call!(155, new.as_ptr(), old.as_ptr())
}

/// A copy of the tree of mounts at `path`, attached nowhere.
pub(crate) fn clone_tree(path: &CStr) -> Answer {
    // OPEN_TREE_CLONE | AT_RECURSIVE | O_CLOEXEC.
    call!(428, AT_FDCWD, path.as_ptr(), 1 | 0x8000 | 0o2_000_000)
}

/// Attaches a copy made by [`clone_tree`].
pub(crate) fn attach_tree(tree: Fd, to: &CStr) -> Answer {
    call!(429, tree, c"".as_ptr(), AT_FDCWD, to.as_ptr(), 4)
}

/// Sets attributes of a mount: of `path`, or of the tree `at` and below if the path is empty.
pub(crate) fn set_mount_attributes(at: Fd, path: &CStr, attributes: u64) -> Answer {
    let wanted: [u64; 4] = [attributes, 0, 0, 0];
    // AT_EMPTY_PATH | AT_RECURSIVE.
    let flags = if path.is_empty() { 0x1000 | 0x8000 } else { 0 };
    call!(442, at, path.as_ptr(), flags, wanted.as_ptr(), size_of_val(&wanted))
}

pub(crate) fn unshare(namespaces: u64) -> Answer {
    call!(272, namespaces)
}

/// A new process in new `namespaces`: 0 in the child, its number in the parent.
pub(crate) fn fork(namespaces: u64) -> Answer {
    // struct clone_args: flags, pidfd, child_tid, parent_tid, exit_signal, stack, ...: no new stack,
    // so the child goes on with a copy of this one, as after fork(2).
    let arguments: [u64; 11] = [namespaces, 0, 0, 0, 17, 0, 0, 0, 0, 0, 0];
    match call!(435, arguments.as_ptr(), 88usize) {
        // Before Linux 5.3, and where a filter knows only the old call.
        Err(ENOSYS) => call!(56, namespaces | 17, 0, 0, 0, 0),
        answer => answer,
    }
}

/// Waits for a child (`pid`, or -1 for any): its number and status, or 0 if none has ended.
pub(crate) fn wait(pid: i32, block: bool) -> Result<(usize, i32), i32> {
    let mut status = 0i32;
    // __WALL besides WNOHANG.
    let options = 0x4000_0000 | i32::from(!block);
    loop {
        match call!(61, pid, &raw mut status, options, 0) {
            Err(EINTR) => {}
            answer => return answer.map(|who| (who, status)),
        }
    }
}

/// Ends this process.
pub(crate) fn exit(code: i32) -> ! {
    loop {
        let _ = call!(231, code);
    }
}

pub(crate) fn kill(pid: i32, signal: i32) -> Answer {
    call!(62, pid, signal)
}

pub(crate) fn own_pid() -> usize {
    call!(39).unwrap_or_default()
}

pub(crate) fn new_session() -> Answer {
    call!(112)
}

pub(crate) fn prctl(option: u32, a: u64, b: u64) -> Answer {
    call!(157, option, a, b, 0, 0)
}

/// Gives up all capabilities of this thread.
pub(crate) fn drop_capabilities() -> Answer {
    // _LINUX_CAPABILITY_VERSION_3, this thread; two words of three sets, all empty.
    let header: [u32; 2] = [0x2008_0522, 0];
    let sets = [0u32; 6];
    call!(126, header.as_ptr(), sets.as_ptr())
}

/// Lets a program that this thread executes keep its capabilities. To be called while the bounding set
/// is still whole; capabilities that this thread lacks are passed over.
pub(crate) fn keep_capabilities() -> Answer {
    let header: [u32; 2] = [0x2008_0522, 0];
    // Effective, permitted, inheritable, of the first 32 and of the others.
    let mut sets = [0u32; 6];
    call!(125, header.as_ptr(), sets.as_mut_ptr())?;
    (sets[2], sets[5]) = (sets[1], sets[4]);
    call!(126, header.as_ptr(), sets.as_ptr())?;
    for capability in 0..64 {
        // PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE.
        let _ = prctl(47, 2, capability);
    }
    Ok(0)
}

/// Becomes this group and user for good, with no other groups.
pub(crate) fn become_user(uid: u32, gid: u32) -> Result<(), i32> {
    call!(116, 0, ptr::null::<u32>())?;
    call!(119, gid, gid, gid)?;
    call!(117, uid, uid, uid)?;
    Ok(())
}

/// Takes an identity that the user namespace maps; group list untouched.
pub(crate) fn set_ids(uid: u32, gid: u32) -> Result<(), i32> {
    call!(119, gid, gid, gid)?;
    call!(117, uid, uid, uid)?;
    Ok(())
}

/// Real user and group.
pub(crate) fn own_ids() -> (u32, u32) {
    (call!(102).unwrap_or_default() as u32, call!(104).unwrap_or_default() as u32)
}

pub(crate) fn set_limit(resource: u32, value: u64) -> Answer {
    let pair = [value, value];
    call!(302, 0, resource, pair.as_ptr(), 0)
}

pub(crate) fn set_affinity(mask: &[u8]) -> Answer {
    call!(203, 0, mask.len(), mask.as_ptr())
}

pub(crate) fn set_host_name(name: &CStr) -> Answer {
    call!(170, name.as_ptr(), name.count_bytes())
}

/// The kernel's Landlock version, or an error if it has none.
pub(crate) fn landlock_version() -> Answer {
    call!(444, 0, 0, 1)
}

/// A set of rules that handles these rights: file system, network, scopes.
pub(crate) fn landlock_ruleset(handled: &[u64]) -> Answer {
    call!(444, handled.as_ptr(), size_of_val(handled), 0)
}

/// Allows `access` below what `place` is open on.
pub(crate) fn landlock_allow(ruleset: Fd, place: Fd, access: u64) -> Answer {
    // struct landlock_path_beneath_attr is packed: eight bytes of rights, four of descriptor.
    let mut rule = [0u8; 12];
    rule[..8].copy_from_slice(&access.to_ne_bytes());
    rule[8..].copy_from_slice(&place.to_ne_bytes());
    call!(445, ruleset, 1, rule.as_ptr(), 0)
}

pub(crate) fn landlock_restrict(ruleset: Fd) -> Answer {
    call!(446, ruleset, 0)
}

/// Installs a filter of BPF instructions (eight bytes each).
pub(crate) fn install_filter(instructions: &[u8]) -> Answer {
    // struct sock_fprog: a 16-bit count, padding, a pointer.
    let program = [instructions.len() / 8, instructions.as_ptr() as usize];
    call!(317, 1, 0, program.as_ptr())
}

/// Becomes another program. `words` are the arguments, then the variables, each list ended by null.
pub(crate) fn execute(program: &CStr, arguments: &Words<'_>, variables: &Words<'_>) -> i32 {
    match call!(59, program.as_ptr(), arguments.pointers.as_ptr(), variables.pointers.as_ptr()) {
        Ok(_) => 0,
        Err(errno) => errno,
    }
}

/// A list of strings as `execve` wants it.
pub(crate) struct Words<'a> {
    pointers: [*const core::ffi::c_char; 2048],
    used: usize,
    lifetime: core::marker::PhantomData<&'a CStr>,
}

impl<'a> Words<'a> {
    pub(crate) fn new() -> Self {
        Self { pointers: [ptr::null(); 2048], used: 0, lifetime: core::marker::PhantomData }
    }

    /// The words and the null behind them.
    pub(crate) fn pointers(&self) -> &[*const core::ffi::c_char] {
        self.pointers.get(..=self.used).unwrap_or_default()
    }

    /// Adds a word; false if the list is full (its last place stays null).
    pub(crate) fn push(&mut self, word: &'a CStr) -> bool {
        if self.used + 1 >= self.pointers.len() {
            return false;
        }
        self.pointers[self.used] = word.as_ptr();
        self.used += 1;
        true
    }
}

/// Waits until one of the descriptors is readable or closed; bit `i` of the answer stands for `fds[i]`.
pub(crate) fn poll_readable(fds: &[Fd], timeout_micros: u64) -> u64 {
    let mut polled = [[0u32; 2]; 8];
    for (slot, fd) in polled.iter_mut().zip(fds) {
        *slot = [*fd as u32, 1];
    }
    let timeout = [timeout_micros / 1_000_000, timeout_micros % 1_000_000 * 1000];
    let count = fds.len().min(polled.len());
    let answer = call!(271, polled.as_mut_ptr(), count, timeout.as_ptr(), 0, 0);
    let mut ready = 0;
    if answer.is_ok_and(|some| some > 0) {
        for (index, slot) in polled.iter().take(count).enumerate() {
            if slot[1] >> 16 != 0 {
                ready |= 1 << index;
            }
        }
    }
    ready
}

/// Blocks all signals and makes a descriptor on which the ends of children are read.
pub(crate) fn watch_children() -> Answer {
    let all = [u64::MAX];
    call!(14, 0, all.as_ptr(), 0, 8)?;
    let children = [1u64 << 16];
    // SFD_CLOEXEC | SFD_NONBLOCK.
    call!(289, -1isize, children.as_ptr(), 8, 0o2_004_000)
}

/// Lets all signals through again, for a program that is about to start.
pub(crate) fn unblock_signals() -> Answer {
    let none = [0u64];
    call!(14, 2, none.as_ptr(), 0, 8)
}

/// Microseconds on a clock that only goes forward.
pub(crate) fn now_micros() -> u64 {
    let mut time = [0u64; 2];
    let _ = call!(228, 1, time.as_mut_ptr());
    time[0] * 1_000_000 + time[1] / 1000
}

/// Microseconds of processor time that this process has used.
pub(crate) fn own_cpu_micros() -> u64 {
    let mut time = [0u64; 2];
    let _ = call!(228, 2, time.as_mut_ptr());
    time[0] * 1_000_000 + time[1] / 1000
}

/// Processor time of children that were waited for: microseconds in user mode, in the kernel.
pub(crate) fn children_time() -> (u64, u64) {
    let mut usage = [0u64; 18];
    let _ = call!(98, -1isize, usage.as_mut_ptr());
    (usage[0] * 1_000_000 + usage[1], usage[2] * 1_000_000 + usage[3])
}

/// Entries of a folder, as the kernel packs them.
pub(crate) fn list(fd: Fd, into: &mut [u8]) -> Answer {
    call!(217, fd, into.as_mut_ptr(), into.len())
}

/// The descriptors that one message may carry.
pub(crate) const MAX_FDS: usize = 24;

/// Receives a message and the descriptors that came with it: bytes, descriptors.
pub(crate) fn receive(
    socket: Fd,
    into: &mut [u8],
    fds: &mut [Fd; MAX_FDS],
) -> Result<(usize, usize), i32> {
    let mut part = [into.as_mut_ptr() as usize, into.len()];
    // One control message: length, level, kind, descriptors; u64 for its alignment.
    let mut control = [0u64; 2 + MAX_FDS / 2];
    let mut header: [usize; 7] = [
        0,
        0,
        part.as_mut_ptr() as usize,
        1,
        control.as_mut_ptr() as usize,
        size_of_val(&control),
        0,
    ];
    let got = loop {
        // MSG_CMSG_CLOEXEC.
        match call!(47, socket, header.as_mut_ptr(), 0x4000_0000) {
            Err(EINTR) => {}
            answer => break answer?,
        }
    };
    let mut count = 0;
    // SOL_SOCKET and SCM_RIGHTS in one little-endian word.
    if header[5] >= 16 && control[1] == 1 | 1 << 32 {
        count = (control[0] as usize).saturating_sub(16) / 4;
        count = count.min(MAX_FDS);
        for (index, fd) in fds.iter_mut().take(count).enumerate() {
            let word = control[2 + index / 2];
            *fd = (word >> (index % 2 * 32)) as u32 as Fd;
        }
    }
    Ok((got, count))
}

/// Sends a message with descriptors.
pub(crate) fn send(socket: Fd, bytes: &[u8], fds: &[Fd]) -> Answer {
    let part = [bytes.as_ptr() as usize, bytes.len()];
    let mut control = [0u64; 2 + MAX_FDS / 2];
    let count = fds.len().min(MAX_FDS);
    control[0] = 16 + 4 * count as u64;
    control[1] = 1 | 1 << 32;
    for (index, fd) in fds.iter().take(count).enumerate() {
        control[2 + index / 2] |= u64::from(*fd as u32) << (index % 2 * 32);
    }
    let length = if count == 0 { 0 } else { 16 + count.div_ceil(2) * 8 };
    let header: [usize; 7] =
        [0, 0, part.as_ptr() as usize, 1, control.as_ptr() as usize, length, 0];
    // MSG_NOSIGNAL.
    call!(46, socket, header.as_ptr(), 0x4000)
}

/// Connects to a socket that lies in the file system.
pub(crate) fn connect(path: &CStr) -> Answer {
    // AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC.
    let socket = call!(41, 1, 5 | 0o2_000_000, 0)?;
    let mut address = [0u8; 110];
    address[0] = 1;
    let bytes = path.to_bytes();
    let Some(place) = address.get_mut(2..2 + bytes.len()) else { return Err(36) };
    place.copy_from_slice(bytes);
    call!(42, socket, address.as_ptr(), 2 + bytes.len() + 1)?;
    Ok(socket)
}

/// The content of a sealed memory file, for as long as this process lives.
pub(crate) fn map_file(fd: Fd) -> Result<&'static [u8], i32> {
    let (_, length) = stat(fd)?;
    if length == 0 {
        return Ok(&[]);
    }
    // PROT_READ, MAP_PRIVATE.
    let start = call!(9, 0, length, 1, 2, fd, 0)?;
    // SAFETY: the kernel mapped `length` readable bytes at `start`; nothing unmaps them while the
    // slice is in use (`unmap` is called by the one who mapped, after its last use), and the
    // supervisor seals the file against shrinking and writing before it sends it.
    Ok(unsafe { core::slice::from_raw_parts(start as *const u8, length as usize) })
}

/// Undoes [`map_file`]; the caller holds no part of the slice any more.
pub(crate) fn unmap(bytes: &'static [u8]) {
    if !bytes.is_empty() {
        let _ = call!(11, bytes.as_ptr(), bytes.len());
    }
}

/// Any call, for the canaries: what an attacker would try, with harmless arguments.
pub(crate) fn attempt(number: usize, arguments: [usize; 6]) -> Answer {
    call(number, arguments)
}

/// Private memory, every page written; `None` if the kernel has no more.
pub(crate) fn hold_memory(bytes: usize) -> Option<()> {
    // PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS.
    let start = call!(9, 0, bytes, 3, 0x22, -1isize, 0).ok()?;
    for at in (0..bytes).step_by(4096) {
        // SAFETY: `at` lies inside the mapping just made, which nothing else uses.
        unsafe { ((start + at) as *mut u8).write_volatile(1) };
    }
    Some(())
}

/// Private memory for as long as this process lives.
pub(crate) fn map_memory(bytes: usize) -> Result<&'static mut [u8], i32> {
    // PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS.
    let start = call!(9, 0, bytes.max(1), 3, 0x22, -1isize, 0)?;
    // SAFETY: the kernel mapped that much zeroed memory at `start`, and nothing else uses or unmaps it.
    Ok(unsafe { core::slice::from_raw_parts_mut(start as *mut u8, bytes) })
}

/// The arguments the kernel gave to the program.
pub(crate) struct Arguments {
    stack: *const usize,
}

impl Arguments {
    /// Takes the stack as it was when the program started.
    ///
    /// # Safety
    /// `stack` must be the initial stack pointer of a Linux program.
    pub(crate) unsafe fn new(stack: *const usize) -> Self {
        Self { stack }
    }

    /// One argument; 0 is the program's name.
    pub(crate) fn get(&self, index: usize) -> Option<&'static CStr> {
        // SAFETY: the kernel puts the count first and then that many pointers to strings, which stay
        // for as long as the program runs.
        unsafe {
            if index >= *self.stack {
                return None;
            }
            Some(CStr::from_ptr(*self.stack.add(1 + index) as *const core::ffi::c_char))
        }
    }

    /// The variables of the environment.
    pub(crate) fn variables(&self) -> impl Iterator<Item = &'static CStr> {
        // SAFETY: after the arguments and a null come the variables, ended by a null.
        let mut next = unsafe { self.stack.add(2 + *self.stack) };
        core::iter::from_fn(move || {
            // SAFETY: as above; `next` moves no further than the null.
            unsafe {
                if *next == 0 {
                    return None;
                }
                let word = CStr::from_ptr(*next as *const core::ffi::c_char);
                next = next.add(1);
                Some(word)
            }
        })
    }
}

/// More words than there is room for.
pub(crate) const E2BIG: i32 = 7;
/// Not now.
pub(crate) const EAGAIN: i32 = 11;
/// No memory.
pub(crate) const ENOMEM: i32 = 12;
/// No program that can be executed in this way.
pub(crate) const ENOEXEC: i32 = 8;
/// Interrupted by a signal.
pub(crate) const EINTR: i32 = 4;
/// No such file.
pub(crate) const ENOENT: i32 = 2;
/// Exists already.
pub(crate) const EEXIST: i32 = 17;
/// Links on the way, where none may be.
pub(crate) const ELOOP: i32 = 40;
/// Crosses into another mount.
pub(crate) const EXDEV: i32 = 18;
/// Part of the way is no folder.
pub(crate) const ENOTDIR: i32 = 20;
/// Message or plan that makes no sense.
pub(crate) const EBADMSG: i32 = 74;
/// No such call.
pub(crate) const ENOSYS: i32 = 38;
