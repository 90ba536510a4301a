//! Tensor names of GGUF, and the order in which rows of queries and keys stand there.
//!
//! llama.cpp rotates neighbouring pairs for the architecture `llama`, transformers the two halves of a
//! head, so rows of query and key change places for llama and mistral. Other families keep theirs.

use sigil_weights::{DecoderConfig, Family};

/// What happens to a tensor's rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Rows {
    /// They stay.
    Kept,
    /// Within each of so many heads, row `j * half + d` goes to `2 d + j`.
    Interleaved {
        /// Number of heads.
        heads: usize,
    },
}

/// The architecture's name.
pub(super) fn architecture(family: Family) -> &'static str {
    match family {
        // llama.cpp computes mistral as a llama.
        Family::Llama | Family::Mistral => "llama",
        other => other.model_type(),
    }
}

/// The name of a tensor and what happens to its rows; none for a tensor that has no place there.
pub(super) fn place(config: &DecoderConfig, tensor: &str) -> Option<(String, Rows)> {
    let whole = match tensor {
        "model.embed_tokens.weight" => Some("token_embd.weight"),
        "model.norm.weight" => Some("output_norm.weight"),
        "lm_head.weight" => Some("output.weight"),
        _ => None,
    };
    if let Some(name) = whole {
        return Some((name.to_owned(), Rows::Kept));
    }
    let (layer, rest) = tensor.strip_prefix("model.layers.")?.split_once('.')?;
    let layer: usize = layer.parse().ok()?;
    let (module, part) = rest.rsplit_once('.')?;
    if !matches!(part, "weight" | "bias") {
        return None;
    }
    let name = match module {
        "input_layernorm" => "attn_norm",
        "post_attention_layernorm" => "ffn_norm",
        "self_attn.q_proj" => "attn_q",
        "self_attn.k_proj" => "attn_k",
        "self_attn.v_proj" => "attn_v",
        "self_attn.qkv_proj" => "attn_qkv",
        "self_attn.o_proj" => "attn_output",
        "self_attn.q_norm" => "attn_q_norm",
        "self_attn.k_norm" => "attn_k_norm",
        "mlp.gate_proj" => "ffn_gate",
        // The reader knows that both halves are in it.
        "mlp.up_proj" | "mlp.gate_up_proj" => "ffn_up",
        "mlp.down_proj" => "ffn_down",
        _ => return None,
    };
    let is_llama = architecture(config.family) == "llama";
    let rows = match name {
        "attn_q" if is_llama => Rows::Interleaved { heads: config.num_heads },
        "attn_k" if is_llama => Rows::Interleaved { heads: config.num_kv_heads },
        _ => Rows::Kept,
    };
    Some((format!("blk.{layer}.{name}.{part}"), rows))
}

/// Reorders the rows of a matrix, or the elements of a bias (`columns` 1).
pub(super) fn reorder(values: Vec<f32>, rows: Rows, columns: usize) -> Vec<f32> {
    let Rows::Interleaved { heads } = rows else { return values };
    let per_head = values.len() / columns / heads;
    let half = per_head / 2;
    let mut out = Vec::with_capacity(values.len());
    for head in 0..heads {
        for pair in 0..half {
            for side in 0..2 {
                let row = head * per_head + side * half + pair;
                out.extend_from_slice(&values[row * columns..(row + 1) * columns]);
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn halves_of_a_head_become_pairs() {
        // Two heads of four rows, one column.
        let values = vec![0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0];
        let rows = Rows::Interleaved { heads: 2 };
        let wanted = [0.0, 2.0, 1.0, 3.0, 4.0, 6.0, 5.0, 7.0];
        assert_eq!(reorder(values.clone(), rows, 1), wanted);
        assert_eq!(reorder(values.clone(), Rows::Kept, 1), values);
        // One head of four rows of two columns.
        let wanted = [0.0, 1.0, 4.0, 5.0, 2.0, 3.0, 6.0, 7.0];
        assert_eq!(reorder(values, Rows::Interleaved { heads: 1 }, 2), wanted);
    }
}
