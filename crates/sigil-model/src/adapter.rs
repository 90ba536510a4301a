//! LoRA parameters from and to PEFT adapters, and trained base weights to tensors for a file.

use std::collections::BTreeMap;

use burn::tensor::backend::Backend;
use sigil_weights::{Adapter, AdapterConfig, DecoderConfig, peft::LoraPair};

use crate::{Decoder, ModelError, ParameterId, Parameters, layer, linear::Linear};

/// The linear layers of a decoder that have a LoRA branch, by full module name.
fn adapted<B: Backend>(decoder: &Decoder<B>) -> Vec<(String, ParameterId, ParameterId)> {
    let mut list = vec![];
    for (index, layer) in decoder.layers.iter().enumerate() {
        for (path, linear) in linears(layer) {
            if let Some(lora) = &linear.lora {
                list.push((format!("model.layers.{index}.{path}"), lora.a, lora.b));
            }
        }
    }
    list
}

/// The linear layers of a decoder layer, with their names inside it.
fn linears<B: Backend>(layer: &layer::DecoderLayer<B>) -> Vec<(&'static str, &Linear<B>)> {
    let mut list = match &layer.qkv {
        layer::QueryKeyValue::Separate([q, k, v]) => {
            vec![("self_attn.q_proj", q), ("self_attn.k_proj", k), ("self_attn.v_proj", v)]
        }
        layer::QueryKeyValue::Fused(qkv) => vec![("self_attn.qkv_proj", qkv)],
    };
    list.push(("self_attn.o_proj", &layer.output));
    match &layer.gate_up {
        layer::GateUp::Separate([gate, up]) => {
            list.extend([("mlp.gate_proj", gate), ("mlp.up_proj", up)]);
        }
        layer::GateUp::Fused(linear) => list.push(("mlp.gate_up_proj", linear)),
    }
    list.push(("mlp.down_proj", &layer.down));
    list
}

/// Sets the LoRA parameters to those of an adapter.
///
/// # Errors
/// The adapter was made for another model, or has other modules or ranks than this run trains.
pub fn set_adapter<B: Backend>(
    decoder: &Decoder<B>,
    parameters: &mut Parameters<B>,
    adapter: &Adapter,
) -> Result<(), ModelError> {
    adapter.check_model(&decoder.config.linear_modules())?;
    let own = adapted(decoder);
    if let Some(module) =
        adapter.modules.keys().find(|name| own.iter().all(|(own, ..)| own != *name))
    {
        return Err(ModelError::AdapterHasMore { module: module.clone() });
    }
    for (module, a, b) in own {
        let Some(pair) = adapter.modules.get(&module) else {
            return Err(ModelError::AdapterLacks { module });
        };
        let wanted = parameters.value(a).dims()[0];
        if pair.rank != wanted {
            return Err(ModelError::AdapterRank { module, found: pair.rank, wanted });
        }
        parameters.set_value(a, pair.a.clone());
        parameters.set_value(b, pair.b.clone());
    }
    Ok(())
}

/// The LoRA parameters as a PEFT adapter.
pub fn to_adapter<B: Backend>(
    decoder: &Decoder<B>,
    parameters: &Parameters<B>,
    config: AdapterConfig,
) -> Adapter {
    let host = |id| -> Vec<f32> { parameters.value(id).to_data().iter::<f32>().collect() };
    let modules: BTreeMap<String, LoraPair> = adapted(decoder)
        .into_iter()
        .map(|(module, a, b)| {
            let [rank, in_features] = parameters.value(a).dims();
            let [out_features, _] = parameters.value(b).dims();
            let pair = LoraPair { rank, in_features, out_features, a: host(a), b: host(b) };
            (module, pair)
        })
        .collect();
    Adapter { config, modules }
}

/// Number of parameters of the base, without LoRA.
pub fn base_parameter_count(config: &DecoderConfig) -> usize {
    let embeddings = config.vocab_size * config.hidden_size;
    let linears: usize = config
        .linear_modules()
        .iter()
        .map(|m| m.out_features * m.in_features + if m.bias { m.out_features } else { 0 })
        .sum();
    let head_norms = if config.qk_norm { 2 * config.head_dim } else { 0 };
    let norms = config.hidden_size + config.num_layers * (2 * config.hidden_size + head_norms);
    embeddings * if config.tie_word_embeddings { 1 } else { 2 } + linears + norms
}
