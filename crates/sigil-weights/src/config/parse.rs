//! From the keys of `config.json` to a [`DecoderConfig`], with the defaults of transformers 5.23.
//!
//! Sizes that decide tensor shapes have no default: a file without them is damaged. Traits that
//! would change the arithmetic and are not computed are refused here. Writing is `write.rs`.

use std::path::Path;

use serde_json::{Map, Value};

use super::fields::Fields;
use super::windows::{self, MOST_TOKENS};
use super::{ConfigError, DecoderConfig, Family, ModelDtype, quantization, rope};

// Bounds far above any real decoder, so that products of sizes cannot overflow.
const MOST_WIDTH: usize = 1 << 20;
const MOST_HEADS: usize = 1 << 12;
const MOST_HEAD_DIM: usize = 1 << 12;
const MOST_LAYERS: usize = 1 << 12;
const MOST_VOCABULARY: usize = 1 << 26;

/// Resolves a whole configuration.
pub(super) fn decoder(map: &Map<String, Value>, file: &Path) -> Result<DecoderConfig, ConfigError> {
    let top = Fields::new(file, "", map);
    let family = family(top)?;
    refuse_uncomputed(top)?;

    let size = |key: &str, most| top.size(key, most)?.ok_or_else(|| top.missing(key));
    let hidden_size = size("hidden_size", MOST_WIDTH)?;
    let num_layers = size("num_hidden_layers", MOST_LAYERS)?;
    let num_heads = size("num_attention_heads", MOST_HEADS)?;
    let num_kv_heads = kv_heads(family, top, num_heads)?;
    let head_dim = head_dim(family, top, hidden_size, num_heads)?;
    let max_position_embeddings =
        top.size("max_position_embeddings", MOST_TOKENS)?.unwrap_or(default_positions(family));
    let biased = |key: &str| top.flag(key, false);
    let (attention_bias, output_bias) = match family {
        Family::Llama | Family::Qwen3 => (biased("attention_bias")?, biased("attention_bias")?),
        Family::Qwen2 => (true, false),
        Family::Mistral | Family::Phi3 => (false, false),
    };
    let default_id = matches!(family, Family::Llama | Family::Mistral | Family::Phi3);

    Ok(DecoderConfig {
        family,
        vocab_size: size("vocab_size", MOST_VOCABULARY)?,
        hidden_size,
        intermediate_size: size("intermediate_size", MOST_WIDTH)?,
        num_layers,
        num_heads,
        num_kv_heads,
        head_dim,
        rms_norm_eps: top.positive("rms_norm_eps")?.unwrap_or(match family {
            Family::Phi3 => 1e-5,
            _ => 1e-6,
        }),
        tie_word_embeddings: top.flag("tie_word_embeddings", false)?,
        attention_bias,
        output_bias,
        mlp_bias: family == Family::Llama && biased("mlp_bias")?,
        qk_norm: family == Family::Qwen3,
        sliding_windows: windows::resolve(family, top, num_layers)?,
        rope: rope::resolve(family, top, head_dim, max_position_embeddings)?,
        fused_qkv: family == Family::Phi3,
        fused_gate_up: family == Family::Phi3,
        max_position_embeddings,
        bos_token_id: absent_or(top, "bos_token_id", default_id.then_some(1))?,
        eos_token_ids: eos_token_ids(family, top)?,
        pad_token_id: absent_or(top, "pad_token_id", (family == Family::Phi3).then_some(32_000))?,
        initializer_range: top.number("initializer_range")?.unwrap_or(0.02),
        dtype: dtype(top)?,
        quantization: quantization::resolve(top)?,
    })
}

fn family(top: Fields<'_>) -> Result<Family, ConfigError> {
    let name = top.text("model_type")?.ok_or_else(|| top.missing("model_type"))?;
    Family::ALL.into_iter().find(|family| family.model_type() == name).ok_or_else(|| {
        let known = Family::ALL.map(Family::model_type).join(", ");
        top.unsupported("model_type", format!("{name:?}"), format!("{known} are"))
    })
}

fn refuse_uncomputed(top: Fields<'_>) -> Result<(), ConfigError> {
    for key in ["hidden_act", "hidden_activation"] {
        // `swish` is another name of the same function.
        if let Some(name) = top.text(key)?.filter(|name| !matches!(*name, "silu" | "swish")) {
            return Err(top.unsupported(key, format!("{name:?}"), "silu is"));
        }
    }
    let experts = ["num_local_experts", "num_experts", "n_routed_experts", "num_experts_per_tok"];
    for key in experts {
        if let Some(value) = top.value(key).filter(|value| value.as_u64() != Some(0)) {
            return Err(top.unsupported(key, value, "dense models without experts are"));
        }
    }
    for key in ["attention_dropout", "resid_pdrop", "embd_pdrop"] {
        if let Some(value) = top.number(key)?.filter(|value| *value != 0.0) {
            return Err(top.unsupported(key, value, "0 is"));
        }
    }
    if top.flag("use_mrope", false)? {
        return Err(top.unsupported("use_mrope", true, "text-only RoPE is"));
    }
    if top.flag("is_encoder_decoder", false)? {
        return Err(top.unsupported("is_encoder_decoder", true, "decoder-only models are"));
    }
    Ok(())
}

fn kv_heads(family: Family, top: Fields<'_>, num_heads: usize) -> Result<usize, ConfigError> {
    const KEY: &str = "num_key_value_heads";
    let written = top.size(KEY, MOST_HEADS)?;
    let default = if top.present(KEY) {
        num_heads
    } else {
        match family {
            Family::Mistral => 8,
            Family::Qwen2 | Family::Qwen3 => 32,
            Family::Llama | Family::Phi3 => num_heads,
        }
    };
    let heads = written.unwrap_or(default);
    if !num_heads.is_multiple_of(heads) {
        let rule = format!("it must divide num_attention_heads, which is {num_heads}");
        return Err(top.range(KEY, heads, rule));
    }
    Ok(heads)
}

fn head_dim(
    family: Family,
    top: Fields<'_>,
    hidden_size: usize,
    num_heads: usize,
) -> Result<usize, ConfigError> {
    if let Some(head_dim) = top.size("head_dim", MOST_HEAD_DIM)? {
        return Ok(head_dim);
    }
    if family == Family::Qwen3 && !top.present("head_dim") {
        return Ok(128);
    }
    if !hidden_size.is_multiple_of(num_heads) {
        let rule = format!("it must be a multiple of num_attention_heads, which is {num_heads}");
        return Err(top.range("hidden_size", hidden_size, rule));
    }
    Ok(hidden_size / num_heads)
}

fn default_positions(family: Family) -> usize {
    match family {
        Family::Llama => 2048,
        Family::Mistral => 131_072,
        Family::Qwen2 | Family::Qwen3 => 32_768,
        Family::Phi3 => 4096,
    }
}

/// A written null means none; an absent key means the family's default.
fn absent_or(top: Fields<'_>, key: &str, default: Option<u32>) -> Result<Option<u32>, ConfigError> {
    if top.present(key) { top.token_id(key) } else { Ok(default) }
}

fn eos_token_ids(family: Family, top: Fields<'_>) -> Result<Vec<u32>, ConfigError> {
    if top.present("eos_token_id") {
        return Ok(top.token_ids("eos_token_id")?.unwrap_or_default());
    }
    Ok(match family {
        Family::Llama | Family::Mistral => vec![2],
        Family::Qwen2 | Family::Qwen3 => Vec::new(),
        Family::Phi3 => vec![32_000],
    })
}

fn dtype(top: Fields<'_>) -> Result<Option<ModelDtype>, ConfigError> {
    for key in ["dtype", "torch_dtype"] {
        let Some(name) = top.text(key)? else { continue };
        return match name.strip_prefix("torch.").unwrap_or(name) {
            "float32" => Ok(Some(ModelDtype::Float32)),
            "float16" => Ok(Some(ModelDtype::Float16)),
            "bfloat16" => Ok(Some(ModelDtype::BFloat16)),
            "auto" => Ok(None),
            _ => {
                let supported = "float32, float16 and bfloat16 are";
                Err(top.unsupported(key, format!("{name:?}"), supported))
            }
        };
    }
    Ok(None)
}
