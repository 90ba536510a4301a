//! Rust text as tokens and items: what can be said about a sample without compiling it.
//!
//! Start at `lexer.rs`; nothing here fails, whatever the text.

mod balance;
mod facts;
mod items;
mod lexer;
mod signature;
mod syntax;

pub use balance::{Refusal, refusal};
pub use facts::Facts;
pub use items::{Item, ItemKind, items};
pub use lexer::{Token, TokenKind, tokens};
pub use signature::Signature;
pub use syntax::SyntaxFacts;
