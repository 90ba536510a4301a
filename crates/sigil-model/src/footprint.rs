//! How many numbers a training pass holds for each token, counted from what `layer.rs` keeps and drops.
//!
//! Counted are the matrices as wide as the model; what is per head or as wide as a LoRA rank is not. On a
//! device that keeps memory by size a matrix can take the place of one of its own width only, so widths
//! are counted each at its own peak.

use sigil_weights::DecoderConfig;

use crate::CheckpointPolicy;

/// Numbers for each token of a micro-batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TokenFootprint {
    /// What each layer keeps from its forward to its backward pass.
    pub kept: u64,
    /// What the backward pass of one layer holds besides.
    pub working: u64,
}

impl TokenFootprint {
    /// Counts for a policy.
    pub fn new(config: &DecoderConfig, policy: CheckpointPolicy) -> Self {
        let (hidden, inner) = (config.hidden_size as u64, config.intermediate_size as u64);
        let (query, key) = (config.query_width() as u64, config.key_width() as u64);
        let raw_heads = if config.qk_norm { query + key } else { 0 };
        // x, q, k, v, attention's output, x2, gate, up
        let minimal = 2 * hidden + 2 * query + 2 * key + 2 * inner + raw_heads;
        // h1, h2, silu(gate) * up
        let all = minimal + 2 * hidden + inner;
        // Gradients: dy becomes dx2, dh2; that by the product becomes dgate; dk, dv.
        let gradients = 2 * hidden + inner + 2 * key;
        // Those by attention's output and by q take the place of h2 and dh2 where they are as wide.
        let heads = if query == hidden { 0 } else { 2 * query };
        let raw_gradients = raw_heads;
        let fused = if config.fused_qkv { query + 2 * key } else { 0 }
            + if config.fused_gate_up { 2 * inner } else { 0 };
        let rest = gradients + heads + raw_gradients + fused;
        match policy {
            CheckpointPolicy::None => Self { kept: all, working: rest },
            // The product and h2 are computed again.
            CheckpointPolicy::Minimal => Self { kept: minimal, working: rest + hidden + inner },
            // The whole layer is run again over its kept input.
            CheckpointPolicy::Inputs => Self { kept: hidden, working: rest + all - hidden },
            CheckpointPolicy::Offload => Self { kept: 0, working: rest + all },
        }
    }
}
