//! From a [`DecoderConfig`] to the text of a `config.json`.
//!
//! Both spellings are written, so that readers of either age (transformers 4 and 5, converters,
//! other inference engines) see the same model. Quantization is not written: this crate saves
//! unquantized weights only. Reading is `parse.rs`.

use serde_json::{Map, Value, json};

use super::rope::long_rope_attention;
use super::{ConfigError, DecoderConfig, Family, RopeKind};

impl DecoderConfig {
    /// Writes the text of a `config.json` that transformers loads, keys sorted, ending in a newline.
    ///
    /// # Errors
    /// The configuration has a trait that its family's file has no key for, such as windows that
    /// differ between layers in a mistral model.
    pub fn to_json(&self) -> Result<String, ConfigError> {
        let mut map = Map::new();
        let mut put = |key: &str, value: Value| map.insert(key.to_owned(), value);
        put("architectures", json!([self.family.architecture()]));
        put("model_type", json!(self.family.model_type()));
        put("vocab_size", json!(self.vocab_size));
        put("hidden_size", json!(self.hidden_size));
        put("intermediate_size", json!(self.intermediate_size));
        put("num_hidden_layers", json!(self.num_layers));
        put("num_attention_heads", json!(self.num_heads));
        put("num_key_value_heads", json!(self.num_kv_heads));
        put("head_dim", json!(self.head_dim));
        put("hidden_act", json!("silu"));
        put("max_position_embeddings", json!(self.max_position_embeddings));
        put("initializer_range", json!(self.initializer_range));
        put("rms_norm_eps", json!(self.rms_norm_eps));
        put("use_cache", json!(true));
        put("tie_word_embeddings", json!(self.tie_word_embeddings));
        put("attention_dropout", json!(0.0));
        put("bos_token_id", json!(self.bos_token_id));
        put(
            "eos_token_id",
            match self.eos_token_ids.as_slice() {
                [] => Value::Null,
                [one] => json!(one),
                many => json!(many),
            },
        );
        put("pad_token_id", json!(self.pad_token_id));
        if let Some(dtype) = self.dtype {
            put("dtype", json!(dtype.name()));
            put("torch_dtype", json!(dtype.name()));
        }
        self.put_biases(&mut map)?;
        self.put_windows(&mut map)?;
        self.put_rope(&mut map)?;
        let text = serde_json::to_string_pretty(&Value::Object(map));
        Ok(text.expect("a map with string keys and finite or null numbers serializes") + "\n")
    }

    fn cannot(&self, what: &str) -> ConfigError {
        ConfigError::Unrepresentable { family: self.family.model_type(), what: what.to_owned() }
    }

    fn put_biases(&self, map: &mut Map<String, Value>) -> Result<(), ConfigError> {
        let (qkv, output) = (self.attention_bias, self.output_bias);
        match self.family {
            Family::Llama | Family::Qwen3 if qkv == output => {
                map.insert("attention_bias".to_owned(), json!(qkv));
            }
            Family::Qwen2 if qkv && !output => {}
            Family::Mistral | Family::Phi3 if !qkv && !output => {}
            _ => return Err(self.cannot("this choice of attention biases")),
        }
        match self.family {
            Family::Llama => {
                map.insert("mlp_bias".to_owned(), json!(self.mlp_bias));
            }
            _ if self.mlp_bias => return Err(self.cannot("MLP biases")),
            _ => {}
        }
        let fused = self.family == Family::Phi3;
        if self.fused_qkv != fused || self.fused_gate_up != fused {
            return Err(self.cannot("this choice of fused projections"));
        }
        if self.qk_norm != (self.family == Family::Qwen3) {
            return Err(self.cannot("this choice of query and key normalization"));
        }
        Ok(())
    }

    fn put_windows(&self, map: &mut Map<String, Value>) -> Result<(), ConfigError> {
        let windows = &self.sliding_windows;
        if windows.len() != self.num_layers {
            return Err(self.cannot("a list of windows whose length is not the number of layers"));
        }
        let first = windows.iter().flatten().next().copied();
        match self.family {
            Family::Llama if first.is_some() => return Err(self.cannot("sliding windows")),
            Family::Llama => {}
            Family::Mistral | Family::Phi3 => {
                if windows.iter().any(|window| *window != first) {
                    return Err(self.cannot("windows that differ between layers"));
                }
                map.insert("sliding_window".to_owned(), json!(first));
            }
            Family::Qwen2 | Family::Qwen3 => {
                if windows.iter().flatten().any(|window| Some(*window) != first) {
                    return Err(self.cannot("windows of several sizes"));
                }
                let name = |window: &Option<usize>| match window {
                    Some(_) => "sliding_attention",
                    None => "full_attention",
                };
                let types: Vec<&str> = windows.iter().map(name).collect();
                // Readers that know no layer_types fall back on this: no layer below it has a window.
                let full = windows.iter().take_while(|window| window.is_none()).count();
                map.insert("sliding_window".to_owned(), json!(first));
                map.insert("use_sliding_window".to_owned(), json!(first.is_some()));
                map.insert("max_window_layers".to_owned(), json!(full));
                map.insert("layer_types".to_owned(), json!(types));
            }
        }
        Ok(())
    }

    fn put_rope(&self, map: &mut Map<String, Value>) -> Result<(), ConfigError> {
        let mut scaling = match &self.rope.kind {
            RopeKind::Default => json!({ "rope_type": "default" }),
            RopeKind::Linear { factor } => json!({ "rope_type": "linear", "factor": factor }),
            RopeKind::Dynamic { factor, max_position_embeddings } => {
                if *max_position_embeddings != self.max_position_embeddings {
                    return Err(
                        self.cannot("dynamic RoPE that starts elsewhere than the context ends")
                    );
                }
                json!({ "rope_type": "dynamic", "factor": factor })
            }
            RopeKind::Llama3 {
                factor,
                low_freq_factor,
                high_freq_factor,
                original_max_position_embeddings,
            } => json!({
                "rope_type": "llama3",
                "factor": factor,
                "low_freq_factor": low_freq_factor,
                "high_freq_factor": high_freq_factor,
                "original_max_position_embeddings": original_max_position_embeddings,
            }),
            RopeKind::Yarn {
                factor,
                original_max_position_embeddings,
                attention_factor,
                beta_fast,
                beta_slow,
                truncate,
            } => json!({
                "rope_type": "yarn",
                "factor": factor,
                "original_max_position_embeddings": original_max_position_embeddings,
                "attention_factor": attention_factor,
                "beta_fast": beta_fast,
                "beta_slow": beta_slow,
                "truncate": truncate,
            }),
            RopeKind::LongRope {
                short_factor,
                long_factor,
                original_max_position_embeddings,
                attention_factor,
            } => json!({
                "rope_type": "longrope",
                "short_factor": short_factor,
                "long_factor": long_factor,
                "original_max_position_embeddings": original_max_position_embeddings,
                "attention_factor": attention_factor,
            }),
        };
        let stretched = self.rope.kind != RopeKind::Default;
        if self.family == Family::Phi3 {
            self.put_phi3_rope(map);
        } else if stretched {
            map.insert("rope_scaling".to_owned(), scaling.clone());
        } else {
            map.insert("rope_scaling".to_owned(), Value::Null);
        }
        map.insert("rope_theta".to_owned(), json!(self.rope.theta));
        scaling["rope_theta"] = json!(self.rope.theta);
        if self.rope.partial_rotary_factor != 1.0 {
            scaling["partial_rotary_factor"] = json!(self.rope.partial_rotary_factor);
            map.insert("partial_rotary_factor".to_owned(), json!(self.rope.partial_rotary_factor));
        }
        map.insert("rope_parameters".to_owned(), scaling);
        Ok(())
    }

    /// Older phi3 readers accept exactly three keys in `rope_scaling` and derive the rest, so it is
    /// written only where what they derive is right.
    fn put_phi3_rope(&self, map: &mut Map<String, Value>) {
        let RopeKind::LongRope {
            short_factor,
            long_factor,
            original_max_position_embeddings,
            attention_factor,
        } = &self.rope.kind
        else {
            return;
        };
        let original = *original_max_position_embeddings;
        map.insert("original_max_position_embeddings".to_owned(), json!(original));
        let stretch = self.max_position_embeddings as f64 / original as f64;
        if *attention_factor == long_rope_attention(stretch, original) {
            let scaling = json!({
                "type": "longrope", "short_factor": short_factor, "long_factor": long_factor,
            });
            map.insert("rope_scaling".to_owned(), scaling);
        }
    }
}
