//! The random numbers of shuffles and sampling.
//!
//! Is: SplitMix64 (Steele, Lea, Flood 2014; <https://prng.di.unimi.it/splitmix64.c>) keyed by
//! numbers, so that an epoch's order is a function of seed and epoch alone. Is not: the random
//! stream of dropout. Next: `stream.rs`.

/// Generates 64-bit numbers.
#[derive(Debug, Clone)]
pub(crate) struct Random(u64);

impl Random {
    /// Starts a stream that depends on all of `keys`.
    pub(crate) fn keyed(keys: &[u64]) -> Self {
        let state = keys.iter().fold(0x5167_696C, |state: u64, &key| mix(state ^ mix(key)));
        Self(state)
    }

    pub(crate) fn next_u64(&mut self) -> u64 {
        let number = mix(self.0);
        self.0 = self.0.wrapping_add(GOLDEN_GAMMA);
        number
    }

    /// Returns a number below `bound`, each with the same probability (Lemire 2019).
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        debug_assert!(bound > 0, "a range needs at least one number");
        let threshold = bound.wrapping_neg() % bound;
        loop {
            let wide = u128::from(self.next_u64()) * u128::from(bound);
            if wide as u64 >= threshold {
                return (wide >> 64) as u64;
            }
        }
    }

    /// Puts `items` in a random order (Fisher–Yates).
    pub(crate) fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            let other = self.below(last as u64 + 1) as usize;
            items.swap(last, other);
        }
    }
}

const GOLDEN_GAMMA: u64 = 0x9E37_79B9_7F4A_7C15;

fn mix(state: u64) -> u64 {
    let mut z = state.wrapping_add(GOLDEN_GAMMA);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

/// Maps keys to a number in `[0, 1)`.
pub(crate) fn fraction_of(keys: &[u64]) -> f64 {
    (Random::keyed(keys).next_u64() >> 11) as f64 / (1_u64 << 53) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn first_number_is_that_of_the_reference_code() {
        // The published generator with state 1234567.
        let mut random = Random(1_234_567);
        let numbers = [random.next_u64(), random.next_u64(), random.next_u64()];
        assert_eq!(
            numbers,
            [6_457_827_717_110_365_317, 3_203_168_211_198_807_973, 9_817_491_932_198_370_423]
        );
    }

    #[test]
    fn shuffles_are_permutations_that_the_key_decides() {
        let shuffled = |key| {
            let mut items: Vec<u32> = (0..100).collect();
            Random::keyed(&[key, 7]).shuffle(&mut items);
            items
        };
        assert_eq!(shuffled(1), shuffled(1));
        assert_ne!(shuffled(1), shuffled(2));
        let mut sorted = shuffled(1);
        sorted.sort_unstable();
        assert_eq!(sorted, (0..100).collect::<Vec<_>>());
    }

    #[test]
    fn fractions_are_spread_evenly() {
        let low = (0..10_000).filter(|&key| fraction_of(&[3, key]) < 0.25).count();
        assert!((2_300..2_700).contains(&low), "{low} of 10000 below a quarter");
    }
}
