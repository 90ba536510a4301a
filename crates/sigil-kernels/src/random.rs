//! Counter-based random numbers: the same (seed, index) gives the same bits on every backend, at
//! any thread count, and again in the backward pass, with no state to save.
//!
//! This is the SplitMix64 finalizer over a Weyl sequence (Steele, Lea, Flood: "Fast splittable
//! pseudorandom number generators", 2014); not for cryptography.

/// 64 random bits for element `index` of the stream `seed`.
#[inline(always)]
pub fn bits(seed: u64, index: u64) -> u64 {
    let mut z = seed.wrapping_add(index.wrapping_add(1).wrapping_mul(0x9E37_79B9_7F4A_7C15));
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

/// A number in `[0, 1)` with 24 random bits.
#[inline(always)]
pub fn unit(seed: u64, index: u64) -> f32 {
    (bits(seed, index) >> 40) as f32 * (1.0 / (1u64 << 24) as f32)
}

/// A number in `(-bound, bound)`.
#[inline(always)]
pub fn uniform(seed: u64, index: u64, bound: f32) -> f32 {
    (2.0 * unit(seed, index) - 1.0) * bound
}

/// A standard normal number (Box–Muller over two streams).
pub fn normal(seed: u64, index: u64) -> f32 {
    let radius = (-2.0 * (1.0 - f64::from(unit(seed, 2 * index))).ln()).sqrt();
    let angle = std::f64::consts::TAU * f64::from(unit(seed, 2 * index + 1));
    (radius * angle.cos()) as f32
}

/// A seed for a named part of a larger stream, so that parts do not overlap.
pub fn derive(seed: u64, parts: &[u64]) -> u64 {
    parts.iter().fold(seed, |seed, &part| bits(seed ^ part.rotate_left(32), part))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_those_of_the_distributions() {
        let n = 200_000;
        let mean = |f: &dyn Fn(u64) -> f64| (0..n).map(f).sum::<f64>() / n as f64;
        assert!((mean(&|i| f64::from(unit(7, i))) - 0.5).abs() < 3e-3);
        assert!(mean(&|i| f64::from(normal(7, i))).abs() < 8e-3);
        assert!((mean(&|i| f64::from(normal(7, i)).powi(2)) - 1.0).abs() < 2e-2);
        assert!(mean(&|i| f64::from(unit(7, i)) * f64::from(unit(7, i + 1))) < 0.26);
    }

    #[test]
    fn streams_of_neighbouring_parts_differ() {
        let (a, b) = (derive(1, &[2, 3]), derive(1, &[3, 2]));
        assert_ne!(a, b);
        assert!((0..1000).all(|i| bits(a, i) != bits(b, i)));
    }
}
