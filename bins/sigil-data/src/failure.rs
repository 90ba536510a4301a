//! Exit codes, and how a failure is told.

use std::fmt::Display;
use std::process::ExitCode;

use sigil_config::ConfigErrors;
use sigil_data::recipe::RecipeError;
use sigil_data::{DocumentError, PipelineError, StreamError, TokenizerError};

/// The table at the end of `--help`.
pub(crate) const TABLE: &str = "Exit codes:
  0    done
  1    a file or the system failed
  2    wrong arguments
  3    wrong settings
  4    wrong data: a source, a row, nothing that is kept
  5    wrong model files: tokenizer, chat template
  6    a cache entry is damaged";

/// Why the program ends without having done its work.
#[derive(Debug)]
pub(crate) struct Failure {
    code: u8,
    message: String,
    hint: Option<String>,
}

impl Failure {
    /// A failure with a code of the table.
    pub(crate) fn new(code: u8, message: impl Display, hint: Option<&str>) -> Self {
        Self { code, message: message.to_string(), hint: hint.map(str::to_owned) }
    }

    /// Tells it on stderr and gives the exit code.
    pub(crate) fn report(self) -> ExitCode {
        // Settings tell each problem with its own headline.
        if self.code == 3 && self.message.starts_with("error") {
            eprintln!("{}", self.message.trim_end());
        } else {
            eprintln!("error: {}", self.message);
        }
        if let Some(hint) = self.hint {
            eprintln!("  hint: {hint}");
        }
        ExitCode::from(self.code)
    }
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        Self::new(1, error, None)
    }
}

impl From<ConfigErrors> for Failure {
    fn from(errors: ConfigErrors) -> Self {
        Self::new(3, errors, None)
    }
}

impl From<RecipeError> for Failure {
    fn from(error: RecipeError) -> Self {
        let code = if matches!(error, RecipeError::Rules(_)) { 3 } else { 4 };
        Self::new(code, &error, error.hint())
    }
}

impl From<PipelineError> for Failure {
    fn from(error: PipelineError) -> Self {
        Self::new(4, &error, error.hint())
    }
}

impl From<StreamError> for Failure {
    fn from(error: StreamError) -> Self {
        let code = if matches!(error, StreamError::Document(_)) { 5 } else { 4 };
        Self::new(code, &error, error.hint())
    }
}

impl From<TokenizerError> for Failure {
    fn from(error: TokenizerError) -> Self {
        Self::new(5, &error, error.hint())
    }
}

impl From<DocumentError> for Failure {
    fn from(error: DocumentError) -> Self {
        Self::new(5, &error, error.hint())
    }
}
