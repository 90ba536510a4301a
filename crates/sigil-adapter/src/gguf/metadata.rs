//! The architecture's metadata keys, and the tensors of rotary factors that go with them.
//!
//! What llama.cpp would compute otherwise than transformers is refused, or told as a note where it only
//! matters beyond some length. Next: `vocabulary.rs`.

use std::f64::consts::PI;

use sigil_weights::config::RopeKind;
use sigil_weights::{DecoderConfig, Family};

use super::names::architecture;
use super::{TensorKind, Value};
use crate::AdapterError;

/// Keys, factor tensors, and what the user should know.
#[derive(Debug, Default)]
pub(super) struct Description {
    pub(super) metadata: Vec<(String, Value)>,
    /// Tensors of rotary factors, f32.
    pub(super) factors: Vec<(&'static str, Vec<f32>)>,
    pub(super) notes: Vec<String>,
}

/// Describes an architecture.
pub(super) fn describe(
    config: &DecoderConfig,
    name: &str,
    kind: TensorKind,
) -> Result<Description, AdapterError> {
    let arch = architecture(config.family);
    let mut out = Description::default();
    if config.family == Family::Qwen3 && config.attention_bias {
        return Err(refused("llama.cpp knows no biases in a qwen3", None));
    }
    let general = [
        ("general.architecture", Value::Text(arch.to_owned())),
        ("general.type", Value::Text("model".to_owned())),
        ("general.name", Value::Text(name.to_owned())),
        ("general.file_type", Value::U32(kind.file_type())),
        ("general.quantization_version", Value::U32(2)),
    ];
    out.metadata.extend(general.map(|(key, value)| (key.to_owned(), value)));
    let mut put = |key: &str, value: Value| out.metadata.push((format!("{arch}.{key}"), value));
    let number = |value: usize| Value::U32(u32::try_from(value).unwrap_or(u32::MAX));
    put("vocab_size", number(config.vocab_size));
    put("context_length", number(config.max_position_embeddings));
    put("embedding_length", number(config.hidden_size));
    put("block_count", number(config.num_layers));
    put("feed_forward_length", number(config.intermediate_size));
    put("attention.head_count", number(config.num_heads));
    put("attention.head_count_kv", number(config.num_kv_heads));
    put("attention.key_length", number(config.head_dim));
    put("attention.value_length", number(config.head_dim));
    put("attention.layer_norm_rms_epsilon", Value::F32(config.rms_norm_eps as f32));
    put("rope.dimension_count", number(config.rope.rotary_dim(config.head_dim)));
    put("rope.freq_base", Value::F32(config.rope.theta as f32));
    let window = config.sliding_windows.iter().flatten().next().copied();
    match (config.family, window) {
        // 0 tells Phi-4 from its kin, which all have a window.
        (Family::Phi3, window) => put("attention.sliding_window", number(window.unwrap_or(0))),
        (_, Some(window)) => out.notes.push(format!(
            "llama.cpp computes this architecture without its window of {window} tokens: longer \
             texts come out otherwise"
        )),
        _ => {}
    }
    rope(config, arch, &mut out)?;
    Ok(out)
}

fn rope(config: &DecoderConfig, arch: &str, out: &mut Description) -> Result<(), AdapterError> {
    let mut put = |key: &str, value: Value| out.metadata.push((format!("{arch}.{key}"), value));
    let tokens = |count: usize| Value::U32(u32::try_from(count).unwrap_or(u32::MAX));
    match &config.rope.kind {
        RopeKind::Default => {
            if config.family == Family::Phi3 {
                let original = config.max_position_embeddings;
                put("rope.scaling.original_context_length", tokens(original));
            }
        }
        RopeKind::Linear { factor } => {
            put("rope.scaling.type", Value::Text("linear".to_owned()));
            put("rope.scaling.factor", Value::F32(*factor as f32));
        }
        RopeKind::Llama3 {
            factor,
            low_freq_factor,
            high_freq_factor,
            original_max_position_embeddings,
        } => {
            let dim = config.rope.rotary_dim(config.head_dim);
            let original = *original_max_position_embeddings as f64;
            let factors = (0..dim).step_by(2).map(|k| {
                let frequency = config.rope.theta.powf(-(k as f64) / dim as f64);
                let wavelength = 2.0 * PI / frequency;
                if wavelength < original / high_freq_factor {
                    return 1.0;
                }
                if wavelength > original / low_freq_factor {
                    return *factor as f32;
                }
                let smooth = (original / wavelength - low_freq_factor)
                    / (high_freq_factor - low_freq_factor);
                (1.0 / ((1.0 - smooth) / factor + smooth)) as f32
            });
            out.factors.push(("rope_freqs.weight", factors.collect()));
        }
        RopeKind::Yarn {
            factor,
            original_max_position_embeddings,
            attention_factor,
            beta_fast,
            beta_slow,
            truncate,
        } => {
            let usual = if *factor > 1.0 { 0.1 * factor.ln() + 1.0 } else { 1.0 };
            let is_usual = (attention_factor - usual).abs() < 1e-6
                && (*beta_fast, *beta_slow, *truncate) == (32.0, 1.0, true);
            if !is_usual {
                let what = "its YaRN has settings of its own, and llama.cpp takes the usual ones";
                return Err(refused(what, None));
            }
            put("rope.scaling.type", Value::Text("yarn".to_owned()));
            put("rope.scaling.factor", Value::F32(*factor as f32));
            let original = *original_max_position_embeddings;
            put("rope.scaling.original_context_length", tokens(original));
        }
        RopeKind::LongRope {
            short_factor,
            long_factor,
            original_max_position_embeddings,
            attention_factor,
        } => {
            let original = *original_max_position_embeddings;
            put("rope.scaling.original_context_length", tokens(original));
            put("rope.scaling.attn_factor", Value::F32(*attention_factor as f32));
            let floats = |factors: &[f64]| factors.iter().map(|factor| *factor as f32).collect();
            out.factors.push(("rope_factors_long.weight", floats(long_factor)));
            out.factors.push(("rope_factors_short.weight", floats(short_factor)));
        }
        _ => {
            let what = "its rotary embedding grows with the text, which llama.cpp has no key for";
            return Err(refused(what, Some("merge it instead: sigil-adapter merge")));
        }
    }
    Ok(())
}

pub(super) fn refused(what: &str, hint: Option<&'static str>) -> AdapterError {
    AdapterError::NotExportable { what: what.to_owned(), hint }
}
