//! Exit codes, and how a failure is told.

use std::process::ExitCode;

/// The table at the end of `--help`; the numbers are those of the other programs of sigil.
pub(crate) const TABLE: &str = "Exit codes:
  0    finished
  1    a file or the system failed
  2    wrong arguments
  3    wrong settings: a number that sampling cannot use
  4    wrong prompts: a file, a row, a prompt that does not fit
  5    wrong model files: base, tokenizer, adapter, download
  6    the run folder or the output file: damaged, taken, made with something else
  8    the device that was asked for cannot be used
  130  interrupted; what had ended is in the output";

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

    /// With what to do about it, if something can be done.
    pub(crate) fn maybe_hint(self, hint: Option<impl Into<String>>) -> Self {
        match hint {
            Some(hint) => self.hint(hint),
            None => self,
        }
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

impl From<sigil_model::ModelError> for Failure {
    fn from(error: sigil_model::ModelError) -> Self {
        Self::new(5, &error).maybe_hint(error.hint())
    }
}

impl From<sigil_model::generate::GenerateError> for Failure {
    fn from(error: sigil_model::generate::GenerateError) -> Self {
        let code = match error {
            sigil_model::generate::GenerateError::Setting { .. } => 3,
            _ => 4,
        };
        Self::new(code, &error).maybe_hint(error.hint())
    }
}

impl From<sigil_data::TokenizerError> for Failure {
    fn from(error: sigil_data::TokenizerError) -> Self {
        Self::new(5, &error)
    }
}
