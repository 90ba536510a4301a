//! Exit codes, and how a failure is told.

use std::process::ExitCode;

use sigil_expert::ExpertError;

/// The table at the end of `--help`; the numbers are those of the other programs of sigil.
pub(crate) const TABLE: &str = "Exit codes:
  0    finished
  1    a file, a program or the system failed
  2    wrong arguments
  3    wrong settings
  4    wrong data: a row, a file of tasks, too few samples to train on
  5    a program of sigil, a tokenizer or the toolchain is missing
  6    the run's folder belongs to another run, or does not say to which
  10   `tasks check` found solutions that do not pass
  130  interrupted; the same command goes on";

/// Why the program ends without having done its work.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) code: u8,
    pub(crate) message: String,
    pub(crate) hint: Option<String>,
}

impl Failure {
    /// A failure with a code of the table.
    pub(crate) fn new(code: u8, message: impl ToString) -> Self {
        Self { code, message: message.to_string(), hint: None }
    }

    /// With what to do about it.
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
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

impl From<ExpertError> for Failure {
    fn from(error: ExpertError) -> Self {
        let code = match &error {
            ExpertError::Settings { .. } => 3,
            ExpertError::Row { .. }
            | ExpertError::Tasks { .. }
            | ExpertError::Eval(_)
            | ExpertError::TooFewSelected { .. } => 4,
            ExpertError::OtherRun { .. } | ExpertError::NotARun { .. } => 6,
            ExpertError::Interrupted { .. } => 130,
            _ => 1,
        };
        let hint = error.hint();
        Self { code, message: error.to_string(), hint }
    }
}
