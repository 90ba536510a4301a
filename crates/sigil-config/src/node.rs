//! What every syntax is read into: a tree of values, each with the place it was written at.
//!
//! Knows neither TOML nor YAML nor the settings. Read next: `syntax.rs` (who makes these trees),
//! `check.rs` (who compares them with the settings).

use std::ops::Range;

use crate::mask;

/// A value as it was written.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Value {
    Null,
    Bool(bool),
    Integer(i64),
    Float(f64),
    Text(String),
    /// A TOML date or time: no setting takes one, so only its text is kept.
    Date(String),
    List(Vec<Node>),
    Table(Vec<Entry>),
}

/// A value and its place: a range of bytes in the source (empty for values that have no place).
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Node {
    pub(crate) value: Value,
    pub(crate) span: Range<usize>,
}

/// A key of a table with its value.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Entry {
    pub(crate) key: String,
    pub(crate) key_span: Range<usize>,
    pub(crate) node: Node,
}

impl Value {
    /// Names the value for a message: its type, and the value itself where that is short.
    pub(crate) fn describe(&self) -> String {
        match self {
            Self::Null => "nothing (`null`)".to_owned(),
            Self::Bool(value) => format!("the boolean `{value}`"),
            Self::Integer(value) => format!("the integer `{value}`"),
            Self::Float(value) => format!("the number `{value:?}`"),
            Self::Text(text) if text.is_empty() => "an empty text".to_owned(),
            Self::Text(text) => format!("the text {}", quoted(text)),
            Self::Date(text) => format!("the date {}", quoted(text)),
            Self::List(items) if items.is_empty() => "an empty list".to_owned(),
            Self::List(_) => "a list".to_owned(),
            Self::Table(_) => "a table".to_owned(),
        }
    }
}

/// Quotes a text for a message, cut to a length that fits into a line.
pub(crate) fn quoted(text: &str) -> String {
    const LONGEST: usize = 60;
    // Masked before it is cut: a cut token may be too short to be recognised.
    let text = mask::message(text);
    let mut short: String = text.chars().take(LONGEST).collect();
    if short.len() < text.len() {
        short.push('…');
    }
    format!("`{}`", short.escape_debug())
}

impl Node {
    pub(crate) fn new(value: Value, span: Range<usize>) -> Self {
        Self { value, span }
    }

    /// A value without a place in a file.
    pub(crate) fn bare(value: Value) -> Self {
        Self::new(value, 0..0)
    }

    pub(crate) fn table(&self) -> Option<&[Entry]> {
        match &self.value {
            Value::Table(entries) => Some(entries),
            _ => None,
        }
    }
}
