//! The strongest backend: namespaces, a root of its own, Landlock, seccomp and control groups, by the
//! helper alone and without any other program.
//!
//! A slot keeps a few prepared helpers, one per root, so that a job costs a fork and a few mounts. As
//! root, programs run as users that own nothing (200000 and up, one per slot); as an ordinary user, as
//! that user inside a user namespace. Next: `supervise.rs`; what the helper does is in `init/slot.rs`.

use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::process::Child;
use std::sync::Arc;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};

use crate::cgroup::Cgroups;
use crate::message::{receive_report, send_fds};
use crate::plan::{Identity, Loaded, Place, sealed_file, slot_plan};
use crate::supervise::{Seat, failed, setup_error};
use crate::wire::flags;
use crate::{
    Backend, Capabilities, CgroupControl, Infra, Job, Outcome, Root, Slot, Tier, Unavailable,
    affinity, embedded,
};

/// The first user that programs of a root supervisor are; slots count up from here.
pub(crate) const FIRST_OUTER_ID: u32 = 200_000;

/// Prepared helpers that one slot keeps, for as many different roots.
const KEPT: usize = 4;

/// Jobs after which a helper is replaced by a fresh one.
const JOBS_PER_HELPER: u32 = 1000;

/// How long preparing a helper may take.
const PATIENCE: Duration = Duration::from_secs(20);

/// The native backend. See the module.
pub struct Native {
    cgroups: Arc<Cgroups>,
    without: u32,
}

impl Native {
    /// Looks for control groups; everything else shows when a slot is opened.
    pub fn new() -> Self {
        Self { cgroups: Arc::new(Cgroups::find()), without: 0 }
    }

    /// For `controls.rs`.
    #[cfg(feature = "controls")]
    pub(crate) fn weakened(without: u32, cgroups: bool) -> Self {
        let cgroups = if cgroups { Cgroups::find() } else { Cgroups::none() };
        Self { cgroups: Arc::new(cgroups), without }
    }
}

impl Default for Native {
    fn default() -> Self {
        Self::new()
    }
}

impl Backend for Native {
    fn name(&self) -> &'static str {
        "native"
    }

    fn tier(&self) -> Tier {
        Tier::Full
    }

    fn probe(&self) -> Result<Capabilities, Unavailable> {
        let capabilities = capabilities(&self.cgroups)?;
        let mut slot = NativeSlot::new(Arc::clone(&self.cgroups), 0, self.without, &capabilities);
        match slot.helper(&Arc::new(Root::default()), false, None) {
            Ok(_) => Ok(capabilities),
            Err(error) => Err(Unavailable {
                reason: error.to_string(),
                mend: error.hint().unwrap_or("see docs/concepts/threat-model.md"),
            }),
        }
    }

    fn open_slot(&self, index: u32) -> Result<Box<dyn Slot>, Infra> {
        let capabilities = capabilities(&self.cgroups)
            .map_err(|error| Infra::Unsupported { backend: "native", problem: error.reason })?;
        let cgroups = Arc::clone(&self.cgroups);
        Ok(Box::new(NativeSlot::new(cgroups, index, self.without, &capabilities)))
    }
}

/// What the kernel gives to every backend; Landlock is needed by all.
pub(crate) fn capabilities(cgroups: &Cgroups) -> Result<Capabilities, Unavailable> {
    let landlock_abi = embedded::landlock_abi().map_err(|error| Unavailable {
        reason: error.to_string(),
        mend: "allow executing memory files (`sysctl vm.memfd_noexec=0`) and mount /proc",
    })?;
    if landlock_abi == 0 {
        return Err(Unavailable {
            reason: "the kernel has no Landlock".to_owned(),
            mend: "use Linux 5.13 or later with `landlock` in the `lsm=` list of its command line",
        });
    }
    Ok(Capabilities {
        landlock_abi,
        memory: cgroups.control("memory"),
        processes: cgroups.control("pids"),
        cpu: cgroups.control("cpuacct"),
        policy: embedded::policy_digest(),
    })
}

/// One job at a time.
struct NativeSlot {
    cgroups: Arc<Cgroups>,
    index: u32,
    without: u32,
    landlock_abi: u32,
    watched: bool,
    limit_memory: bool,
    limit_processes: bool,
    /// Most recently used last.
    helpers: Vec<Helper>,
    /// Programs that could not be loaded ahead.
    refused: Vec<PathBuf>,
}

/// A prepared helper.
struct Helper {
    root: Arc<Root>,
    proc: bool,
    loaded: Option<Loaded>,
    socket: OwnedFd,
    child: Child,
    jobs: u32,
    /// For the next job, made while the one before ran.
    seat: Option<Seat>,
}

impl Drop for Helper {
    fn drop(&mut self) {
        // Process 1 of the slot's namespace dies with it, and everything below with that.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl NativeSlot {
    fn new(cgroups: Arc<Cgroups>, index: u32, without: u32, found: &Capabilities) -> Self {
        let limit_memory = found.memory == CgroupControl::Watched;
        let limit_processes = found.processes == CgroupControl::Watched;
        let uncounted = limit_memory || limit_processes || found.cpu == CgroupControl::Watched;
        // A control without the namespace has no `/proc` to watch through.
        let watched = uncounted && without & crate::wire::without::PROCESSES == 0;
        Self {
            cgroups,
            index,
            without,
            landlock_abi: found.landlock_abi,
            watched,
            limit_memory,
            limit_processes,
            helpers: Vec::new(),
            refused: Vec::new(),
        }
    }

    /// The prepared helper for a root and a program to load ahead, made if there is none.
    fn helper(
        &mut self,
        root: &Arc<Root>,
        proc: bool,
        loaded: Option<&Loaded>,
    ) -> Result<&mut Helper, Infra> {
        let proc = proc || self.watched;
        let fits = |helper: &Helper| {
            helper.proc == proc
                && helper.loaded.as_ref() == loaded
                && (Arc::ptr_eq(&helper.root, root) || helper.root == *root)
        };
        let mut helper = match self.helpers.iter().position(fits) {
            Some(index) => self.helpers.remove(index),
            None => self.start(root, proc, loaded)?,
        };
        if helper.jobs >= JOBS_PER_HELPER {
            helper = self.start(root, proc, loaded)?;
        }
        if self.helpers.len() >= KEPT {
            self.helpers.remove(0);
        }
        self.helpers.push(helper);
        Ok(self.helpers.last_mut().expect("one was just pushed"))
    }

    /// What to load ahead for a job, if that is asked for and has not been refused.
    fn load_ahead(&mut self, job: &Job) -> Option<Loaded> {
        if !job.load_ahead || self.refused.contains(&job.program) {
            return None;
        }
        let loaded = Loaded { program: job.program.clone(), env: job.env.clone() };
        if self.helper(&job.root, job.proc, Some(&loaded)).is_err() {
            // Whatever the reason, executing it can still be tried.
            self.refused.push(job.program.clone());
            return None;
        }
        Some(loaded)
    }

    fn start(
        &self,
        root: &Arc<Root>,
        proc: bool,
        loaded: Option<&Loaded>,
    ) -> Result<Helper, Infra> {
        let (socket, theirs) =
            socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)
                .map_err(failed("make a socket"))?;
        let uid = rustix::process::geteuid();
        let identity = if uid.is_root() {
            let outer = FIRST_OUTER_ID + self.index;
            Identity { as_root: true, uid: outer, gid: outer }
        } else {
            let gid = rustix::process::getegid();
            Identity { as_root: false, uid: uid.as_raw(), gid: gid.as_raw() }
        };
        let plan = slot_plan(root, identity, proc, self.without, loaded);
        let plan = sealed_file("slot-plan", &plan)?;
        let child = embedded::start("slot", theirs)?;
        let (root, loaded) = (Arc::clone(root), loaded.cloned());
        let helper = Helper { root, proc, loaded, socket, child, jobs: 0, seat: None };
        send_fds(&helper.socket, [1, 0], &[std::os::fd::AsFd::as_fd(&plan)])?;
        let mut polled = [PollFd::new(&helper.socket, PollFlags::IN)];
        let timeout = Timespec { tv_sec: PATIENCE.as_secs() as i64, tv_nsec: 0 };
        if !matches!(poll(&mut polled, Some(&timeout)), Ok(1)) {
            return Err(Infra::NoReport("it was not ready in time".to_owned()));
        }
        match receive_report(&helper.socket)? {
            Some(ready) if ready.report.stage == 0 => Ok(helper),
            Some(ready) => Err(setup_error(&ready.report, &Job::new(&helper.root, "/"))),
            None => Err(Infra::NoReport("its slot ended while it was prepared".to_owned())),
        }
    }
}

impl Slot for NativeSlot {
    fn run(&mut self, job: &Job) -> Result<Outcome, Infra> {
        let slot_proc = job.proc || self.watched;
        let mut place_flags = flags::NATIVE;
        if slot_proc {
            place_flags |= flags::SLOT_PROC;
        }
        if self.watched {
            place_flags |= flags::WATCH;
        }
        let place = Place {
            flags: place_flags,
            without: self.without,
            work: PathBuf::from("/box"),
            input: PathBuf::from("/in"),
            landlock_abi: self.landlock_abi,
            identity: 0,
            affinity: affinity::mask(self.index, job.limits.cpus),
            limit_memory: self.limit_memory,
            // The slot, process 1 of this job, of the next and of those before, the process of the next,
            // the outer helper; and some more, so that the watcher sees the limit passed before the
            // kernel refuses.
            limit_processes: self.limit_processes.then_some(10),
        };
        let cgroups = Arc::clone(&self.cgroups);
        let words = [self.without as u8, (self.without >> 8) as u8];
        let loaded = self.load_ahead(job);
        let helper = self.helper(&job.root, job.proc, loaded.as_ref())?;
        helper.jobs += 1;
        let Helper { socket, seat, jobs, .. } = helper;
        let make = || Seat::make(&cgroups, |fds| send_fds(socket, words, fds));
        let taken = seat.take().map_or_else(make, Ok);
        // A helper that had one job may never get another. What goes wrong with the next seat shows when
        // it is needed.
        let again = *jobs > 1;
        let meanwhile = || *seat = again.then(make).and_then(Result::ok);
        let outcome = taken.and_then(|taken| taken.run(job, &place, meanwhile));
        if outcome.is_err() {
            // Whatever is wrong with this helper goes with it.
            self.helpers.pop();
        }
        outcome.map(|outcome| Outcome { loaded_ahead: loaded.is_some(), ..outcome })
    }
}
