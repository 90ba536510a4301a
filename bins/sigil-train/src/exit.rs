//! Exit codes, and how a failure is told.

use std::process::ExitCode;

use sigil_config::ConfigErrors;
use sigil_data::recipe::RecipeError;
use sigil_qlora::TrainError;

/// The table at the end of `--help`.
pub(crate) const TABLE: &str = "Exit codes:
  0    finished
  1    a file or the system failed
  2    wrong arguments
  3    wrong settings
  4    wrong data: a source, a row, nothing to train on
  5    wrong model files: base, tokenizer, adapter, download
  6    the run folder: taken by another process, already a run, damaged, nothing to resume
  7    a loss or gradient that is not a finite number
  8    the device that was asked for cannot be used
  9    not enough memory for the run
  10   a bug in this program
  11   --hub-repo: the Hub refused, or could not be reached
  130  interrupted; a checkpoint set was written";

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

    /// What went wrong.
    pub(crate) fn message(&self) -> &str {
        &self.message
    }

    /// The same with another code, where there is one.
    pub(crate) fn with_code(self, code: Option<u8>) -> Self {
        Self { code: code.unwrap_or(self.code), ..self }
    }

    /// Tells it on stderr and gives the exit code.
    pub(crate) fn report(self) -> ExitCode {
        ExitCode::from(self.tell())
    }

    /// The same, with the code as a number.
    pub(crate) fn tell(self) -> u8 {
        // Settings tell each problem with its own headline.
        if self.code == 3 && self.message.starts_with("error") {
            eprintln!("{}", self.message.trim_end());
        } else {
            eprintln!("error: {}", self.message);
        }
        if let Some(hint) = self.hint {
            eprintln!("  hint: {hint}");
        }
        self.code
    }
}

impl From<ConfigErrors> for Failure {
    fn from(errors: ConfigErrors) -> Self {
        Self::new(3, errors, None)
    }
}

impl From<TrainError> for Failure {
    fn from(error: TrainError) -> Self {
        let code = match &error {
            TrainError::Unsupported { .. } => 3,
            TrainError::Rows(RecipeError::Rules(_)) => 3,
            TrainError::Rows(_) | TrainError::Document(_) | TrainError::Stream(_) => 4,
            TrainError::Model(_) | TrainError::Tokenizer(_) => 5,
            TrainError::RunExists { .. }
            | TrainError::NothingToResume { .. }
            | TrainError::OtherRun { .. }
            | TrainError::Set { .. } => 6,
            TrainError::Run(sigil_run::RunError::Io { .. }) => 1,
            TrainError::Run(_) => 6,
            TrainError::Memory { .. } => 9,
            TrainError::NonFinite { .. } | TrainError::TooManySkipped { .. } => 7,
            _ => 1,
        };
        let hint = error.hint();
        Self::new(code, &error, hint)
    }
}
