//! Runs one job from outside: hands it to a helper, reads its streams, keeps its limits, takes its
//! report.
//!
//! The same for every backend; they differ in how the helper got to where it is. One thread, one loop,
//! no thread per stream. Next: `native.rs`, which prepares helpers ahead.

use std::fs::File;
use std::io::Read;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::net::{AddressFamily, Shutdown, SocketFlags, SocketType, shutdown, socketpair};
use rustix::pipe::{PipeFlags, pipe_with};

use crate::cgroup::{Cgroups, Counted, JobGroups};
use crate::message::{Received, receive_report, send_fds};
use crate::plan::{Place, job_plan, sealed_file};
use crate::wire::{Report, Step, reason};
use crate::{Captured, Ended, Infra, Job, Outcome, TakenFile, Usage, filter};

/// How long the helper may take to answer once it was asked to stop, or should have stopped by itself.
const GRACE: Duration = Duration::from_secs(10);

/// Runs a job. `deliver` sends descriptors (the job's, in the order of `init/job.rs`) to the helper.
pub(crate) fn supervise(
    job: &Job,
    place: &Place,
    cgroups: &Arc<Cgroups>,
    deliver: impl FnOnce(&[BorrowedFd<'_>]) -> Result<(), Infra>,
) -> Result<Outcome, Infra> {
    let (mut ends, streams) = prepare(job, place)?;
    let groups = cgroups.make()?;
    groups.set_limits(&job.limits)?;
    let (socket, theirs) = socket()?;
    ends.insert(1, theirs);
    ends.extend(groups.entrances()?);
    let borrowed: Vec<BorrowedFd<'_>> = ends.iter().map(AsFd::as_fd).collect();
    deliver(&borrowed)?;
    drop(ends);
    Run::new(job, socket, streams, groups).finish()
}

/// A place for one job that waits for it: process 1, and the process that will be the program, which is
/// in its control groups already.
pub(crate) struct Seat {
    socket: OwnedFd,
    groups: JobGroups,
}

impl Seat {
    /// Makes one. `deliver` sends the descriptors of the job's socket and of its groups.
    pub(crate) fn make(
        cgroups: &Arc<Cgroups>,
        deliver: impl FnOnce(&[BorrowedFd<'_>]) -> Result<(), Infra>,
    ) -> Result<Self, Infra> {
        let groups = cgroups.make()?;
        let (socket, theirs) = socket()?;
        let mut ends = vec![theirs];
        ends.extend(groups.entrances()?);
        let borrowed: Vec<BorrowedFd<'_>> = ends.iter().map(AsFd::as_fd).collect();
        deliver(&borrowed)?;
        Ok(Self { socket, groups })
    }

    /// Runs a job in it. `meanwhile` is done as soon as the job is on its way.
    pub(crate) fn run(
        self,
        job: &Job,
        place: &Place,
        meanwhile: impl FnOnce(),
    ) -> Result<Outcome, Infra> {
        let (ends, streams) = prepare(job, place)?;
        self.groups.set_limits(&job.limits)?;
        let borrowed: Vec<BorrowedFd<'_>> = ends.iter().map(AsFd::as_fd).collect();
        send_fds(&self.socket, [0, 0], &borrowed)?;
        drop(ends);
        let run = Run::new(job, self.socket, streams, self.groups);
        meanwhile();
        run.finish()
    }
}

/// What a job needs besides its socket and groups: the helper's descriptors and our own.
fn prepare(job: &Job, place: &Place) -> Result<(Vec<OwnedFd>, Vec<Stream>), Infra> {
    let plan = sealed_file("job-plan", &job_plan(job, place, filter::filters()))?;
    let stdin = sealed_file("stdin", &job.stdin)?;
    let (stdout, stdout_end) = pipe()?;
    let (stderr, stderr_end) = pipe()?;
    let mut ends = vec![plan, stdin, stdout_end, stderr_end];
    let limits = &job.limits;
    let mut streams = vec![
        Stream::new(stdout, limits.output_kept_bytes),
        Stream::new(stderr, limits.output_kept_bytes),
    ];
    if let Some(channel) = &job.channel {
        let (secret, secret_end) = pipe_with(PipeFlags::CLOEXEC).map_err(failed("make a pipe"))?;
        // At most a page, so it fits into the pipe.
        rustix::io::write(&secret_end, &channel.secret).map_err(failed("write a secret"))?;
        let (report, report_end) = pipe()?;
        streams.push(Stream::new(report, channel.report_max_bytes));
        ends.extend([secret, report_end]);
    }
    Ok((ends, streams))
}

fn socket() -> Result<(OwnedFd, OwnedFd), Infra> {
    socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)
        .map_err(failed("make a socket"))
}

/// A job while it runs.
struct Run<'a> {
    job: &'a Job,
    socket: OwnedFd,
    /// Standard output, standard error, and the report if there is a channel.
    streams: Vec<Stream>,
    groups: JobGroups,
    /// Why the helper was asked to stop.
    stopped: Option<Ended>,
    started: Instant,
    /// When the helper must have answered.
    deadline: Instant,
}

/// A stream being read.
struct Stream {
    pipe: Option<File>,
    kept: Captured,
    room: usize,
}

impl Stream {
    fn new(pipe: OwnedFd, room: usize) -> Self {
        Self { pipe: Some(pipe.into()), kept: Captured::default(), room }
    }

    /// Reads what is there, without waiting.
    fn drain(&mut self, buffer: &mut [u8]) {
        while let Some(pipe) = &mut self.pipe {
            match pipe.read(buffer) {
                Ok(0) => self.pipe = None,
                Ok(got) => {
                    self.kept.total_bytes += got as u64;
                    let room = self.room.saturating_sub(self.kept.bytes.len());
                    self.kept.bytes.extend(&buffer[..got.min(room)]);
                    if got < buffer.len() {
                        return;
                    }
                }
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => return,
                Err(_) => self.pipe = None,
            }
        }
    }
}

impl<'a> Run<'a> {
    fn new(job: &'a Job, socket: OwnedFd, streams: Vec<Stream>, groups: JobGroups) -> Self {
        Self {
            job,
            socket,
            streams,
            groups,
            stopped: None,
            started: Instant::now(),
            deadline: Instant::now() + job.limits.wall_time + GRACE,
        }
    }

    fn finish(mut self) -> Result<Outcome, Infra> {
        let received = self.wait()?;
        self.conclude(received)
    }

    /// Reads streams and keeps limits until the helper has reported.
    fn wait(&mut self) -> Result<Option<Received>, Infra> {
        let mut buffer = vec![0u8; 64 << 10];
        // It has used nothing yet.
        let counted = self.groups.counts_cpu_time().then_some(Duration::ZERO);
        let mut next_look = self.started + self.until_next_look(counted);
        loop {
            let now = Instant::now();
            if now >= self.deadline {
                return Err(Infra::NoReport("it did not answer in time".to_owned()));
            }
            let until = self.deadline.min(next_look).saturating_duration_since(now);
            let (reported, readable) = self.poll(until)?;
            for index in readable {
                self.streams[index].drain(&mut buffer);
            }
            if reported {
                let received = receive_report(&self.socket);
                for stream in &mut self.streams {
                    stream.drain(&mut buffer);
                }
                return received;
            }
            let written: u64 = self.streams.iter().take(2).map(|s| s.kept.total_bytes).sum();
            if written > self.job.limits.output_max_bytes {
                self.stop(Ended::Output);
            }
            if Instant::now() >= next_look {
                let used = self.groups.cpu_time();
                if used.is_some_and(|used| used >= self.job.limits.cpu_time) {
                    self.stop(Ended::CpuTime);
                }
                next_look = Instant::now() + self.until_next_look(used);
            }
        }
    }

    /// The limit of processor time cannot be met sooner than this.
    fn until_next_look(&self, used: Option<Duration>) -> Duration {
        let Some(used) = used else { return GRACE };
        let left = self.job.limits.cpu_time.saturating_sub(used);
        (left / self.job.limits.cpus.max(1)).max(Duration::from_millis(2))
    }

    /// Asks the helper to end the job, once.
    fn stop(&mut self, why: Ended) {
        if self.stopped.is_none() {
            self.stopped = Some(why);
            self.deadline = Instant::now() + GRACE;
            // If it has gone already, its report is on the way.
            let _ = shutdown(&self.socket, Shutdown::Write);
        }
    }

    /// Waits: whether there is a report, and which streams can be read.
    fn poll(&self, timeout: Duration) -> Result<(bool, Vec<usize>), Infra> {
        let timeout =
            Timespec { tv_sec: timeout.as_secs() as i64, tv_nsec: timeout.subsec_nanos().into() };
        let mut polled = vec![PollFd::new(&self.socket, PollFlags::IN)];
        let mut indices = Vec::new();
        for (index, stream) in self.streams.iter().enumerate() {
            if let Some(pipe) = &stream.pipe {
                polled.push(PollFd::new(pipe, PollFlags::IN));
                indices.push(index);
            }
        }
        match poll(&mut polled, Some(&timeout)) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(errno) => return Err(failed("wait for a job")(errno)),
        }
        let reported = !polled[0].revents().is_empty();
        let ready = polled[1..].iter().zip(indices).filter(|(fd, _)| !fd.revents().is_empty());
        Ok((reported, ready.map(|(_, index)| index).collect()))
    }

    /// Makes the outcome from all that is known.
    fn conclude(mut self, received: Option<Received>) -> Result<Outcome, Infra> {
        let counted = self.groups.counted();
        let report = received.as_ref().map(|received| received.report).unwrap_or_default();
        if received.is_none() && counted.memory_kills == 0 {
            return Err(Infra::NoReport("its process 1 ended".to_owned()));
        }
        if report.stage != 0 {
            return Err(setup_error(&report, self.job));
        }
        let ended = self.ended(&report, received.is_some(), &counted);
        let files = match received {
            Some(received) => received.take_files(&self.job.outputs),
            None => Vec::new(),
        };
        let mut taken: Vec<TakenFile> = files;
        taken.resize(self.job.outputs.len(), TakenFile::Missing);
        let watched = |value: u64| (value > 0).then_some(value);
        // The groups know the sum exactly; how it divides, only those who waited for the processes.
        let mut cpu_user = Duration::from_micros(report.user_micros);
        let mut cpu_system = Duration::from_micros(report.system_micros);
        if let Some(all) = counted.cpu {
            cpu_user = cpu_user.min(all);
            cpu_system = all - cpu_user;
        }
        let usage = Usage {
            cpu_user,
            cpu_system,
            wall: match report.wall_micros {
                0 => self.started.elapsed(),
                micros => Duration::from_micros(micros),
            },
            peak_memory_bytes: counted.peak_memory.or(watched(report.peak_memory)),
            peak_processes: counted
                .peak_processes
                .or(watched(report.peak_processes))
                .and_then(|count| u32::try_from(count).ok()),
            peak_work_bytes: Some(report.peak_work),
        };
        let report = if self.streams.len() > 2 { self.streams.pop() } else { None };
        let report = report.map(|stream| stream.kept).unwrap_or_default();
        let stderr = self.streams.pop().map(|stream| stream.kept).unwrap_or_default();
        let stdout = self.streams.pop().map(|stream| stream.kept).unwrap_or_default();
        let paths = self.job.outputs.iter().map(|file| file.path.clone());
        Ok(Outcome {
            ended,
            stdout,
            stderr,
            files: paths.zip(taken).collect(),
            report_cut: report.is_cut(),
            report: report.bytes,
            loaded_ahead: false,
            usage,
        })
    }

    /// Limits before the exit status, and what the kernel counted before what was seen.
    fn ended(&self, report: &Report, reported: bool, counted: &Counted) -> Ended {
        if counted.memory_kills > 0 || !reported {
            return Ended::Memory;
        }
        if let Some(why) = self.stopped {
            return why;
        }
        match report.reason {
            reason::WALL => return Ended::WallTime,
            reason::CPU => return Ended::CpuTime,
            reason::MEMORY => return Ended::Memory,
            reason::PROCESSES => return Ended::Processes,
            reason::DISK => return Ended::Disk,
            reason::FILES => return Ended::Files,
            // Asked to stop by somebody who is gone.
            reason::STOPPED => return Ended::Signalled(libc::SIGKILL),
            other => debug_assert_eq!(other, reason::ENDED, "an unknown reason"),
        }
        if counted.refused_forks > 0 {
            return Ended::Processes;
        }
        let written: u64 = self.streams.iter().take(2).map(|s| s.kept.total_bytes).sum();
        if written > self.job.limits.output_max_bytes {
            return Ended::Output;
        }
        let status = ExitStatus::from_raw(report.status as i32);
        match (status.code(), status.signal()) {
            (Some(code), _) => Ended::Exited(code),
            (_, Some(libc::SIGXCPU)) => Ended::CpuTime,
            (_, Some(libc::SIGXFSZ)) => Ended::Disk,
            (_, signal) => Ended::Signalled(signal.unwrap_or_default()),
        }
    }
}

/// The error of a report that says that a step failed.
pub(crate) fn setup_error(report: &Report, job: &Job) -> Infra {
    let source = std::io::Error::from_raw_os_error(report.errno as i32);
    if report.stage == Step::Execute as u32 {
        return Infra::CannotStart { program: job.program.clone(), source };
    }
    let step = crate::wire::STEPS.get(report.stage as usize).map_or("an unknown step", |(_, s)| s);
    let path = if report.stage == Step::Mount as u32 || report.stage == Step::MountAttributes as u32
    {
        job.root.mounts.get(report.index as usize).map(|mount| mount.host.clone())
    } else if report.stage == Step::InputFile as u32 {
        job.inputs.get(report.index as usize).map(|file| file.path.clone())
    } else {
        None
    };
    Infra::Setup { step, path, source }
}

/// Names what failed.
pub(crate) fn failed(action: &'static str) -> impl Fn(Errno) -> Infra {
    move |errno| Infra::Supervisor { action, source: errno.into() }
}

/// A pipe whose reading end does not wait.
fn pipe() -> Result<(OwnedFd, OwnedFd), Infra> {
    let (read, write) = pipe_with(PipeFlags::CLOEXEC).map_err(failed("make a pipe"))?;
    rustix::io::ioctl_fionbio(&read, true).map_err(failed("make a pipe"))?;
    Ok((read, write))
}
