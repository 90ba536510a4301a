//! Splits Rust text into tokens, with the rules of the language reference for comments, strings, raw
//! strings, characters and lifetimes, so that nothing inside one is taken for code.
//!
//! It is not a parser and accepts any text: what does not end is marked [`Token::ended`] false. Next:
//! `items.rs`, which finds functions in these tokens.

use std::ops::Range;

/// What a token is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenKind {
    /// A name or keyword, raw names included.
    Word,
    /// `'a`.
    Lifetime,
    /// A character, byte, string or number, with its suffix.
    Literal,
    /// A comment that is no documentation.
    Comment,
    /// `///`, `//!`, `/** */` or `/*! */`.
    DocComment,
    /// `(`, `[` or `{`.
    Open(u8),
    /// `)`, `]` or `}`.
    Close(u8),
    /// One character of punctuation, or anything else.
    Punct(char),
}

/// A token and where it lies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token {
    /// What it is.
    pub kind: TokenKind,
    /// Its bytes in the text.
    pub span: Range<usize>,
    /// False for a string or comment that the end of the text cuts off.
    pub ended: bool,
}

impl Token {
    /// The token's text.
    pub fn text<'a>(&self, source: &'a str) -> &'a str {
        &source[self.span.clone()]
    }

    /// Whether it is a comment of either kind.
    pub fn is_comment(&self) -> bool {
        matches!(self.kind, TokenKind::Comment | TokenKind::DocComment)
    }
}

/// Splits `source`. Every byte is in a token or is white space.
pub fn tokens(source: &str) -> Vec<Token> {
    let mut lexer = Lexer { source, at: 0 };
    if source.starts_with('\u{feff}') {
        lexer.at = '\u{feff}'.len_utf8();
    }
    let rest = &source[lexer.at..];
    // `#![` begins an attribute, any other `#!` a line for the shell.
    if rest.starts_with("#!") && !rest[2..].trim_start().starts_with('[') {
        lexer.at += rest.find('\n').unwrap_or(rest.len());
    }
    let mut found = Vec::new();
    while let Some(token) = lexer.next_token() {
        found.push(token);
    }
    found
}

struct Lexer<'a> {
    source: &'a str,
    at: usize,
}

impl Lexer<'_> {
    fn rest(&self) -> &str {
        &self.source[self.at..]
    }

    fn peek(&self, offset: usize) -> u8 {
        self.source.as_bytes().get(self.at + offset).copied().unwrap_or(0)
    }

    fn next_token(&mut self) -> Option<Token> {
        self.skip_while(char::is_whitespace);
        let start = self.at;
        let first = self.rest().chars().next()?;
        let mut ended = true;
        let kind = if self.rest().starts_with("//") {
            self.skip_while(|c| c != '\n');
            let text = &self.source[start..self.at];
            let doc =
                text.starts_with("//!") || (text.starts_with("///") && !text.starts_with("////"));
            if doc { TokenKind::DocComment } else { TokenKind::Comment }
        } else if self.rest().starts_with("/*") {
            ended = self.block_comment();
            let text = &self.source[start..self.at];
            let doc = text.starts_with("/*!")
                || (text.starts_with("/**") && !text.starts_with("/***") && text.len() > 4);
            if doc { TokenKind::DocComment } else { TokenKind::Comment }
        } else if let Some(prefix) = self.raw_string_prefix() {
            ended = self.raw_string(prefix);
            TokenKind::Literal
        } else if let Some((prefix, quote)) = self.quoted_prefix() {
            self.at += prefix;
            ended = self.quoted(quote);
            TokenKind::Literal
        } else if first == '\'' {
            match self.character_or_lifetime() {
                Some(done) => {
                    ended = done;
                    TokenKind::Literal
                }
                None => TokenKind::Lifetime,
            }
        } else if first.is_ascii_digit() {
            self.number();
            TokenKind::Literal
        } else if is_word_start(first) {
            if self.rest().starts_with("r#") {
                self.at += 2;
            }
            self.skip_while(is_word);
            TokenKind::Word
        } else {
            self.at += first.len_utf8();
            match first {
                '(' | '[' | '{' => TokenKind::Open(first as u8),
                ')' | ']' | '}' => TokenKind::Close(first as u8),
                _ => TokenKind::Punct(first),
            }
        };
        Some(Token { kind, span: start..self.at, ended })
    }

    fn skip_while(&mut self, wanted: impl Fn(char) -> bool) {
        let rest = self.rest();
        self.at += rest.find(|c| !wanted(c)).unwrap_or(rest.len());
    }

    /// Block comments nest. Returns whether it ends.
    fn block_comment(&mut self) -> bool {
        let bytes = self.source.as_bytes();
        let mut depth = 0usize;
        while self.at < bytes.len() {
            if bytes[self.at..].starts_with(b"/*") {
                depth += 1;
                self.at += 2;
            } else if bytes[self.at..].starts_with(b"*/") {
                depth -= 1;
                self.at += 2;
                if depth == 0 {
                    return true;
                }
            } else {
                self.at += 1;
            }
        }
        false
    }

    /// The number of bytes before the `#`s of `r".."`, `br".."` or `cr".."`.
    fn raw_string_prefix(&self) -> Option<usize> {
        let letters = ["r", "br", "cr"].into_iter().find(|word| self.rest().starts_with(word))?;
        let after = self.rest()[letters.len()..].trim_start_matches('#');
        after.starts_with('"').then_some(letters.len())
    }

    fn raw_string(&mut self, prefix: usize) -> bool {
        self.at += prefix;
        let hashes = self.rest().bytes().take_while(|byte| *byte == b'#').count();
        self.at += hashes + 1;
        let close = format!("\"{}", "#".repeat(hashes));
        let found = self.rest().find(&close);
        self.at = found.map_or(self.source.len(), |offset| self.at + offset + close.len());
        if found.is_some() {
            self.skip_while(is_word);
        }
        found.is_some()
    }

    /// The bytes before the opening quote, and the quote, of a string or byte literal.
    fn quoted_prefix(&self) -> Option<(usize, u8)> {
        match (self.peek(0), self.peek(1)) {
            (b'"', _) => Some((0, b'"')),
            (b'b' | b'c', b'"') => Some((1, b'"')),
            (b'b', b'\'') => Some((1, b'\'')),
            _ => None,
        }
    }

    /// Reads from the opening quote to the closing one. Returns whether it is there.
    fn quoted(&mut self, quote: u8) -> bool {
        let bytes = self.source.as_bytes();
        self.at += 1;
        while self.at < bytes.len() {
            let byte = bytes[self.at];
            self.at += 1;
            if byte == b'\\' {
                self.at += self.rest().chars().next().map_or(0, char::len_utf8);
            } else if byte == quote {
                self.skip_while(is_word);
                return true;
            }
        }
        false
    }

    /// `Some(ended)` for a character, `None` for a lifetime; moves behind either.
    fn character_or_lifetime(&mut self) -> Option<bool> {
        let mut following = self.rest()[1..].chars();
        let (first, second) = (following.next(), following.next());
        match first {
            Some('\\') => Some(self.quoted(b'\'')),
            Some(c) if second == Some('\'') => {
                self.at += 2 + c.len_utf8();
                self.skip_while(is_word);
                Some(true)
            }
            Some(c) if is_word_start(c) || c.is_ascii_digit() => {
                self.at += 1;
                if self.rest().starts_with("r#") {
                    self.at += 2;
                }
                self.skip_while(is_word);
                None
            }
            Some(c) => {
                // Not valid in any way; a character that never ends would hide the rest.
                self.at += 1 + if c == '\'' { 1 } else { 0 };
                Some(true)
            }
            None => {
                self.at += 1;
                Some(false)
            }
        }
    }

    fn number(&mut self) {
        let prefixed = self.peek(0) == b'0' && matches!(self.peek(1), b'x' | b'b' | b'o');
        self.skip_while(is_word);
        if self.peek(0) == b'.' && self.peek(1).is_ascii_digit() {
            self.at += 1;
            self.skip_while(is_word);
        } else if self.peek(0) == b'.' && self.peek(1) != b'.' {
            let next = self.rest()[1..].chars().next();
            if !next.is_some_and(is_word_start) {
                self.at += 1;
            }
        }
        let exponent = self.source.as_bytes().get(self.at.wrapping_sub(1)).copied();
        if !prefixed
            && matches!(exponent, Some(b'e' | b'E'))
            && matches!(self.peek(0), b'+' | b'-')
            && self.peek(1).is_ascii_digit()
        {
            self.at += 1;
            self.skip_while(is_word);
        }
    }
}

fn is_word_start(c: char) -> bool {
    c == '_' || c.is_alphabetic()
}

fn is_word(c: char) -> bool {
    c == '_' || c.is_alphanumeric()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn texts(source: &str) -> Vec<(&str, TokenKind)> {
        tokens(source).iter().map(|token| (token.text(source), token.kind)).collect()
    }

    #[test]
    fn quotes_lifetimes_and_comments_are_told_apart() {
        let source = "fn f<'a>(x: &'a str) { '\\'' 'x' b'\\n' \"a\\\"}\" r#\"}\"# /* { /* */ */ // }\n 1.0e-5 0..2 'r#fn }";
        let found = texts(source);
        let literals: Vec<_> =
            found.iter().filter(|(_, kind)| *kind == TokenKind::Literal).map(|(t, _)| *t).collect();
        assert_eq!(
            literals,
            ["'\\''", "'x'", "b'\\n'", "\"a\\\"}\"", "r#\"}\"#", "1.0e-5", "0", "2"]
        );
        let lifetimes = found.iter().filter(|(_, kind)| *kind == TokenKind::Lifetime).count();
        assert_eq!(lifetimes, 3);
        assert!(tokens(source).iter().all(|token| token.ended));
    }

    #[test]
    fn what_is_cut_off_is_marked() {
        for source in ["\"abc", "r#\"abc\"", "/* a /* b */", "b\"a\\\""] {
            assert!(!tokens(source).last().expect("there is a token").ended, "{source}");
        }
    }

    proptest! {
        #[test]
        fn every_byte_is_in_a_token_or_is_space(source in "(?s).{0,200}") {
            let mut at = if source.starts_with('\u{feff}') { 3 } else { 0 };
            let shebang = source[at..].starts_with("#!");
            for token in tokens(&source) {
                prop_assert!(token.span.start >= at && token.span.end > token.span.start);
                prop_assert!(shebang || source[at..token.span.start].trim().is_empty());
                at = token.span.end;
            }
            prop_assert!(shebang || source[at..].trim().is_empty());
        }

        #[test]
        fn rust_like_text_is_split_too(source in "[a-z'\"/*{}()r#b\\\\ \n!.0-9]{0,80}") {
            tokens(&source);
        }
    }
}
