//! The quoted line of a problem with carets under the place.
//!
//! Knows no settings, only text and a range of bytes. Control characters and secrets of the quoted
//! line are replaced. Read next: `problem.rs`.

use std::fmt;
use std::ops::Range;

use crate::mask;

/// Widest part of a line that is quoted, in characters.
const WIDEST: usize = 100;

/// A quoted line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Excerpt {
    /// Line in the file, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
    /// The line (or the part of it around the place), safe to print.
    pub text: String,
    /// Characters of `text` before the place.
    pub indent: usize,
    /// Characters that are marked, at least 1.
    pub width: usize,
}

/// Returns line and column (both from 1, columns in characters) of a byte position.
pub(crate) fn place(text: &str, at: usize) -> (usize, usize) {
    let at = floor(text, at);
    let start = text[..at].rfind('\n').map_or(0, |newline| newline + 1);
    let line = text[..start].bytes().filter(|byte| *byte == b'\n').count() + 1;
    (line, text[start..at].chars().count() + 1)
}

fn floor(text: &str, at: usize) -> usize {
    let mut at = at.min(text.len());
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}

impl Excerpt {
    /// Quotes the line that a range of bytes begins in.
    pub(crate) fn of(text: &str, span: &Range<usize>) -> Self {
        let start = floor(text, span.start);
        let (line, column) = place(text, start);
        let line_start = text[..start].rfind('\n').map_or(0, |newline| newline + 1);
        let whole = text[line_start..].lines().next().unwrap_or_default();
        let line_end = line_start + whole.len();
        let end = floor(text, span.end).clamp(start, line_end.max(start));
        let marked = text[start..end].trim_end().chars().count().max(1);

        let characters: Vec<char> = mask::line(whole).chars().collect();
        let before = (column - 1).min(characters.len());
        let first = if characters.len() > WIDEST { before.saturating_sub(WIDEST / 2) } else { 0 };
        let quoted = characters.iter().skip(first).take(WIDEST);
        Self {
            line,
            column,
            text: quoted.map(|c| if c.is_control() { ' ' } else { *c }).collect(),
            indent: before - first,
            width: marked.min(WIDEST - (before - first).min(WIDEST - 1)),
        }
    }
}

impl fmt::Display for Excerpt {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let number = self.line.to_string();
        let gutter = " ".repeat(number.len());
        writeln!(formatter, "{gutter} |")?;
        writeln!(formatter, "{number} | {}", self.text.trim_end())?;
        let indent = " ".repeat(self.indent);
        write!(formatter, "{gutter} | {indent}{}", "^".repeat(self.width))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn carets_stand_under_the_place() {
        let text = "a = 1\n  lrr: é 5\n";
        let excerpt = Excerpt::of(text, &(8..11));
        assert_eq!((excerpt.line, excerpt.column), (2, 3));
        assert_eq!(excerpt.to_string(), "  |\n2 |   lrr: é 5\n  |   ^^^");
    }

    #[test]
    fn a_long_line_is_cut_around_the_place() {
        let text = format!("x = \"{}\" # {}", "é".repeat(500), "y".repeat(500));
        let excerpt = Excerpt::of(&text, &(1010..1020));
        assert!(excerpt.text.chars().count() <= WIDEST);
        assert!(excerpt.indent + excerpt.width <= WIDEST);
    }

    proptest! {
        #[test]
        fn any_place_of_any_text_is_quoted(text in ".*\n?.*\n?.*", start in 0usize..200, length in 0usize..200) {
            let shown = Excerpt::of(&text, &(start..start + length)).to_string();
            prop_assert_eq!(shown.lines().count(), 3);
        }
    }
}
