//! One ordered pass over held-out documents.
//!
//! Is: every document once, in source order, in batches of bounded size. Is not: resumable or
//! shuffled (`stream.rs`). Next: `batch.rs`.

use crate::batch::Batch;
use crate::documents::DocumentSet;

/// Iterates over batches of at most `max_tokens` tokens (a longer document has one of its own).
#[derive(Debug, Clone)]
pub struct EvaluationPass<'a> {
    documents: &'a DocumentSet,
    max_tokens: usize,
    next: usize,
}

impl<'a> EvaluationPass<'a> {
    /// Starts at the first document.
    pub fn new(documents: &'a DocumentSet, max_tokens: usize) -> Self {
        Self { documents, max_tokens, next: 0 }
    }
}

impl Iterator for EvaluationPass<'_> {
    type Item = Batch;

    fn next(&mut self) -> Option<Batch> {
        let first = self.next;
        let mut tokens = 0;
        while let Some(document) = self.documents.get(self.next) {
            tokens += document.tokens.len();
            if self.next > first && tokens > self.max_tokens {
                break;
            }
            self.next += 1;
        }
        let chosen = (first..self.next).filter_map(|index| self.documents.get(index));
        (first < self.next).then(|| Batch::from_documents(chosen))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::documents::Document;
    use crate::rows::Origin;

    #[test]
    fn hands_out_every_document_once_in_order() {
        let lengths = [3_usize, 4, 9, 1, 1];
        let documents: DocumentSet = lengths
            .iter()
            .enumerate()
            .map(|(row, &length)| Document {
                tokens: vec![row as u32; length],
                prompt_tokens: 0,
                masked: vec![],
                origin: Origin::new("test", "t", row as u64 + 1),
                piece: 0,
                row: row as u32,
                weight: 1.0,
            })
            .collect();
        let sizes: Vec<usize> =
            EvaluationPass::new(&documents, 8).map(|batch| batch.token_count()).collect();
        assert_eq!(sizes, [7, 9, 2]);
    }
}
