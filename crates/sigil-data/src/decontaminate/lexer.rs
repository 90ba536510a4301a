//! The tokens of Rust code, as far as a comparison needs them.
//!
//! Is: words, literals and signs, without comments and white space; it never fails, and any text has
//! tokens. Is not: a checked lexer; unfinished literals end with the text. Next: `index.rs`.

/// One token, as a piece of the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Token<'a> {
    pub(super) kind: Kind,
    pub(super) text: &'a str,
}

/// What a token is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// An identifier that is no keyword.
    Name,
    /// A keyword or a type of the language.
    Keyword,
    /// A number, text, character or lifetime.
    Literal,
    /// One sign.
    Sign,
}

const KEYWORDS: [&str; 62] = [
    "as", "async", "await", "bool", "break", "char", "const", "continue", "crate", "dyn", "else",
    "enum", "extern", "f32", "f64", "false", "fn", "for", "i128", "i16", "i32", "i64", "i8", "if",
    "impl", "in", "isize", "let", "loop", "match", "mod", "move", "mut", "pub", "ref", "return",
    "self", "Self", "static", "str", "String", "struct", "super", "trait", "true", "type", "u128",
    "u16", "u32", "u64", "u8", "union", "unsafe", "use", "usize", "where", "while", "Vec",
    "Option", "Some", "None", "Result",
];

/// Splits a text into tokens.
pub(super) fn tokens(text: &str) -> Vec<Token<'_>> {
    let mut found = Vec::with_capacity(text.len() / 4);
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let (length, kind) = measure(rest, first);
        let (token, after) = rest.split_at(length.min(rest.len()));
        if let Some(kind) = kind {
            found.push(Token { kind, text: token });
        }
        rest = after;
    }
    found
}

/// Returns the bytes of the first token and what it is; `None` for what is passed over.
fn measure(rest: &str, first: char) -> (usize, Option<Kind>) {
    if first.is_whitespace() {
        return (first.len_utf8(), None);
    }
    if rest.starts_with("//") {
        return (rest.find('\n').unwrap_or(rest.len()), None);
    }
    if rest.starts_with("/*") {
        return (block_comment(rest), None);
    }
    if let Some(length) = quoted(rest) {
        return (length, Some(Kind::Literal));
    }
    if first == '\'' {
        return (quote(rest), Some(Kind::Literal));
    }
    let word = rest.find(|c: char| !(c.is_alphanumeric() || c == '_')).unwrap_or(rest.len());
    if word == 0 {
        return (first.len_utf8(), Some(Kind::Sign));
    }
    if first.is_ascii_digit() {
        return (number(rest, word), Some(Kind::Literal));
    }
    let kind = if KEYWORDS.contains(&&rest[..word]) { Kind::Keyword } else { Kind::Name };
    (word, Some(kind))
}

/// Takes the fraction along, but not the `..` of a range.
fn number(rest: &str, whole: usize) -> usize {
    let fraction = rest[whole..]
        .strip_prefix('.')
        .filter(|after| after.starts_with(|c: char| c.is_ascii_digit()));
    fraction.map_or(whole, |after| {
        let digits = after.find(|c: char| !(c.is_alphanumeric() || c == '_'));
        whole + 1 + digits.unwrap_or(after.len())
    })
}

/// Comments nest.
fn block_comment(rest: &str) -> usize {
    let (mut depth, mut position) = (0_usize, 0);
    let bytes = rest.as_bytes();
    while position < bytes.len() {
        match &bytes[position..bytes.len().min(position + 2)] {
            b"/*" => depth += 1,
            b"*/" => depth -= 1,
            _ => {
                position += 1;
                continue;
            }
        }
        position += 2;
        if depth == 0 {
            return position;
        }
    }
    rest.len()
}

/// Measures `"…"`, `b"…"`, `c"…"`, `r#"…"#` and the like.
fn quoted(rest: &str) -> Option<usize> {
    let prefix =
        rest.find(|c: char| !matches!(c, 'b' | 'c' | 'r')).filter(|&length| length <= 2)?;
    let after = &rest[prefix..];
    let raw = rest[..prefix].contains('r');
    let hashes = if raw { after.len() - after.trim_start_matches('#').len() } else { 0 };
    let body = after[hashes..].strip_prefix('"')?;
    let start = prefix + hashes + 1;
    if raw {
        let end = format!("\"{}", "#".repeat(hashes));
        return Some(body.find(&end).map_or(rest.len(), |at| start + at + end.len()));
    }
    let mut escaped = false;
    for (at, c) in body.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return Some(start + at + 1),
            _ => {}
        }
    }
    Some(rest.len())
}

/// Measures a character or a lifetime.
fn quote(rest: &str) -> usize {
    let inner = &rest[1..];
    let mut chars = inner.char_indices();
    match (chars.next(), chars.next()) {
        (Some((_, '\\')), Some((at, escaped))) => {
            // The escaped character itself may be a quote, so the search begins behind it.
            let from = at + escaped.len_utf8();
            inner[from..].find('\'').map_or(rest.len(), |end| 1 + from + end + 1)
        }
        (Some(_), Some((at, '\''))) => 1 + at + 1,
        _ => {
            let name = inner.find(|c: char| !(c.is_alphanumeric() || c == '_'));
            1 + name.unwrap_or(inner.len())
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn texts(text: &str) -> Vec<&str> {
        tokens(text).into_iter().map(|token| token.text).collect()
    }

    #[test]
    fn comments_and_white_space_are_passed_over() {
        let code =
            "fn a<'b>(x: &'b str) /* one /* two */ */ -> u8 { // end\n  b'\\'' + 1.5 + r#\"\"\"# }";
        assert_eq!(
            texts(code),
            [
                "fn",
                "a",
                "<",
                "'b",
                ">",
                "(",
                "x",
                ":",
                "&",
                "'b",
                "str",
                ")",
                "-",
                ">",
                "u8",
                "{",
                "b",
                "'\\''",
                "+",
                "1.5",
                "+",
                "r#\"\"\"#",
                "}"
            ]
        );
        assert_eq!(texts("0..10 \"a // \\\" b\" c"), ["0", ".", ".", "10", "\"a // \\\" b\"", "c"]);
        assert!(tokens("// only\n/* open").is_empty());
    }

    proptest! {
        #[test]
        fn any_text_has_tokens_that_are_parts_of_it(text in ".{0,120}") {
            for token in tokens(&text) {
                prop_assert!(!token.text.is_empty() && text.contains(token.text));
            }
        }

        #[test]
        fn texts_of_signs_never_panic(text in "[\"'#rbc/*\\\\ a0.\\n]{0,60}") {
            drop(tokens(&text));
        }
    }
}
