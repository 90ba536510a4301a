//! Rust source cut into tokens: comments, literals, names and single punctuation marks.
//!
//! The lexer exists to know, at hundreds of megabytes per second, what is a comment or a string and
//! what is code. It accepts any text, never fails and never recurses; it does not check that a
//! number or an escape is well formed. Next: `scan.rs` for the cutting, `token.rs` for the kinds.

mod scan;
mod token;

pub(crate) use scan::lex;
pub(crate) use token::{Token, TokenKind, Tokens};
