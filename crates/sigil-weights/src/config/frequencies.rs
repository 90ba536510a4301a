//! Rotary frequencies in the arithmetic of torch: f32 wherever transformers computes in f32.
//!
//! A power is computed in f64 and rounded once, which lies within one unit in the last place of any
//! f32 `pow`; everything after it follows transformers' order of operations. No table of cosines
//! is made here: that is the model's work. Source: transformers 5.23 `modeling_rope_utils.py`.

use std::f64::consts::PI;

use super::{Rope, RopeKind};

/// Angles per token, and what to multiply cosine and sine with.
#[derive(Debug, Clone, PartialEq)]
pub struct RopeFrequencies {
    /// Radians per position of each rotated pair, `[rotary_dim / 2]`; pair `k` is elements `k` and
    /// `k + rotary_dim / 2` of a head.
    pub inv_freq: Vec<f32>,
    /// Multiplier of cosine and sine.
    pub attention_scaling: f64,
    /// How many leading elements of a head are rotated.
    pub rotary_dim: usize,
}

impl Rope {
    /// How many leading elements of a head of `head_dim` are rotated.
    #[must_use]
    pub fn rotary_dim(&self, head_dim: usize) -> usize {
        Self::rotated(head_dim, self.partial_rotary_factor)
    }

    pub(super) fn rotated(head_dim: usize, partial: f64) -> usize {
        // Truncation is what `int(head_dim * partial)` does.
        (head_dim as f64 * partial) as usize
    }

    /// Computes the frequencies for sequences of up to `max_len` tokens.
    ///
    /// `max_len` matters for the kinds that depend on the sequence: LongRoPE takes its long set
    /// when it exceeds the original context, the dynamic kind grows its base beyond
    /// `max_position_embeddings`. One `max_len` per run keeps training and generation consistent.
    #[must_use]
    pub fn frequencies(&self, head_dim: usize, max_len: usize) -> RopeFrequencies {
        let rotary_dim = self.rotary_dim(head_dim);
        let plain = || inverse(&powers(self.theta, rotary_dim));
        let (inv_freq, attention_scaling) = match &self.kind {
            RopeKind::Default => (plain(), 1.0),
            RopeKind::Linear { factor } => {
                (plain().into_iter().map(|freq| freq / *factor as f32).collect(), 1.0)
            }
            RopeKind::Dynamic { factor, max_position_embeddings } => {
                let theta =
                    grown(self.theta, *factor, rotary_dim, *max_position_embeddings, max_len);
                (inverse(&powers(theta, rotary_dim)), 1.0)
            }
            RopeKind::Llama3 {
                factor,
                low_freq_factor,
                high_freq_factor,
                original_max_position_embeddings,
            } => {
                let original = *original_max_position_embeddings as f64;
                let ramp =
                    |freq| llama3(freq, *factor, *low_freq_factor, *high_freq_factor, original);
                (plain().into_iter().map(ramp).collect(), 1.0)
            }
            RopeKind::Yarn { attention_factor, .. } => {
                (yarn(&self.kind, self.theta, rotary_dim), *attention_factor)
            }
            RopeKind::LongRope {
                short_factor,
                long_factor,
                original_max_position_embeddings,
                attention_factor,
            } => {
                let long = max_len > *original_max_position_embeddings;
                let factors = if long { long_factor } else { short_factor };
                let powers = powers(self.theta, rotary_dim);
                let pairs = powers.iter().zip(factors);
                let freqs = pairs.map(|(power, factor)| 1.0 / (*factor as f32 * power)).collect();
                (freqs, *attention_factor)
            }
        };
        RopeFrequencies { inv_freq, attention_scaling, rotary_dim }
    }
}

/// `theta ** (2k / dim)` for every pair `k`.
fn powers(theta: f64, dim: usize) -> Vec<f32> {
    let base = f64::from(theta as f32);
    (0..dim).step_by(2).map(|k| base.powf(f64::from(k as f32 / dim as f32)) as f32).collect()
}

fn inverse(powers: &[f32]) -> Vec<f32> {
    powers.iter().map(|power| 1.0 / power).collect()
}

fn grown(theta: f64, factor: f64, dim: usize, max_positions: usize, max_len: usize) -> f64 {
    // A head of two rotates one pair at frequency 1 whatever the base is.
    if dim <= 2 {
        return theta;
    }
    let stretch =
        factor * max_len.max(max_positions) as f64 / max_positions as f64 - (factor - 1.0);
    theta * stretch.powf(dim as f64 / (dim as f64 - 2.0))
}

fn llama3(freq: f32, factor: f64, low: f64, high: f64, original: f64) -> f32 {
    let wavelength = (2.0 * PI) as f32 / freq;
    let scaled = if wavelength > (original / low) as f32 { freq / factor as f32 } else { freq };
    if wavelength < (original / high) as f32 || wavelength > (original / low) as f32 {
        return scaled;
    }
    let smooth = (original as f32 / wavelength - low as f32) / (high - low) as f32;
    (1.0 - smooth) * scaled / factor as f32 + smooth * scaled
}

fn yarn(kind: &RopeKind, theta: f64, dim: usize) -> Vec<f32> {
    let RopeKind::Yarn {
        factor,
        original_max_position_embeddings,
        beta_fast,
        beta_slow,
        truncate,
        ..
    } = kind
    else {
        return Vec::new();
    };
    let original = *original_max_position_embeddings as f64;
    let boundary =
        |rotations: f64| dim as f64 * (original / (rotations * 2.0 * PI)).ln() / (2.0 * theta.ln());
    let (mut low, mut high) = (boundary(*beta_fast), boundary(*beta_slow));
    if *truncate {
        (low, high) = (low.floor(), high.ceil());
    }
    (low, high) = (low.max(0.0), high.min(dim as f64 - 1.0));
    if low == high {
        high += 0.001;
    }
    let blend = |(k, power): (usize, &f32)| {
        let ramp = ((k as f32 - low as f32) / (high - low) as f32).clamp(0.0, 1.0);
        let keep = 1.0 - ramp;
        let interpolated = 1.0 / (*factor as f32 * power);
        interpolated * (1.0 - keep) + (1.0 / power) * keep
    };
    powers(theta, dim).iter().enumerate().map(blend).collect()
}
