//! Credentials in string literals: known prefixes, private keys, and values of high entropy that a
//! name calls secret.
//!
//! Precision first: examples, placeholders and hashes must not count. What is found is replaced or
//! drops the row; it is never copied anywhere.

use crate::Span;
use crate::lex::{Token, TokenKind};

/// A prefix that a service gives its credentials, and how many letters follow at least.
struct Known {
    prefix: &'static str,
    least: usize,
}

const KNOWN: [Known; 18] = [
    Known { prefix: "AKIA", least: 16 },
    Known { prefix: "ASIA", least: 16 },
    Known { prefix: "ghp_", least: 36 },
    Known { prefix: "gho_", least: 36 },
    Known { prefix: "ghs_", least: 36 },
    Known { prefix: "ghu_", least: 36 },
    Known { prefix: "github_pat_", least: 36 },
    Known { prefix: "glpat-", least: 20 },
    Known { prefix: "sk-", least: 32 },
    Known { prefix: "sk_live_", least: 20 },
    Known { prefix: "rk_live_", least: 20 },
    Known { prefix: "xoxb-", least: 20 },
    Known { prefix: "xoxp-", least: 20 },
    Known { prefix: "AIza", least: 35 },
    Known { prefix: "hf_", least: 30 },
    Known { prefix: "npm_", least: 36 },
    Known { prefix: "pypi-", least: 50 },
    Known { prefix: "SG.", least: 40 },
];

/// Entropy of a random alphanumeric key is near 5.2 bits a letter for 40 letters; words stay below 4.
const LEAST_ENTROPY_BITS: f64 = 3.5;

/// Parts of names that call a value secret, in lower case.
const SECRET_NAMES: [&str; 7] =
    ["secret", "password", "passwd", "api_key", "apikey", "access_key", "auth_token"];

/// Gives the spans of all secrets in string literals, in order.
pub(crate) fn find_secrets(tokens: &[Token], source: &str) -> Vec<Span> {
    let mut spans = Vec::new();
    for (at, token) in tokens.iter().enumerate() {
        if matches!(token.kind, TokenKind::Text | TokenKind::RawText) {
            find_in_literal(&tokens[..at], *token, source, &mut spans);
        }
    }
    spans
}

/// Adds the spans of secrets in a string literal; `before` are the tokens in front of it.
fn find_in_literal(before: &[Token], literal: Token, source: &str, spans: &mut Vec<Span>) {
    let text = literal.text(source);
    let known = spans.len();
    find(text, literal.start as usize, spans);
    let content =
        text.trim_start_matches(['b', 'c', 'r', '#']).trim_end_matches('#').trim_matches('"');
    if spans.len() == known && is_random_key(content) && is_named_secret(before, source) {
        let start = literal.start as usize + text.find(content).unwrap_or(0);
        spans.push(Span { start, end: start + content.len() });
    }
}

/// Whether the literal is given to something whose name calls it secret: `let api_key = ..`,
/// `password: ..`, `const SECRET: &str = ..`.
fn is_named_secret(before: &[Token], source: &str) -> bool {
    let assigned = before.last().is_some_and(|token| token.is(b'=') || token.is(b':'));
    let near = before.iter().rev().take(8);
    let mut statement = near.take_while(|token| {
        !(token.kind == TokenKind::Mark && matches!(token.byte, b';' | b',' | b'{' | b'}' | b'('))
    });
    assigned
        && statement.any(|token| {
            let name = token.text(source).to_ascii_lowercase();
            token.kind == TokenKind::Name && SECRET_NAMES.iter().any(|part| name.contains(part))
        })
}

/// Adds the spans of secrets in the literal `text`, which starts at byte `offset` of the source.
fn find(text: &str, offset: usize, spans: &mut Vec<Span>) {
    let mut add = |start: usize, end: usize| {
        spans.push(Span { start: offset + start, end: offset + end });
    };
    if let Some(start) = text.find("-----BEGIN ")
        && text[start..].lines().next().is_some_and(|line| line.contains("PRIVATE KEY-----"))
    {
        let inner_end =
            text.len() - text.bytes().rev().take_while(|&b| matches!(b, b'"' | b'#')).count();
        // A mere header, as a parser compares it, is no key.
        if inner_end - start > 120 {
            add(start, inner_end);
            return;
        }
    }
    let bytes = text.as_bytes();
    let mut at = 0;
    while at < bytes.len() {
        let starts_word = at == 0 || !is_key_byte(bytes[at - 1]);
        let known = KNOWN.iter().find(|known| bytes[at..].starts_with(known.prefix.as_bytes()));
        if let Some(known) = known.filter(|_| starts_word) {
            let body = at + known.prefix.len();
            let length = bytes[body..].iter().take_while(|&&byte| is_key_byte(byte)).count();
            let key = &bytes[body..body + length];
            if length >= known.least && entropy_bits(key) >= LEAST_ENTROPY_BITS {
                add(at, body + length);
            }
            at = body + length;
        } else {
            at += 1;
        }
    }
}

fn is_key_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.')
}

/// Shannon entropy of the bytes, in bits a byte.
fn entropy_bits(bytes: &[u8]) -> f64 {
    let mut counts = [0_usize; 256];
    for &byte in bytes {
        counts[byte as usize] += 1;
    }
    let all = bytes.len() as f64;
    let present = counts.iter().filter(|&&count| count > 0);
    present.map(|&count| count as f64 / all).map(|share| -share * share.log2()).sum()
}

/// Whether a literal's content is a random key: one word of mixed letters and digits.
fn is_random_key(content: &str) -> bool {
    let bytes = content.as_bytes();
    (20..=128).contains(&bytes.len())
        && bytes.iter().all(|&byte| {
            byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'=' | b'_' | b'-')
        })
        && bytes.iter().any(u8::is_ascii_digit)
        && bytes.iter().any(u8::is_ascii_alphabetic)
        && entropy_bits(bytes) >= 4.0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> usize {
        let mut spans = Vec::new();
        find(text, 0, &mut spans);
        spans.len()
    }

    // The keys are put together here so that no scanner takes this file for a leak.
    #[test]
    fn known_prefixes_with_random_bodies_count() {
        let body = "q7Zt2Lk9Xw4Vb8Nc3Md6Rf1Hs5Jp0GyTuEiO";
        assert_eq!(found(&format!("\"token ghp{}{body}\"", "_")), 1);
        assert_eq!(found(&format!("\"AK{}Q7ZT2LK9XW4VB8NC\"", "IA")), 1);
    }

    #[test]
    fn placeholders_and_words_do_not() {
        assert_eq!(found(&format!("\"ghp_{}\"", "x".repeat(36))), 0);
        assert_eq!(found("\"sk-learn and AKIA\""), 0);
        assert_eq!(found(&format!("\"-----BEGIN{}PRIVATE KEY-----\"", " ")), 0);
    }

    #[test]
    fn random_keys_are_told_from_names_and_prose() {
        assert!(is_random_key("q7Zt2Lk9Xw4Vb8Nc3Md6Rf1H"));
        assert!(!is_random_key("application/octet-stream1"));
        assert!(!is_random_key("00000000000000000000000000000000"));
    }
}
