//! What a token is. Nothing here reads text; `scan.rs` does.

/// The kinds that later stages tell apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TokenKind {
    /// A name or keyword, raw (`r#type`) or not.
    Name,
    /// A raw name; never a keyword.
    RawName,
    /// `'a` or a loop label.
    Lifetime,
    /// An integer or float with its suffix.
    Number,
    /// A string, byte string or C string with its quotes and prefix.
    Text,
    /// The same, raw.
    RawText,
    /// A character or byte in single quotes.
    Character,
    /// A comment that documents what follows it.
    OuterDoc,
    /// A comment that documents what it stands in.
    InnerDoc,
    /// Any other comment.
    Comment,
    /// One byte of punctuation, or one character that starts nothing known.
    Mark,
}

/// A token's kind and place; `byte` is its first byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Token {
    pub(crate) kind: TokenKind,
    pub(crate) byte: u8,
    pub(crate) start: u32,
    pub(crate) end: u32,
}

impl Token {
    /// Whether the token is a comment of any kind.
    pub(crate) fn is_comment(self) -> bool {
        matches!(self.kind, TokenKind::OuterDoc | TokenKind::InnerDoc | TokenKind::Comment)
    }

    /// Whether the token is the given punctuation mark.
    pub(crate) fn is(self, mark: u8) -> bool {
        self.kind == TokenKind::Mark && self.byte == mark
    }

    /// The token's text in the source that it was cut from.
    pub(crate) fn text(self, source: &str) -> &str {
        source.get(self.start as usize..self.end as usize).unwrap_or("")
    }
}

/// The tokens of a text, in a buffer that is used again for the next text.
#[derive(Debug, Default)]
pub(crate) struct Tokens {
    /// All tokens, comments included, in order.
    pub(crate) all: Vec<Token>,
    /// Whether a string or block comment had no end.
    pub(crate) unterminated: bool,
}
