//! The models whose steps are timed: architectures by name, weights drawn.

use sigil_weights::DecoderConfig;

use super::command::Shape;

/// The architecture as `config.json` spells it; the peer reads the same text.
pub(crate) fn config_text(shape: Shape) -> String {
    let (family, [layers, hidden, intermediate, heads, kv_heads, vocab, head_dim]) = match shape {
        Shape::Llama8b => ("llama", [32, 4096, 14_336, 32, 8, 128_256, 128]),
        Shape::Qwen7b => ("qwen2", [28, 3584, 18_944, 28, 4, 152_064, 128]),
        Shape::Qwen1b5 => ("qwen2", [28, 1536, 8960, 12, 2, 151_936, 128]),
        Shape::Toy => ("llama", [2, 64, 256, 2, 1, 1000, 32]),
    };
    let architecture = if family == "llama" { "LlamaForCausalLM" } else { "Qwen2ForCausalLM" };
    format!(
        r#"{{"architectures": ["{architecture}"], "model_type": "{family}", "vocab_size": {vocab},
  "hidden_size": {hidden}, "intermediate_size": {intermediate}, "num_hidden_layers": {layers},
  "num_attention_heads": {heads}, "num_key_value_heads": {kv_heads}, "head_dim": {head_dim},
  "hidden_act": "silu", "max_position_embeddings": 4096, "rms_norm_eps": 1e-5,
  "rope_theta": 500000.0, "tie_word_embeddings": {tied}, "initializer_range": 0.02}}"#,
        tied = shape == Shape::Qwen1b5,
    )
}

/// Tokens of a sequence.
pub(crate) fn sequence_tokens(shape: Shape) -> usize {
    if shape == Shape::Toy { 64 } else { 4096 }
}

/// Floating-point operations of one step that recomputes nothing, a multiply-add being two: what MFU
/// divides by (Chowdhery et al. 2022, appendix B), with a frozen base's two passes.
pub(crate) fn step_operations(config: &DecoderConfig, tokens: usize, sequence: usize) -> f64 {
    let weights: f64 =
        config.linear_modules().iter().map(|m| (m.in_features * m.out_features) as f64).sum();
    let head = (config.vocab_size * config.hidden_size) as f64;
    let pairs = tokens as f64 * sequence as f64 / 2.0;
    let width = (config.num_heads * config.head_dim * config.num_layers) as f64;
    2.0 * ((weights + head) * tokens as f64 * 2.0 + pairs * width * 7.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    #[test]
    fn the_shapes_are_those_of_the_models() {
        let count = |shape| {
            let text = config_text(shape);
            let config = DecoderConfig::parse(text.as_bytes(), Path::new("built in"));
            let config = config.unwrap_or_else(|error| panic!("{shape:?}: {error}"));
            config.linear_modules().iter().map(|m| m.in_features * m.out_features).sum::<usize>()
        };
        // Linear layers of the published models.
        assert_eq!(count(Shape::Llama8b), 6_979_321_856);
        assert_eq!(count(Shape::Qwen7b), 6_525_288_448);
        assert_eq!(count(Shape::Qwen1b5), 1_310_195_712);
    }

    #[test]
    fn a_step_of_the_8b_is_what_the_floors_say() {
        let text = config_text(Shape::Llama8b);
        let config = DecoderConfig::parse(text.as_bytes(), Path::new("built in"));
        let config = config.unwrap_or_else(|error| panic!("{error}"));
        // 2 x 228.7 (linears) + 17.6 + 44.0 (attention) + 2 x 17.2 (head) TFLOP.
        let operations = step_operations(&config, 16_384, 4096);
        assert!((operations / 553.4e12 - 1.0).abs() < 0.01, "{operations:e}");
    }
}
