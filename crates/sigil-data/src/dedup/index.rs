//! Looking up near duplicates among what was seen.
//!
//! Is: locality-sensitive hashing by bands, with every candidate checked against the whole
//! signature. Is not: kept on disk. Next: `remove.rs`.

use std::collections::HashMap;

use super::signature::{BANDS, Fingerprint, MATCH_FRACTION};
use crate::Digest;

/// Holds the fingerprints of kept texts; about 600 bytes each.
#[derive(Debug, Default)]
pub struct NearIndex {
    exact: HashMap<Digest, u32>,
    bands: [HashMap<u64, Vec<u32>>; BANDS],
    kept: Vec<Fingerprint>,
}

/// Says how a text is like one in the index; the number counts insertions from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Match {
    /// Equal but for white space.
    Exact(u32),
    /// Near.
    Near(u32),
}

impl NearIndex {
    /// Returns an empty index.
    pub fn new() -> Self {
        Self::default()
    }

    /// Finds the earliest text that equals `fingerprint`, else the earliest that is near it.
    pub fn find(&self, fingerprint: &Fingerprint) -> Option<Match> {
        if let Some(&found) = self.exact.get(&fingerprint.exact) {
            return Some(Match::Exact(found));
        }
        if !fingerprint.has_tokens {
            return None;
        }
        let candidates = self
            .bands
            .iter()
            .zip(&fingerprint.bands)
            .filter_map(|(band, key)| band.get(key))
            .flatten();
        let near =
            |&&index: &&u32| self.kept[index as usize].similarity(fingerprint) >= MATCH_FRACTION;
        candidates.filter(near).min().map(|&index| Match::Near(index))
    }

    /// Adds a text.
    pub fn insert(&mut self, fingerprint: Fingerprint) {
        let index = self.kept.len() as u32;
        self.exact.entry(fingerprint.exact).or_insert(index);
        if fingerprint.has_tokens {
            for (band, key) in self.bands.iter_mut().zip(fingerprint.bands) {
                band.entry(key).or_default().push(index);
            }
        }
        self.kept.push(fingerprint);
    }

    /// Returns the number of texts.
    pub fn len(&self) -> usize {
        self.kept.len()
    }

    /// Says whether there is no text.
    pub fn is_empty(&self) -> bool {
        self.kept.is_empty()
    }
}
