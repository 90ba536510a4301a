//! What the supervisor and the helper say to each other: numbers and layout, shared by both sides.
//!
//! Plans go in as one sealed memory file each, read front to back by `reader.rs` (the writer is
//! `plan.rs`); a [`Report`] comes back as one message. Both sides come from one build, so there are no
//! versions; a plan that does not read to its end is refused. Next: `job.rs`.

/// First word of a plan for a slot.
pub(crate) const SLOT_MAGIC: u32 = 0x5153_4753;
/// First word of a plan for a job.
pub(crate) const JOB_MAGIC: u32 = 0x4a53_4753;
/// First word of a report.
pub(crate) const REPORT_MAGIC: u32 = 0x5253_4753;

/// The identity that programs have inside.
pub(crate) const INNER_ID: u32 = 1000;

/// Flags of a job.
pub(crate) mod flags {
    /// The helper is process 1 of the job's own namespaces and mounts its folders.
    pub(crate) const NATIVE: u32 = 1;
    /// `/proc` is wanted.
    pub(crate) const PROC: u32 = 1 << 1;
    /// Files in `/box` may be executed.
    pub(crate) const WORK_EXECUTABLE: u32 = 1 << 2;
    /// There are files for `/in`.
    pub(crate) const INPUT_FOLDER: u32 = 1 << 3;
    /// The pipes of descriptors 3 and 4 are there.
    pub(crate) const CHANNEL: u32 = 1 << 4;
    /// Nobody else counts processor time, memory and processes.
    pub(crate) const WATCH: u32 = 1 << 5;
    /// The helper is not process 1 and must find its descendants by their parents.
    pub(crate) const SUBREAPER: u32 = 1 << 6;
    /// The slot has a `/proc` of its own, which a job that does not want it must not see.
    pub(crate) const SLOT_PROC: u32 = 1 << 7;
    /// Measure the folder tree of `/box`: no file system of its own limits it, or not the number of
    /// its files.
    pub(crate) const MEASURE_WORK: u32 = 1 << 8;
}

/// Layers that a control may take away.
pub(crate) mod without {
    /// No network namespace.
    pub(crate) const NETWORK: u32 = 1;
    /// No Landlock rules.
    pub(crate) const LANDLOCK: u32 = 1 << 1;
    /// No filter of system calls.
    pub(crate) const SECCOMP: u32 = 1 << 2;
    /// No process namespace: the machine's processes are seen.
    pub(crate) const PROCESSES: u32 = 1 << 3;
    /// Mounts stay writable.
    pub(crate) const READ_ONLY: u32 = 1 << 4;
    /// All of `/proc`, not only processes.
    pub(crate) const PROC_SUBSET: u32 = 1 << 7;
    /// Descendants are not killed at the end.
    pub(crate) const KILL: u32 = 1 << 8;
    /// One IPC namespace for all jobs of a slot.
    pub(crate) const IPC: u32 = 1 << 9;
    /// No resource limits of the process kind.
    pub(crate) const RLIMITS: u32 = 1 << 10;
}

/// The step that failed, for [`Report::stage`]. The order is that of [`STEPS`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u32)]
pub(crate) enum Step {
    /// Nothing failed.
    None,
    ReadPlan,
    UserNamespace,
    IdentityMap,
    Namespaces,
    NewRoot,
    Mount,
    MountAttributes,
    MakeFile,
    Device,
    Proc,
    Pivot,
    ChangeUser,
    StartInit,
    JoinCgroup,
    WorkFolder,
    InputFile,
    StartProgram,
    Descriptors,
    Limits,
    Capabilities,
    Landlock,
    Seccomp,
    Execute,
    LoadAhead,
}

/// What each [`Step`] was doing, as a clause.
pub(crate) const STEPS: [(Step, &str); 25] = [
    (Step::None, "nothing"),
    (Step::ReadPlan, "reading its plan"),
    (Step::UserNamespace, "making a user namespace"),
    (Step::IdentityMap, "mapping the user of its namespace"),
    (Step::Namespaces, "making namespaces"),
    (Step::NewRoot, "mounting a new root"),
    (Step::Mount, "mounting"),
    (Step::MountAttributes, "making a mount read-only"),
    (Step::MakeFile, "making a file or folder of the root"),
    (Step::Device, "mounting a device"),
    (Step::Proc, "mounting proc"),
    (Step::Pivot, "moving into the new root"),
    (Step::ChangeUser, "becoming an unprivileged user"),
    (Step::StartInit, "starting process 1"),
    (Step::JoinCgroup, "joining its control group"),
    (Step::WorkFolder, "making the work folder"),
    (Step::InputFile, "writing an input file"),
    (Step::StartProgram, "starting a process"),
    (Step::Descriptors, "arranging descriptors"),
    (Step::Limits, "setting resource limits"),
    (Step::Capabilities, "giving up capabilities"),
    (Step::Landlock, "applying Landlock"),
    (Step::Seccomp, "applying seccomp"),
    (Step::Execute, "executing the program"),
    (Step::LoadAhead, "loading the program ahead"),
];

/// Why the helper ended a program.
pub(crate) mod reason {
    /// It ended by itself.
    pub(crate) const ENDED: u32 = 0;
    pub(crate) const WALL: u32 = 1;
    pub(crate) const CPU: u32 = 2;
    pub(crate) const MEMORY: u32 = 3;
    pub(crate) const PROCESSES: u32 = 4;
    /// The supervisor asked.
    pub(crate) const STOPPED: u32 = 5;
    pub(crate) const DISK: u32 = 6;
    pub(crate) const FILES: u32 = 7;
}

/// What became of an output file.
pub(crate) mod taken {
    /// Its descriptor comes along.
    pub(crate) const FILE: u64 = u64::MAX;
    pub(crate) const MISSING: u64 = u64::MAX - 1;
    pub(crate) const NOT_A_FILE: u64 = u64::MAX - 2;
    // Any other value is the length of a file that is too large.
}

/// Words of a report before the words of its files.
pub(crate) const REPORT_WORDS: usize = 12;

/// How a job went, as told by the helper.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Report {
    /// The step that failed, or 0.
    pub(crate) stage: u32,
    /// The error of that step.
    pub(crate) errno: u32,
    /// Which of several (mounts, files) failed.
    pub(crate) index: u32,
    /// As `wait` gives it.
    pub(crate) status: u32,
    /// One of [`reason`].
    pub(crate) reason: u32,
    pub(crate) user_micros: u64,
    pub(crate) system_micros: u64,
    pub(crate) wall_micros: u64,
    /// 0 if not watched.
    pub(crate) peak_memory: u64,
    /// 0 if not watched.
    pub(crate) peak_processes: u64,
    pub(crate) peak_work: u64,
    pub(crate) files: u32,
}
