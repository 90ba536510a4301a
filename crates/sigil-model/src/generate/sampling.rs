//! From logits to a token: repetition penalty, temperature, top-k, top-p, min-p, then a draw.
//!
//! Meaning and order are those of transformers' `generate` (`RepetitionPenaltyLogitsProcessor`,
//! `TemperatureLogitsWarper`, `TopKLogitsWarper`, `TopPLogitsWarper`, `MinPLogitsWarper`); the
//! tests hold them against its numbers. Where probabilities are equal the lower token is kept.
//!
//! This is the CPU's choice. A card that can chooses by itself (`Decoding::choose`), by the same rules and
//! the same numbers; which token a number draws may differ, how often a token is drawn does not.

use sigil_kernels::{ChoiceSettings, random, softmax};

use super::GenerateError;

/// How a token is chosen.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sampling {
    /// Divisor of the logits; 0 takes the likeliest token (greedy).
    pub temperature: f32,
    /// Only so many of the likeliest tokens; 0 for all.
    pub top_k: usize,
    /// Only the likeliest tokens whose probabilities reach this sum; 1 for all.
    pub top_p: f32,
    /// Only tokens at least this many times as likely as the likeliest; 0 for all.
    pub min_p: f32,
    /// Positive logits of tokens already there are divided by it, negative ones multiplied; 1 is off.
    pub repetition_penalty: f32,
}

impl Default for Sampling {
    /// Greedy.
    fn default() -> Self {
        Self { temperature: 0.0, top_k: 0, top_p: 1.0, min_p: 0.0, repetition_penalty: 1.0 }
    }
}

impl Sampling {
    /// Checks the ranges.
    ///
    /// # Errors
    /// A number that is out of range or no number.
    pub fn check(&self) -> Result<(), GenerateError> {
        let rules = [
            (
                "temperature",
                self.temperature,
                self.temperature.is_finite() && self.temperature >= 0.0,
                "it must be 0 (greedy) or more",
            ),
            (
                "top_p",
                self.top_p,
                self.top_p > 0.0 && self.top_p <= 1.0,
                "it must be above 0 and at most 1",
            ),
            ("min_p", self.min_p, (0.0..=1.0).contains(&self.min_p), "it must be from 0 to 1"),
            (
                "repetition_penalty",
                self.repetition_penalty,
                self.repetition_penalty.is_finite() && self.repetition_penalty > 0.0,
                "it must be above 0",
            ),
        ];
        match rules.into_iter().find(|(.., holds, _)| !holds) {
            None => Ok(()),
            Some((setting, value, _, rule)) => {
                Err(GenerateError::Setting { setting, value: value.to_string(), rule })
            }
        }
    }

    /// True when no random number is needed.
    pub fn is_greedy(&self) -> bool {
        self.temperature == 0.0
    }

    /// The same for a device that chooses where the logits are.
    pub(super) fn on_device(&self) -> ChoiceSettings {
        let Self { temperature, top_k, top_p, min_p, repetition_penalty } = *self;
        ChoiceSettings { temperature, top_k, top_p, min_p, repetition_penalty }
    }

    /// Chooses a token.
    ///
    /// `logits [vocab]` is scratch afterwards; `seen` are the tokens of the text so far, each once
    /// (read only with a penalty); `random` is in `[0, 1)` (not read when greedy).
    pub fn choose(&self, logits: &mut [f32], seen: &[u32], random: f64) -> u32 {
        self.penalize(logits, seen);
        if self.is_greedy() {
            return likeliest(logits);
        }
        let token = if self.top_k == 0 && self.top_p >= 1.0 && self.min_p == 0.0 {
            // Nothing is cut, so there is nothing to sort.
            logits.iter_mut().for_each(|logit| *logit /= self.temperature);
            softmax::weights(logits, f32::NEG_INFINITY);
            drawn(logits.iter().copied().enumerate(), random)
        } else {
            let kept = self.kept(logits);
            drawn(kept.iter().map(|&(token, weight)| (token as usize, weight)), random)
        };
        // A model that gives no numbers leaves nothing to draw from.
        token.unwrap_or_else(|| likeliest(logits))
    }

    /// The tokens that may be drawn with their probabilities, likeliest first; arguments as in
    /// [`Sampling::choose`].
    pub fn probabilities(&self, logits: &mut [f32], seen: &[u32]) -> Vec<(u32, f32)> {
        self.penalize(logits, seen);
        if self.is_greedy() {
            return vec![(likeliest(logits), 1.0)];
        }
        let mut kept = self.kept(logits);
        let total: f64 = kept.iter().map(|&(_, weight)| f64::from(weight)).sum();
        kept.iter_mut().for_each(|(_, weight)| *weight = (f64::from(*weight) / total) as f32);
        kept
    }

    fn penalize(&self, logits: &mut [f32], seen: &[u32]) {
        let penalty = self.repetition_penalty;
        if penalty == 1.0 {
            return;
        }
        for &token in seen {
            let logit = &mut logits[token as usize];
            *logit = if *logit < 0.0 { *logit * penalty } else { *logit / penalty };
        }
    }

    /// The tokens that may be drawn with their weights, likeliest first; `logits` is scratch.
    fn kept(&self, logits: &mut [f32]) -> Vec<(u32, f32)> {
        if self.temperature != 1.0 {
            logits.iter_mut().for_each(|logit| *logit /= self.temperature);
        }
        let least = match self.top_k {
            k if k > 0 && k < logits.len() => {
                let mut all = logits.to_vec();
                *all.select_nth_unstable_by(k - 1, |a, b| b.total_cmp(a)).1
            }
            _ => f32::NEG_INFINITY,
        };
        // Weights are probabilities up to a factor; the likeliest token's is 1.
        let total = softmax::weights(logits, least);
        let all_kept = self.top_p >= 1.0;
        let tail = if all_kept { 0.0 } else { (1.0 - self.top_p) * total };
        // A token under this cannot be in the nucleus: all like it together do not reach the tail.
        let floor = (tail / logits.len() as f32).max(self.min_p).max(f32::MIN_POSITIVE);
        let mut keys: Vec<u64> = logits
            .iter()
            .enumerate()
            .filter(|(_, weight)| **weight >= floor)
            .map(|(token, weight)| u64::from(!weight.to_bits()) << 32 | token as u64)
            .collect();
        keys.sort_unstable();
        let weight = |key: u64| f32::from_bits(!((key >> 32) as u32));
        if !all_kept {
            // Min-p comes after, and takes from the end: what it took above changes no sum here.
            let mut mass = 0.0f32;
            let reach = total - tail;
            let mut count = 0;
            while count < keys.len() && (count == 0 || mass < reach) {
                mass += weight(keys[count]);
                count += 1;
            }
            keys.truncate(count);
        }
        keys.into_iter().map(|key| (key as u32, weight(key))).collect()
    }
}

/// The token at share `random` of the weights' sum; the last one with weight should rounding pass it.
fn drawn(weights: impl Iterator<Item = (usize, f32)> + Clone, random: f64) -> Option<u32> {
    let total: f64 = weights.clone().map(|(_, weight)| f64::from(weight)).sum();
    let mut left = random * total;
    let mut last = None;
    for (token, weight) in weights.filter(|&(_, weight)| weight > 0.0) {
        last = Some(token as u32);
        left -= f64::from(weight);
        if left < 0.0 {
            break;
        }
    }
    last
}

/// The token with the largest logit, the first of equal ones.
fn likeliest(logits: &[f32]) -> u32 {
    let mut best = (0, f32::NEG_INFINITY);
    for (token, &logit) in logits.iter().enumerate() {
        if logit > best.1 {
            best = (token, logit);
        }
    }
    best.0 as u32
}

/// The random stream of one sample: a function of the seed, the prompt's tokens and the sample's
/// number among those of its prompt, so that it can be made again alone.
pub fn sample_stream(seed: u64, prompt: &[u32], sample: u64) -> u64 {
    let prompt = prompt
        .iter()
        .fold(prompt.len() as u64, |digest, &token| random::derive(digest, &[u64::from(token)]));
    random::derive(seed, &[5, prompt, sample])
}

/// The number in `[0, 1)` that draws the token at `position` of a sample.
pub(super) fn draw(stream: u64, position: usize) -> f64 {
    (random::bits(stream, position as u64) >> 11) as f64 * (1.0 / (1u64 << 53) as f64)
}
