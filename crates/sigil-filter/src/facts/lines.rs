//! Measures lines in one pass.

use super::text::count_chars;
use super::{LineFacts, TextFacts};

/// Shortest trimmed line that can tell two files apart, in bytes: shorter ones are mostly brackets.
const TELLING_BYTES: usize = 5;

/// Measures the lines of `text`; `with_duplicates` also compares them.
pub(crate) fn line_facts(text: &str, facts: &TextFacts, with_duplicates: bool) -> LineFacts {
    let mut lines = LineFacts::default();
    let mut chars = 0;
    let mut hashes = Vec::new();
    for line in text.split_terminator('\n') {
        let line = line.strip_suffix('\r').unwrap_or(line);
        lines.count += 1;
        // A line in ASCII has as many characters as bytes, and a shorter one cannot be the longest.
        let length = if facts.chars == facts.bytes { line.len() } else { count_chars(line) };
        chars += length;
        lines.longest_chars = lines.longest_chars.max(length);
        let trimmed = line.trim_ascii();
        lines.blank += usize::from(trimmed.is_empty());
        if with_duplicates
            && trimmed.len() >= TELLING_BYTES
            && trimmed.bytes().any(|byte| byte.is_ascii_alphanumeric() || byte >= 0x80)
        {
            lines.telling += 1;
            hashes.push(hash(trimmed.as_bytes()));
        }
    }
    if lines.count > 0 {
        lines.mean_chars = chars as f64 / lines.count as f64;
    }
    hashes.sort_unstable();
    hashes.dedup();
    lines.duplicate = lines.telling - hashes.len().min(lines.telling);
    lines
}

/// FNV-1a over eight bytes at a time: the same on every machine, and good enough to tell lines of
/// one file apart.
fn hash(bytes: &[u8]) -> u64 {
    let mut state = 0xcbf2_9ce4_8422_2325_u64 ^ bytes.len() as u64;
    for chunk in bytes.chunks(8) {
        let mut word = [0; 8];
        word[..chunk.len()].copy_from_slice(chunk);
        state = (state ^ u64::from_le_bytes(word)).wrapping_mul(0x0000_0100_0000_01b3);
        state ^= state >> 29;
    }
    state
}

#[cfg(test)]
mod tests {
    use super::*;

    fn measure(text: &str) -> LineFacts {
        let facts =
            TextFacts { bytes: text.len(), chars: count_chars(text), ..TextFacts::default() };
        line_facts(text, &facts, true)
    }

    #[test]
    fn lengths_are_characters_without_line_ends() {
        let lines = measure("äöü\r\n\nab");
        assert_eq!((lines.count, lines.blank, lines.longest_chars), (3, 1, 3));
        assert!((lines.mean_chars - 5.0 / 3.0).abs() < 1e-12);
    }

    #[test]
    fn brackets_are_no_duplicates() {
        let lines = measure("let a = 1;\n}\n}\n}\nlet a = 1;\n");
        assert_eq!((lines.telling, lines.duplicate), (2, 1));
    }
}
