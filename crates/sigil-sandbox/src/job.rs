//! What is to be run: a program, what it gets, what is taken from it, and its limits.
//!
//! Nothing here is checked against the machine; [`Job::problem`] finds what no backend could run.
//! Next: `root.rs` for what the program can see, `outcome.rs` for the answer.

use std::ffi::OsString;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use crate::Root;

/// A program to run once.
///
/// The program starts in `/box`, an empty writable folder that holds only [`Job::inputs`] and is
/// gone afterwards. It has no network, no capabilities, no other environment than [`Job::env`], and
/// sees no file but those of its [`Root`].
#[derive(Clone, Debug)]
pub struct Job {
    /// The files that the program can see. Jobs with an equal root share a prepared slot.
    pub root: Arc<Root>,
    /// The program's path inside; `/in/name` and `/box/name` are input files.
    pub program: PathBuf,
    /// The arguments after the program's name.
    pub args: Vec<OsString>,
    /// The whole environment.
    pub env: Vec<(OsString, OsString)>,
    /// Files that lie there when the program starts.
    pub inputs: Vec<InputFile>,
    /// Files to take out of `/box` when the program has ended by itself.
    pub outputs: Vec<OutputFile>,
    /// What the program reads from its standard input.
    pub stdin: Vec<u8>,
    /// A secret in and a report out, on descriptors that a program's output cannot forge.
    pub channel: Option<Channel>,
    /// Whether `/proc` is there (only the job's own processes, read-only).
    pub proc: bool,
    /// The only files that may be executed, by path inside; `None` allows every file of a mount with
    /// [`crate::Mount::execute`], and `/in`. A dynamically linked program needs its loader listed.
    pub executables: Option<Vec<PathBuf>>,
    /// Whether files that the program itself writes to `/box` may be executed.
    pub work_executable: bool,
    /// Whether the slot may load the program ahead and fork it for each job: its libraries are mapped,
    /// relocated and constructed once, outside the filters but inside the slot's root and namespaces.
    ///
    /// For programs of the root that are trusted as this machine's own and dynamically linked to a C
    /// library. Jobs of one slot then share the layout of the address space. A backend that cannot do
    /// it, or a program that does not allow it, is executed as ever; [`crate::Outcome::loaded_ahead`]
    /// says which it was.
    pub load_ahead: bool,
    /// When to stop it.
    pub limits: Limits,
}

/// A file given to the program.
#[derive(Clone, Debug)]
pub struct InputFile {
    /// Where: below `/box` (writable) or below `/in` (read-only, executable if asked).
    pub path: PathBuf,
    /// The content.
    pub bytes: Arc<[u8]>,
    /// Whether it has the execute bit.
    pub executable: bool,
}

/// A file to take out afterwards.
#[derive(Clone, Debug)]
pub struct OutputFile {
    /// Where: below `/box`. Symbolic links are not followed.
    pub path: PathBuf,
    /// A longer file is not taken.
    pub max_bytes: u64,
}

/// Two pipes besides the standard streams, for a harness that must not be impersonated.
///
/// Descriptor 3 yields [`Channel::secret`] once; bytes written to descriptor 4 come back as
/// [`crate::Outcome::report`]. With [`Job::proc`] off, code that may not use `unsafe` cannot name
/// either one.
#[derive(Clone, Debug)]
pub struct Channel {
    /// What can be read from descriptor 3; at most 4096 bytes.
    pub secret: Vec<u8>,
    /// A longer report is cut, and [`crate::Outcome::report_cut`] says so.
    pub report_max_bytes: usize,
}

/// When a program is stopped. Each limit has its own [`crate::Ended`].
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Limits {
    /// Processor time of all its processes together: the limit that decides, since a busy machine
    /// does not change it.
    pub cpu_time: Duration,
    /// Time on the clock: the backstop for programs that sleep.
    pub wall_time: Duration,
    /// Memory of all processes together, `/box` included.
    pub memory_bytes: u64,
    /// Processes and threads alive at once.
    pub processes: u32,
    /// What is kept of standard output, and again of standard error; the rest is counted.
    pub output_kept_bytes: usize,
    /// The program is stopped when it has written more than this to both together.
    pub output_max_bytes: u64,
    /// Room in `/box`.
    pub work_bytes: u64,
    /// Files and folders in `/box`.
    pub work_files: u64,
    /// Descriptors open at once in one process.
    pub open_files: u32,
    /// Processors that the program may see and use.
    pub cpus: u32,
}

impl Default for Limits {
    /// What is ample for a compiler on one small file.
    fn default() -> Self {
        Self {
            cpu_time: Duration::from_secs(10),
            wall_time: Duration::from_secs(30),
            memory_bytes: 1536 << 20,
            processes: 64,
            output_kept_bytes: 1 << 20,
            output_max_bytes: 16 << 20,
            work_bytes: 256 << 20,
            work_files: 20_000,
            open_files: 1024,
            cpus: 2,
        }
    }
}

impl Job {
    /// A job that gives the program nothing but its root, under [`Limits::default`].
    pub fn new(root: &Arc<Root>, program: impl Into<PathBuf>) -> Self {
        Self {
            root: Arc::clone(root),
            program: program.into(),
            args: Vec::new(),
            env: Vec::new(),
            inputs: Vec::new(),
            outputs: Vec::new(),
            stdin: Vec::new(),
            channel: None,
            proc: false,
            executables: None,
            work_executable: false,
            load_ahead: false,
            limits: Limits::default(),
        }
    }

    /// Adds an argument.
    #[must_use]
    pub fn arg(mut self, arg: impl Into<OsString>) -> Self {
        self.args.push(arg.into());
        self
    }

    /// Adds arguments.
    #[must_use]
    pub fn args<A: Into<OsString>>(mut self, args: impl IntoIterator<Item = A>) -> Self {
        self.args.extend(args.into_iter().map(Into::into));
        self
    }

    /// Adds a variable to the environment.
    #[must_use]
    pub fn env(mut self, name: impl Into<OsString>, value: impl Into<OsString>) -> Self {
        self.env.push((name.into(), value.into()));
        self
    }

    /// Adds an input file, writable below `/box` or read-only below `/in`.
    #[must_use]
    pub fn input(mut self, path: impl Into<PathBuf>, bytes: impl Into<Arc<[u8]>>) -> Self {
        self.inputs.push(InputFile { path: path.into(), bytes: bytes.into(), executable: false });
        self
    }

    /// Adds a program as an input file.
    #[must_use]
    pub fn program_file(mut self, path: impl Into<PathBuf>, bytes: impl Into<Arc<[u8]>>) -> Self {
        self.inputs.push(InputFile { path: path.into(), bytes: bytes.into(), executable: true });
        self
    }

    /// Adds a file to take out.
    #[must_use]
    pub fn output(mut self, path: impl Into<PathBuf>, max_bytes: u64) -> Self {
        self.outputs.push(OutputFile { path: path.into(), max_bytes });
        self
    }

    /// What makes this job impossible on every backend, if anything does.
    pub fn problem(&self) -> Option<String> {
        if !plain_absolute(&self.program) {
            return Some(format!(
                "program `{}` is not a plain absolute path",
                self.program.display()
            ));
        }
        for file in &self.inputs {
            if !below(&file.path, "/box") && !below(&file.path, "/in") {
                return Some(format!("input `{}` is not below /box or /in", file.path.display()));
            }
        }
        if let Some(file) = self.outputs.iter().find(|file| !below(&file.path, "/box")) {
            return Some(format!("output `{}` is not below /box", file.path.display()));
        }
        if self.outputs.len() > MAX_OUTPUTS {
            return Some(format!("more than {MAX_OUTPUTS} outputs"));
        }
        if self.args.len() + self.env.len() > MAX_WORDS {
            return Some(format!("more than {MAX_WORDS} arguments and variables"));
        }
        if self.channel.as_ref().is_some_and(|channel| channel.secret.len() > 4096) {
            return Some("a secret of more than 4096 bytes".to_owned());
        }
        let lent = below(&self.program, "/in") || below(&self.program, "/box");
        if self.load_ahead && (lent || self.executables.is_some()) {
            return Some("only a program of the root can be loaded ahead".to_owned());
        }
        self.root.problem()
    }
}

/// Outputs of one job at most.
pub(crate) const MAX_OUTPUTS: usize = 16;

/// Arguments and variables of one job at most.
pub(crate) const MAX_WORDS: usize = 2000;

/// Whether `path` is absolute and has no `..`, no `.` and no zero byte.
pub(crate) fn plain_absolute(path: &Path) -> bool {
    path.is_absolute()
        && !path.as_os_str().as_encoded_bytes().contains(&0)
        && path.components().all(|part| matches!(part, Component::RootDir | Component::Normal(_)))
}

fn below(path: &Path, folder: &str) -> bool {
    plain_absolute(path) && path != Path::new(folder) && path.starts_with(folder)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_that_lead_elsewhere_are_problems() {
        let root = Arc::new(Root::default());
        let good = Job::new(&root, "/in/a").program_file("/in/a", *b"x").output("/box/b", 1);
        assert_eq!(good.problem(), None);
        let bad = [
            Job::new(&root, "a"),
            Job::new(&root, "/in/../a"),
            Job::new(&root, "/a\0b"),
            good.clone().input("/etc/passwd", *b"x"),
            good.clone().input("/box", *b"x"),
            good.clone().input("/box/../etc/x", *b"x"),
            good.clone().output("/in/a", 1),
            good.clone().args(vec!["x"; MAX_WORDS + 1]),
            Job { load_ahead: true, ..good.clone() },
        ];
        for job in bad {
            assert!(job.problem().is_some(), "{job:?}");
        }
    }
}
