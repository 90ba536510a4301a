//! Finds files that repeat what was already taken: the same text, or mostly the same lines.
//!
//! Order matters: the first of several copies stays. It is exact on lines and blind to renamed
//! identifiers, which is enough between crates; fine-tuning data goes through MinHash (sigil-data).

use std::collections::HashSet;

/// Shorter lines (`}`, `use std::fmt;`) say nothing about where a text comes from.
const TELLING_LINE_BYTES: usize = 20;
/// A file with a larger share of telling lines seen before is a copy.
const MOST_SEEN: f64 = 0.7;
/// Files with fewer telling lines are only compared whole.
const LEAST_TELLING_LINES: usize = 5;

/// What was taken so far. 64 bits of BLAKE3 stand for each line: among ten million lines a chance
/// collision has odds of one in 400,000 and would only make one line count as seen.
#[derive(Debug, Default)]
pub(super) struct Seen {
    texts: HashSet<[u8; 32]>,
    lines: HashSet<u64>,
}

impl Seen {
    /// Takes the text unless it is a copy, and says why it is one.
    pub(super) fn take(&mut self, text: &str) -> Result<(), &'static str> {
        let mut hasher = blake3::Hasher::new();
        for word in text.split_whitespace() {
            hasher.update(word.as_bytes());
        }
        if !self.texts.insert(*hasher.finalize().as_bytes()) {
            return Err("same text as another");
        }
        let lines: Vec<u64> = telling_lines(text).collect();
        let seen = lines.iter().filter(|line| self.lines.contains(line)).count();
        if lines.len() >= LEAST_TELLING_LINES && seen as f64 > MOST_SEEN * lines.len() as f64 {
            return Err("mostly lines of others");
        }
        self.lines.extend(lines);
        Ok(())
    }

    /// Makes the lines of a text count as seen without taking it.
    pub(super) fn avoid(&mut self, text: &str) {
        self.lines.extend(telling_lines(text));
    }
}

fn telling_lines(text: &str) -> impl Iterator<Item = u64> + '_ {
    text.lines().map(str::trim).filter(|line| line.len() >= TELLING_LINE_BYTES).map(|line| {
        let hash = blake3::hash(line.as_bytes());
        u64::from_le_bytes(*hash.as_bytes().first_chunk().expect("a hash has 32 bytes"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(start: usize, lines: usize) -> String {
        (start..start + lines)
            .map(|i| format!("    let value_number_{i} = compute({i});\n"))
            .collect()
    }

    #[test]
    fn copies_are_found_and_others_taken() {
        let mut seen = Seen::default();
        assert_eq!(seen.take(&text(0, 20)), Ok(()));
        assert_eq!(seen.take(&text(0, 20).replace("    ", "\t")), Err("same text as another"));
        assert_eq!(seen.take(&text(4, 20)), Err("mostly lines of others"));
        assert_eq!(seen.take(&text(10, 20)), Ok(()));
    }

    #[test]
    fn texts_to_avoid_count_as_seen() {
        let mut seen = Seen::default();
        seen.avoid(&text(0, 20));
        assert_eq!(seen.take(&text(0, 20)), Err("mostly lines of others"));
    }
}
