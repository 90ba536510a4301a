//! Exit codes, and how a failure is told.

use std::process::ExitCode;

use sigil_sweep::SweepError;

/// The table at the end of `--help`; the numbers are those of the other programs of sigil.
pub(crate) const TABLE: &str = "Exit codes:
  0    all runs ended well
  1    a file or the system failed
  2    wrong arguments
  3    wrong settings, of the sweep or of one of its runs; nothing was started
  5    sigil-train is missing
  6    the folder holds another sweep
  10   all runs have ended, and some of them failed
  130  interrupted; the same command goes on";

/// Why the program ends without having done its work.
#[derive(Debug)]
pub(crate) struct Failure {
    code: u8,
    message: String,
    hint: Option<String>,
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

impl From<SweepError> for Failure {
    fn from(error: SweepError) -> Self {
        let code = match &error {
            SweepError::Settings { .. } | SweepError::Trial { .. } => 3,
            SweepError::Program(_) => 5,
            SweepError::OtherSweep { .. } => 6,
            SweepError::Interrupted => 130,
            _ => 1,
        };
        Self { code, message: error.to_string(), hint: error.hint() }
    }
}
