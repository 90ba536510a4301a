//! The code in a reply: its first fenced block, or all of it.
//!
//! Not a parser of Rust and no repair: what a model left unfinished stays unfinished, so that its
//! judge sees what it wrote.

/// The code of a reply: the first block fenced as `rust` (or `rs`), else the first block of any kind,
/// else the whole text. A block that is not closed goes to the end.
pub fn code_of(reply: &str) -> &str {
    let blocks = || Blocks { text: reply, at: 0 };
    let rust = |name: &str| matches!(name.to_ascii_lowercase().as_str(), "rust" | "rs");
    let block = blocks().find(|(name, _)| rust(name)).or_else(|| blocks().next());
    block.map_or(reply, |(_, code)| code)
}

/// Fenced blocks with the first word of their info strings (CommonMark: a fence is a line of at
/// least three backticks; as many or more close it).
struct Blocks<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Blocks<'a> {
    /// The next line from `self.at`: where it begins, and the line without its end.
    fn line(&mut self) -> Option<(usize, &'a str)> {
        let rest = &self.text[self.at..];
        if rest.is_empty() {
            return None;
        }
        let begin = self.at;
        let line = rest.split_inclusive('\n').next().unwrap_or(rest);
        self.at += line.len();
        Some((begin, line.trim_end_matches(['\n', '\r'])))
    }
}

/// Number of backticks that begin a line, and what follows them.
fn fence(line: &str) -> Option<(usize, &str)> {
    let line = line.trim_start();
    let rest = line.trim_start_matches('`');
    let ticks = line.len() - rest.len();
    (ticks >= 3 && !rest.contains('`')).then_some((ticks, rest.trim()))
}

impl<'a> Iterator for Blocks<'a> {
    type Item = (&'a str, &'a str);

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let (_, line) = self.line()?;
            let Some((ticks, info)) = fence(line) else { continue };
            let name = info.split([' ', ',', '\t', '{']).next().unwrap_or(info);
            let from = self.at;
            loop {
                let Some((begin, line)) = self.line() else {
                    return Some((name, &self.text[from..]));
                };
                if fence(line).is_some_and(|(closing, rest)| closing >= ticks && rest.is_empty()) {
                    return Some((name, &self.text[from..begin]));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_block_that_is_rust_is_taken() {
        for (reply, code) in [
            ("fn a() {}", "fn a() {}"),
            ("Here:\n```rust\nfn a() {}\n```\nDone.", "fn a() {}\n"),
            ("```toml\n[a]\n```\n```rs\nfn b() {}\n```", "fn b() {}\n"),
            ("```\nfn c() {}\n```\n```sh\nls\n```", "fn c() {}\n"),
            ("```Rust,no_run\r\nfn d() {}\r\n```", "fn d() {}\r\n"),
            ("```rust\nfn open() {", "fn open() {"),
            ("````rust\n//! ```\nfn e() {}\n````", "//! ```\nfn e() {}\n"),
            ("a `quote` and ```inline```", "a `quote` and ```inline```"),
            ("```rust", ""),
            ("", ""),
        ] {
            assert_eq!(code_of(reply), code, "{reply:?}");
        }
    }

    proptest::proptest! {
        #[test]
        fn any_reply_has_code_that_is_a_part_of_it(reply in "[`a-z\\n ~é]{0,60}") {
            assert!(reply.contains(code_of(&reply)));
        }
    }
}
