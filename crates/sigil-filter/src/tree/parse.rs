//! Parsing within limits that count bytes and the parser's own progress, never time.

use std::ops::ControlFlow;

use tree_sitter::{Language, ParseOptions, Parser, Tree};

use super::kinds::Grammar;

/// Reports of progress that any text may take, and how many more for each of its bytes. The parser
/// reports every hundred operations; ordinary code needs about one report for 60 bytes, and the worst
/// hand-written files known need one for 20.
const REPORTS_FREE: u64 = 20_000;
const REPORTS_PER_BYTE: u64 = 1;

/// A parser and what it needs, to be used for one text after another.
pub(crate) struct TreeParser {
    /// Absent only if the grammar does not fit the parser, which a test excludes.
    parser: Option<Parser>,
    pub(crate) grammar: Grammar,
}

/// What came of a parse.
pub(crate) enum Parsed {
    Tree(Tree),
    /// The text is longer than the limit, or took more steps than its length justifies.
    Stopped,
}

impl TreeParser {
    pub(crate) fn new() -> Self {
        let language = Language::new(tree_sitter_rust::LANGUAGE);
        let mut parser = Parser::new();
        let fits = parser.set_language(&language).is_ok();
        Self { parser: fits.then_some(parser), grammar: Grammar::new(&language) }
    }

    /// Parses `source` unless it has more than `max_bytes`.
    pub(crate) fn parse(&mut self, source: &str, max_bytes: usize) -> Parsed {
        let bytes = source.as_bytes();
        let Some(parser) = self.parser.as_mut() else { return Parsed::Stopped };
        if bytes.len() > max_bytes || u32::try_from(bytes.len()).is_err() {
            return Parsed::Stopped;
        }
        let mut left = REPORTS_FREE + REPORTS_PER_BYTE * bytes.len() as u64;
        let mut progress = |_: &tree_sitter::ParseState| {
            left = left.saturating_sub(1);
            if left == 0 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        };
        let options = ParseOptions::new().progress_callback(&mut progress);
        let tree = parser.parse_with_options(
            &mut |at, _| bytes.get(at..).unwrap_or_default(),
            None,
            Some(options),
        );
        match tree {
            Some(tree) => Parsed::Tree(tree),
            None => {
                // A parse that was stopped would otherwise be resumed with the next text.
                parser.reset();
                Parsed::Stopped
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_grammar_fits_the_parser() {
        assert!(TreeParser::new().parser.is_some());
    }

    #[test]
    fn a_text_over_the_limit_is_not_parsed() {
        let mut parser = TreeParser::new();
        assert!(matches!(parser.parse("fn a() {}", 8), Parsed::Stopped));
        assert!(matches!(parser.parse("fn a() {}", 9), Parsed::Tree(_)));
    }
}
