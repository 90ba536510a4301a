//! Names of the learning-rate schedules; their formulae live in sigil-qlora.
//!
//! Read next: `train.rs`, whose fields these are.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How the learning rate goes on after the warm-up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Schedule {
    /// Stays at the peak.
    Constant,
    /// Falls in a line to 0.
    Linear,
    /// Half a cosine down to 0.
    Cosine,
    /// Half a cosine down to `min_lr_ratio` of the peak.
    CosineWithMinLr,
    /// Falls with the inverse square root of the step.
    InverseSqrt,
    /// Falls to `min_lr_ratio` of the peak with the power `polynomial_power`.
    Polynomial,
}

/// How long the learning rate rises from 0 to its peak.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Warmup {
    /// This many steps.
    Steps(usize),
    /// This share of all steps.
    Ratio(f64),
}

impl Warmup {
    /// Returns the number of warm-up steps in a run of `total_steps`, rounding a share up as the
    /// transformers library does.
    pub fn steps(self, total_steps: usize) -> usize {
        match self {
            Self::Steps(steps) => steps,
            Self::Ratio(ratio) => (ratio * total_steps as f64).ceil() as usize,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_of_the_steps_is_rounded_up() {
        assert_eq!(Warmup::Ratio(0.03).steps(101), 4);
        assert_eq!(Warmup::Ratio(0.0).steps(101), 0);
        assert_eq!(Warmup::Ratio(1.0).steps(101), 101);
        assert_eq!(Warmup::Steps(7).steps(101), 7);
    }
}
