//! The model and the batch that are timed, and the two ways of holding the base.
//!
//! The same numbers go to the peer as JSON; nothing here depends on what runs them.

use serde::Serialize;
use sigil_model::Mode;
use sigil_weights::FourBit;

/// The reference shape as `config.json` spells it; 3.67 million parameters.
pub(crate) const CONFIG: &str = r#"{
  "architectures": ["LlamaForCausalLM"], "model_type": "llama", "vocab_size": 1024,
  "hidden_size": 256, "intermediate_size": 768, "num_hidden_layers": 4,
  "num_attention_heads": 8, "num_key_value_heads": 4, "head_dim": 32, "hidden_act": "silu",
  "max_position_embeddings": 256, "rms_norm_eps": 1e-5, "rope_theta": 10000.0,
  "tie_word_embeddings": false, "attention_bias": false, "mlp_bias": false,
  "initializer_range": 0.02
}"#;

/// The batch, the adapter and the optimizer of both sides.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct Shape {
    /// Sequences of a step.
    pub(crate) sequences: usize,
    /// Tokens of a sequence.
    pub(crate) sequence_tokens: usize,
    /// Token ids run from 0 to this.
    pub(crate) vocabulary: usize,
    /// LoRA rank, on all linear layers, without dropout.
    pub(crate) rank: usize,
    /// LoRA alpha.
    pub(crate) alpha: f64,
    /// AdamW's learning rate.
    pub(crate) learning_rate: f64,
    /// AdamW's weight decay.
    pub(crate) weight_decay: f64,
    /// Longest gradient allowed.
    pub(crate) max_grad_norm: f64,
}

/// What is timed.
pub(crate) const SHAPE: Shape = Shape {
    sequences: 4,
    sequence_tokens: 256,
    vocabulary: 1024,
    rank: 16,
    alpha: 32.0,
    learning_rate: 1e-4,
    weight_decay: 0.01,
    max_grad_norm: 1.0,
};

impl Shape {
    /// Tokens of a step.
    pub(crate) fn step_tokens(&self) -> usize {
        self.sequences * self.sequence_tokens
    }

    /// The token at a position of the flat batch; the peer computes the same.
    pub(crate) fn token(&self, position: usize) -> u32 {
        ((position * 7919 + 13) % self.vocabulary) as u32
    }
}

/// How the frozen base is held; both compute in f32.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Case {
    /// The base in f32.
    LoraF32,
    /// The base in NF4 with double quantization.
    QloraNf4,
}

impl Case {
    pub(crate) const ALL: [Self; 2] = [Self::LoraF32, Self::QloraNf4];

    /// The name on the command line of a worker and in reports.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::LoraF32 => "lora-f32",
            Self::QloraNf4 => "qlora-nf4",
        }
    }

    /// How the loader holds the base.
    pub(crate) fn mode(self) -> Mode {
        match self {
            Self::LoraF32 => Mode::Lora,
            Self::QloraNf4 => Mode::Qlora { kind: FourBit::Nf4, nested: true },
        }
    }
}
