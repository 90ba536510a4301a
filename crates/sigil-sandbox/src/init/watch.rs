//! Measures a running job from inside: room in `/box`, and, where no control group counts them,
//! processor time, memory and processes.
//!
//! Measured every few milliseconds, so a peak between two looks is missed and a limit is met late by
//! as much; control groups have neither fault and are used where they can be.

use core::ffi::CStr;

use crate::init::job::JobPlan;
use crate::init::kernel::{self, Fd};
use crate::init::wire::{Report, flags, reason};

/// Limits that are watched only without control groups.
pub(crate) struct Limits {
    pub(crate) cpu_micros: u64,
    pub(crate) memory_bytes: u64,
    pub(crate) processes: u64,
}

/// What was seen so far.
pub(crate) struct Watch {
    /// `/proc`, or -1 if nothing is watched.
    proc: Fd,
    cpu_micros: u64,
    memory_bytes: u64,
    processes: u64,
    peak_memory: u64,
    peak_processes: u64,
    work_files: u64,
    work_bytes: u64,
    measure_tree: bool,
    /// `/box` is a file system of its own.
    own: bool,
}

impl Watch {
    /// Opens what is needed before the job's own `/proc` covers it.
    pub(crate) fn open(plan: &JobPlan<'_>) -> Self {
        let proc = if plan.has(flags::WATCH) { open_proc() } else { -1 };
        Self {
            proc,
            cpu_micros: plan.watched.cpu_micros,
            memory_bytes: plan.watched.memory_bytes,
            processes: plan.watched.processes,
            peak_memory: 0,
            peak_processes: 0,
            work_files: plan.work_files,
            work_bytes: plan.work_bytes,
            measure_tree: plan.has(flags::MEASURE_WORK),
            own: !plan.has(flags::SUBREAPER),
        }
    }

    /// The most memory and the most processes seen; 0 if not watched.
    pub(crate) fn peaks(&self) -> (u64, u64) {
        (self.peak_memory, self.peak_processes)
    }

    /// Looks whether `/box` is full.
    pub(crate) fn measure_room(&mut self, work: Fd, report: &mut Report) {
        let (mut used, mut full, mut many) = (0, false, false);
        if let (true, Ok([block, blocks, free, files, free_files])) = (self.own, kernel::room(work))
        {
            used = blocks.saturating_sub(free) * block;
            full = blocks > 0 && free == 0;
            many = files > 0 && free_files == 0;
        }
        if self.measure_tree {
            let (bytes, files) = measure_tree(work, 0);
            used = used.max(bytes);
            full |= bytes >= self.work_bytes;
            many |= files >= self.work_files;
        }
        report.peak_work = report.peak_work.max(used);
        if full {
            report.reason = reason::DISK;
        } else if many {
            report.reason = reason::FILES;
        }
    }

    /// Adds up what all processes use, and notes a limit that is met.
    pub(crate) fn measure_processes(&mut self, report: &mut Report) {
        if self.proc < 0 {
            return;
        }
        let (mut processes, mut memory) = (0, report.peak_work);
        let (user, system) = kernel::children_time();
        let mut cpu = user + system;
        for_each_below(self.proc, |pid, _| {
            let Some(seen) = look_at(self.proc, pid) else { return };
            processes += seen.threads;
            memory += seen.memory;
            cpu += seen.cpu_micros;
        });
        self.peak_memory = self.peak_memory.max(memory);
        self.peak_processes = self.peak_processes.max(processes);
        if cpu >= self.cpu_micros {
            report.reason = reason::CPU;
        } else if memory > self.memory_bytes {
            report.reason = reason::MEMORY;
        } else if processes > self.processes {
            report.reason = reason::PROCESSES;
        }
    }
}

fn open_proc() -> Fd {
    kernel::open(kernel::AT_FDCWD, c"/proc", 0o12_200_000, 0).map_or(-1, |fd| fd as Fd)
}

/// Calls with the number of every process below this one, and how far below.
pub(crate) fn for_each_descendant(visit: impl FnMut(i32, u32)) {
    let proc = open_proc();
    if proc >= 0 {
        for_each_below(proc, visit);
        kernel::close(proc);
    }
}

/// Most processes that are visited; more are more than any limit here.
const MOST: usize = 4096;

fn for_each_below(proc: Fd, mut visit: impl FnMut(i32, u32)) {
    let mut found = [(0u32, 0u32); MOST];
    let mut count = 0;
    let mut next = 0;
    let mut parent = None;
    loop {
        let depth = parent.map_or(0, |(_, depth)| depth);
        children_of(proc, parent.map(|(pid, _)| pid), |pid| {
            if let Some(place) = found.get_mut(count) {
                *place = (pid, depth + 1);
                count += 1;
                visit(pid as i32, depth + 1);
            }
        });
        if next == count {
            return;
        }
        parent = Some(found[next]);
        next += 1;
    }
}

/// Calls with each child of a process, or of this one.
fn children_of(proc: Fd, pid: Option<u32>, mut each: impl FnMut(u32)) {
    let path = Path::new().process(pid).text(b"/task");
    let Ok(tasks) = kernel::open(proc, path.as_c(), 0o2_200_000, 0) else { return };
    let tasks = tasks as Fd;
    let mut entries = [0u8; 2048];
    while let Ok(got) = kernel::list(tasks, &mut entries) {
        if got == 0 {
            break;
        }
        for name in names(&entries[..got]) {
            let path = Path::new().text(name).text(b"/children");
            let Ok(file) = kernel::open(tasks, path.as_c(), 0o2_000_000, 0) else { continue };
            let mut number = 0u32;
            let mut bytes = [0u8; 1024];
            while let Ok(got) = kernel::read(file as Fd, &mut bytes) {
                if got == 0 {
                    break;
                }
                for byte in &bytes[..got] {
                    if byte.is_ascii_digit() {
                        number = number.wrapping_mul(10).wrapping_add(u32::from(byte - b'0'));
                    } else if number != 0 {
                        each(number);
                        number = 0;
                    }
                }
            }
            kernel::close(file as Fd);
        }
    }
    kernel::close(tasks);
}

struct Seen {
    threads: u64,
    memory: u64,
    cpu_micros: u64,
}

/// A process as `/proc` shows it.
fn look_at(proc: Fd, pid: i32) -> Option<Seen> {
    let mut bytes = [0u8; 1024];
    let path = Path::new().process(Some(pid as u32)).text(b"/stat");
    let stat = read_file(proc, &path, &mut bytes)?;
    // The name may hold anything, even `)`, so the fields are counted from the last one.
    let after = stat.iter().rposition(|byte| *byte == b')')? + 1;
    let mut fields = [0u64; 25];
    numbers(stat.get(after..)?, &mut fields[3..]);
    let ticks = fields[14] + fields[15] + fields[16] + fields[17];
    let threads = fields[20].max(1);
    let mut bytes = [0u8; 256];
    let path = Path::new().process(Some(pid as u32)).text(b"/statm");
    let mut pages = [0u64; 3];
    numbers(read_file(proc, &path, &mut bytes)?, &mut pages);
    // USER_HZ is 100 on every Linux that programs see.
    Some(Seen {
        threads,
        memory: pages[1].saturating_sub(pages[2]) * 4096,
        cpu_micros: ticks * 10_000,
    })
}

fn read_file<'a>(proc: Fd, path: &Path, into: &'a mut [u8]) -> Option<&'a [u8]> {
    let file = kernel::open(proc, path.as_c(), 0o2_000_000, 0).ok()? as Fd;
    let got = kernel::read(file, into);
    kernel::close(file);
    into.get(..got.ok()?)
}

/// Splits at spaces; a word that is no number counts as 0.
fn numbers(bytes: &[u8], into: &mut [u64]) {
    let words = bytes.split(|byte| byte.is_ascii_whitespace()).filter(|word| !word.is_empty());
    for (place, word) in into.iter_mut().zip(words) {
        *place = word
            .iter()
            .try_fold(0u64, |sum, byte| {
                byte.is_ascii_digit()
                    .then(|| sum.wrapping_mul(10).wrapping_add(u64::from(byte - b'0')))
            })
            .unwrap_or(0);
    }
}

/// The names in a folder as the kernel packs them, without `.` and `..`.
fn names(mut entries: &[u8]) -> impl Iterator<Item = &[u8]> {
    core::iter::from_fn(move || {
        loop {
            // Inode, offset, length of the record, kind, name with its zero.
            let length = usize::from(u16::from_le_bytes([*entries.get(16)?, *entries.get(17)?]));
            let (record, rest) = entries.split_at_checked(length.max(1))?;
            entries = rest;
            let name = record.get(19..)?.split(|byte| *byte == 0).next()?;
            if name != b"." && name != b".." {
                return Some(name);
            }
        }
    })
}

/// Bytes and files below a folder; what cannot be read counts as nothing.
fn measure_tree(folder: Fd, depth: u32) -> (u64, u64) {
    let (mut bytes, mut files) = (0u64, 0u64);
    let Ok(own) = kernel::open(folder, c".", 0o2_200_000, 0) else { return (0, 0) };
    let own = own as Fd;
    let mut entries = [0u8; 1024];
    while let Ok(got) = kernel::list(own, &mut entries) {
        if got == 0 {
            break;
        }
        for name in names(&entries[..got]) {
            files += 1;
            let path = Path::new().text(name);
            // O_PATH | O_NOFOLLOW | O_CLOEXEC.
            let Ok(entry) = kernel::open(own, path.as_c(), 0o12_400_000, 0) else { continue };
            let (mode, length) = kernel::stat(entry as Fd).unwrap_or((0, 0));
            bytes += length;
            if mode & 0o170_000 == 0o040_000 && depth < 1000 {
                let (more_bytes, more_files) = measure_tree(entry as Fd, depth + 1);
                bytes += more_bytes;
                files += more_files;
            }
            kernel::close(entry as Fd);
        }
    }
    kernel::close(own);
    (bytes, files)
}

/// A short path, put together.
struct Path {
    bytes: [u8; 288],
    length: usize,
}

impl Path {
    fn new() -> Self {
        Self { bytes: [0; 288], length: 0 }
    }

    fn text(mut self, text: &[u8]) -> Self {
        for byte in text {
            // A name has at most 255 bytes, and the last byte stays zero.
            if self.length + 1 < self.bytes.len() {
                self.bytes[self.length] = *byte;
                self.length += 1;
            }
        }
        self
    }

    fn process(self, pid: Option<u32>) -> Self {
        let Some(pid) = pid else { return self.text(b"self") };
        let mut digits = [0u8; 10];
        let mut first = digits.len();
        let mut rest = pid;
        loop {
            first -= 1;
            digits[first] = b'0' + (rest % 10) as u8;
            rest /= 10;
            if rest == 0 {
                return self.text(&digits[first..]);
            }
        }
    }

    fn as_c(&self) -> &CStr {
        CStr::from_bytes_until_nul(&self.bytes).unwrap_or(c"")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn fields_are_counted_and_words_are_zero() {
        let mut fields = [9; 4];
        numbers(b" S 12  7\n", &mut fields);
        assert_eq!(fields, [0, 12, 7, 9]);
    }

    #[test]
    fn this_process_can_be_looked_at() {
        let proc = open_proc();
        let seen =
            look_at(proc, std::process::id() as i32).expect("a test runs on Linux with /proc");
        assert!(seen.threads >= 1 && seen.memory > 0);
        kernel::close(proc);
    }

    proptest! {
        #[test]
        fn any_bytes_make_names_without_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            prop_assert!(names(&bytes).count() <= bytes.len());
        }
    }
}
