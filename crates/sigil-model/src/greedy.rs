//! Greedy continuation without a cache: the whole prefix is run again for every token.
//!
//! Enough to compare with another implementation; generation for use is its own program.

use sigil_kernels::Kernels;

use crate::{Decoder, Parameters, TokenBatch};

/// Appends the most likely token `count` times and returns the whole sequence.
pub fn greedy<B: Kernels>(
    decoder: &Decoder<B>,
    parameters: &Parameters<B>,
    prompt: &[u32],
    count: usize,
) -> Vec<u32> {
    let mut tokens = prompt.to_vec();
    for _ in 0..count {
        let length = tokens.len();
        let targets = vec![-1; length];
        let starts = vec![0, length as u32];
        let batch = TokenBatch::new(&tokens, targets, starts, &decoder.device);
        let logits = decoder.logits(&batch, parameters);
        let vocab = logits.dims()[1];
        let last = logits.slice([length - 1..length, 0..vocab]).into_data();
        let mut best = (0, f32::NEG_INFINITY);
        for (token, logit) in last.iter::<f32>().enumerate() {
            if logit > best.1 {
                best = (token, logit);
            }
        }
        tokens.push(best.0 as u32);
    }
    tokens
}
