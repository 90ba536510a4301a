//! Rust source with comments and literals blanked, so that a search finds code only.
//!
//! It is a lexer for exactly that, not a parser: it knows strings, raw strings, character literals,
//! nested comments and balanced brackets, and from them where code under `#[cfg(test)]` or `#[test]`
//! stands. Masks keep every byte offset and line number of the original.

use std::ops::Range;

/// One source file, ready to be searched.
#[derive(Debug)]
pub(crate) struct RustSource {
    masked: String,
    tests: Vec<Range<usize>>,
    test_modules: Vec<String>,
}

impl RustSource {
    /// Reads a source text; any text is accepted, broken Rust included.
    pub(crate) fn read(text: &str) -> Self {
        let masked = mask(text);
        let (tests, test_modules) = find_tests(&masked);
        Self { masked, tests, test_modules }
    }

    /// Names the modules declared as `#[cfg(test)] mod name;`, whose files are tests.
    pub(crate) fn test_modules(&self) -> &[String] {
        &self.test_modules
    }

    /// Finds the lines (from 1) on which `call` stands in code that is not a test.
    ///
    /// `call` must not be preceded by a character of an identifier: `print!` is not in `eprint!`.
    pub(crate) fn lines_with(&self, call: &str) -> Vec<usize> {
        let starts_as_word = call.starts_with(is_word);
        self.masked
            .match_indices(call)
            .filter(|(at, _)| {
                let before = self.masked[..*at].chars().next_back();
                let inside_a_word = starts_as_word && before.is_some_and(is_word);
                let inside_a_test = self.tests.iter().any(|range| range.contains(at));
                !inside_a_word && !inside_a_test
            })
            .map(|(at, _)| line_at(&self.masked, at))
            .collect()
    }
}

/// Gives the line (from 1) of a byte offset.
pub(crate) fn line_at(text: &str, offset: usize) -> usize {
    text.as_bytes()[..offset].iter().filter(|byte| **byte == b'\n').count() + 1
}

fn is_word(c: char) -> bool {
    c == '_' || c.is_alphanumeric()
}

/// Replaces every byte of comments, strings and character literals, except newlines, by a space.
fn mask(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = bytes.to_vec();
    let mut at = 0;
    while at < bytes.len() {
        let end = match bytes[at] {
            b'/' if bytes.get(at + 1) == Some(&b'/') => until_newline(bytes, at),
            b'/' if bytes.get(at + 1) == Some(&b'*') => block_comment(bytes, at),
            b'"' => string(bytes, at),
            b'r' if at == 0 || !continues_word(bytes, at) => raw_string(bytes, at).unwrap_or(at),
            b'\'' => character(text, at).unwrap_or(at),
            _ => at,
        };
        for byte in &mut out[at..end] {
            if *byte != b'\n' {
                *byte = b' ';
            }
        }
        at = end.max(at + 1);
    }
    // Only whole characters are blanked, so what is left is still UTF-8.
    String::from_utf8_lossy(&out).into_owned()
}

/// Tells whether the `r` at this place is the tail of a name; `br` and `cr` prefixes are not.
fn continues_word(bytes: &[u8], at: usize) -> bool {
    let is_part = |byte: u8| byte == b'_' || byte.is_ascii_alphanumeric() || byte >= 0x80;
    let before = bytes[at - 1];
    if matches!(before, b'b' | b'c') {
        return at >= 2 && is_part(bytes[at - 2]);
    }
    is_part(before)
}

fn until_newline(bytes: &[u8], at: usize) -> usize {
    bytes[at..].iter().position(|byte| *byte == b'\n').map_or(bytes.len(), |length| at + length)
}

fn block_comment(bytes: &[u8], start: usize) -> usize {
    let (mut at, mut depth) = (start, 0usize);
    while at < bytes.len() {
        match &bytes[at..] {
            [b'/', b'*', ..] => (depth, at) = (depth + 1, at + 2),
            [b'*', b'/', ..] => {
                (depth, at) = (depth - 1, at + 2);
                if depth == 0 {
                    return at;
                }
            }
            _ => at += 1,
        }
    }
    bytes.len()
}

fn string(bytes: &[u8], start: usize) -> usize {
    let mut at = start + 1;
    while at < bytes.len() {
        match bytes[at] {
            b'\\' => at += 2,
            b'"' => return at + 1,
            _ => at += 1,
        }
    }
    bytes.len()
}

fn raw_string(bytes: &[u8], start: usize) -> Option<usize> {
    let hashes = bytes[start + 1..].iter().take_while(|byte| **byte == b'#').count();
    let open = start + 1 + hashes;
    if bytes.get(open) != Some(&b'"') {
        return None;
    }
    let mut at = open + 1;
    while at < bytes.len() {
        if bytes[at] == b'"' && bytes.get(at + 1..at + 1 + hashes)?.iter().all(|byte| *byte == b'#')
        {
            return Some(at + 1 + hashes);
        }
        at += 1;
    }
    Some(bytes.len())
}

/// Ends a character literal; `None` for a lifetime.
fn character(text: &str, start: usize) -> Option<usize> {
    let inside = &text[start + 1..];
    let mut chars = inside.char_indices();
    let (_, first) = chars.next()?;
    if first == '\\' {
        // Skip the escaped character itself, which may be a quote.
        let escaped = chars.next()?;
        let rest = &inside[escaped.0 + escaped.1.len_utf8()..];
        let close = rest.find(['\'', '\n']).filter(|at| rest.as_bytes()[*at] == b'\'')?;
        return Some(text.len() - rest.len() + close + 1);
    }
    let (close, quote) = chars.next()?;
    (quote == '\'').then_some(start + 1 + close + 1)
}

const TEST_MARKS: [&str; 4] = ["#[cfg(test)]", "#[cfg(all(test", "#[cfg(any(test", "#[test]"];

fn find_tests(masked: &str) -> (Vec<Range<usize>>, Vec<String>) {
    let mut ranges = Vec::new();
    let mut modules = Vec::new();
    if masked.contains("#![cfg(test)]") {
        ranges.push(0..masked.len());
    }
    for mark in TEST_MARKS {
        for (start, _) in masked.match_indices(mark) {
            let item = after_attributes(masked, start);
            let end = item_end(masked, item);
            ranges.push(start..end);
            if let Some(name) = module_name(&masked[item..end]) {
                modules.push(name.to_owned());
            }
        }
    }
    (ranges, modules)
}

/// Skips the attributes that begin at `start`, giving where the item itself begins.
fn after_attributes(masked: &str, start: usize) -> usize {
    let mut at = start;
    while masked[at..].starts_with("#[") {
        at = bracket_end(masked, at + 1);
        at += masked[at..].len() - masked[at..].trim_start().len();
    }
    at
}

/// Ends an item: at its first `;` outside brackets, or at the close of its first block.
fn item_end(masked: &str, start: usize) -> usize {
    let bytes = masked.as_bytes();
    let mut at = start;
    while at < bytes.len() {
        match bytes[at] {
            b'(' | b'[' => at = bracket_end(masked, at),
            b'{' => return bracket_end(masked, at),
            b';' => return at + 1,
            _ => at += 1,
        }
    }
    bytes.len()
}

/// Ends the bracket that opens at `open`, counting all three kinds as one.
fn bracket_end(masked: &str, open: usize) -> usize {
    let mut depth = 0usize;
    for (offset, byte) in masked.as_bytes()[open..].iter().enumerate() {
        match byte {
            b'(' | b'[' | b'{' => depth += 1,
            b')' | b']' | b'}' => {
                depth = depth.saturating_sub(1);
                if depth == 0 {
                    return open + offset + 1;
                }
            }
            _ => {}
        }
    }
    masked.len()
}

fn module_name(item: &str) -> Option<&str> {
    let declaration = item.strip_suffix(';')?.trim();
    let (head, name) = declaration.rsplit_once(' ')?;
    (head == "mod" || head.ends_with(" mod")).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn comments_and_literals_are_not_code() {
        let text = "/// call()\n/* call() /* call() */ call() */ let a = \"call()\\\" call()\";\n\
            let b = r#\"call() \" call()\"#; let c = ('\"', '\\'', b'c'); fn d<'a>() { call() }\n";
        assert_eq!(RustSource::read(text).lines_with("call("), [3]);
    }

    #[test]
    fn a_longer_name_is_another_name() {
        let source = RustSource::read("eprint!(); print!(); x.sync_all();");
        assert_eq!(source.lines_with("print!").len(), 1);
        assert_eq!(source.lines_with(".sync_all(").len(), 1);
    }

    #[test]
    fn tests_are_left_out_and_what_follows_them_is_not() {
        let text = "#[cfg(test)]\n#[expect(x, reason = \"y\")]\nmod tests {\n fn a() { call() }\n}\n\
            #[test]\nfn b() -> [u8; 4] { call() }\nfn c() { call() }\n";
        assert_eq!(RustSource::read(text).lines_with("call("), [8]);
    }

    #[test]
    fn a_test_module_in_its_own_file_is_named() {
        let source = RustSource::read("#[cfg(test)]\npub(crate) mod parity;\nmod real;\n");
        assert_eq!(source.test_modules(), ["parity"]);
    }

    proptest! {
        #[test]
        fn any_text_keeps_its_length_and_lines(text in "[a-c'\"#r/*\\\\\n{}\\[\\](); é_]{0,80}") {
            let source = RustSource::read(&text);
            prop_assert_eq!(source.masked.len(), text.len());
            prop_assert_eq!(source.masked.lines().count(), text.lines().count());
        }

        #[test]
        fn any_bytes_are_read(text in any::<String>()) {
            RustSource::read(&text).lines_with("a");
        }
    }
}
