//! What the filter says of a row: keep or drop, for which reasons, and what remains of the text.
//!
//! Next: `facts/mod.rs` for what it found, `rules/mod.rs` for where reasons come from.

use std::borrow::Cow;

use crate::{Digest, Facts, Span};

/// How a verdict was reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum Mode {
    /// As soon as one rule drops the row; facts and reasons may be incomplete.
    Decide,
    /// All facts, and every reason.
    Audit,
}

impl Mode {
    /// The name that telemetry prints.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Decide => "decide",
            Self::Audit => "audit",
        }
    }
}

/// The furthest that had to be looked at, cheapest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum Stage {
    /// The path, the licences, and the bytes as text.
    Bytes,
    /// The tokens.
    Tokens,
    /// The syntax tree.
    Tree,
}

impl Stage {
    /// All stages, in order.
    pub const ALL: [Self; 3] = [Self::Bytes, Self::Tokens, Self::Tree];

    /// The name that telemetry prints.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Bytes => "bytes",
            Self::Tokens => "tokens",
            Self::Tree => "tree",
        }
    }
}

/// Why a row is dropped.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Reason {
    /// The stable id, a name of `[a-z_]+` listed in [`RuleSet::REASONS`](crate::RuleSet::REASONS).
    pub id: &'static str,
    /// What was measured, in the unit of the rule's setting; absent where nothing is measured.
    pub measured: Option<f64>,
    /// The limit that it passed.
    pub limit: Option<f64>,
    /// The first place that shows it.
    pub span: Option<Span>,
}

impl Reason {
    pub(crate) const fn named(id: &'static str) -> Self {
        Self { id, measured: None, limit: None, span: None }
    }

    pub(crate) const fn measured(id: &'static str, measured: f64, limit: f64) -> Self {
        Self { id, measured: Some(measured), limit: Some(limit), span: None }
    }

    pub(crate) const fn at(mut self, span: Option<Span>) -> Self {
        self.span = span;
        self
    }
}

/// A change that a kept row needs before it is used.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Edit {
    /// The rule that asks for it.
    pub rule: &'static str,
    /// The bytes to replace.
    pub span: Span,
    /// What comes in their place; empty to remove them.
    pub replacement: &'static str,
}

/// The verdict on one row.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Verdict {
    /// Whether the row is worth training on under the rule set.
    pub keep: bool,
    /// How the verdict was reached.
    pub mode: Mode,
    /// The furthest stage that was needed.
    pub stage: Stage,
    /// Why the row is dropped, the deciding reason first; empty if it is kept.
    pub reasons: Vec<Reason>,
    /// Whether `reasons` holds all of them.
    pub reasons_complete: bool,
    /// What was found out on the way.
    pub facts: Facts,
    /// Changes that a kept row needs, in order and without overlap.
    pub edits: Vec<Edit>,
    /// Which rules, settings, parser and grammar said so.
    pub rule_set: Digest,
}

impl Verdict {
    /// The id of the deciding reason, or `None` for a kept row.
    pub fn reason(&self) -> Option<&'static str> {
        self.reasons.first().map(|reason| reason.id)
    }

    /// The text to train on: the row's source after all edits, or `None` for a dropped row.
    ///
    /// `source` must be the bytes that were judged; a kept row's bytes are UTF-8.
    pub fn kept_text<'a>(&self, source: &'a [u8]) -> Option<Cow<'a, str>> {
        if !self.keep {
            return None;
        }
        let source = std::str::from_utf8(source).ok()?;
        if self.edits.is_empty() {
            return Some(Cow::Borrowed(source));
        }
        edited(source, &self.edits).map(Cow::Owned)
    }
}

/// Applies edits that are in order and do not overlap; `None` if they do not fit the text.
pub(crate) fn edited(source: &str, edits: &[Edit]) -> Option<String> {
    let mut text = String::with_capacity(source.len());
    let mut at = 0;
    for edit in edits {
        text.push_str(source.get(at..edit.span.start)?);
        text.push_str(edit.replacement);
        at = edit.span.end;
    }
    text.push_str(source.get(at..)?);
    Some(text)
}
