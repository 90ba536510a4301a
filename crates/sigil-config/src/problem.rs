//! What can be wrong with a configuration, and how it is told.
//!
//! All problems of all layers are collected before anything stops. Read next: `excerpt.rs` (the
//! quoted line), `check.rs` and `rules.rs` (where problems come from).

use std::fmt;

use crate::excerpt::Excerpt;
use crate::mask;
use crate::origin::Origin;

/// What is wrong.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ProblemKind {
    /// No setting has this name.
    #[error("unknown key `{key}`")]
    UnknownKey {
        /// The key as it was written.
        key: String,
        /// The setting that was probably meant.
        suggestion: Option<String>,
    },
    /// A setting is given twice in one layer, under its old and its new name.
    #[error("`{key}` is set twice: also as `{other}`")]
    SetTwice {
        /// The setting.
        key: String,
        /// The other key that sets it.
        other: String,
    },
    /// The value is of another type.
    #[error("`{key}` takes {expected}, not {found}")]
    WrongType {
        /// The setting.
        key: String,
        /// What it takes.
        expected: String,
        /// What was given.
        found: String,
    },
    /// The value is outside its bounds.
    #[error("`{key}` takes {expected}, not {found}")]
    OutOfRange {
        /// The setting.
        key: String,
        /// What it takes, with bounds.
        expected: String,
        /// What was given.
        found: String,
    },
    /// The value is none of the allowed ones.
    #[error("`{key}` takes {expected}, not {found}")]
    NotAChoice {
        /// The setting.
        key: String,
        /// The allowed values.
        expected: String,
        /// What was given.
        found: String,
        /// The value that was probably meant.
        suggestion: Option<String>,
    },
    /// The value is understood, but sigil does not do what it asks for.
    #[error("`{key} = {value}` is refused: {because}")]
    Refused {
        /// The setting as it was written.
        key: String,
        /// The value.
        value: String,
        /// Why it is refused.
        because: &'static str,
        /// What to do instead.
        route: &'static str,
    },
    /// A setting that has no useful default is missing.
    #[error("`{key}` is not set")]
    Missing {
        /// The setting.
        key: &'static str,
        /// What to set it to.
        hint: &'static str,
    },
    /// Settings do not go together.
    #[error("{message}")]
    Rule {
        /// The settings involved, the one to blame first.
        keys: Vec<&'static str>,
        /// The sentence.
        message: String,
        /// What to do.
        hint: Option<String>,
    },
    /// The text is not valid TOML or YAML.
    #[error("{message}")]
    Syntax {
        /// What the parser says.
        message: String,
    },
    /// The file's name does not tell its syntax.
    #[error("`{path}` has no ending that tells its syntax")]
    UnknownSyntax {
        /// The path.
        path: String,
    },
    /// There is no preset of this name.
    #[error("there is no preset `{name}`")]
    UnknownPreset {
        /// The name.
        name: String,
        /// The preset that was probably meant, or all of them.
        suggestion: String,
    },
    /// A `--set` argument is not of the form `section.key=value`.
    #[error("{argument} is not of the form `section.key=value`")]
    NotAnAssignment {
        /// The argument, quoted, without what may be secret.
        argument: String,
    },
}

impl ProblemKind {
    /// Returns the key that the problem is about, as it was written, where it is about one.
    pub fn key(&self) -> Option<&str> {
        match self {
            Self::UnknownKey { key, .. }
            | Self::SetTwice { key, .. }
            | Self::WrongType { key, .. }
            | Self::OutOfRange { key, .. }
            | Self::NotAChoice { key, .. }
            | Self::Refused { key, .. } => Some(key),
            Self::Missing { key, .. } => Some(key),
            Self::Rule { keys, .. } => keys.first().copied(),
            Self::Syntax { .. }
            | Self::UnknownSyntax { .. }
            | Self::UnknownPreset { .. }
            | Self::NotAnAssignment { .. } => None,
        }
    }

    /// Returns what the user can do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::UnknownKey { suggestion, .. } | Self::NotAChoice { suggestion, .. } => {
                suggestion.as_ref().map(|name| format!("did you mean `{name}`?"))
            }
            Self::SetTwice { .. } => Some("remove one of the two".to_owned()),
            Self::Refused { route, .. } => Some((*route).to_owned()),
            Self::Missing { hint, .. } => Some((*hint).to_owned()),
            Self::Rule { hint, .. } => hint.clone(),
            Self::UnknownSyntax { .. } => {
                Some("name it `.toml`, `.yml`, `.yaml` or `.json`".to_owned())
            }
            Self::UnknownPreset { suggestion, .. } => Some(suggestion.clone()),
            Self::NotAnAssignment { .. } => {
                Some("write it like `--set train.learning_rate=5e-5`".to_owned())
            }
            Self::WrongType { .. } | Self::OutOfRange { .. } | Self::Syntax { .. } => None,
        }
    }
}

/// One thing that is wrong, with its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// What is wrong.
    pub kind: ProblemKind,
    /// Where.
    pub origin: Origin,
    /// The line, where there is one to quote.
    pub excerpt: Option<Excerpt>,
    /// Layer and byte position, by which problems are told in order.
    pub(crate) order: (usize, usize),
}

impl Problem {
    /// Returns what the user can do about it.
    pub fn hint(&self) -> Option<String> {
        self.kind.hint()
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "error: {}", mask::message(&self.kind.to_string()))?;
        if self.origin != Origin::Default {
            write!(formatter, "\n  --> {}", self.origin)?;
        }
        if let Some(excerpt) = &self.excerpt {
            write!(formatter, "\n{excerpt}")?;
        }
        if let Some(hint) = self.hint() {
            write!(formatter, "\n  hint: {}", mask::message(&hint))?;
        }
        Ok(())
    }
}

/// Everything that is wrong with a configuration; never empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigErrors {
    problems: Vec<Problem>,
}

impl ConfigErrors {
    /// Collects problems in the order of layers and lines; nothing when there are none.
    pub(crate) fn collect(problems: Vec<Problem>) -> Result<(), Self> {
        if problems.is_empty() {
            return Ok(());
        }
        Err(Self::of(problems))
    }

    pub(crate) fn of(mut problems: Vec<Problem>) -> Self {
        problems.sort_by_key(|problem| problem.order);
        Self { problems }
    }

    /// Returns the problems, in the order of layers and lines, rules last.
    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }
}

impl fmt::Display for ConfigErrors {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for problem in &self.problems {
            write!(formatter, "{problem}\n\n")?;
        }
        match self.problems.len() {
            1 => formatter.write_str("1 problem in the configuration"),
            count => write!(formatter, "{count} problems in the configuration"),
        }
    }
}

impl std::error::Error for ConfigErrors {}
