//! How a row becomes documents.
//!
//! Is: prompt and completion encoding, BOS once, EOS learned, and the cutting of long rows. Is not:
//! chat templates. Next: `set.rs`.

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::{Document, DocumentError, DocumentSet};
use crate::ledger::{Change, Ledger, Reason, Stage};
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

/// Says how rows become documents.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
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
        }
    }

    fn check(&self) -> Result<(), DocumentError> {
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
    settings.check()?;
    let eos = match (settings.append_eos, tokenizer.eos_id()) {
        (true, None) => return Err(DocumentError::NoEos),
        (true, eos) => eos,
        (false, _) => None,
    };
    if u32::try_from(rows.len()).is_err() {
        return Err(DocumentError::TooManyRows { rows: rows.len() });
    }
    let bos = tokenizer.bos_id().filter(|_| tokenizer.adds_bos());
    let encoded: Vec<(Vec<u32>, usize)> = rows
        .par_iter()
        .map(|row| encode_row(row, tokenizer, settings, bos, eos))
        .collect::<Result<_, _>>()?;
    let mut documents = Vec::with_capacity(rows.len());
    for (ordinal, (row, (tokens, prompt_tokens))) in rows.iter().zip(encoded).enumerate() {
        let before = documents.len();
        let change = cut(&tokens, prompt_tokens, settings, |piece, start, end, given| {
            documents.push(Document {
                tokens: tokens[start..end].to_vec(),
                prompt_tokens: given,
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
        if let Some(change) = change {
            ledger.change(Stage::Tokenize, change);
        }
    }
    Ok(documents.into_iter().collect())
}

/// Returns the tokens of a row and how many of them are given.
fn encode_row(
    row: &Row,
    tokenizer: &Tokenizer,
    settings: &DocumentSettings,
    bos: Option<u32>,
    eos: Option<u32>,
) -> Result<(Vec<u32>, usize), DocumentError> {
    let encode = |text: &str| {
        tokenizer
            .encode(text)
            .map_err(|source| DocumentError::Encode { row: row.origin.to_string(), source })
    };
    let mut tokens: Vec<u32> = bos.into_iter().collect();
    let mut prompt_tokens = 0;
    if let Some(prompt) = &row.prompt {
        // Encoded apart from the completion, so that no token spans the border: generation starts
        // from exactly these prompt tokens.
        tokens.extend(encode(&format!("{prompt}{}", settings.prompt_separator))?);
        if !settings.train_on_prompt {
            prompt_tokens = tokens.len();
        }
    }
    tokens.extend(encode(&row.text)?);
    tokens.extend(eos);
    Ok((tokens, prompt_tokens))
}

/// Calls `emit(piece, start, end, given)` for each piece that has something to learn.
fn cut(
    tokens: &[u32],
    prompt_tokens: usize,
    settings: &DocumentSettings,
    mut emit: impl FnMut(u32, usize, usize, usize),
) -> Option<Change> {
    let longest = settings.max_seq_len;
    let mut piece = 0;
    let mut emit_if_learned = |start: usize, end: usize, given: usize| {
        let given = given.min(end - start);
        if end - start > given.max(1) {
            emit(piece, start, end, given);
            piece += 1;
        }
    };
    if tokens.len() <= longest {
        emit_if_learned(0, tokens.len(), prompt_tokens);
        return None;
    }
    if settings.long_rows == LongRows::Truncate {
        emit_if_learned(0, longest, prompt_tokens);
        return Some(Change::Truncated);
    }
    let (mut start, mut end, mut repeated) = (0, longest, 0);
    loop {
        emit_if_learned(start, end, prompt_tokens.saturating_sub(start).max(repeated));
        if end == tokens.len() {
            return Some(Change::Split);
        }
        start = end - settings.overlap_tokens;
        repeated = settings.overlap_tokens;
        end = tokens.len().min(start + longest);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn settings(max_seq_len: usize, overlap_tokens: usize) -> DocumentSettings {
        DocumentSettings { overlap_tokens, ..DocumentSettings::new(max_seq_len) }
    }

    fn pieces(length: usize, prompt: usize, settings: &DocumentSettings) -> Vec<[usize; 3]> {
        let tokens = vec![0; length];
        let mut found = Vec::new();
        cut(&tokens, prompt, settings, |_, start, end, given| found.push([start, end, given]));
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
