//! Exit codes, and how a failure is told.

use std::process::ExitCode;

use sigil_eval::EvalError;
use sigil_queue::QueueError;

/// The table at the end of `--help`.
pub(crate) const TABLE: &str = "Exit codes:
  0    finished
  1    a file or the system failed
  2    wrong arguments
  4    wrong data: a sample, a task, too few samples for k
  5    the toolchain or the dependency set cannot be used
  6    a model, its generator or the run folder cannot be used
  7    the queue cannot be used: its address, credentials or server
  8    no sandbox can be used, or it failed for too many samples
  9    fewer samples passed than --min-pass asks for
  10   `check` found own solutions that do not pass, or unlisted mutants that do
  130  interrupted";

/// Why the program ends without having done its work.
#[derive(Debug)]
pub(crate) struct Failure {
    code: u8,
    message: String,
    hint: Option<String>,
}

impl Failure {
    /// A failure with a code of the table.
    pub(crate) fn new(code: u8, message: impl ToString, hint: Option<String>) -> Self {
        Self { code, message: message.to_string(), hint }
    }

    /// Whether the user stopped the program.
    pub(crate) fn is_interruption(&self) -> bool {
        self.code == 130
    }

    /// Tells it on stderr and gives the exit code.
    pub(crate) fn report(self) -> ExitCode {
        eprintln!("error: {}", self.message);
        if let Some(hint) = self.hint {
            eprintln!("  hint: {hint}");
        }
        ExitCode::from(self.code)
    }
}

impl From<QueueError> for Failure {
    fn from(error: QueueError) -> Self {
        Self::new(7, &error, error.hint().map(str::to_owned))
    }
}

impl From<EvalError> for Failure {
    fn from(error: EvalError) -> Self {
        let code = match &error {
            EvalError::Row { .. }
            | EvalError::UnknownTask { .. }
            | EvalError::TaskTwice(_)
            | EvalError::TooFewSamples { .. }
            | EvalError::Compare(_)
            | EvalError::Queue(_) => 4,
            EvalError::Carrier { .. } => 7,
            EvalError::Toolchain { .. }
            | EvalError::ToolchainRun(_)
            | EvalError::Dependencies { .. } => 5,
            EvalError::TooManyInfra { .. } | EvalError::Infra(_) | EvalError::NoSandbox(_) => 8,
            _ => 1,
        };
        let hint = error.hint();
        Self::new(code, error, hint)
    }
}
