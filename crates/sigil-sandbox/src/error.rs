//! What goes wrong with the sandbox itself. None of it says anything about a program.
//!
//! How a *program* goes wrong is in `outcome.rs`. Next: `backend.rs`.

use std::fmt;
use std::io;
use std::path::PathBuf;

use crate::CanaryReport;

/// The sandbox could not run a job to its end; the job can be tried again elsewhere.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Infra {
    /// The job asks for something that no backend, or not this one, can give.
    #[error("the {backend} backend cannot run this job: {problem}")]
    Unsupported {
        /// The backend.
        backend: &'static str,
        /// What it cannot do.
        problem: String,
    },
    /// A step of preparing the inside failed.
    #[error("cannot prepare the sandbox: {step}{}: {source}", detail(.path))]
    Setup {
        /// What was tried.
        step: &'static str,
        /// On which path, if on one.
        path: Option<PathBuf>,
        /// What the kernel said.
        #[source]
        source: io::Error,
    },
    /// The program is not there or is not one; the fault of whoever made the job.
    #[error("cannot start `{}`: {source}", program.display())]
    CannotStart {
        /// The program, by its path inside.
        program: PathBuf,
        /// What the kernel said.
        #[source]
        source: io::Error,
    },
    /// The process that watches from inside ended without a report.
    #[error("the sandbox ended without a report: {0}")]
    NoReport(String),
    /// A call of the supervising side failed.
    #[error("cannot {action}: {source}")]
    Supervisor {
        /// What was tried.
        action: &'static str,
        /// What the kernel said.
        #[source]
        source: io::Error,
    },
    /// A control group could not be made or read.
    #[error("cannot use control group `{}`: {source}", path.display())]
    Cgroup {
        /// The group's folder or file.
        path: PathBuf,
        /// What the kernel said.
        #[source]
        source: io::Error,
    },
    /// A command of this machine (`bwrap`, `docker`, ...) failed before the program started.
    #[error("`{command}` failed: {message}")]
    Command {
        /// The command.
        command: &'static str,
        /// What it said.
        message: String,
    },
}

fn detail(path: &Option<PathBuf>) -> String {
    path.as_ref().map(|path| format!(" `{}`", path.display())).unwrap_or_default()
}

impl Infra {
    /// What the user can do, where there is something.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Setup { source, .. } if source.raw_os_error() == Some(libc::EPERM) => Some(
                "namespaces may be forbidden here: see `sysctl kernel.unprivileged_userns_clone`, \
                 `kernel.apparmor_restrict_unprivileged_userns` and `user.max_user_namespaces`",
            ),
            Self::CannotStart { .. } => {
                Some("give the program's path inside, and its loader and libraries in the root")
            }
            Self::Supervisor { source, .. } if source.raw_os_error() == Some(libc::EMFILE) => {
                Some("raise `ulimit -n`: a slot needs about 20 descriptors")
            }
            _ => None,
        }
    }
}

/// Why a backend cannot be used on this machine at all.
#[derive(Debug, thiserror::Error)]
#[error("{reason}")]
pub struct Unavailable {
    /// What is missing.
    pub reason: String,
    /// How to mend it.
    pub mend: &'static str,
}

/// Why one backend was not chosen.
#[derive(Debug)]
#[non_exhaustive]
pub enum Refusal {
    /// It does not run here.
    Unavailable(Unavailable),
    /// It runs, but canaries got out or could not be started.
    Canaries(CanaryReport),
    /// It was not asked for: it is the reduced tier.
    ReducedTier,
}

/// No backend passed: nothing may be run.
#[derive(Debug, thiserror::Error)]
pub struct Refused {
    /// Each backend that was tried, strongest first, and why it was refused.
    pub tried: Vec<(&'static str, Refusal)>,
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("no sandbox can be used on this machine")?;
        for (backend, refusal) in &self.tried {
            match refusal {
                Refusal::Unavailable(why) => {
                    write!(f, "\n  {backend}: {} (to mend it: {})", why.reason, why.mend)?;
                }
                Refusal::ReducedTier => {
                    write!(f, "\n  {backend}: a weaker tier that must be allowed explicitly")?
                }
                Refusal::Canaries(report) => {
                    for failed in report.failures() {
                        let name = failed.canary.name();
                        let mend = failed.canary.mend();
                        write!(
                            f,
                            "\n  {backend}: canary `{name}`: {} (to mend it: {mend})",
                            failed.found
                        )?;
                    }
                }
            }
        }
        Ok(())
    }
}
