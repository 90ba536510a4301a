//! What the training step receives: flattened documents with shifted targets.
//!
//! Is: plain numbers and the names of the rows they came from. Is not: a tensor (`sigil-qlora`
//! uploads it). Next: `pack.rs` (which documents share a block), `stream.rs` (in which order).

use std::fmt;

use crate::Digest;
use crate::documents::DocumentView;
use crate::rows::Origin;

/// Marks a position that predicts nothing.
pub const NO_TARGET: i32 = -1;

/// Holds one micro batch: several documents laid end to end, none of which sees another.
///
/// # Shapes
/// `tokens`, `targets` and `positions` have the same length `[tokens]`; `document_starts` has one
/// entry more than there are documents.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Batch {
    /// Token ids.
    pub tokens: Vec<u32>,
    /// The token that each position must predict, already shifted, or [`NO_TARGET`]. A document's
    /// last position has none, and neither has a position before a prompt token.
    pub targets: Vec<i32>,
    /// Distance from the start of the position's own document.
    pub positions: Vec<u32>,
    /// Offsets of the documents in `tokens`: first 0, last `tokens.len()`.
    pub document_starts: Vec<u32>,
    /// The row of each document, for messages; one entry per document.
    pub rows: Vec<RowRef>,
}

/// Names the row, and the piece of it, that a document came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RowRef {
    /// Where the row was read.
    pub origin: Origin,
    /// Which piece of a long row this is, from 0.
    pub piece: u32,
}

impl fmt::Display for RowRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.origin)?;
        if self.piece > 0 {
            write!(f, " (piece {})", self.piece + 1)?;
        }
        Ok(())
    }
}

impl Batch {
    /// Lays documents end to end.
    pub fn from_documents<'a>(documents: impl IntoIterator<Item = DocumentView<'a>>) -> Self {
        let mut batch = Self { document_starts: vec![0], ..Self::default() };
        for document in documents {
            batch.push(document);
        }
        batch
    }

    /// Adds a document at the end.
    pub(crate) fn push(&mut self, document: DocumentView<'_>) {
        let length = document.tokens.len();
        self.tokens.extend_from_slice(document.tokens);
        let learned = |index: usize| {
            index >= document.prompt_tokens
                && !document.masked.iter().any(|range| range.contains(&(index as u32)))
        };
        // Position i predicts token i + 1, so the prompt's last position is the first trained one.
        self.targets.extend((1..=length).map(|next| match document.tokens.get(next) {
            Some(&token) if learned(next) => token.cast_signed(),
            _ => NO_TARGET,
        }));
        self.positions.extend((0..length).map(|position| position as u32));
        self.document_starts.push(self.tokens.len() as u32);
        self.rows.push(RowRef { origin: document.origin.clone(), piece: document.piece });
    }

    /// Hashes everything in the batch, the names of its rows included.
    pub fn digest(&self) -> Digest {
        let places: String = self.rows.iter().map(|row| format!("{row}\n")).collect();
        Digest::of_fields([
            bytemuck::cast_slice(&self.tokens),
            bytemuck::cast_slice(&self.targets),
            bytemuck::cast_slice(&self.positions),
            bytemuck::cast_slice(&self.document_starts),
            places.as_bytes(),
        ])
    }

    /// Returns the number of tokens, padding-free.
    pub fn token_count(&self) -> usize {
        self.tokens.len()
    }

    /// Returns the number of positions that have a target: the denominator of the loss.
    pub fn target_count(&self) -> usize {
        self.targets.iter().filter(|&&target| target != NO_TARGET).count()
    }

    /// Returns the number of documents.
    pub fn document_count(&self) -> usize {
        self.rows.len()
    }

    /// Returns the length of the longest document, in tokens.
    pub fn longest_document(&self) -> usize {
        self.document_starts.windows(2).map(|pair| (pair[1] - pair[0]) as usize).max().unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn view<'a>(tokens: &'a [u32], prompt_tokens: usize, origin: &'a Origin) -> DocumentView<'a> {
        DocumentView { tokens, prompt_tokens, masked: &[], origin, piece: 0 }
    }

    #[test]
    fn targets_are_shifted_inside_each_document() {
        let origin = Origin::new("test", "a.jsonl", 3);
        let batch =
            Batch::from_documents([view(&[5, 6, 7], 0, &origin), view(&[8, 9, 10], 2, &origin)]);
        assert_eq!(batch.tokens, [5, 6, 7, 8, 9, 10]);
        assert_eq!(batch.targets, [6, 7, -1, -1, 10, -1]);
        assert_eq!(batch.positions, [0, 1, 2, 0, 1, 2]);
        assert_eq!(batch.document_starts, [0, 3, 6]);
        assert_eq!(batch.target_count(), 3);
        assert_eq!(batch.longest_document(), 3);
        assert_eq!(batch.rows[1].to_string(), "a.jsonl:3");
    }

    #[test]
    fn no_documents_make_an_empty_batch() {
        let batch = Batch::from_documents([]);
        assert_eq!(batch.document_starts, [0]);
        assert_eq!((batch.token_count(), batch.longest_document()), (0, 0));
    }
}
