//! What an operation is: a name, words for it, code for it, and the same in Rust, to compute what its
//! tests expect.
//!
//! Not here: which there are (`numbers.rs`, `texts.rs`).

use sigil_eval::score::SplitMix;

/// Constants of an operation; an operation that has none ignores them.
pub(super) type Constants = [i64; 2];

/// Where an operation's constants come from.
#[derive(Clone, Copy, Debug)]
pub(super) enum Draw {
    /// It has none.
    None,
    /// `{k}` is one of these numbers, both ends included.
    Between(i64, i64),
    /// `{k}` and a larger `{m}`.
    Range(i64, i64),
    /// `{k}` is a letter.
    Letter,
}

/// Letters that operations on words look for: frequent ones, so that tests tell them apart.
const LETTERS: &[u8] = b"aeiostnr";

impl Draw {
    pub(super) fn draw(self, random: &mut SplitMix) -> Constants {
        let between = |random: &mut SplitMix, low: i64, high: i64| {
            low + random.below(high.abs_diff(low) + 1) as i64
        };
        match self {
            Self::None => [0, 0],
            Self::Between(low, high) => [between(random, low, high), 0],
            Self::Range(low, high) => {
                let first = between(random, low, high);
                [first, first + 3 + random.below(6) as i64]
            }
            Self::Letter => [i64::from(LETTERS[random.below(LETTERS.len() as u64) as usize]), 0],
        }
    }

    /// Puts the constants into a text that has `{k}` and `{m}`.
    pub(super) fn fill(self, text: &str, [k, m]: Constants) -> String {
        let first = match self {
            Self::Letter => letter(k).to_string(),
            _ => k.to_string(),
        };
        text.replace("{k}", &first).replace("{m}", &m.to_string())
    }
}

/// The letter that a constant stands for.
pub(super) fn letter(constant: i64) -> char {
    u8::try_from(constant).map_or('a', char::from)
}

/// How a step is said: as an order, and as something done before the end.
pub(super) type Words = (&'static str, &'static str);

/// Keeps some of the items.
#[derive(Clone, Copy, Debug)]
pub(super) struct Keep<T: 'static> {
    pub(super) name: &'static str,
    pub(super) words: &'static [Words],
    /// Over `x`.
    pub(super) code: &'static str,
    pub(super) draw: Draw,
    pub(super) run: fn(&T, Constants) -> bool,
}

/// Makes another item of each; `None` where a number would be too large for the test.
#[derive(Clone, Copy, Debug)]
pub(super) struct Change<T: 'static> {
    pub(super) name: &'static str,
    pub(super) words: &'static [Words],
    /// Over `x`.
    pub(super) code: &'static str,
    pub(super) draw: Draw,
    pub(super) run: fn(&T, Constants) -> Option<T>,
}
