//! How a program ended and what it left: the answer to a job.
//!
//! No opinion on whether that is good; [`Ended::is_success`] means exit code 0 and no more.
//! Next: `error.rs` for jobs about which nothing can be said.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

/// How a program ended, and what it left.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// How it ended.
    pub ended: Ended,
    /// The beginning of standard output.
    pub stdout: Captured,
    /// The beginning of standard error.
    pub stderr: Captured,
    /// The files asked for, in the order asked. All are [`TakenFile::Missing`] unless the program
    /// ended by itself.
    pub files: Vec<(PathBuf, TakenFile)>,
    /// What was written to descriptor 4; empty without a [`crate::Channel`].
    pub report: Vec<u8>,
    /// Whether the report was longer than allowed.
    pub report_cut: bool,
    /// Whether the program was loaded ahead: see [`crate::Job::load_ahead`].
    pub loaded_ahead: bool,
    /// What it used.
    pub usage: Usage,
}

/// How a program ended. Limits come before the exit status: a compiler whose child was stopped for
/// its memory did not end "with code 1".
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Ended {
    /// By itself, with this code.
    Exited(i32),
    /// By this signal.
    Signalled(i32),
    /// It used up its processor time.
    CpuTime,
    /// It was still there at its wall time.
    WallTime,
    /// It wanted more memory.
    Memory,
    /// It wanted more processes or threads.
    Processes,
    /// It wrote more than the hard cap.
    Output,
    /// It filled `/box`.
    Disk,
    /// It made as many files as fit into `/box`.
    Files,
}

/// The beginning of a stream.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Captured {
    /// At most [`crate::Limits::output_kept_bytes`]; as written, so escape it before showing it.
    pub bytes: Vec<u8>,
    /// What was written altogether, until the program was stopped.
    pub total_bytes: u64,
}

/// A file that was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TakenFile {
    /// Its content.
    Bytes(Vec<u8>),
    /// It is not there.
    Missing,
    /// It is a link, a folder, or lies behind a link.
    NotAFile,
    /// It is longer than allowed.
    TooLarge {
        /// How long it is.
        bytes: u64,
    },
}

/// What a program used. `None` where this machine cannot tell.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Processor time of all its processes in user mode.
    pub cpu_user: Duration,
    /// The same in the kernel.
    pub cpu_system: Duration,
    /// From start to end on the clock.
    pub wall: Duration,
    /// The most memory it held at once; files in `/box` and newly read files count.
    pub peak_memory_bytes: Option<u64>,
    /// The most processes and threads at once.
    pub peak_processes: Option<u32>,
    /// The most room taken in `/box`, as seen from time to time and at the end.
    pub peak_work_bytes: Option<u64>,
}

impl Ended {
    /// Whether the program ended by itself with code 0.
    pub fn is_success(self) -> bool {
        self == Self::Exited(0)
    }

    /// Whether a limit stopped it: with another limit it may end otherwise.
    pub fn is_limit(self) -> bool {
        !matches!(self, Self::Exited(_) | Self::Signalled(_))
    }
}

impl Captured {
    /// Whether [`Captured::bytes`] is not all of it.
    pub fn is_cut(&self) -> bool {
        self.total_bytes > self.bytes.len() as u64
    }

    /// The bytes as text, with wrong UTF-8 and control characters (which could steer a terminal)
    /// written as escapes.
    pub fn to_text(&self) -> String {
        let mut text = String::with_capacity(self.bytes.len());
        for chunk in self.bytes.utf8_chunks() {
            for c in chunk.valid().chars() {
                if c.is_control() && c != '\n' && c != '\t' {
                    text.extend(c.escape_default());
                } else {
                    text.push(c);
                }
            }
            text.extend(chunk.invalid().iter().map(|byte| format!("\\x{byte:02x}")));
        }
        text
    }
}

impl Usage {
    /// Processor time altogether.
    pub fn cpu(&self) -> Duration {
        self.cpu_user + self.cpu_system
    }
}

impl fmt::Display for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exited(code) => write!(f, "exit code {code}"),
            Self::Signalled(signal) => write!(f, "signal {signal}"),
            Self::CpuTime => f.write_str("processor time limit"),
            Self::WallTime => f.write_str("wall time limit"),
            Self::Memory => f.write_str("memory limit"),
            Self::Processes => f.write_str("process limit"),
            Self::Output => f.write_str("output limit"),
            Self::Disk => f.write_str("disk limit"),
            Self::Files => f.write_str("file limit"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_cannot_steer_a_terminal() {
        let captured = Captured { bytes: b"a\x1b[2J\0\xff\xc3\xa4\n\r".to_vec(), total_bytes: 99 };
        assert_eq!(captured.to_text(), "a\\u{1b}[2J\\u{0}\\xff\u{e4}\n\\r");
        assert!(captured.is_cut());
    }
}
