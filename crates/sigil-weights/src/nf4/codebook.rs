//! The two 4-bit codes: which value each nibble stands for, and where one gives way to the next.
//!
//! An element is encoded by counting the midpoints below it, strictly: a tie goes to the lower
//! neighbour. For NF4 that is the decision tree of the CUDA kernel; for FP4 it is what the CPU path
//! of bitsandbytes does, which differs from its CUDA tree in ties below zero and in giving tiny
//! positive values code 8 (another zero). Source: bitsandbytes 0.50.2 `backends/default/ops.py`,
//! `functional.py` `get_4bit_type`.

/// A 4-bit code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FourBit {
    /// NormalFloat: quantiles of a normal distribution (arXiv 2305.14314).
    Nf4,
    /// Floating point with one sign, two exponent and one mantissa bit.
    Fp4,
}

const NF4: [f32; 16] = [
    -1.0,
    -0.696_192_8,
    -0.525_073_05,
    -0.394_917_5,
    -0.284_441_38,
    -0.184_773_43,
    -0.091_050_036,
    0.0,
    0.079_580_3,
    0.160_930_2,
    0.246_112_3,
    0.337_915_24,
    0.440_709_83,
    0.562_617,
    0.722_956_84,
    1.0,
];

/// Twelfths, in the order of the bit patterns.
const FP4_TWELFTHS: [f32; 16] =
    [0.0, 0.0625, 8.0, 12.0, 4.0, 6.0, 2.0, 3.0, 0.0, -0.0625, -8.0, -12.0, -4.0, -6.0, -2.0, -3.0];

const FP4: [f32; 16] = twelfths();

/// The codes in ascending order of value; of the two zeros, the lower code comes first.
const NF4_ORDER: [u8; 16] = ascending(&NF4);
const FP4_ORDER: [u8; 16] = ascending(&FP4);

const NF4_MIDPOINTS: [f32; 15] = midpoints(&NF4, &NF4_ORDER);
const FP4_MIDPOINTS: [f32; 15] = midpoints(&FP4, &FP4_ORDER);

const fn twelfths() -> [f32; 16] {
    let mut code = [0.0; 16];
    let mut i = 0;
    while i < 16 {
        code[i] = FP4_TWELFTHS[i] / 12.0;
        i += 1;
    }
    code
}

/// A stable insertion sort of the indices by value.
const fn ascending(code: &[f32; 16]) -> [u8; 16] {
    let mut order = [0; 16];
    let mut i = 0;
    while i < 16 {
        let mut at = i;
        while at > 0 && code[order[at - 1] as usize] > code[i] {
            order[at] = order[at - 1];
            at -= 1;
        }
        order[at] = i as u8;
        i += 1;
    }
    order
}

const fn midpoints(code: &[f32; 16], order: &[u8; 16]) -> [f32; 15] {
    let mut between = [0.0; 15];
    let mut i = 0;
    while i < 15 {
        between[i] = (code[order[i] as usize] + code[order[i + 1] as usize]) / 2.0;
        i += 1;
    }
    between
}

impl FourBit {
    /// The value of each nibble, in units of the block's absmax.
    #[must_use]
    pub const fn code(self) -> &'static [f32; 16] {
        match self {
            Self::Nf4 => &NF4,
            Self::Fp4 => &FP4,
        }
    }

    /// The name bitsandbytes gives it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Nf4 => "nf4",
            Self::Fp4 => "fp4",
        }
    }

    /// The nibble for an element divided by its block's absmax; not-a-number gets the lowest value's.
    #[must_use]
    pub fn encode(self, x: f32) -> u8 {
        let below = self.midpoints().iter().filter(|midpoint| x > **midpoint).count();
        self.order()[below]
    }

    /// Boundaries between neighbouring values, ascending.
    #[must_use]
    pub const fn midpoints(self) -> &'static [f32; 15] {
        match self {
            Self::Nf4 => &NF4_MIDPOINTS,
            Self::Fp4 => &FP4_MIDPOINTS,
        }
    }

    /// The nibbles in ascending order of value.
    #[must_use]
    pub const fn order(self) -> &'static [u8; 16] {
        match self {
            Self::Nf4 => &NF4_ORDER,
            Self::Fp4 => &FP4_ORDER,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::FourBit;

    /// The decision tree of `dQuantizeNF4` in bitsandbytes' `csrc/kernels.cu`.
    fn tree(x: f32) -> u8 {
        let pick = |above: bool, yes: u8, no: u8| if above { yes } else { no };
        if x > 0.039_790_15 {
            if x > 0.389_312_54 {
                if x > 0.642_786_9 {
                    pick(x > 0.861_478_45, 15, 14)
                } else {
                    pick(x > 0.501_663_45, 13, 12)
                }
            } else if x > 0.203_521_25 {
                pick(x > 0.292_013_76, 11, 10)
            } else {
                pick(x > 0.120_255_25, 9, 8)
            }
        } else if x > -0.339_679_42 {
            if x > -0.137_911_74 {
                pick(x > -0.045_525_018, 7, 6)
            } else {
                pick(x > -0.234_607_4, 5, 4)
            }
        } else if x > -0.610_632_9 {
            pick(x > -0.459_995_27, 3, 2)
        } else {
            pick(x > -0.848_096_4, 1, 0)
        }
    }

    #[test]
    fn counting_midpoints_is_the_decision_tree() {
        let mut tried = vec![f32::NAN, f32::INFINITY, f32::NEG_INFINITY, 0.0, -0.0, 1.0, -1.0];
        for point in FourBit::Nf4.midpoints().iter().chain(FourBit::Nf4.code()) {
            let mut below = *point;
            let mut above = *point;
            tried.push(*point);
            for _ in 0..64 {
                (below, above) = (below.next_down(), above.next_up());
                tried.extend([below, above]);
            }
        }
        tried.extend((-40_000..40_000).map(|i| i as f32 / 32_768.0));
        for x in tried {
            assert_eq!(FourBit::Nf4.encode(x), tree(x), "x = {x:e}");
        }
    }

    #[test]
    fn every_code_but_the_second_zero_encodes_to_itself() {
        for kind in [FourBit::Nf4, FourBit::Fp4] {
            for (nibble, value) in kind.code().iter().enumerate() {
                let expected = if kind == FourBit::Fp4 && nibble == 8 { 0 } else { nibble };
                assert_eq!(usize::from(kind.encode(*value)), expected, "{kind:?} {value}");
            }
        }
    }

    #[test]
    fn fp4_ties_go_to_the_lower_value_and_tiny_positives_to_code_8() {
        assert_eq!(FourBit::Fp4.encode(0.001), 8);
        assert_eq!(FourBit::Fp4.encode(-0.001), 0);
        assert_eq!(FourBit::Fp4.encode((0.5 + 1.0 / 3.0) / 2.0), 4);
        assert_eq!(FourBit::Fp4.encode(-(0.5 + 1.0 / 3.0) / 2.0), 13);
    }
}
