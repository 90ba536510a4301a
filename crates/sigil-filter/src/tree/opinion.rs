//! A second parser, asked only about rows whose tree has damage, because the grammar rejects some
//! stable Rust.
//!
//! `syn` recurses, so it is asked only below fixed depths (see `outline/guard.rs`), on a thread of
//! its own with a stack that holds them.

use super::super::facts::SecondOpinion;
use crate::lex::Tokens;

/// The second parser's part of a rule set's digest.
pub(crate) const fn opinion_name() -> &'static str {
    if cfg!(feature = "syn") { "syn 3" } else { "none" }
}

#[cfg(not(feature = "syn"))]
pub(crate) fn second_opinion(_: &str, _: &Tokens, _: usize) -> Option<SecondOpinion> {
    None
}

/// Deepest nesting of brackets, and of everything that can nest, that `syn` is given.
#[cfg(feature = "syn")]
const MAX_BRACKETS: usize = 128;
#[cfg(feature = "syn")]
const MAX_RECURSION: usize = 512;

/// A level of brackets takes `syn` some ten calls; unoptimized builds need about 16 KiB for them.
#[cfg(feature = "syn")]
const STACK_BYTES: usize = 32 << 20;

/// Longest source that is worth a second parse.
#[cfg(feature = "syn")]
const MAX_BYTES: usize = 4 << 20;

#[cfg(feature = "syn")]
pub(crate) fn second_opinion(
    source: &str,
    tokens: &Tokens,
    brackets: usize,
) -> Option<SecondOpinion> {
    if source.len() > MAX_BYTES || tokens.unterminated {
        // A source with an open string or comment is no Rust by any parser.
        return Some(if tokens.unterminated {
            SecondOpinion::Rejects
        } else {
            SecondOpinion::Unavailable
        });
    }
    if brackets > MAX_BRACKETS
        || crate::outline::recursion_bound(&tokens.all, source) > MAX_RECURSION
    {
        return Some(SecondOpinion::TooDeep);
    }
    let answer = std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().stack_size(STACK_BYTES);
        let asked = thread.spawn_scoped(scope, || syn::parse_file(source).is_ok());
        asked.ok().and_then(|handle| handle.join().ok())
    });
    Some(match answer {
        Some(true) => SecondOpinion::Accepts,
        Some(false) => SecondOpinion::Rejects,
        None => SecondOpinion::Unavailable,
    })
}
