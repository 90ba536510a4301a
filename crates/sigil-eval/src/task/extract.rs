//! Finds the code in what a model wrote: fenced blocks, or the whole text.
//!
//! Pure functions on text. What the code is then joined to is in `program.rs`.

use crate::source::{ItemKind, items};

/// A fenced block of a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CodeBlock<'a> {
    /// The word after the opening fence, in lower case.
    pub language: String,
    /// The lines between the fences.
    pub code: &'a str,
    /// Whether the closing fence was seen.
    pub closed: bool,
}

/// The fenced blocks of a text, by the rules of CommonMark: a fence is three or more backticks or
/// tildes, closed by at least as many of the same at the beginning of a line.
pub fn code_blocks(text: &str) -> Vec<CodeBlock<'_>> {
    let mut blocks = Vec::new();
    let mut open: Option<(char, usize, String, usize)> = None;
    let mut at = 0;
    for line in text.split_inclusive('\n') {
        let (start, end) = (at, at + line.len());
        at = end;
        let trimmed = line.trim();
        let Some(mark) = trimmed.chars().next().filter(|c| matches!(c, '`' | '~')) else {
            continue;
        };
        let count = trimmed.chars().take_while(|c| *c == mark).count();
        if count < 3 {
            continue;
        }
        let info = trimmed[count..].trim();
        match &open {
            None if mark == '~' || !info.contains('`') => {
                let language: String = info
                    .chars()
                    .take_while(|c| !c.is_whitespace() && !matches!(c, ',' | '{'))
                    .collect();
                open = Some((mark, count, language.to_lowercase(), end));
            }
            Some((fence, least, language, from))
                if *fence == mark && count >= *least && info.is_empty() =>
            {
                let language = language.clone();
                blocks.push(CodeBlock { language, code: &text[*from..start], closed: true });
                open = None;
            }
            _ => {}
        }
    }
    if let Some((_, _, language, from)) = open {
        blocks.push(CodeBlock { language, code: &text[from..], closed: false });
    }
    blocks
}

/// The code of an answer: of the blocks marked as Rust, or not marked at all, the first that defines
/// `entry_point`, else the longest; without a block the whole text.
pub fn code_of<'a>(text: &'a str, entry_point: &str) -> &'a str {
    let blocks = code_blocks(text);
    let rust: Vec<&CodeBlock<'_>> = blocks
        .iter()
        .filter(|block| matches!(block.language.as_str(), "" | "rust" | "rs" | "rustlang"))
        .filter(|block| !block.code.trim().is_empty())
        .collect();
    let defining =
        rust.iter().find(|block| !entry_point.is_empty() && defines(block.code, entry_point));
    // Of equally long ones the first.
    let longest = rust.iter().rev().max_by_key(|block| block.code.trim().len());
    defining.or(longest).map_or(text, |block| block.code)
}

/// Whether `code` has a function of this name at its top level.
pub(crate) fn defines(code: &str, name: &str) -> bool {
    items(code)
        .iter()
        .any(|item| item.kind == ItemKind::Function && item.name.as_deref() == Some(name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn blocks_are_chosen() {
        let check = |text: &str, wanted: &str| assert_eq!(code_of(text, "f"), wanted, "{text}");
        check("fn f() {}", "fn f() {}");
        check("Sure!\n```rust\nfn f() {}\n```\nDone.", "fn f() {}\n");
        check("```toml\na = 1\n```\n```rust\nfn g() {}\n```\n```\nfn f() {}\n```", "fn f() {}\n");
        check("```rust,no_run\nfn g() {}\n```\n```rust\nfn long() { }\n```", "fn long() { }\n");
        check("```Rust\nfn f() { cut", "fn f() { cut");
        check("~~~\nfn f() {}\n```\n~~~", "fn f() {}\n```\n");
        check(
            "````rust\n/// ```\n/// f();\n/// ```\nfn f() {}\n````",
            "/// ```\n/// f();\n/// ```\nfn f() {}\n",
        );
        check("  ```rust\n  fn f() {}\n  ```", "  fn f() {}\n");
        // Nothing but another language: the text itself, which will not compile, is judged.
        check("```python\nf()\n```", "```python\nf()\n```");
    }

    proptest! {
        #[test]
        fn the_code_is_part_of_the_text(text in "(?s)([`~]{1,5}|rust|\n| |fn f\\(\\) \\{|\\}|[a-z]){0,30}") {
            let code = code_of(&text, "f");
            prop_assert!(text.contains(code));
            for block in code_blocks(&text) {
                prop_assert!(text.contains(block.code));
            }
        }
    }
}
