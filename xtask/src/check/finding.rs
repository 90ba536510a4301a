//! What a rule reports: the rule's name, the place, and a sentence saying what to do.

use std::fmt;

/// One broken promise.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Finding {
    /// Path below the repository root, `/` between parts.
    pub(crate) path: String,
    /// Line in that file, counted from 1, where there is one to point at.
    pub(crate) line: Option<usize>,
    /// Name of the rule, as listed by `cargo xtask check --list`.
    pub(crate) rule: &'static str,
    /// What is wrong and what would be right.
    pub(crate) message: String,
}

impl Finding {
    /// Makes a finding about a whole file.
    pub(crate) fn file(rule: &'static str, path: &str, message: impl Into<String>) -> Self {
        Self { path: path.to_owned(), line: None, rule, message: message.into() }
    }

    /// Makes a finding about one line (from 1) of a file.
    pub(crate) fn line(
        rule: &'static str,
        path: &str,
        line: usize,
        message: impl Into<String>,
    ) -> Self {
        Self { path: path.to_owned(), line: Some(line), rule, message: message.into() }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            Some(line) => write!(f, "{}:{line}: {} [{}]", self.path, self.message, self.rule),
            None => write!(f, "{}: {} [{}]", self.path, self.message, self.rule),
        }
    }
}
