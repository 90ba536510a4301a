//! Making any text harmless in YAML and in Markdown.
//!
//! Dataset names, paths and prompts come from outside: none of them may end a string, a table cell
//! or a code block, or smuggle in a link or HTML.

use std::fmt::Write as _;

/// A YAML double-quoted string, on one line, of printable characters only.
pub(super) fn yaml_string(text: &str) -> String {
    let mut quoted = String::from("\"");
    for character in text.chars() {
        match character {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            '\n' => quoted.push_str("\\n"),
            '\t' => quoted.push_str("\\t"),
            // Not printable in YAML 1.2, or a line break to some of its readers. All are below
            // U+10000, so four digits do.
            '\0'..='\u{1f}'
            | '\u{7f}'..='\u{9f}'
            | '\u{2028}'
            | '\u{2029}'
            | '\u{feff}'
            | '\u{fffe}'
            | '\u{ffff}' => {
                let _infallible = write!(quoted, "\\u{:04x}", u32::from(character));
            }
            _ => quoted.push(character),
        }
    }
    quoted.push('"');
    quoted
}

/// A finite number that YAML 1.1 and 1.2 both read as the same float: with a point, and with a sign
/// in the exponent (`1e-7` is a string to YAML 1.1).
pub(super) fn yaml_float(value: f64) -> String {
    let text = format!("{value:?}");
    let Some((mantissa, exponent)) = text.split_once('e') else { return text };
    let point = if mantissa.contains('.') { "" } else { ".0" };
    let sign = if exponent.starts_with('-') { "" } else { "+" };
    format!("{mantissa}{point}e{sign}{exponent}")
}

/// Markdown text on one line: no markup of its own, safe inside a table cell.
pub(super) fn inline(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '\\' | '`' | '*' | '_' | '[' | ']' | '|' | '#' | '~' | '!' | '$' => {
                escaped.push('\\');
                escaped.push(character);
            }
            _ if character.is_control() || matches!(character, '\u{2028}' | '\u{2029}') => {
                escaped.push(' ');
            }
            _ => escaped.push(character),
        }
    }
    escaped
}

/// A fenced code block that its contents cannot end.
pub(super) fn code_block(language: &str, text: &str) -> String {
    let longest = text.split(|character| character != '`').map(str::len).max().unwrap_or(0);
    let fence = "`".repeat(longest.max(2) + 1);
    format!("{fence}{language}\n{}\n{fence}", text.trim_end_matches('\n'))
}

/// A value for people: whole numbers whole, others with six significant digits at least.
pub(super) fn number(value: f64) -> String {
    if value.fract() == 0.0 && value.abs() < 1e15 {
        format!("{value:.0}")
    } else if (1e-3..1e6).contains(&value.abs()) {
        format!("{value:.6}")
    } else {
        format!("{value:.6e}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn floats_are_floats_to_every_yaml_reader() {
        for (value, expected) in [
            (1.25, "1.25"),
            (2.0, "2.0"),
            (1e-7, "1.0e-7"),
            (-2.5e-9, "-2.5e-9"),
            (1e16, "1.0e+16"),
            (3.5e300, "3.5e+300"),
        ] {
            assert_eq!(yaml_float(value), expected);
        }
    }

    #[test]
    fn a_code_block_outlasts_the_fences_inside_it() {
        let block = code_block("sh", "echo ````");
        assert_eq!(block, "`````sh\necho ````\n`````");
        assert_eq!(code_block("sh", "x\n"), "```sh\nx\n```");
    }

    proptest! {
        // A YAML double-quoted string is a JSON string wherever both allow it, so JSON's reader
        // says whether the text comes back.
        #[test]
        fn yaml_strings_come_back(text in any::<String>()) {
            let quoted = yaml_string(&text);
            prop_assert!(quoted.chars().all(|c| !c.is_control()));
            let has_break = quoted.contains(['\u{2028}', '\u{2029}', '\u{feff}']);
            prop_assert!(!has_break);
            prop_assert_eq!(serde_json::from_str::<String>(&quoted)?, text);
        }

        #[test]
        fn yaml_floats_come_back(value in proptest::num::f64::NORMAL) {
            prop_assert_eq!(yaml_float(value).parse::<f64>()?, value);
        }

        #[test]
        fn inline_text_stays_on_its_line_and_in_its_cell(text in "[\\PC\n\r|\\\\<>`\u{2028}]{0,40}") {
            let escaped = inline(&text);
            let is_harmless = !escaped.contains(['\n', '\r', '\u{2028}', '<', '>']);
            prop_assert!(is_harmless);
            // Every bar is behind an odd number of backslashes.
            for (at, _) in escaped.match_indices('|') {
                let slashes = escaped[..at].chars().rev().take_while(|&c| c == '\\').count();
                prop_assert_eq!(slashes % 2, 1, "{}", escaped);
            }
        }
    }
}
