//! Exponentials of one row of logits on the host, for sampling.
//!
//! Not a tensor operation: a generator draws from rows that it has on the host anyway. The order of
//! the sum is fixed, as in all of `flex/`.

use crate::flex::lanes::{exp, max, sum, vectorized};

/// Replaces each logit by `exp(logit - largest)`, those under `least` by 0; returns the sum.
pub fn weights(logits: &mut [f32], least: f32) -> f32 {
    vectorized(|| {
        let top = max(logits);
        for logit in logits.iter_mut() {
            let weight = exp(*logit - top);
            *logit = if *logit < least { 0.0 } else { weight };
        }
        sum(logits)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_are_probabilities_up_to_their_sum() {
        let mut logits = [1.0, 3.0, -50.0, 2.5, f32::NEG_INFINITY];
        let total = weights(&mut logits, 1.0);
        let wanted = [(-2f32).exp(), 1.0, 0.0, (-0.5f32).exp(), 0.0];
        assert!(logits.iter().zip(wanted).all(|(a, b)| (a - b).abs() < 1e-6), "{logits:?}");
        assert!((total - wanted.iter().sum::<f32>()).abs() < 1e-6);
    }
}
