//! What goes wrong here. A sample that fails is a verdict, never one of these.
//!
//! The verdicts are in `judge/verdict.rs`.

use std::path::PathBuf;

use sigil_sandbox::Infra;

/// Judging could not be done.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EvalError {
    /// A file could not be read.
    #[error("cannot read `{}`: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// A file could not be written.
    #[error("cannot write `{}`: {source}", path.display())]
    Write {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// A file could not be written whole.
    #[error(transparent)]
    Run(#[from] sigil_run::RunError),
    /// A row is not what its file should hold.
    #[error("`{}` line {line}: {problem}", path.display())]
    Row {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// What is wrong.
        problem: String,
    },
    /// A sample names a task that the benchmark lacks.
    #[error("sample {index} is for task `{task_id}`, which the benchmark does not have")]
    UnknownTask {
        /// The sample's place in its file, from 0.
        index: usize,
        /// The name.
        task_id: String,
    },
    /// Two tasks have one name.
    #[error("the benchmark has task `{0}` twice")]
    TaskTwice(String),
    /// The toolchain lacks something.
    #[error("the toolchain in `{}` has no {what}", sysroot.display())]
    Toolchain {
        /// Its folder.
        sysroot: PathBuf,
        /// What is missing.
        what: &'static str,
        /// How to get it.
        hint: &'static str,
    },
    /// The toolchain does not run in the sandbox.
    #[error("the toolchain does not run in the sandbox: {0}")]
    ToolchainRun(String),
    /// The dependency set cannot be used.
    #[error("the dependency set in `{}` cannot be used: {problem}", folder.display())]
    Dependencies {
        /// Its folder.
        folder: PathBuf,
        /// What is wrong.
        problem: String,
    },
    /// The cache folder is not the user's own.
    #[error("the cache folder `{}` {problem}", folder.display())]
    Cache {
        /// The folder.
        folder: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// The sandbox failed for too many samples.
    #[error("the sandbox failed for {failed} of {judged} samples; the first time: {first}")]
    TooManyInfra {
        /// For how many.
        failed: usize,
        /// Of how many.
        judged: usize,
        /// The first message.
        first: String,
    },
    /// No sandbox can be used on this machine. The message is that of `sigil_sandbox::Refused`.
    #[error("{0}")]
    NoSandbox(String),
    /// The sandbox failed outside of any sample.
    #[error(transparent)]
    Infra(#[from] Infra),
    /// pass@k asks for more samples than there are.
    #[error("pass@{k} needs at least {k} samples of every task; `{task_id}` has {n}")]
    TooFewSamples {
        /// The k asked for.
        k: usize,
        /// The task with too few.
        task_id: String,
        /// How many it has.
        n: usize,
    },
    /// What came from a queue, or should go to one, is not what it should be.
    #[error("{0}")]
    Queue(String),
    /// The queue itself cannot be used. The message is that of the carrier.
    #[error("{message}")]
    Carrier {
        /// What went wrong.
        message: String,
        /// What can be done.
        hint: Option<String>,
    },
    /// Two results cannot be compared.
    #[error("the results cannot be compared: {0}")]
    Compare(String),
}

impl EvalError {
    /// What the user can do, where there is something.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Toolchain { hint, .. } => Some((*hint).to_owned()),
            Self::UnknownTask { .. } => {
                Some("give with --tasks the benchmark that these samples were made for".to_owned())
            }
            Self::Dependencies { .. } => {
                Some("build it with `sigil-eval deps build FOLDER`".to_owned())
            }
            Self::Cache { .. } => {
                Some("give a folder that belongs to you, with mode 0700, or none".to_owned())
            }
            Self::TooFewSamples { .. } => {
                Some("generate more samples, or ask for a smaller --k".to_owned())
            }
            Self::Carrier { hint, .. } => hint.clone(),
            Self::Infra(infra) => infra.hint().map(str::to_owned),
            _ => None,
        }
    }
}
