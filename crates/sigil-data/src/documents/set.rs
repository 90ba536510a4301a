//! The flat store of tokenized documents.
//!
//! Is: one run of tokens with offsets, shared names and a digest, so that millions of documents
//! cost a few bytes each. Is not: an order (`stream.rs`). Next: `build.rs`.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use crate::Digest;
use crate::rows::Origin;

/// Holds one document on its own: a row, or a piece of a long row.
#[derive(Debug, Clone, PartialEq)]
pub struct Document {
    /// Token ids, BOS and EOS included where they belong.
    pub tokens: Vec<u32>,
    /// Number of leading tokens that are given and not learned.
    pub prompt_tokens: usize,
    /// Later stretches of tokens that are not learned, in order.
    pub masked: Vec<Range<u32>>,
    /// Where the row was read.
    pub origin: Origin,
    /// Which piece of its row this is, from 0.
    pub piece: u32,
    /// Ordinal of its row: the pieces of a row are drawn together.
    pub row: u32,
    /// How often the row is drawn per epoch, on average.
    pub weight: f32,
}

/// Borrows one document of a [`DocumentSet`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct DocumentView<'a> {
    /// Token ids.
    pub tokens: &'a [u32],
    /// Number of leading tokens that are given and not learned.
    pub prompt_tokens: usize,
    /// Later stretches of tokens that are not learned, in order.
    pub masked: &'a [Range<u32>],
    /// Where the row was read.
    pub origin: &'a Origin,
    /// Which piece of its row this is, from 0.
    pub piece: u32,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Entry {
    pub(crate) start: usize,
    pub(crate) length: u32,
    pub(crate) prompt_tokens: u32,
    pub(crate) masked: Box<[Range<u32>]>,
    pub(crate) piece: u32,
    pub(crate) row: u32,
    pub(crate) weight: f32,
    pub(crate) origin: Origin,
}

/// Holds all documents of a dataset.
#[derive(Debug, Clone, PartialEq)]
pub struct DocumentSet {
    pub(crate) tokens: Vec<u32>,
    pub(crate) entries: Vec<Entry>,
    digest: Digest,
}

impl DocumentSet {
    pub(crate) fn from_parts(tokens: Vec<u32>, entries: Vec<Entry>) -> Self {
        let digest = digest_of(&tokens, &entries);
        Self { tokens, entries, digest }
    }

    /// Returns the number of documents.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Says whether there is no document.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Returns the number of tokens in all documents.
    pub fn token_count(&self) -> u64 {
        self.tokens.len() as u64
    }

    /// Returns the number of tokens that are learned in one pass over the documents.
    pub fn target_count(&self) -> u64 {
        let learned = |entry: &Entry| {
            let masked: u32 = entry.masked.iter().map(|range| range.end - range.start).sum();
            entry.length.saturating_sub(entry.prompt_tokens.max(1) + masked)
        };
        self.entries.iter().map(|entry| u64::from(learned(entry))).sum()
    }

    /// Returns the length of the longest document, in tokens.
    pub fn longest(&self) -> usize {
        self.entries.iter().map(|entry| entry.length as usize).max().unwrap_or(0)
    }

    /// Returns one document; `None` past the end.
    pub fn get(&self, index: usize) -> Option<DocumentView<'_>> {
        let entry = self.entries.get(index)?;
        Some(DocumentView {
            tokens: self.tokens.get(entry.start..entry.start + entry.length as usize)?,
            prompt_tokens: entry.prompt_tokens as usize,
            masked: &entry.masked,
            origin: &entry.origin,
            piece: entry.piece,
        })
    }

    /// Returns the documents in the order of the source.
    pub fn iter(&self) -> impl Iterator<Item = DocumentView<'_>> {
        (0..self.len()).filter_map(|index| self.get(index))
    }

    /// Returns the digest of tokens, masks and weights: the identity of the data in a cursor.
    pub fn digest(&self) -> Digest {
        self.digest
    }
}

impl FromIterator<Document> for DocumentSet {
    fn from_iter<I: IntoIterator<Item = Document>>(documents: I) -> Self {
        let mut names = Names::default();
        let mut tokens = Vec::new();
        let entries = documents
            .into_iter()
            .map(|document| {
                let start = tokens.len();
                tokens.extend_from_slice(&document.tokens);
                Entry {
                    start,
                    length: document.tokens.len() as u32,
                    prompt_tokens: document.prompt_tokens as u32,
                    masked: document.masked.into(),
                    piece: document.piece,
                    row: document.row,
                    weight: document.weight,
                    origin: names.share(document.origin),
                }
            })
            .collect();
        Self::from_parts(tokens, entries)
    }
}

/// Keeps one copy of each source and file name.
#[derive(Default)]
struct Names(BTreeMap<Arc<str>, Arc<str>>);

impl Names {
    fn share(&mut self, origin: Origin) -> Origin {
        let mut one = |name: Arc<str>| Arc::clone(self.0.entry(Arc::clone(&name)).or_insert(name));
        Origin { source: one(origin.source), file: one(origin.file), row: origin.row }
    }
}

fn digest_of(tokens: &[u32], entries: &[Entry]) -> Digest {
    let mut hasher = blake3::Hasher::new();
    for entry in entries {
        for number in
            [entry.length, entry.prompt_tokens, entry.piece, entry.row, entry.weight.to_bits()]
        {
            hasher.update(&number.to_le_bytes());
        }
        for range in &entry.masked {
            hasher.update(&range.start.to_le_bytes());
            hasher.update(&range.end.to_le_bytes());
        }
    }
    hasher.update(bytemuck::cast_slice(tokens));
    Digest::from_bytes(*hasher.finalize().as_bytes())
}
