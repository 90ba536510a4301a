//! Looking up near duplicates among what was seen.
//!
//! Is: locality-sensitive hashing by bands in flat tables, with every candidate checked against its
//! whole signature; at most 300 bytes a text. Is not: kept on disk: a stream that is resumed reads
//! its rows again and fills it again. Next: `remove.rs`.

use super::signature::{BANDS, Fingerprint, HASHES, MATCH_FRACTION};

/// Holds the fingerprints of kept texts.
#[derive(Debug, Clone, Default)]
pub struct NearIndex {
    exact: Table<u64>,
    bands: [Table<u32>; BANDS],
    /// One byte of each minimum suffices to compare: a false match has 1 chance in 256, which moves
    /// an estimate of 0.7 by 0.001.
    minima: Vec<[u8; HASHES]>,
    capacity: Option<usize>,
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
    /// Returns an empty index that takes any number of texts.
    pub fn new() -> Self {
        Self::default()
    }

    /// Returns an empty index that takes `capacity` texts; later ones are compared but not kept.
    pub fn with_capacity(capacity: usize) -> Self {
        Self { capacity: Some(capacity), ..Self::default() }
    }

    /// Finds the earliest text that equals `fingerprint`, else the earliest that is near it.
    pub fn find(&self, fingerprint: &Fingerprint) -> Option<Match> {
        if let Some(found) = self.exact.find(fingerprint.exact_key()).min() {
            return Some(Match::Exact(found));
        }
        if !fingerprint.has_tokens {
            return None;
        }
        let bands = self.bands.iter().zip(&fingerprint.bands);
        let candidates = bands.flat_map(|(band, &key)| band.find(key));
        let near = |&index: &u32| {
            let minima = &self.minima[index as usize];
            let equal = minima.iter().zip(fingerprint.minima.iter()).filter(|(a, b)| a == b);
            equal.count() as f64 >= MATCH_FRACTION * HASHES as f64
        };
        candidates.filter(near).min().map(Match::Near)
    }

    /// Adds a text; returns false when the index is full.
    pub fn insert(&mut self, fingerprint: &Fingerprint) -> bool {
        let full = self.capacity.is_some_and(|capacity| self.len() >= capacity);
        if full || self.len() >= u32::MAX as usize - 1 {
            return false;
        }
        let index = self.minima.len() as u32;
        self.exact.insert(fingerprint.exact_key(), index);
        if fingerprint.has_tokens {
            for (band, &key) in self.bands.iter_mut().zip(&fingerprint.bands) {
                band.insert(key, index);
            }
        }
        if self.minima.len() == self.minima.capacity() {
            self.minima.reserve_exact(self.minima.len() / 8 + 64);
        }
        self.minima.push(*fingerprint.minima);
        true
    }

    /// Returns the number of texts.
    pub fn len(&self) -> usize {
        self.minima.len()
    }

    /// Says whether there is no text.
    pub fn is_empty(&self) -> bool {
        self.minima.is_empty()
    }

    /// Returns the bytes that the index takes.
    pub fn memory_bytes(&self) -> usize {
        let bands: usize = self.bands.iter().map(Table::bytes).sum();
        bands + self.exact.bytes() + self.minima.capacity() * HASHES
    }
}

/// A hash table with open addressing that keeps several values for one key.
#[derive(Debug, Clone, Default)]
struct Table<K> {
    keys: Vec<K>,
    /// The value of a free slot is [`FREE`].
    values: Vec<u32>,
    used: usize,
}

const FREE: u32 = u32::MAX;

impl<K: Copy + Default + PartialEq + Into<u64>> Table<K> {
    fn find(&self, key: K) -> impl Iterator<Item = u32> {
        let start = self.start(key);
        let places = (start..self.keys.len()).chain(0..start);
        places
            .take_while(|&place| self.values[place] != FREE)
            .filter(move |&place| self.keys[place] == key)
            .map(|place| self.values[place])
    }

    fn insert(&mut self, key: K, value: u32) {
        // At most 85 % full, and at least 74 % after the first growths.
        if (self.used + 1) * 100 > self.keys.len() * 85 {
            let size = (self.keys.len() * 23 / 20).max(64);
            let keys = std::mem::replace(&mut self.keys, vec![K::default(); size]);
            let values = std::mem::replace(&mut self.values, vec![FREE; size]);
            let old = keys.into_iter().zip(values).filter(|(_, value)| *value != FREE);
            old.for_each(|(key, value)| self.place(key, value));
        }
        self.place(key, value);
        self.used += 1;
    }

    fn place(&mut self, key: K, value: u32) {
        let mut place = self.start(key);
        while self.values[place] != FREE {
            place = (place + 1) % self.keys.len();
        }
        self.keys[place] = key;
        self.values[place] = value;
    }

    /// Spreads the key over the slots (Lemire 2016, without a division).
    fn start(&self, key: K) -> usize {
        let mixed = key.into().wrapping_mul(0x9E37_79B9_7F4A_7C15);
        ((u128::from(mixed) * self.keys.len() as u128) >> 64) as usize
    }

    fn bytes(&self) -> usize {
        self.keys.capacity() * size_of::<K>() + self.values.capacity() * size_of::<u32>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Random;

    #[test]
    fn a_text_costs_at_most_300_bytes() {
        let mut random = Random::keyed(&[3]);
        let mut index = NearIndex::new();
        let mut worst = 0.0_f64;
        for count in 1..=6_000 {
            let words: Vec<String> = (0..12).map(|_| random.next_u64().to_string()).collect();
            index.insert(&Fingerprint::of(&words.join(" ")));
            if count >= 2_000 {
                worst = worst.max(index.memory_bytes() as f64 / f64::from(count));
            }
        }
        assert!(worst <= 300.0, "{worst} bytes a text");
    }

    #[test]
    fn a_full_index_still_compares() {
        let mut index = NearIndex::with_capacity(1);
        let (first, second) = (Fingerprint::of("fn a() {}"), Fingerprint::of("struct B;"));
        assert!(index.insert(&first) && !index.insert(&second));
        assert_eq!(index.find(&first), Some(Match::Exact(0)));
        assert_eq!(index.find(&second), None);
    }
}
