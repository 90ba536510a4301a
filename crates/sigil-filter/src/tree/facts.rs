//! From a parsed text to its facts: the walk for what only the tree knows, the readers of tokens for
//! the rest. Next: `walk.rs`.

use super::opinion::second_opinion;
use super::regions;
use super::walk::{Walked, walk};
use crate::facts::TreeFacts;
use crate::outline::Outline;
use crate::reading::{count_calls, read_comments, read_literals};

/// Collects all facts of a tree. `outline` is that of the same source; a second parser is asked if
/// more than the share `opinion_above` of the bytes are errors, and never if there is no share.
pub(crate) fn tree_facts(
    over: &Walked<'_>,
    outline: &Outline,
    opinion_above: Option<f64>,
    marks: &mut Vec<u32>,
) -> TreeFacts {
    let (source, tokens) = (over.source, over.tokens);
    let mut found = walk(over, marks);
    let facts = &mut found.facts;
    facts.bytes = source.len();

    let comments = read_comments(&tokens.all, source);
    facts.comment_bytes = comments.bytes;
    facts.documentation += outline.documentation_comments;
    facts.plain_comment_lines = comments.plain_lines;
    facts.code_comment_lines = comments.code_lines;
    facts.todo_comments = outline.todo_comments;
    facts.generated_marker = comments.generated;

    let literals = read_literals(&tokens.all, source);
    facts.literal_bytes = literals.bytes;
    facts.encoded_bytes = literals.encoded_bytes;
    facts.longest_encoded = literals.longest_encoded;
    facts.secret_spans = literals.secrets;

    let tests = regions::union(&facts.test_spans, &facts.bench_spans);
    let excluded = regions::union(&tests, &found.macro_definitions);
    let calls = count_calls(&tokens.all, source, &excluded, found.main);
    facts.unwraps = calls.unwraps;
    facts.expects = calls.expects;
    facts.panics = calls.panics;
    facts.unfinished = calls.unfinished;
    facts.debug_macros = calls.debug_macros;
    facts.prints = calls.prints;

    if facts.has_damage() {
        facts.ends_early |= tokens.unterminated || outline.unclosed;
        if opinion_above.is_some_and(|share| facts.error_share() > share) {
            facts.second_opinion = second_opinion(source, tokens, outline.depth);
        }
    }
    found.facts
}
