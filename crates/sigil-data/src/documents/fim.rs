//! Filling in the middle: a text rearranged so that its middle is learned last.
//!
//! Is: the cut of a text at two random places (Bavarian et al. 2022, character level) or around a
//! node of its syntax tree, and its arrangement as prefix-suffix-middle or suffix-prefix-middle, with
//! the model's own tokens. Is not: a parser. Next: `fim_nodes.rs`, then `encode.rs`.

use serde::{Deserialize, Serialize};

use super::{DocumentError, fim_nodes};
use crate::random::Random;
use crate::rows::Row;
use crate::tokenizer::Tokenizer;

/// Says how often and how texts are rearranged.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct FimSettings {
    /// Share of the plain rows that are rearranged, from 0 to 1.
    pub rate: f64,
    /// Share of those that have the suffix first (SPM), from 0 to 1.
    pub spm_rate: f64,
    /// Where the middle lies.
    pub spans: FimSpans,
    /// Decides rows and cuts.
    pub seed: u64,
}

/// Says where the middle of a text lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FimSpans {
    /// Between two random characters.
    #[default]
    Random,
    /// Around a node of the syntax tree at a random place: an argument list, a statement, a block, an
    /// item. Between two random characters where there is none.
    Syntax,
}

/// A text in three pieces.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Split<'a> {
    prefix: &'a str,
    middle: &'a str,
    suffix: &'a str,
    suffix_first: bool,
}

impl FimSettings {
    /// Cuts a row's text, if the row is one of those to rearrange.
    pub(super) fn split<'a>(&self, row: &'a Row) -> Option<Split<'a>> {
        const KEY_FIM: u64 = 4;
        let mut random = Random::keyed(&[self.seed, KEY_FIM, row.draw_key()]);
        let mut fraction = || (random.next_u64() >> 11) as f64 / (1_u64 << 53) as f64;
        if fraction() >= self.rate {
            return None;
        }
        let suffix_first = fraction() < self.spm_rate;
        let text = row.text.as_str();
        let mut place =
            || text.floor_char_boundary((fraction() * (text.len() + 1) as f64) as usize);
        let (a, b) = (place(), place());
        let (start, end) = match self.spans {
            FimSpans::Random => (a.min(b), a.max(b)),
            FimSpans::Syntax => {
                let nodes = fim_nodes::around(text, a);
                let node = nodes.get((fraction() * nodes.len() as f64) as usize);
                node.map_or((a.min(b), a.max(b)), |node| (node.start, node.end))
            }
        };
        Some(Split {
            prefix: &text[..start],
            middle: &text[start..end],
            suffix: &text[end..],
            suffix_first,
        })
    }
}

/// The special tokens of a model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct FimTokens {
    prefix: u32,
    suffix: u32,
    middle: u32,
}

/// Names that model families give to prefix, suffix and middle.
const NAMES: [[&str; 3]; 5] = [
    ["<|fim_prefix|>", "<|fim_suffix|>", "<|fim_middle|>"],
    ["<fim_prefix>", "<fim_suffix>", "<fim_middle>"],
    ["<fim-prefix>", "<fim-suffix>", "<fim-middle>"],
    ["<PRE>", "<SUF>", "<MID>"],
    ["<｜fim▁begin｜>", "<｜fim▁hole｜>", "<｜fim▁end｜>"],
];

impl FimTokens {
    pub(super) fn find(tokenizer: &Tokenizer) -> Result<Self, DocumentError> {
        let known = NAMES.iter().find_map(|names| {
            let [prefix, suffix, middle] = names.map(|name| tokenizer.token_to_id(name));
            Some(Self { prefix: prefix?, suffix: suffix?, middle: middle? })
        });
        known.ok_or(DocumentError::NoFimTokens)
    }

    /// Adds a text in three pieces.
    pub(super) fn arrange(
        &self,
        split: &Split<'_>,
        tokenizer: &Tokenizer,
        tokens: &mut Vec<u32>,
    ) -> Result<(), DocumentError> {
        let encode = |text: &str| tokenizer.encode_continuation(text);
        if split.suffix_first {
            // As StarCoder and SantaCoder train it: the prefix follows its middle's mark.
            tokens.extend([self.prefix, self.suffix]);
            tokens.extend(encode(split.suffix)?);
            tokens.push(self.middle);
            tokens.extend(encode(split.prefix)?);
        } else {
            tokens.push(self.prefix);
            tokens.extend(encode(split.prefix)?);
            tokens.push(self.suffix);
            tokens.extend(encode(split.suffix)?);
            tokens.push(self.middle);
        }
        tokens.extend(encode(split.middle)?);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::rows::Origin;

    proptest! {
        #[test]
        fn the_pieces_are_the_text(
            text in "(.|fn [a-z]\\(\\) \\{|\\}|let a = b\\(c\\);|é|\n){0,30}", seed: u64, syntax: bool,
        ) {
            let row = Row::plain(text.clone(), Origin::new("s", "f", 1), "g");
            let spans = if syntax { FimSpans::Syntax } else { FimSpans::Random };
            let settings = FimSettings { rate: 1.0, spm_rate: 0.5, spans, seed };
            let split = settings.split(&row).expect("every row is split");
            prop_assert_eq!([split.prefix, split.middle, split.suffix].concat(), text);
            prop_assert_eq!(settings.split(&row), Some(split));
            prop_assert_eq!(FimSettings { rate: 0.0, ..settings }.split(&row), None);
        }
    }

    #[test]
    fn the_rate_is_a_share_of_the_rows() {
        let spans = FimSpans::Random;
        let settings = FimSettings { rate: 0.3, spm_rate: 0.5, spans, seed: 1 };
        let rows = (0..2000).map(|row| Row::plain("fn a() {}", Origin::new("s", "f", row), "g"));
        let split = rows.filter(|row| settings.split(row).is_some()).count();
        assert!((530..670).contains(&split), "{split} of 2000");
    }

    #[test]
    fn a_middle_by_syntax_is_a_whole_node() {
        let text = "fn add(a: u8, b: u8) -> u8 {\n    let sum = a + b;\n    sum.min(200)\n}\n\nfn two() {}\n";
        let mut middles: Vec<String> = (0..300)
            .map(|row| {
                let row = Row::plain(text, Origin::new("s", "f", row), "g");
                let spans = FimSpans::Syntax;
                let settings = FimSettings { rate: 1.0, spm_rate: 0.0, spans, seed: 3 };
                settings.split(&row).expect("every row is split").middle.to_owned()
            })
            .filter(|middle| middle.len() > 5)
            .collect();
        middles.sort_unstable();
        middles.dedup();
        for expected in ["(a: u8, b: u8)", "let sum = a + b;", "sum.min(200)", "fn two() {}"] {
            assert!(middles.iter().any(|middle| middle == expected), "{expected}: {middles:?}");
        }
    }
}
