//! Process 1 of one job: makes its folders, starts the program, waits, kills what is left, reports.
//!
//! The program cannot harm this process (it is of the same user but process 1 of their namespace,
//! undumpable, and signals from below do not reach it), so what it reports is what happened. When the
//! supervisor goes away its socket closes, and everything here ends. The program's own side, from fork
//! to execution, is `program.rs`.

use core::ffi::CStr;

use crate::init::kernel::{self, AT_FDCWD, Fd, MAX_FDS, Words};
use crate::init::reader::Reader;
use crate::init::root::make_parents;
use crate::init::slot::{Failed, at};
use crate::init::wire::{
    JOB_MAGIC, REPORT_MAGIC, REPORT_WORDS, Report, STEPS, Step, flags, reason, without,
};
use crate::init::{collect, program, watch};

/// The order of the descriptors that come with a job; after these the pipes of the channel, if there
/// is one, and then the control groups to join.
pub(crate) const PLAN: usize = 0;
pub(crate) const SOCKET: usize = 1;
pub(crate) const STDIN: usize = 2;
pub(crate) const STDOUT: usize = 3;
pub(crate) const STDERR: usize = 4;
/// As many at least.
pub(crate) const LEAST_FDS: usize = 5;

/// The part of a plan that both sides of the fork need.
pub(crate) struct JobPlan<'a> {
    pub(crate) flags: u32,
    pub(crate) without: u32,
    /// Who to become first, if still root; else 0.
    identity: u32,
    wall_micros: u64,
    pub(crate) watched: watch::Limits,
    pub(crate) work_bytes: u64,
    pub(crate) work_files: u64,
    /// Where `/box` is.
    pub(crate) work: &'a CStr,
    /// What `program.rs` reads.
    pub(crate) program: Reader<'a>,
    inputs: Reader<'a>,
    outputs: Reader<'a>,
}

impl<'a> JobPlan<'a> {
    pub(crate) fn read(plan: &'a [u8]) -> Option<Self> {
        let mut reader = Reader::new(plan);
        if reader.word()? != JOB_MAGIC {
            return None;
        }
        let plan = Self {
            flags: reader.word()?,
            without: reader.word()?,
            identity: reader.word()?,
            wall_micros: reader.long()?,
            watched: watch::Limits {
                cpu_micros: reader.long()?,
                memory_bytes: reader.long()?,
                processes: reader.long()?,
            },
            work_bytes: reader.long()?,
            work_files: reader.long()?,
            work: reader.text()?,
            program: Reader::new(reader.block()?),
            inputs: Reader::new(reader.block()?),
            outputs: Reader::new(reader.block()?),
        };
        reader.is_done().then_some(plan)
    }

    pub(crate) fn has(&self, flag: u32) -> bool {
        self.flags & flag != 0
    }
}

/// Receives one job and runs it, in a place that somebody else made.
pub(crate) fn serve_one(socket: Fd) -> i32 {
    let mut fds = [-1; MAX_FDS];
    let mut message = [0u8; 16];
    let got = kernel::receive(socket, &mut message, &mut fds);
    kernel::close(socket);
    match got {
        Ok((_, count)) if count >= LEAST_FDS => run(&fds[..count], None),
        _ => 65,
    }
}

/// Takes a seat: is process 1 of a job that is not there yet, with the process that will be the program
/// in its control groups already, and runs the job that comes over `socket`.
///
/// Joining a group can take a grace period of the kernel (8 ms were measured), so it is done while the
/// job before is running.
pub(crate) fn serve_seat(start: &Start, socket: Fd, groups: &[Fd]) -> i32 {
    become_process_1();
    let seat = fork_program(start, groups);
    for group in groups {
        kernel::close(*group);
    }
    let mut fds = [-1; MAX_FDS];
    let mut message = [0u8; 16];
    match kernel::receive(socket, &mut message, &mut fds) {
        Ok((got, count)) if got > 0 && count + 1 >= LEAST_FDS && count < MAX_FDS => {
            // The socket takes the place that it has among descriptors that come all at once.
            fds.copy_within(SOCKET..count, SOCKET + 1);
            fds[SOCKET] = socket;
            run(&fds[..count + 1], Some(seat))
        }
        _ => 0,
    }
}

/// Ends with its parent, and cannot be looked into.
fn become_process_1() {
    // PR_SET_PDEATHSIG and PR_SET_DUMPABLE.
    let _ = kernel::prctl(1, 9, 0);
    let _ = kernel::prctl(4, 0, 0);
    kernel::set_umask(0o022);
}

/// Runs a job and reports. Everything but the report is over when this returns.
fn run(fds: &[Fd], seat: Option<Result<Waiting, Failed>>) -> i32 {
    let socket = fds[SOCKET];
    let mut report = Report::default();
    let (mut words, mut files) = ([0u64; collect::MAX], [-1; collect::MAX]);
    match run_plan(fds, seat, &mut report, &mut words, &mut files) {
        Ok(()) => {}
        Err(failed) => {
            report.stage = failed.step as u32;
            report.errno = failed.errno as u32;
            report.index = failed.index;
        }
    }
    let count = report.files as usize;
    send_report(socket, &report, &words[..count], &files);
    0
}

/// Sends a report with the words of its files, and those files that are there.
pub(crate) fn send_report(socket: Fd, report: &Report, words: &[u64], files: &[Fd]) {
    let mut bytes = [0u8; 8 * (REPORT_WORDS + collect::MAX)];
    let all = report_words(report);
    for (place, word) in bytes.chunks_exact_mut(8).zip(all.iter().chain(words)) {
        place.copy_from_slice(&word.to_le_bytes());
    }
    let length = 8 * (all.len() + words.len());
    let mut open = [-1; collect::MAX];
    let mut count = 0;
    for fd in files.iter().filter(|fd| **fd >= 0) {
        open[count] = *fd;
        count += 1;
    }
    // If nobody listens any more, nobody needs it.
    let _ = kernel::send(socket, &bytes[..length], &open[..count]);
}

/// The report as words; words of files follow. The library's `message.rs` reads them.
fn report_words(report: &Report) -> [u64; REPORT_WORDS] {
    [
        u64::from(REPORT_MAGIC),
        u64::from(report.stage),
        u64::from(report.errno),
        u64::from(report.index),
        u64::from(report.status),
        u64::from(report.reason),
        report.user_micros,
        report.system_micros,
        report.wall_micros,
        report.peak_memory,
        report.peak_processes & 0xffff | report.peak_work << 16,
        u64::from(report.files),
    ]
}

fn run_plan(
    fds: &[Fd],
    seat: Option<Result<Waiting, Failed>>,
    report: &mut Report,
    words: &mut [u64; collect::MAX],
    files: &mut [Fd; collect::MAX],
) -> Result<(), Failed> {
    if seat.is_none() {
        become_process_1();
    }
    let bytes = at(Step::ReadPlan, kernel::map_file(fds[PLAN]))?;
    let bad = Failed { step: Step::ReadPlan, errno: kernel::EBADMSG, index: 0 };
    let plan = JobPlan::read(bytes).ok_or(bad)?;
    if plan.has(flags::SUBREAPER) {
        at(Step::StartInit, kernel::prctl(36, 1, 0))?;
    }
    if plan.identity != 0 {
        at(Step::ChangeUser, kernel::become_user(plan.identity, plan.identity))?;
        let _ = kernel::prctl(4, 0, 0);
    }
    let channel = if plan.has(flags::CHANNEL) { 2 } else { 0 };
    let mut watch = watch::Watch::open(&plan);
    if plan.has(flags::NATIVE) {
        make_folders(&plan)?;
    }
    if plan.has(flags::SLOT_PROC) && !plan.has(flags::PROC) {
        hide_proc()?;
    }
    let work = at(Step::WorkFolder, kernel::open(AT_FDCWD, plan.work, 0o12_200_000, 0))? as Fd;
    // `/tmp` leads here. Where it does not, it is one folder more.
    let _ = kernel::make_dir(work, c".tmp", 0o755);
    write_inputs(plan.inputs, work)?;
    let seal = plan.has(flags::NATIVE) && plan.has(flags::INPUT_FOLDER);
    if seal && plan.without & without::READ_ONLY == 0 {
        // MS_REMOUNT | MS_BIND | read-only, no suid, no devices.
        at(Step::InputFile, kernel::mount(c"", c"/in", c"", 32 | 4096 | 7, c""))?;
    }
    let waiting = match seat {
        Some(waiting) => waiting?,
        // Behind the streams and the channel come the groups.
        None => fork_program(&Start::EXECUTE, fds.get(LEAST_FDS + channel..).unwrap_or_default())?,
    };
    let start = kernel::now_micros();
    let (main, children) = (waiting.pid, waiting.children);
    start_program(&waiting, fds)?;
    report.status =
        wait_for_end(&plan, fds[SOCKET], children, (main, start), work, &mut watch, report) as u32;
    if plan.without & without::KILL == 0 {
        kill_all(&plan, main);
    }
    let (user, system) = kernel::children_time();
    (report.user_micros, report.system_micros) = (user, system);
    (report.peak_memory, report.peak_processes) = watch.peaks();
    if report.reason == reason::ENDED {
        report.files = collect::collect(plan.outputs, work, words, files);
    }
    Ok(())
}

/// Mounts `/box`, `/in` and `/proc` of this job alone.
fn make_folders(plan: &JobPlan<'_>) -> Result<(), Failed> {
    let no_exec = if plan.has(flags::WORK_EXECUTABLE) { 0 } else { 8 };
    let mut options = Options::new();
    options.add(b"mode=755,huge=never,size=", plan.work_bytes);
    options.add(b",nr_inodes=", plan.work_files);
    let mounted = kernel::mount(c"work", plan.work, c"tmpfs", 2 | 4 | no_exec, options.text());
    at(Step::WorkFolder, mounted)?;
    if plan.has(flags::INPUT_FOLDER) {
        let options = c"mode=755,huge=never,size=1g,nr_inodes=64k";
        at(Step::InputFile, kernel::mount(c"in", c"/in", c"tmpfs", 2 | 4, options))?;
    }
    if plan.has(flags::PROC) {
        let whole = plan.without & without::PROC_SUBSET != 0;
        let options = if whole { c"" } else { c"hidepid=invisible,subset=pid" };
        let read_only = u64::from(plan.without & without::READ_ONLY == 0);
        let flags = read_only | 2 | 4 | 8;
        at(Step::Proc, kernel::mount(c"proc", c"/proc", c"proc", flags, options))?;
    }
    Ok(())
}

/// Lays an empty folder over a `/proc` that is there for the watcher only: in it, a program would find
/// its own descriptors.
fn hide_proc() -> Result<(), Failed> {
    let options = c"mode=000,size=4k,nr_inodes=1";
    at(Step::Proc, kernel::mount(c"none", c"/proc", c"tmpfs", 1 | 2 | 4 | 8, options))?;
    Ok(())
}

/// Mount options, put together.
struct Options {
    bytes: [u8; 128],
    length: usize,
}

impl Options {
    fn new() -> Self {
        Self { bytes: [0; 128], length: 0 }
    }

    fn add(&mut self, name: &[u8], number: u64) {
        for byte in name {
            self.push(*byte);
        }
        let mut divisor = 1;
        while number / divisor >= 10 {
            divisor *= 10;
        }
        while divisor > 0 {
            self.push(b'0' + (number / divisor % 10) as u8);
            divisor /= 10;
        }
    }

    fn push(&mut self, byte: u8) {
        // Room for two names and two numbers of 20 digits, and a zero.
        if self.length + 1 < self.bytes.len() {
            self.bytes[self.length] = byte;
            self.length += 1;
        }
    }

    fn text(&self) -> &CStr {
        CStr::from_bytes_until_nul(&self.bytes).unwrap_or(c"")
    }
}

/// Writes the input files: path, execute bit, bytes each. A relative path is in the work folder.
fn write_inputs(mut inputs: Reader<'_>, work: Fd) -> Result<(), Failed> {
    let mut index = 0;
    while !inputs.is_done() {
        let bad = Failed { step: Step::InputFile, errno: kernel::EBADMSG, index };
        let (path, executable, bytes) = (inputs.text(), inputs.word(), inputs.block());
        let (Some(path), Some(executable), Some(bytes)) = (path, executable, bytes) else {
            return Err(bad);
        };
        let mode = if executable != 0 { 0o755 } else { 0o644 };
        write_input(work, path, mode, bytes).map_err(|errno| Failed {
            step: Step::InputFile,
            errno,
            index,
        })?;
        index += 1;
    }
    Ok(())
}

fn write_input(work: Fd, path: &CStr, mode: u32, bytes: &[u8]) -> Result<(), i32> {
    make_parents(work, path, 0, 0o755)?;
    // O_CREAT | O_EXCL | O_WRONLY | O_NOFOLLOW | O_CLOEXEC.
    let file = kernel::open(work, path, 0o2_400_301, mode)? as Fd;
    let written = kernel::write_all(file, bytes);
    kernel::close(file);
    written
}

/// How a program begins.
pub(crate) struct Start {
    /// Makes the process.
    pub(crate) fork: fn() -> kernel::Answer,
    /// Begins in it; the number of an error if that cannot be. The last argument is the plan, which
    /// holds the words and is of no use any more.
    pub(crate) enter: fn(&CStr, &Words<'_>, &Words<'_>, &'static [u8]) -> i32,
}

impl Start {
    /// By executing it.
    pub(crate) const EXECUTE: Self = Self {
        fork: || kernel::fork(0),
        enter: |program, arguments, variables, _| kernel::execute(program, arguments, variables),
    };
}

/// The process that will be the program: in its control groups, waiting for its descriptors.
struct Waiting {
    pid: i32,
    /// Where it gets them.
    socket: Fd,
    /// Where it says what failed; closes when the program begins.
    status: Fd,
    /// Says that a child ended.
    children: Fd,
}

fn fork_program(start: &Start, groups: &[Fd]) -> Result<Waiting, Failed> {
    let children = at(Step::StartInit, kernel::watch_children())? as Fd;
    let (status, mut status_end) = at(Step::StartProgram, kernel::pipe())?;
    let (socket, socket_end) = at(Step::StartProgram, kernel::socket_pair())?;
    let pid = at(Step::StartProgram, (start.fork)())?;
    if pid == 0 {
        kernel::close(status);
        kernel::close(socket);
        let failed = program::wait_and_become(start, groups, socket_end, &mut status_end);
        let mut said = [0u8; 12];
        said[..4].copy_from_slice(&(failed.step as u32).to_le_bytes());
        said[4..8].copy_from_slice(&failed.errno.to_le_bytes());
        said[8..].copy_from_slice(&failed.index.to_le_bytes());
        let _ = kernel::write_all(status_end, &said);
        kernel::exit(126);
    }
    kernel::close(status_end);
    kernel::close(socket_end);
    Ok(Waiting { pid: pid as i32, socket, status, children })
}

/// Gives the waiting process its descriptors, and waits until the program runs.
fn start_program(waiting: &Waiting, fds: &[Fd]) -> Result<(), Failed> {
    // If it failed before, it says so below.
    let _ = kernel::send(waiting.socket, b"go", fds);
    kernel::close(waiting.socket);
    // Only the program holds the other ends from here on, so that its streams end with it.
    for fd in fds.iter().skip(STDIN) {
        kernel::close(*fd);
    }
    let read_end = waiting.status;
    let mut said = [0u8; 12];
    let mut length = 0;
    loop {
        match kernel::read(read_end, &mut said[length..]) {
            Ok(0) | Err(_) => break,
            Ok(got) => length += got,
        }
        if length == said.len() {
            break;
        }
    }
    kernel::close(read_end);
    if length < said.len() {
        return Ok(());
    }
    let word = |from: usize| {
        u32::from_le_bytes([said[from], said[from + 1], said[from + 2], said[from + 3]])
    };
    let _ = kernel::wait(waiting.pid, true);
    let step = STEPS.get(word(0) as usize).map_or(Step::StartProgram, |(step, _)| *step);
    Err(Failed { step, errno: word(4) as i32, index: word(8) })
}

/// How often room, and if asked processes, are looked at.
const TICK_MICROS: u64 = 20_000;

/// Waits until the program ends, a limit is met, or the supervisor asks to stop; the wait status.
fn wait_for_end(
    plan: &JobPlan<'_>,
    socket: Fd,
    children: Fd,
    (main, start): (i32, u64),
    work: Fd,
    watch: &mut watch::Watch,
    report: &mut Report,
) -> i32 {
    let mut tick = 1000;
    let status = loop {
        let elapsed = kernel::now_micros() - start;
        if elapsed >= plan.wall_micros {
            report.reason = reason::WALL;
            break 0;
        }
        let ready =
            kernel::poll_readable(&[children, socket], tick.min(plan.wall_micros - elapsed));
        tick = (tick * 2).min(TICK_MICROS);
        if ready & 2 != 0 {
            report.reason = reason::STOPPED;
            break 0;
        }
        if ready & 1 != 0 {
            let mut ignored = [0u8; 128];
            let _ = kernel::read(children, &mut ignored);
        }
        let mut ended = None;
        while let Ok((pid, status)) = kernel::wait(-1, false) {
            if pid == 0 {
                break;
            }
            if pid as i32 == main {
                ended = Some(status);
            }
        }
        watch.measure_room(work, report);
        if let Some(status) = ended {
            break status;
        }
        watch.measure_processes(report);
        if report.reason != reason::ENDED {
            break 0;
        }
    };
    report.wall_micros = kernel::now_micros() - start;
    status
}

/// Kills every process of the job and waits for all of them.
fn kill_all(plan: &JobPlan<'_>, main: i32) {
    loop {
        if plan.has(flags::SUBREAPER) {
            watch::for_each_descendant(|pid, _| {
                let _ = kernel::kill(pid, 9);
            });
        } else if kernel::own_pid() == 1 {
            let _ = kernel::kill(-1, 9);
        } else {
            // A control took the namespace away: "all" would be all of the machine.
            let _ = kernel::kill(-main, 9);
        }
        match kernel::wait(-1, true) {
            Ok(_) | Err(kernel::EINTR) => {}
            // No children are left.
            Err(_) => return,
        }
    }
}
