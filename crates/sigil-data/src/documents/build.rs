//! How a row becomes documents.
//!
//! Is: the cutting of long rows into pieces that together learn every token once. Is not: encoding
//! (`encode.rs`). Next: `set.rs`.

use std::ops::Range;

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::fim::FimSettings;
use super::{Document, DocumentError, DocumentSet, Encoded, RowEncoder};
use crate::ledger::{Change, Ledger, Quarantined, Reason, Stage};
use crate::rows::Row;
use crate::tokenizer::Tokenizer;

/// Says what happens to a row of more than `max_seq_len` tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LongRows {
    /// Becomes several documents; every token but the first is learned exactly once.
    #[default]
    Split,
    /// Keeps its first `max_seq_len` tokens.
    Truncate,
}

/// Says which rows go through the model's chat template.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ChatUse {
    /// Conversations do; prompts with a completion are joined by a separator.
    #[default]
    Conversations,
    /// Prompts with a completion do as well, as one turn of each side.
    Always,
    /// None may: a conversation is an error.
    Never,
}

/// Says how rows become documents.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DocumentSettings {
    /// Most tokens of a document.
    pub max_seq_len: usize,
    /// What happens to longer rows.
    pub long_rows: LongRows,
    /// Tokens that a piece repeats from the piece before it, as context that is not learned again;
    /// at least 1, so that no token is lost as a target at a cut.
    pub overlap_tokens: usize,
    /// Whether EOS ends each row and is learned.
    pub append_eos: bool,
    /// Whether the prompt is learned too.
    pub train_on_prompt: bool,
    /// Stands between prompt and completion.
    pub prompt_separator: String,
    /// Which rows go through the chat template.
    pub chat: ChatUse,
    /// Filling in the middle of plain rows.
    pub fim: Option<FimSettings>,
}

impl DocumentSettings {
    /// Returns the defaults for blocks of `max_seq_len` tokens: split, EOS learned, completions
    /// only, an empty line after the prompt.
    pub fn new(max_seq_len: usize) -> Self {
        Self {
            max_seq_len,
            long_rows: LongRows::Split,
            overlap_tokens: 1,
            append_eos: true,
            train_on_prompt: false,
            prompt_separator: "\n\n".to_owned(),
            chat: ChatUse::default(),
            fim: None,
        }
    }

    pub(super) fn check(&self) -> Result<(), DocumentError> {
        let bad = |name, value| {
            Err(DocumentError::Setting { name, value, max_seq_len: self.max_seq_len })
        };
        if self.max_seq_len < 2 {
            return bad("max_seq_len", self.max_seq_len);
        }
        if self.overlap_tokens == 0 || self.overlap_tokens >= self.max_seq_len {
            return bad("overlap_tokens", self.overlap_tokens);
        }
        Ok(())
    }
}

/// Encodes `rows` on all cores and cuts them; the order is that of the rows, at any thread count.
///
/// # Errors
/// A setting out of range, no EOS in the tokenizer, or the first row that cannot be encoded.
pub fn build_documents(
    rows: &[Row],
    tokenizer: &Tokenizer,
    settings: &DocumentSettings,
    ledger: &mut Ledger,
) -> Result<DocumentSet, DocumentError> {
    let encoder = RowEncoder::new(tokenizer, settings)?;
    if u32::try_from(rows.len()).is_err() {
        return Err(DocumentError::TooManyRows { rows: rows.len() });
    }
    Ok(cut_rows(&rows.iter().collect::<Vec<_>>(), &encoder, settings, ledger)?
        .into_iter()
        .collect())
}

/// Encodes and cuts rows; their ordinals count from 0.
///
/// A conversation that the model's template refuses is dropped and counted; other failures end.
pub(crate) fn cut_rows(
    rows: &[&Row],
    encoder: &RowEncoder<'_>,
    settings: &DocumentSettings,
    ledger: &mut Ledger,
) -> Result<Vec<Document>, DocumentError> {
    let encoded: Vec<Result<Encoded, DocumentError>> =
        rows.par_iter().map(|row| encoder.encode(row)).collect();
    let mut documents = Vec::with_capacity(rows.len());
    for (ordinal, (row, encoded)) in rows.iter().zip(encoded).enumerate() {
        let encoded = match encoded {
            Ok(encoded) => encoded,
            Err(DocumentError::Render { row: place, source }) if source.is_of_the_row() => {
                ledger.drop_row(Stage::Tokenize, Reason::Bad, &row.origin);
                ledger.quarantine(Quarantined {
                    place,
                    reason: source.to_string(),
                    raw: row.text.chars().take(1000).collect(),
                });
                continue;
            }
            Err(error) => return Err(error),
        };
        let before = documents.len();
        let change = cut(encoded.tokens.len(), &encoded.given, settings, |piece, range, given| {
            let prompt_tokens = given.first().filter(|first| first.start == 0).map_or(0, |g| g.end);
            let masked = given.into_iter().filter(|range| range.start > 0);
            documents.push(Document {
                tokens: encoded.tokens[range].to_vec(),
                prompt_tokens,
                masked: masked.map(|range| range.start as u32..range.end as u32).collect(),
                origin: row.origin.clone(),
                piece,
                row: ordinal as u32,
                weight: row.weight,
            });
        });
        if documents.len() == before {
            ledger.drop_row(Stage::Tokenize, Reason::NothingToLearn, &row.origin);
            continue;
        }
        ledger.keep(Stage::Tokenize);
        for change in [change, encoded.change].into_iter().flatten() {
            ledger.change(Stage::Tokenize, change);
        }
    }
    Ok(documents)
}

/// Calls `emit(piece, tokens of the piece, what is given in it)` for each piece that has something
/// to learn. Stretches that are given are counted from the start of the piece.
fn cut(
    length: usize,
    given: &[Range<usize>],
    settings: &DocumentSettings,
    mut emit: impl FnMut(u32, Range<usize>, Vec<Range<usize>>),
) -> Option<Change> {
    let longest = settings.max_seq_len;
    let mut piece = 0;
    let mut emit_if_learned = |start: usize, end: usize, repeated: usize| {
        let mut inside = inside(given, start, end, repeated);
        let masked: usize = inside.iter().map(Range::len).sum();
        // The first token of a piece is never a target.
        let first_is_masked = inside.first().is_some_and(|range| range.start == 0);
        if end - start > masked + usize::from(!first_is_masked) {
            inside.retain(|range| !range.is_empty());
            emit(piece, start..end, inside);
            piece += 1;
        }
    };
    if length <= longest {
        emit_if_learned(0, length, 0);
        return None;
    }
    if settings.long_rows == LongRows::Truncate {
        emit_if_learned(0, longest, 0);
        return Some(Change::Truncated);
    }
    let (mut start, mut end, mut repeated) = (0, longest, 0);
    loop {
        emit_if_learned(start, end, repeated);
        if end == length {
            return Some(Change::Split);
        }
        start = end - settings.overlap_tokens;
        repeated = settings.overlap_tokens;
        end = length.min(start + longest);
    }
}

/// Moves the given stretches into a piece, whose first `repeated` tokens are given too.
fn inside(given: &[Range<usize>], start: usize, end: usize, repeated: usize) -> Vec<Range<usize>> {
    let mut found: Vec<Range<usize>> = Vec::new();
    let repeated = std::iter::once(start..start + repeated);
    for range in repeated.chain(given.iter().cloned()) {
        let range = range.start.max(start)..range.end.min(end);
        if range.is_empty() {
            continue;
        }
        let range = range.start - start..range.end - start;
        match found.last_mut() {
            Some(last) if range.start <= last.end => last.end = last.end.max(range.end),
            _ => found.push(range),
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn settings(max_seq_len: usize, overlap_tokens: usize) -> DocumentSettings {
        DocumentSettings { overlap_tokens, ..DocumentSettings::new(max_seq_len) }
    }

    fn pieces(length: usize, prompt: usize, settings: &DocumentSettings) -> Vec<[usize; 3]> {
        let mut found = Vec::new();
        let given = std::iter::once(0..prompt.min(length)).collect::<Vec<_>>();
        cut(length, &given, settings, |_, range, given| {
            assert!(given.len() <= 1, "prompt and repetition are one stretch");
            found.push([range.start, range.end, given.first().map_or(0, |given| given.end)]);
        });
        found
    }

    #[test]
    fn long_rows_are_split_with_context() {
        assert_eq!(pieces(10, 0, &settings(4, 1)), [[0, 4, 0], [3, 7, 1], [6, 10, 1]]);
        assert_eq!(pieces(4, 0, &settings(4, 1)), [[0, 4, 0]]);
        // The first piece holds only prompt, so nothing of it is emitted.
        assert_eq!(pieces(10, 5, &settings(4, 1)), [[3, 7, 2], [6, 10, 1]]);
    }

    #[test]
    fn rows_without_anything_to_learn_make_no_piece() {
        assert!(pieces(1, 0, &settings(4, 1)).is_empty());
        let truncate = DocumentSettings { long_rows: LongRows::Truncate, ..settings(4, 1) };
        assert!(pieces(10, 4, &truncate).is_empty());
        assert_eq!(pieces(10, 3, &truncate), [[0, 4, 3]]);
    }

    #[test]
    fn turns_in_the_middle_are_given_in_every_piece() {
        let mut found = Vec::new();
        cut(12, &[0..2, 5..8], &settings(7, 1), |piece, range, given| {
            found.push((piece, range, given));
        });
        assert_eq!(found, [(0, 0..7, vec![0..2, 5..7]), (1, 6..12, vec![0..2])]);
    }

    proptest! {
        #[test]
        fn splitting_learns_every_token_after_the_prompt_once(
            length in 0_usize..200, prompt in 0_usize..60, longest in 2_usize..30, overlap in 1_usize..29,
        ) {
            prop_assume!(overlap < longest);
            let prompt = prompt.min(length);
            let mut learned = vec![0; length];
            for [start, end, given] in pieces(length, prompt, &settings(longest, overlap)) {
                prop_assert!(end - start <= longest);
                learned[start + given.max(1)..end].iter_mut().for_each(|times| *times += 1);
            }
            for (position, times) in learned.into_iter().enumerate() {
                prop_assert_eq!(times, usize::from(position >= prompt.max(1)));
            }
        }
    }
}
