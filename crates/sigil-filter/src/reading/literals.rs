//! What literals amount to.

use super::encoded::encoded_runs;
use crate::Span;
use crate::lex::{Token, TokenKind};

/// What the literals of a row show.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct LiteralFacts {
    pub(crate) bytes: usize,
    pub(crate) encoded_bytes: usize,
    pub(crate) longest_encoded: usize,
    pub(crate) secrets: Vec<Span>,
}

/// Reads all string, character and number literals.
pub(crate) fn read_literals(tokens: &[Token], source: &str) -> LiteralFacts {
    let mut facts = LiteralFacts::default();
    for token in tokens {
        match token.kind {
            TokenKind::Number | TokenKind::Character => facts.bytes += token.text(source).len(),
            TokenKind::Text | TokenKind::RawText => {
                let text = token.text(source);
                facts.bytes += text.len();
                let (all, longest) = encoded_runs(text);
                facts.encoded_bytes += all;
                facts.longest_encoded = facts.longest_encoded.max(longest);
            }
            _ => {}
        }
    }
    #[cfg(feature = "secrets")]
    {
        facts.secrets = super::secrets::find_secrets(tokens, source);
    }
    facts
}
