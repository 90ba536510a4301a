//! Exit codes, and how a failure is told.

use std::process::ExitCode;

use sigil_adapter::AdapterError;
use sigil_run::RunError;

/// The table at the end of `--help`; the numbers are those of the other programs of sigil.
pub(crate) const TABLE: &str = "Exit codes:
  0    finished
  1    a file or the system failed
  2    wrong arguments
  5    wrong model files: base, tokenizer, adapter, GGUF, download
  6    the run folder: none, damaged, no such set; or the output exists already
  7    the merged model does not compute what base and adapter do; nothing was written
  9    not enough disk space or memory; nothing was written
  11   the Hub refused, or could not be reached; the same command goes on";

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

impl From<AdapterError> for Failure {
    fn from(error: AdapterError) -> Self {
        let code = match &error {
            AdapterError::Run(RunError::NoSpace { .. }) | AdapterError::NoSpace { .. } => 9,
            AdapterError::Run(RunError::Io { .. } | RunError::NotWritable { .. })
            | AdapterError::Read { .. } => 1,
            AdapterError::Run(_) | AdapterError::NoSet { .. } => 6,
            AdapterError::Hub { .. } => 11,
            _ => 5,
        };
        // What lies beneath (a file that is missing) says more than the headline.
        let mut message = error.to_string();
        let mut source = std::error::Error::source(&error);
        while let Some(deeper) = source {
            let text = deeper.to_string();
            if !message.contains(&text) {
                message = format!("{message}: {text}");
            }
            source = deeper.source();
        }
        Self { code, message, hint: error.hint() }
    }
}

impl From<RunError> for Failure {
    fn from(error: RunError) -> Self {
        AdapterError::from(error).into()
    }
}

impl From<sigil_model::ModelError> for Failure {
    fn from(error: sigil_model::ModelError) -> Self {
        Self::new(5, &error).maybe_hint(error.hint())
    }
}
