//! A range of bytes in a row's source.

use std::ops::Range;

/// A half-open range of byte offsets into the source as it was given.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Span {
    /// Offset of the first byte.
    pub start: usize,
    /// Offset after the last byte.
    pub end: usize,
}

impl Span {
    /// The length in bytes.
    pub const fn len(self) -> usize {
        self.end.saturating_sub(self.start)
    }

    /// Whether no byte lies in the span.
    pub const fn is_empty(self) -> bool {
        self.end <= self.start
    }

    /// The span as a range.
    pub const fn range(self) -> Range<usize> {
        self.start..self.end
    }
}
