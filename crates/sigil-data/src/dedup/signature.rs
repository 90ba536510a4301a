//! What is compared: an exact hash and a MinHash signature of token 5-grams.
//!
//! Is: Broder's MinHash (1997) with 112 hash functions, over identifiers, numbers and single signs.
//! Is not: a Rust lexer; any text has tokens. Next: `index.rs`.

use std::hash::Hasher;

use crate::Digest;

/// Tokens in a shingle.
const SHINGLE: usize = 5;
/// Groups of hash functions: two rows are compared if any group agrees.
pub(super) const BANDS: usize = 14;
/// Hash functions in a group. With 14 groups a pair of Jaccard 0.7 meets with probability 0.56,
/// one of 0.8 with 0.92, one of 0.5 with 0.05.
pub(super) const ROWS: usize = 8;
pub(super) const HASHES: usize = BANDS * ROWS;

/// Share of equal hash functions from which two rows count as near duplicates: an estimate of the
/// Jaccard similarity of their shingles, with a standard error of 0.043.
pub const MATCH_FRACTION: f64 = 0.7;

/// Holds what is compared of one text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fingerprint {
    /// BLAKE3 of the text without white space.
    pub exact: Digest,
    pub(super) bands: [u32; BANDS],
    pub(super) minima: Box<[u8; HASHES]>,
    /// Texts without a token are compared exactly only.
    pub(super) has_tokens: bool,
}

impl Fingerprint {
    /// Computes the fingerprint of a text.
    pub fn of(text: &str) -> Self {
        let mut hasher = blake3::Hasher::new();
        text.split_whitespace().for_each(|word| {
            hasher.update(word.as_bytes());
        });
        let exact = Digest::from_bytes(*hasher.finalize().as_bytes());
        let tokens: Vec<u64> = token_hashes(text);
        let mut minima = [u32::MAX; HASHES];
        let length = SHINGLE.min(tokens.len()).max(1);
        for shingle in tokens.windows(length) {
            let base = combine(shingle);
            let (low, high) = (base as u32, ((base >> 32) as u32) | 1);
            for (index, minimum) in minima.iter_mut().enumerate() {
                // Kirsch and Mitzenmacher (2006): two hashes make a family, here mixed once more.
                let hash = low.wrapping_add((index as u32).wrapping_mul(high));
                *minimum = (*minimum).min(scramble(hash));
            }
        }
        let mut bands = [0_u32; BANDS];
        for (band, rows) in bands.iter_mut().zip(minima.chunks_exact(ROWS)) {
            let hash = rows.iter().fold(0xcbf2_9ce4_8422_2325, |hash: u64, &minimum| {
                (hash ^ u64::from(minimum)).wrapping_mul(0x0000_0100_0000_01B3).rotate_left(23)
            });
            *band = scramble((hash ^ (hash >> 32)) as u32);
        }
        let minima = Box::new(minima.map(|minimum| minimum as u8));
        Self { exact, bands, minima, has_tokens: !tokens.is_empty() }
    }

    /// Returns the bits that the exact hash is looked up by.
    pub(super) fn exact_key(&self) -> u64 {
        self.exact.to_u64()
    }

    /// Estimates the Jaccard similarity of the shingles of two texts, from 0 to 1.
    pub fn similarity(&self, other: &Self) -> f64 {
        let equal = self.minima.iter().zip(other.minima.iter()).filter(|(a, b)| a == b).count();
        equal as f64 / HASHES as f64
    }
}

/// Hashes each identifier, number or sign of a text; white space only separates.
fn token_hashes(text: &str) -> Vec<u64> {
    let mut hashes = Vec::with_capacity(text.len() / 4);
    let mut word = Fnv::new();
    let mut in_word = false;
    for c in text.chars() {
        let part_of_word = c.is_alphanumeric() || c == '_';
        if !part_of_word && in_word {
            hashes.push(word.finish());
            word = Fnv::new();
        }
        in_word = part_of_word;
        if part_of_word {
            let mut bytes = [0; 4];
            word.write(c.encode_utf8(&mut bytes).as_bytes());
        } else if !c.is_whitespace() {
            hashes.push(u64::from(c as u32).wrapping_mul(0x9E37_79B9_7F4A_7C15));
        }
    }
    if in_word {
        hashes.push(word.finish());
    }
    hashes
}

fn combine(shingle: &[u64]) -> u64 {
    let mixed = shingle.iter().fold(0_u64, |hash, token| {
        (hash.rotate_left(5) ^ token).wrapping_mul(0xFF51_AFD7_ED55_8CCD)
    });
    mixed ^ (mixed >> 32)
}

/// The finalizer of MurmurHash3 (Appleby, public domain).
fn scramble(mut hash: u32) -> u32 {
    hash ^= hash >> 16;
    hash = hash.wrapping_mul(0x85EB_CA6B);
    hash ^= hash >> 13;
    hash = hash.wrapping_mul(0xC2B2_AE35);
    hash ^ (hash >> 16)
}

/// FNV-1a, 64 bits: fixed for all time, unlike the standard library's hasher.
struct Fnv(u64);

impl Fnv {
    fn new() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }
}

impl Hasher for Fnv {
    fn write(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.0 = (self.0 ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01B3);
        }
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;
    use crate::random::Random;

    /// Texts of `total` distinct words each, that share the first `shared`.
    fn pair(total: usize, shared: usize) -> (String, String) {
        let words = |name: &str, from: usize| {
            let mine = (from..total).map(|index| format!("{name}{index}"));
            (0..from).map(|index| format!("both{index}")).chain(mine).collect::<Vec<_>>().join(" ")
        };
        (words("left", shared), words("right", shared))
    }

    #[test]
    fn estimates_the_jaccard_similarity_of_shingles() {
        for shared in [0, 300, 600, 825, 950, 1000] {
            let (left, right) = pair(1000, shared);
            let common = shared.saturating_sub(SHINGLE - 1) as f64;
            let jaccard = common / (2.0 * 996.0 - common);
            let estimate = Fingerprint::of(&left).similarity(&Fingerprint::of(&right));
            // Three standard errors of 112 draws at one half.
            assert!((estimate - jaccard).abs() < 0.142, "{shared}: {estimate} for {jaccard}");
        }
    }

    #[test]
    fn white_space_is_not_part_of_the_exact_hash() {
        let (a, b) = (Fingerprint::of("fn  main()\n{ }"), Fingerprint::of("fn main() {}"));
        assert_eq!(a.exact, b.exact);
        assert_ne!(a.exact, Fingerprint::of("fn main() {;}").exact);
    }

    #[test]
    fn unrelated_texts_share_almost_no_minimum() {
        let mut random = Random::keyed(&[5]);
        let mut text = || (0..400).map(|_| random.below(1 << 40).to_string()).collect::<Vec<_>>();
        let (a, b) = (text().join(" "), text().join(" "));
        assert!(Fingerprint::of(&a).similarity(&Fingerprint::of(&b)) < 0.05);
    }

    proptest! {
        #[test]
        fn any_text_has_a_fingerprint_equal_to_itself(text in ".{0,200}") {
            let fingerprint = Fingerprint::of(&text);
            prop_assert_eq!(fingerprint.similarity(&Fingerprint::of(&text)), 1.0);
            let spread: BTreeSet<u8> = fingerprint.minima.iter().copied().collect();
            prop_assert!(!fingerprint.has_tokens || spread.len() > HASHES / 4);
        }
    }
}
