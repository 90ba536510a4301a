//! Which layers see only a sliding window, by the rules of transformers 5.23.
//!
//! mistral and phi3 put `sliding_window` on every layer; qwen2 and qwen3 follow `layer_types`, or
//! without it `use_sliding_window` and `max_window_layers`; llama ignores the key. Read `parse.rs`
//! for the caller.

use super::fields::Fields;
use super::{ConfigError, Family};

/// Longest window or context that makes sense, in tokens.
pub(super) const MOST_TOKENS: usize = 1 << 31;

/// Resolves the window of each layer.
pub(super) fn resolve(
    family: Family,
    fields: Fields<'_>,
    num_layers: usize,
) -> Result<Vec<Option<usize>>, ConfigError> {
    match family {
        Family::Llama => Ok(vec![None; num_layers]),
        Family::Phi3 => Ok(vec![fields.size("sliding_window", MOST_TOKENS)?; num_layers]),
        Family::Mistral => Ok(vec![window_or_default(fields)?; num_layers]),
        Family::Qwen2 | Family::Qwen3 => qwen(fields, num_layers),
    }
}

/// The classes default to 4096 when the key is absent; a written null means no window.
fn window_or_default(fields: Fields<'_>) -> Result<Option<usize>, ConfigError> {
    if fields.present("sliding_window") {
        fields.size("sliding_window", MOST_TOKENS)
    } else {
        Ok(Some(4096))
    }
}

fn qwen(fields: Fields<'_>, num_layers: usize) -> Result<Vec<Option<usize>>, ConfigError> {
    let window =
        if fields.flag("use_sliding_window", false)? { window_or_default(fields)? } else { None };
    let Some(layer_types) = fields.texts("layer_types")? else {
        let first = fields.count("max_window_layers")?.unwrap_or(28);
        return Ok((0..num_layers).map(|layer| window.filter(|_| layer >= first)).collect());
    };
    if layer_types.len() != num_layers {
        return Err(fields.range(
            "layer_types",
            format!("{} entries", layer_types.len()),
            format!("num_hidden_layers is {num_layers}"),
        ));
    }
    let resolved = layer_types.iter().map(|layer_type| match layer_type.as_str() {
        "full_attention" => Ok(None),
        "sliding_attention" if window.is_some() => Ok(window),
        "sliding_attention" => Err(fields.range(
            "layer_types",
            "\"sliding_attention\"",
            "there is no window: use_sliding_window is false or sliding_window is null",
        )),
        other => {
            let supported = "full_attention and sliding_attention are";
            Err(fields.unsupported("layer_types", format!("{other:?}"), supported))
        }
    });
    resolved.collect()
}
