//! The numbers of [`crate::random`] inside a kernel, bit for bit.

use cubecl::prelude::*;

/// The upper 24 bits of [`crate::random::bits`].
#[cube]
pub fn upper_bits(seed: u64, index: u64) -> u32 {
    let mut z = seed + (index + 1u64) * 0x9E37_79B9_7F4A_7C15u64;
    z = (z ^ (z >> 30u64)) * 0xBF58_476D_1CE4_E5B9u64;
    z = (z ^ (z >> 27u64)) * 0x94D0_49BB_1331_11EBu64;
    z = z ^ (z >> 31u64);
    u32::cast_from(z >> 40u64)
}

/// [`crate::random::unit`].
#[cube]
pub fn unit(seed: u64, index: u64) -> f32 {
    // Both steps are exact: 24 bits fit the mantissa, and the factor is a power of two.
    f32::cast_from(upper_bits(seed, index)) * f32::new(1.0 / 16_777_216.0)
}
