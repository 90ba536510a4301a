//! Cuts text into tokens in one pass over its bytes. Next: `token.rs`.

use super::token::{Token, TokenKind, Tokens};

/// Cuts `source` into `into`, whose former content is dropped.
///
/// Sources of 4 GiB and more yield no tokens and count as unterminated: positions are 32 bits.
pub(crate) fn lex(source: &str, into: &mut Tokens) {
    into.all.clear();
    into.unterminated = false;
    if u32::try_from(source.len()).is_err() {
        into.unterminated = true;
        return;
    }
    let mut scanner = Scanner { bytes: source.as_bytes(), source, at: 0, unterminated: false };
    scanner.skip_byte_order_mark_and_shebang();
    while let Some(token) = scanner.next() {
        into.all.push(token);
    }
    into.unterminated = scanner.unterminated;
}

struct Scanner<'a> {
    bytes: &'a [u8],
    source: &'a str,
    at: usize,
    unterminated: bool,
}

/// What a byte starts.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Class {
    Space,
    Name,
    Digit,
    Other,
}

const CLASSES: [Class; 256] = {
    let mut classes = [Class::Other; 256];
    let mut byte = 0;
    while byte < 256 {
        classes[byte] = match byte as u8 {
            b' ' | b'\t' | b'\n' | b'\r' | 0x0b | 0x0c => Class::Space,
            b'a'..=b'z' | b'A'..=b'Z' | b'_' | 0x80..=0xff => Class::Name,
            b'0'..=b'9' => Class::Digit,
            _ => Class::Other,
        };
        byte += 1;
    }
    classes
};

impl Scanner<'_> {
    fn skip_byte_order_mark_and_shebang(&mut self) {
        if self.bytes.starts_with("\u{feff}".as_bytes()) {
            self.at = 3;
        }
        let rest = &self.source[self.at..];
        if rest.starts_with("#!") && !rest[2..].trim_start().starts_with('[') {
            self.at += memchr::memchr(b'\n', rest.as_bytes()).unwrap_or(rest.len());
        }
    }

    fn peek(&self, ahead: usize) -> u8 {
        self.bytes.get(self.at + ahead).copied().unwrap_or(0)
    }

    fn next(&mut self) -> Option<Token> {
        while self.at < self.bytes.len() && CLASSES[self.bytes[self.at] as usize] == Class::Space {
            self.at += 1;
        }
        let start = self.at;
        let byte = *self.bytes.get(start)?;
        let kind = match CLASSES[byte as usize] {
            Class::Name => self.name_or_prefixed(byte),
            Class::Digit => self.number(),
            Class::Space | Class::Other => match byte {
                b'/' if self.peek(1) == b'/' => self.line_comment(),
                b'/' if self.peek(1) == b'*' => self.block_comment(),
                b'"' => {
                    self.at += 1;
                    self.quoted()
                }
                b'\'' => self.lifetime_or_character(),
                _ => {
                    self.at += 1;
                    TokenKind::Mark
                }
            },
        };
        Some(Token { kind, byte, start: start as u32, end: self.at as u32 })
    }

    fn name(&mut self) {
        while self.at < self.bytes.len()
            && matches!(CLASSES[self.bytes[self.at] as usize], Class::Name | Class::Digit)
        {
            self.at += 1;
        }
    }

    /// Names, raw names, and literals with a prefix of letters (`b"`, `br#"`, `c"`, `b'`).
    fn name_or_prefixed(&mut self, byte: u8) -> TokenKind {
        if matches!(byte, b'r' | b'b' | b'c') {
            let letters = match (byte, self.peek(1)) {
                (b'b' | b'c', b'r') => 2,
                _ => 1,
            };
            let raw = letters == 2 || byte == b'r';
            match self.peek(letters) {
                b'"' if raw => {
                    self.at += letters;
                    return self.raw_text(0);
                }
                b'"' => {
                    self.at += letters + 1;
                    return self.quoted();
                }
                b'\'' if byte == b'b' && letters == 1 => {
                    self.at += 1;
                    return self.character();
                }
                b'#' if raw => {
                    let mut hashes = 0;
                    while self.peek(letters + hashes) == b'#' {
                        hashes += 1;
                    }
                    let after = self.peek(letters + hashes);
                    if after == b'"' {
                        self.at += letters + hashes;
                        return self.raw_text(hashes);
                    }
                    let named = CLASSES[after as usize] == Class::Name;
                    if byte == b'r' && letters == 1 && hashes == 1 && named {
                        self.at += 2;
                        self.name();
                        return TokenKind::RawName;
                    }
                }
                _ => {}
            }
        }
        self.name();
        TokenKind::Name
    }

    fn number(&mut self) -> TokenKind {
        let radix_prefix = self.peek(0) == b'0' && matches!(self.peek(1), b'x' | b'o' | b'b');
        let mut dotted = false;
        while self.at < self.bytes.len() {
            match self.bytes[self.at] {
                byte if matches!(CLASSES[byte as usize], Class::Name | Class::Digit)
                    && byte < 0x80 =>
                {
                    let exponent = !radix_prefix
                        && matches!(byte, b'e' | b'E')
                        && matches!(self.peek(1), b'+' | b'-')
                        && self.peek(2).is_ascii_digit();
                    self.at += if exponent { 2 } else { 1 };
                }
                b'.' if !dotted && !radix_prefix => {
                    let after = self.peek(1);
                    if after == b'.' || CLASSES[after as usize] == Class::Name {
                        break;
                    }
                    dotted = true;
                    self.at += 1;
                }
                _ => break,
            }
        }
        TokenKind::Number
    }

    /// The rest of a string whose opening quote was passed.
    fn quoted(&mut self) -> TokenKind {
        loop {
            match memchr::memchr2(b'"', b'\\', &self.bytes[self.at..]) {
                Some(offset) if self.bytes[self.at + offset] == b'"' => {
                    self.at += offset + 1;
                    return TokenKind::Text;
                }
                // A backslash takes the next character along, whatever its length: continuation
                // bytes are neither quotes nor backslashes.
                Some(offset) if self.at + offset + 2 <= self.bytes.len() => self.at += offset + 2,
                _ => {
                    self.at = self.bytes.len();
                    self.unterminated = true;
                    return TokenKind::Text;
                }
            }
        }
    }

    /// A raw string from its opening quote on.
    fn raw_text(&mut self, hashes: usize) -> TokenKind {
        self.at += 1;
        while let Some(offset) = memchr::memchr(b'"', &self.bytes[self.at..]) {
            self.at += offset + 1;
            let rest = &self.bytes[self.at..];
            if rest.len() >= hashes && rest[..hashes].iter().all(|&byte| byte == b'#') {
                self.at += hashes;
                return TokenKind::RawText;
            }
        }
        self.at = self.bytes.len();
        self.unterminated = true;
        TokenKind::RawText
    }

    /// A character from its opening quote on; one that does not close ends with its line.
    fn character(&mut self) -> TokenKind {
        self.at += 1;
        while self.at < self.bytes.len() {
            match self.bytes[self.at] {
                b'\'' => {
                    self.at += 1;
                    break;
                }
                b'\n' => break,
                b'\\' if self.peek(1) != b'\n' => self.at = (self.at + 2).min(self.bytes.len()),
                _ => self.at += 1,
            }
        }
        TokenKind::Character
    }

    fn lifetime_or_character(&mut self) -> TokenKind {
        let rest = &self.source[self.at + 1..];
        let mut letters = rest.chars();
        match (letters.next(), letters.next()) {
            (Some('\\'), _) => self.character(),
            (Some(inner), Some('\'')) if inner != '\'' => {
                self.at += 2 + inner.len_utf8();
                TokenKind::Character
            }
            (Some(first), _) if first == '_' || first.is_alphabetic() => {
                self.at += 1;
                if rest.starts_with("r#") {
                    self.at += 2;
                }
                self.name();
                TokenKind::Lifetime
            }
            _ => {
                self.at += 1;
                TokenKind::Mark
            }
        }
    }

    fn line_comment(&mut self) -> TokenKind {
        let rest = &self.bytes[self.at..];
        let length = memchr::memchr(b'\n', rest).unwrap_or(rest.len());
        let kind = match rest.get(2) {
            Some(b'!') => TokenKind::InnerDoc,
            Some(b'/') if rest.get(3) != Some(&b'/') => TokenKind::OuterDoc,
            _ => TokenKind::Comment,
        };
        self.at += length;
        kind
    }

    fn block_comment(&mut self) -> TokenKind {
        let kind = match (self.peek(2), self.peek(3)) {
            (b'!', _) => TokenKind::InnerDoc,
            (b'*', b'*' | b'/') => TokenKind::Comment,
            (b'*', _) => TokenKind::OuterDoc,
            _ => TokenKind::Comment,
        };
        self.at += 2;
        let mut open = 1_usize;
        while let Some(offset) = memchr::memchr2(b'*', b'/', &self.bytes[self.at..]) {
            self.at += offset;
            match (self.peek(0), self.peek(1)) {
                (b'*', b'/') => {
                    self.at += 2;
                    open -= 1;
                    if open == 0 {
                        return kind;
                    }
                }
                (b'/', b'*') => {
                    self.at += 2;
                    open += 1;
                }
                _ => self.at += 1,
            }
        }
        self.at = self.bytes.len();
        self.unterminated = true;
        kind
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn kinds(source: &str) -> String {
        let mut tokens = Tokens::default();
        lex(source, &mut tokens);
        let parts =
            tokens.all.iter().map(|token| format!("{:?}:{}", token.kind, token.text(source)));
        parts.collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn raw_names_are_not_strings() {
        assert_eq!(kinds("r#type r#\"a\"#"), "RawName:r#type RawText:r#\"a\"#");
    }

    #[test]
    fn lifetimes_and_characters_differ() {
        assert_eq!(
            kinds("'a 'a' '\\'' 'é' b'x' '\"'"),
            "Lifetime:'a Character:'a' Character:'\\'' Character:'é' Character:b'x' Character:'\"'"
        );
    }

    #[test]
    fn comments_nest_and_know_documentation() {
        assert_eq!(kinds("/* a /* b */ c */ x"), "Comment:/* a /* b */ c */ Name:x");
        assert_eq!(kinds("/// a\n//// b\n//! c"), "OuterDoc:/// a Comment://// b InnerDoc://! c");
        assert_eq!(
            kinds("/**/ /** a */ /*** b */"),
            "Comment:/**/ OuterDoc:/** a */ Comment:/*** b */"
        );
    }

    #[test]
    fn numbers_leave_ranges_and_methods_alone() {
        assert_eq!(
            kinds("1..2 1.0e-5 1.max"),
            "Number:1 Mark:. Mark:. Number:2 Number:1.0e-5 Number:1 Mark:. Name:max"
        );
    }

    proptest! {
        #[test]
        fn tokens_lie_in_order_on_character_boundaries(source in "\\PC*|[\"'r#b/*\\\\ \\na!\\[]{0,80}") {
            let mut tokens = Tokens::default();
            lex(&source, &mut tokens);
            let mut last = 0;
            for token in &tokens.all {
                prop_assert!(token.start >= last && token.end > token.start);
                prop_assert!(source.get(token.start as usize..token.end as usize).is_some());
                last = token.end;
            }
            prop_assert!(last as usize <= source.len());
        }
    }
}
