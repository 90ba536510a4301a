//! From a parsed text to its facts: the walk for what only the tree knows, the readers of tokens for
//! the rest. Next: `walk.rs`.

use tree_sitter::Tree;

use super::kinds::Grammar;
use super::opinion::second_opinion;
use super::regions;
use super::walk::walk;
use crate::facts::TreeFacts;
use crate::lex::Tokens;
use crate::outline::Outline;
use crate::reading::{count_calls, read_comments, read_literals};

/// Collects all facts of a tree. `tokens` are those of the same `source`.
pub(crate) fn tree_facts(
    tree: &Tree,
    grammar: &Grammar,
    source: &str,
    tokens: &Tokens,
    outline: &Outline,
) -> TreeFacts {
    let mut walked = walk(tree, grammar, source, tokens);
    let facts = &mut walked.facts;
    facts.bytes = source.len();

    let comments = read_comments(&tokens.all, source, false);
    facts.comment_bytes = comments.bytes;
    facts.documentation += comments.documentation;
    facts.plain_comment_lines = comments.plain_lines;
    facts.code_comment_lines = comments.code_lines;
    facts.todo_comments = comments.debts;
    facts.generated_marker = comments.generated;

    let literals = read_literals(&tokens.all, source);
    facts.literal_bytes = literals.bytes;
    facts.encoded_bytes = literals.encoded_bytes;
    facts.longest_encoded = literals.longest_encoded;
    facts.secret_spans = literals.secrets;

    let tests = regions::union(&facts.test_spans, &facts.bench_spans);
    let excluded = regions::union(&tests, &walked.macro_definitions);
    let calls = count_calls(&tokens.all, source, &excluded, walked.main);
    facts.unwraps = calls.unwraps;
    facts.expects = calls.expects;
    facts.panics = calls.panics;
    facts.unfinished = calls.unfinished;
    facts.debug_macros = calls.debug_macros;
    facts.prints = calls.prints;

    if facts.has_damage() {
        facts.ends_early |= tokens.unterminated || outline.unclosed;
        facts.second_opinion = second_opinion(source, tokens, outline.depth);
    }
    walked.facts
}
