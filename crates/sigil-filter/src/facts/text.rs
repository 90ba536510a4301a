//! Facts that need no knowledge of Rust. Next: `lines.rs` for how lines are measured.

/// What the text itself shows.
#[derive(Clone, Debug, Default, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct TextFacts {
    /// Length in bytes.
    pub bytes: usize,
    /// Length in Unicode scalar values; zero if the bytes are not UTF-8.
    pub chars: usize,
    /// Lines, if they were measured.
    pub lines: Option<LineFacts>,
    /// Character classes, if they were counted.
    pub characters: Option<CharacterFacts>,
}

/// Lines, measured in Unicode scalar values without line ends.
#[derive(Clone, Debug, Default, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct LineFacts {
    /// All lines; a last one without line end counts.
    pub count: usize,
    /// Lines of nothing but white space.
    pub blank: usize,
    /// The longest line.
    pub longest_chars: usize,
    /// The mean over all lines.
    pub mean_chars: f64,
    /// Lines with at least five characters after trimming, one of them a letter or digit.
    pub telling: usize,
    /// Telling lines that repeat an earlier one.
    pub duplicate: usize,
}

impl LineFacts {
    /// The share of telling lines that repeat an earlier one.
    pub fn duplicate_share(&self) -> f64 {
        share(self.duplicate, self.telling)
    }
}

/// How many characters belong to which class.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct CharacterFacts {
    /// Letters of any script.
    pub alphabetic: usize,
    /// Decimal digits of ASCII.
    pub digits: usize,
    /// White space.
    pub whitespace: usize,
    /// Control characters other than tabs and line ends.
    pub control: usize,
    /// All characters.
    pub all: usize,
}

impl CharacterFacts {
    /// The share of letters.
    pub fn alphabetic_share(&self) -> f64 {
        share(self.alphabetic, self.all)
    }

    /// The share of digits.
    pub fn digit_share(&self) -> f64 {
        share(self.digits, self.all)
    }
}

/// `part / whole`, and zero of nothing.
pub(crate) fn share(part: usize, whole: usize) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}

/// Counts Unicode scalar values: the bytes that do not continue one.
pub(crate) fn count_chars(text: &str) -> usize {
    // Blocks below 256 bytes keep the inner count in a byte, which compilers turn into SIMD.
    let blocks = text.as_bytes().chunks(255);
    blocks
        .map(|block| block.iter().map(|&b| u8::from((b as i8) >= -0x40)).sum::<u8>() as usize)
        .sum()
}

/// Bytes that are counted at a time: their counts fit a byte.
const BLOCK_BYTES: usize = 255;

pub(crate) fn character_facts(text: &str) -> CharacterFacts {
    let mut facts = CharacterFacts::default();
    let bytes = text.as_bytes();
    let mut at = 0;
    while at < bytes.len() {
        let mut end = (at + BLOCK_BYTES).min(bytes.len());
        if bytes[at..end].is_ascii() {
            facts.add_ascii(&bytes[at..end]);
        } else {
            while !text.is_char_boundary(end) {
                end += 1;
            }
            text[at..end].chars().for_each(|letter| facts.add(letter));
        }
        at = end;
    }
    facts
}

impl CharacterFacts {
    /// Adds up to [`BLOCK_BYTES`] characters of ASCII; compilers turn the counts into SIMD.
    fn add_ascii(&mut self, block: &[u8]) {
        let count = |is: fn(u8) -> bool| {
            usize::from(block.iter().map(|&byte| u8::from(is(byte))).sum::<u8>())
        };
        self.all += block.len();
        self.alphabetic += count(|byte| (byte | 0x20).wrapping_sub(b'a') < 26);
        self.digits += count(|byte| byte.wrapping_sub(b'0') < 10);
        // Tab, line feed, vertical tab, form feed, carriage return.
        self.whitespace += count(|byte| byte == b' ' || byte.wrapping_sub(9) < 5);
        self.control += count(|byte| {
            (byte < 0x20 && !(byte.wrapping_sub(9) < 5 && byte != 0x0b)) || byte == 0x7f
        });
    }

    fn add(&mut self, letter: char) {
        self.all += 1;
        self.alphabetic += usize::from(letter.is_alphabetic());
        self.digits += usize::from(letter.is_ascii_digit());
        self.whitespace += usize::from(letter.is_whitespace());
        let control = letter.is_control() && !matches!(letter, '\t' | '\n' | '\r' | '\u{c}');
        self.control += usize::from(control);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn counting_agrees_with_the_standard_library(text in "\\PC{0,400}") {
            prop_assert_eq!(count_chars(&text), text.chars().count());
        }

        #[test]
        fn blocks_count_like_single_characters(
            text in "[\\x00-\\x7f]{0,600}|([a-zé ]|[\\x00-\\x20]|\u{2028}){0,400}",
        ) {
            let mut one_by_one = CharacterFacts::default();
            text.chars().for_each(|letter| one_by_one.add(letter));
            prop_assert_eq!(character_facts(&text), one_by_one);
        }
    }
}
