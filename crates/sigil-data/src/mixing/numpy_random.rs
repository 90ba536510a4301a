//! The random numbers of `numpy.random.default_rng(seed)`.
//!
//! Is: SeedSequence (O'Neill 2015, "Developing a seed_seq alternative"), PCG64 XSL-RR (O'Neill
//! 2014) and the few draws that `datasets` makes of them, bit for bit as numpy 2 does. Is not: the
//! generator of anything new here; that is `random.rs`. Next: `interleave.rs`.

const MULTIPLIER: u128 = 0x2360_ED05_1FC6_5DA4_4385_DF64_9FCC_F645;

/// Generates the numbers of `numpy.random.default_rng(seed)`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NumpyRandom {
    state: u128,
    increment: u128,
    /// The upper half of a number whose lower half was handed out.
    half: Option<u32>,
}

impl NumpyRandom {
    /// Starts the stream of `default_rng(seed)`.
    pub fn seeded(seed: u64) -> Self {
        let [state_high, state_low, sequence_high, sequence_low] = seed_words(seed);
        let join = |high: u64, low: u64| (u128::from(high) << 64) | u128::from(low);
        let increment = (join(sequence_high, sequence_low) << 1) | 1;
        let mut random = Self { state: 0, increment, half: None };
        random.step();
        random.state = random.state.wrapping_add(join(state_high, state_low));
        random.step();
        random
    }

    fn step(&mut self) {
        self.state = self.state.wrapping_mul(MULTIPLIER).wrapping_add(self.increment);
    }

    fn next_u64(&mut self) -> u64 {
        self.step();
        let folded = ((self.state >> 64) as u64) ^ (self.state as u64);
        folded.rotate_right((self.state >> 122) as u32)
    }

    fn next_u32(&mut self) -> u32 {
        if let Some(half) = self.half.take() {
            return half;
        }
        let number = self.next_u64();
        self.half = Some((number >> 32) as u32);
        number as u32
    }

    /// Returns a number in `[0, 1)`: `Generator.random()`.
    pub fn fraction(&mut self) -> f64 {
        (self.next_u64() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// Returns a number below `bound`, which must be from 1 to 2³² - 1:
    /// `Generator.integers(0, bound)`.
    pub fn below(&mut self, bound: u32) -> u32 {
        if bound <= 1 {
            return 0;
        }
        // Lemire 2019, as numpy writes it.
        let mut wide = u64::from(self.next_u32()) * u64::from(bound);
        if (wide as u32) < bound {
            let threshold = bound.wrapping_neg() % bound;
            while (wide as u32) < threshold {
                wide = u64::from(self.next_u32()) * u64::from(bound);
            }
        }
        (wide >> 32) as u32
    }

    /// Returns the numbers below `count` in random order: `Generator.permutation(count)`.
    pub fn permutation(&mut self, count: u32) -> Vec<u32> {
        let mut order: Vec<u32> = (0..count).collect();
        for last in (1..order.len()).rev() {
            let other = self.up_to(last as u32) as usize;
            order.swap(last, other);
        }
        order
    }

    /// Returns a number from 0 to `largest`, as shuffles draw it: bits until they fit.
    fn up_to(&mut self, largest: u32) -> u32 {
        let mask = u32::MAX.checked_shr(largest.leading_zeros()).unwrap_or(0);
        loop {
            let number = self.next_u32() & mask;
            if number <= largest {
                return number;
            }
        }
    }

    /// Draws an index by cumulated probabilities, the last of which is 1:
    /// one element of `Generator.choice(len, size, p=probabilities)`.
    pub fn choose(&mut self, cumulated: &[f64]) -> usize {
        let fraction = self.fraction();
        let index = cumulated.partition_point(|&bound| bound <= fraction);
        index.min(cumulated.len().saturating_sub(1))
    }
}

/// Mixes a seed into the four words that PCG64 starts from: `SeedSequence(seed)`.
fn seed_words(seed: u64) -> [u64; 4] {
    const INIT_A: u32 = 0x43b0_d7e5;
    const MULT_A: u32 = 0x931e_8875;
    const INIT_B: u32 = 0x8b51_f9dd;
    const MULT_B: u32 = 0x58f3_8ded;
    const MIX_L: u32 = 0xca01_f9dd;
    const MIX_R: u32 = 0x4973_f715;
    let mut constant = INIT_A;
    let mut hash = |value: u32| {
        let mixed = value ^ constant;
        constant = constant.wrapping_mul(MULT_A);
        let mixed = mixed.wrapping_mul(constant);
        mixed ^ (mixed >> 16)
    };
    let mix = |x: u32, y: u32| {
        let mixed = MIX_L.wrapping_mul(x).wrapping_sub(MIX_R.wrapping_mul(y));
        mixed ^ (mixed >> 16)
    };
    // The words of the seed, lowest first; what is missing counts as zero.
    let mut pool = [seed as u32, (seed >> 32) as u32, 0, 0].map(&mut hash);
    for source in 0..pool.len() {
        for target in 0..pool.len() {
            if source != target {
                pool[target] = mix(pool[target], hash(pool[source]));
            }
        }
    }
    let mut constant = INIT_B;
    let mut halves = [0_u32; 8];
    for (index, half) in halves.iter_mut().enumerate() {
        let mixed = pool[index % pool.len()] ^ constant;
        constant = constant.wrapping_mul(MULT_B);
        let mixed = mixed.wrapping_mul(constant);
        *half = mixed ^ (mixed >> 16);
    }
    let word =
        |index: usize| u64::from(halves[2 * index]) | (u64::from(halves[2 * index + 1]) << 32);
    [word(0), word(1), word(2), word(3)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn draws_are_those_of_numpy_for_short_and_long_seeds() {
        // Printed by numpy 2: default_rng(seed).random() and .integers(0, 1000, size=3).
        for (seed, fraction, integers) in [
            (0_u64, 0.636_961_687_321_454_3_f64, [850, 636, 511]),
            (42, 0.773_956_048_555_963_3, [89, 773, 654]),
            (1 << 40, 0.360_809_573_419_963_8, [922, 360, 379]),
            ((1 << 63) + 5, 0.480_233_105_323_297_77, [820, 480, 187]),
        ] {
            assert_eq!(NumpyRandom::seeded(seed).fraction(), fraction, "{seed}");
            let mut random = NumpyRandom::seeded(seed);
            assert_eq!([0; 3].map(|_| random.below(1000)), integers, "{seed}");
        }
    }

    #[test]
    fn bounds_of_one_draw_nothing() {
        let mut random = NumpyRandom::seeded(1);
        let before = random.clone();
        assert_eq!(random.below(1), 0);
        assert_eq!(random, before);
        assert!(random.permutation(0).is_empty());
    }
}
