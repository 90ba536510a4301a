//! The linear layers inside a decoder, under the names transformers and PEFT give them.
//!
//! This is the list that LoRA targets are matched against and that checkpoints are checked
//! against. The output head and embeddings are not in it. Read `../peft/targets.rs` next.

use super::DecoderConfig;

/// Which linear layer of a decoder layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Projection {
    /// `self_attn.q_proj`
    Query,
    /// `self_attn.k_proj`
    Key,
    /// `self_attn.v_proj`
    Value,
    /// `self_attn.qkv_proj`: query, key and value rows in one matrix.
    QueryKeyValue,
    /// `self_attn.o_proj`
    Output,
    /// `mlp.gate_proj`
    Gate,
    /// `mlp.up_proj`
    Up,
    /// `mlp.gate_up_proj`: gate rows, then up rows.
    GateUp,
    /// `mlp.down_proj`
    Down,
}

impl Projection {
    /// The last part of the module's name, as `target_modules` spells it.
    #[must_use]
    pub fn short_name(self) -> &'static str {
        match self {
            Self::Query => "q_proj",
            Self::Key => "k_proj",
            Self::Value => "v_proj",
            Self::QueryKeyValue => "qkv_proj",
            Self::Output => "o_proj",
            Self::Gate => "gate_proj",
            Self::Up => "up_proj",
            Self::GateUp => "gate_up_proj",
            Self::Down => "down_proj",
        }
    }

    /// The name inside a decoder layer, such as `self_attn.q_proj`.
    #[must_use]
    pub fn path(self) -> String {
        let parent = match self {
            Self::Gate | Self::Up | Self::GateUp | Self::Down => "mlp",
            _ => "self_attn",
        };
        format!("{parent}.{}", self.short_name())
    }
}

/// One linear layer: its name and the shape of its weight.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LinearModule {
    /// Full name, such as `model.layers.0.self_attn.q_proj`; `.weight` is the tensor.
    pub name: String,
    /// The decoder layer it belongs to.
    pub layer: usize,
    /// Which of the layer's projections.
    pub projection: Projection,
    /// Rows of the weight.
    pub out_features: usize,
    /// Columns of the weight.
    pub in_features: usize,
    /// Whether there is a `.bias` of `[out_features]`.
    pub bias: bool,
}

impl DecoderConfig {
    /// Lists every linear layer of every decoder layer, in the order of computation.
    #[must_use]
    pub fn linear_modules(&self) -> Vec<LinearModule> {
        let mut modules = Vec::new();
        for layer in 0..self.num_layers {
            for (projection, out_features, in_features, bias) in self.projections() {
                let name = format!("model.layers.{layer}.{}", projection.path());
                modules.push(LinearModule {
                    name,
                    layer,
                    projection,
                    out_features,
                    in_features,
                    bias,
                });
            }
        }
        modules
    }

    /// The projections of one layer as `(which, out_features, in_features, bias)`.
    #[must_use]
    pub fn projections(&self) -> Vec<(Projection, usize, usize, bool)> {
        let (hidden, inner) = (self.hidden_size, self.intermediate_size);
        let (query, key) = (self.query_width(), self.key_width());
        let mut list = if self.fused_qkv {
            vec![(Projection::QueryKeyValue, query + 2 * key, hidden, self.attention_bias)]
        } else {
            vec![
                (Projection::Query, query, hidden, self.attention_bias),
                (Projection::Key, key, hidden, self.attention_bias),
                (Projection::Value, key, hidden, self.attention_bias),
            ]
        };
        list.push((Projection::Output, hidden, query, self.output_bias));
        if self.fused_gate_up {
            list.push((Projection::GateUp, 2 * inner, hidden, self.mlp_bias));
        } else {
            list.push((Projection::Gate, inner, hidden, self.mlp_bias));
            list.push((Projection::Up, inner, hidden, self.mlp_bias));
        }
        list.push((Projection::Down, hidden, inner, self.mlp_bias));
        list
    }
}
