//! Makes text safe to stand between tags and in quoted attributes.
//!
//! The only way for text into a page. Next: `page.rs`.

/// Appends `text`, with everything that HTML could read as markup taken apart, and characters that a
/// reader cannot see (controls, and those that reverse the direction of a line) shown as `U+FFFD`.
pub(crate) fn push_text(out: &mut String, text: &str) {
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            '\n' | '\t' => out.push(c),
            c if c.is_control() || turns_direction(c) => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
}

/// Whether a character changes the order in which its neighbours are shown, with which code can look
/// like other code (CVE-2021-42574).
fn turns_direction(c: char) -> bool {
    matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{200e}' | '\u{200f}' | '\u{061c}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markup_is_text() {
        let check = |text: &str, wanted: &str| {
            let mut out = String::new();
            push_text(&mut out, text);
            assert_eq!(out, wanted);
        };
        check("<b a='1' c=\"2\">&", "&lt;b a=&#39;1&#39; c=&quot;2&quot;&gt;&amp;");
        check("a\0\u{1b}[31m\r\n\tb", "a\u{fffd}\u{fffd}[31m\u{fffd}\n\tb");
        check("\u{202e}fed", "\u{fffd}fed");
        check("Größe ∑ 日本", "Größe ∑ 日本");
    }
}
