//! Generated text on a terminal: what it says, not what it does.
//!
//! A model may write anything, terminal escapes included, and a terminal obeys them. Files get the
//! text as it is, in JSON whose strings escape such characters (`output.rs`).

/// The text without control characters (other than line breaks and tabs), escape sequences removed
/// whole, and without the characters that reorder the text around them.
pub(crate) fn plain(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    let mut rest = text.chars().peekable();
    while let Some(c) = rest.next() {
        match c {
            '\n' | '\t' => shown.push(c),
            // ESC [ … letter, ESC ] … BEL, and two-character sequences.
            '\u{1b}' => match rest.next() {
                Some('[') => while rest.next().is_some_and(|c| !('@'..='~').contains(&c)) {},
                Some(']' | 'P' | '_' | '^' | 'X') => {
                    while let Some(c) = rest.next() {
                        if c == '\u{7}' || (c == '\u{1b}' && rest.next_if_eq(&'\\').is_some()) {
                            break;
                        }
                    }
                }
                _ => {}
            },
            '\u{9b}' => while rest.next().is_some_and(|c| !('@'..='~').contains(&c)) {},
            c if is_obeyed(c) => {}
            c => shown.push(c),
        }
    }
    shown
}

/// Whether a terminal may do something at this character: controls, and what reorders text.
pub(crate) fn is_obeyed(c: char) -> bool {
    c.is_control() || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_are_taken_out_whole() {
        for (text, shown) in [
            ("fn a() {}\n\tlet é = 1;\n", "fn a() {}\n\tlet é = 1;\n"),
            ("\u{1b}[31mred\u{1b}[0m", "red"),
            ("\u{1b}]0;title\u{7}after", "after"),
            ("\u{1b}]8;;http://x\u{1b}\\link\u{1b}]8;;\u{1b}\\", "link"),
            ("a\u{1b}", "a"),
            ("a\u{1b}[", "a"),
            ("back\u{8}space\r", "backspace"),
            ("\u{9b}2Jgone", "gone"),
            ("x\u{202e}y", "xy"),
        ] {
            assert_eq!(plain(text), shown, "{text:?}");
        }
    }
}
