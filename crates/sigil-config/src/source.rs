//! One layer's source: a preset, a file, a variable, an argument; and how to point into it.
//!
//! Read next: `layers.rs`, which reads sources in order.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;
use std::path::PathBuf;

use crate::excerpt::{Excerpt, place};
use crate::mask;
use crate::note::{Note, NoteKind};
use crate::origin::Origin;
use crate::problem::{Problem, ProblemKind};

/// The order of layers; a later one wins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Rank {
    Default,
    Preset,
    File,
    /// Variables that other programs know too (`HF_TOKEN`).
    ForeignEnvironment,
    Environment,
    CommandLine,
}

/// Where a layer's text comes from, with the text where there is one to quote.
#[derive(Clone)]
pub(crate) enum Source {
    Defaults,
    Preset { name: String, text: String },
    File { path: PathBuf, text: String },
    Environment { variable: String },
    CommandLine { key: String },
}

/// Without the text, which may hold a secret.
impl fmt::Debug for Source {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Source({})", self.origin(&(0..0)))
    }
}

impl Source {
    /// Names a place in the source.
    pub(crate) fn origin(&self, span: &Range<usize>) -> Origin {
        match self {
            Self::Defaults => Origin::Default,
            Self::Preset { name, text } => {
                let (line, column) = place(text, span.start);
                Origin::Preset { name: name.clone(), line, column }
            }
            Self::File { path, text } => {
                let (line, column) = place(text, span.start);
                Origin::File { path: path.clone(), line, column }
            }
            Self::Environment { variable } => Origin::Environment { variable: variable.clone() },
            Self::CommandLine { key } => Origin::CommandLine { key: key.clone() },
        }
    }

    /// Quotes a place in the source, where it has lines.
    pub(crate) fn excerpt(&self, span: &Range<usize>) -> Option<Excerpt> {
        match self {
            Self::Preset { text, .. } | Self::File { text, .. } => Some(Excerpt::of(text, span)),
            Self::Defaults | Self::Environment { .. } | Self::CommandLine { .. } => None,
        }
    }
}

/// A layer that was read: its source, and where each of its keys and values stands.
#[derive(Debug, Clone)]
pub(crate) struct Layer {
    pub(crate) rank: Rank,
    pub(crate) source: Source,
    /// Place of each value, by present key.
    pub(crate) places: BTreeMap<String, Range<usize>>,
}

/// Collects what is to be said about one layer.
pub(crate) struct Report<'a> {
    pub(crate) source: &'a Source,
    pub(crate) layer: usize,
    pub(crate) problems: &'a mut Vec<Problem>,
    /// Notes with the byte position they are told at.
    pub(crate) notes: &'a mut Vec<(usize, Note)>,
    /// Present keys with problems, about which rules have nothing to say.
    pub(crate) faulty: &'a mut Vec<String>,
}

impl Report<'_> {
    pub(crate) fn problem(&mut self, kind: ProblemKind, span: &Range<usize>) {
        // The value of a secret may stand in a line of its own, where its key does not mark it.
        let secret = kind.key().is_some_and(mask::is_secret);
        let excerpt = if secret { None } else { self.source.excerpt(span) };
        self.problems.push(Problem {
            kind,
            origin: self.source.origin(span),
            excerpt,
            order: (self.layer, span.start),
        });
    }

    pub(crate) fn note(&mut self, kind: NoteKind, key: &str, message: String, span: &Range<usize>) {
        let note = Note { kind, key: key.to_owned(), message, origin: self.source.origin(span) };
        self.notes.push((span.start, note));
    }

    /// Describes a value for a message, unless its key may hold a secret.
    pub(crate) fn describe(key: &str, value: &crate::node::Value) -> String {
        if mask::is_secret(key) { "what was given (hidden)".to_owned() } else { value.describe() }
    }
}
