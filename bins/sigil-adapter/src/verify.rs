//! Whether a merged model computes what base and adapter compute: their logits on a probe.
//!
//! Three passes in f32 on the CPU: the base alone, the base with the adapter beside it, the merged files.
//! Two numbers decide. The relative difference must be what rounding the weights to the merged type
//! explains. And of what the adapter changes, the merged model must show it once: not nothing (the update
//! was lost in rounding), not twice (a wrong scale).

use std::path::Path;

use serde::Serialize;
use sigil_data::Tokenizer;
use sigil_kernels::{Cpu, DType, Matrix};
use sigil_model::adapter::{base_parameter_count, set_adapter};
use sigil_model::load::{Source, load};
use sigil_model::{LoadOptions, Mode, TokenBatch};
use sigil_weights::{Adapter, DecoderConfig, Dtype, FourBit, WeightFiles};

use crate::exit::Failure;
use crate::model::Model;
use sigil_adapter::tensors::Onto;

/// Tokens of the probe at most.
const MOST_TOKENS: usize = 96;

/// What is read to the models.
const PROBE: &str = "/// Returns the sum of all even numbers in `values`.\nfn sum_of_even(values: &[i64]) -> \
i64 {\n    values.iter().filter(|value| *value % 2 == 0).sum()\n}\n\nimpl Iterator for Counter {\n    \
type Item = usize;\n\n    fn next(&mut self) -> Option<Self::Item> {\n";

/// The least and the most of the adapter's change that the merged model may show.
const KEPT: std::ops::RangeInclusive<f64> = 0.8..=1.2;

/// What was found.
#[derive(Debug, Clone, Copy, Serialize)]
pub(crate) struct Verified {
    /// Tokens of the probe.
    pub(crate) tokens: usize,
    /// Root mean square of the difference of the logits over that of the logits.
    pub(crate) relative_difference: f64,
    /// What is allowed.
    pub(crate) tolerance: f64,
    /// What the adapter changes, measured likewise.
    pub(crate) adapter_effect: f64,
    /// How much of that change the merged model shows: 1 is all of it.
    pub(crate) effect_kept: f64,
    /// Positions at which the likeliest token is the same, as a share.
    pub(crate) same_likeliest: f64,
}

/// Refuses to begin where the models do not fit into memory.
pub(crate) fn check_memory(config: &DecoderConfig) -> Result<(), Failure> {
    // One model at a time, in f32, and a third more for activations and logits.
    let needed = base_parameter_count(config) as u64 * 4 / 3 * 4;
    match sigil_qlora::memory::available_bytes() {
        Some(free) if free < needed => {
            let gib = |bytes: u64| bytes as f64 / f64::from(1 << 30);
            let message = format!(
                "comparing the logits takes {:.1} GiB of memory, and {:.1} GiB are free",
                gib(needed),
                gib(free)
            );
            Err(Failure::new(9, message)
                .hint("use a machine with more memory, or merge with --no-verify"))
        }
        _ => Ok(()),
    }
}

/// Compares the merged files in `merged` with the model they were made of.
pub(crate) fn verify(model: &Model, merged: &Path, dtype: Dtype) -> Result<Verified, Failure> {
    let tokens = probe(model);
    let nf4 = Mode::Qlora { kind: FourBit::Nf4, nested: true };
    let is_quantized = model.config.quantization.is_some();
    let mode = if is_quantized || model.onto == Onto::Nf4 { nf4 } else { Mode::Lora };
    let base = logits(&model.config, &model.files, mode, None, &tokens)?;
    let tuned = match &model.adapter {
        Some(adapter) => logits(&model.config, &model.files, mode, Some(adapter), &tokens)?,
        None => base.clone(),
    };
    let config = DecoderConfig::read(merged).map_err(sigil_adapter::AdapterError::from)?;
    let files = WeightFiles::open(merged).map_err(sigil_adapter::AdapterError::from)?;
    let merged = logits(&config, &files, Mode::Lora, None, &tokens)?;
    let vocabulary = model.config.vocab_size;
    Ok(judge(&base, &tuned, &merged, vocabulary, dtype))
}

/// Whether it passed, and if not why not.
pub(crate) fn refusal(verified: &Verified) -> Option<String> {
    if verified.relative_difference.is_nan() || verified.relative_difference > verified.tolerance {
        return Some(format!(
            "the logits of the merged model differ by {:.1e}, and rounding explains {:.0e}",
            verified.relative_difference, verified.tolerance
        ));
    }
    if verified.adapter_effect > 0.0 && !KEPT.contains(&verified.effect_kept) {
        return Some(format!(
            "of what the adapter changes ({:.1e} of the logits), the merged model shows {:.0} %",
            verified.adapter_effect,
            100.0 * verified.effect_kept
        ));
    }
    None
}

/// What rounding every weight once may do to logits: some times the half unit of the type (2^-9 for
/// bfloat16, 2^-12 for float16), which adds up over the layers; for float32, the order of sums.
fn tolerance(dtype: Dtype) -> f64 {
    match dtype {
        Dtype::F32 => 1e-4,
        Dtype::F16 => 4e-3,
        _ => 3e-2,
    }
}

fn judge(base: &[f32], tuned: &[f32], merged: &[f32], vocabulary: usize, dtype: Dtype) -> Verified {
    let dot = |f: &dyn Fn(usize) -> (f64, f64)| -> f64 {
        (0..tuned.len()).map(f).map(|(x, y)| x * y).sum()
    };
    let at = |values: &[f32], i: usize| f64::from(values[i]);
    let whole = dot(&|i| (at(tuned, i), at(tuned, i))).sqrt();
    let off = |i: usize| at(merged, i) - at(tuned, i);
    let effect = |i: usize| at(tuned, i) - at(base, i);
    let shown = |i: usize| at(merged, i) - at(base, i);
    let effect_square = dot(&|i| (effect(i), effect(i)));
    let likeliest = |logits: &[f32]| -> Vec<usize> {
        let rows = logits.chunks_exact(vocabulary);
        let best = |row: &[f32]| {
            let best = row.iter().enumerate().max_by(|(_, x), (_, y)| x.total_cmp(y));
            best.map_or(0, |(at, _)| at)
        };
        rows.map(best).collect()
    };
    let (one, two) = (likeliest(tuned), likeliest(merged));
    let same = one.iter().zip(&two).filter(|(x, y)| x == y).count();
    Verified {
        tokens: one.len(),
        relative_difference: dot(&|i| (off(i), off(i))).sqrt() / whole,
        tolerance: tolerance(dtype),
        adapter_effect: effect_square.sqrt() / whole,
        effect_kept: if effect_square > 0.0 {
            dot(&|i| (shown(i), effect(i))) / effect_square
        } else {
            1.0
        },
        same_likeliest: same as f64 / one.len().max(1) as f64,
    }
}

/// Tokens of the probe; without a tokenizer, tokens spread over the vocabulary.
fn probe(model: &Model) -> Vec<u32> {
    let vocabulary = model.config.vocab_size as u32;
    let most = MOST_TOKENS.min(model.config.max_position_embeddings);
    let text = model.tokenizer().and_then(|folder| Tokenizer::load(folder).ok());
    let text = text.and_then(|tokenizer| tokenizer.encode(PROBE).ok());
    let mut tokens = text.unwrap_or_default();
    tokens.retain(|token| *token < vocabulary);
    tokens.truncate(most);
    let mut next = 1_u32;
    while tokens.len() < most.min(32) {
        // A full period over 2^32 (Numerical Recipes), so that the tokens differ.
        next = next.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        tokens.push((next >> 8) % vocabulary);
    }
    tokens
}

fn logits(
    config: &DecoderConfig,
    files: &WeightFiles,
    mode: Mode,
    adapter: Option<&Adapter>,
    tokens: &[u32],
) -> Result<Vec<f32>, Failure> {
    let options = LoadOptions {
        mode,
        adapter: adapter.map(|adapter| adapter.config.clone()),
        max_sequence_length: tokens.len(),
        compute: DType::F32,
        seed: 0,
    };
    let device = Default::default();
    let (decoder, mut parameters) =
        load::<Cpu>(config, Source::Files(files), &options, &device, &mut |_, _| ())?;
    if let Some(adapter) = adapter {
        set_adapter(&decoder, &mut parameters, adapter)?;
    }
    let count = tokens.len();
    let batch = TokenBatch::new(tokens, vec![-1; count], vec![0, count as u32], &device);
    let logits: Matrix<Cpu> = decoder.logits(&batch, &parameters);
    Ok(logits.into_data().iter::<f32>().collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verified(base: &[f32], tuned: &[f32], merged: &[f32]) -> Verified {
        judge(base, tuned, merged, 2, Dtype::BF16)
    }

    #[test]
    fn an_update_that_was_lost_or_came_twice_is_refused() {
        let (base, tuned) = ([1.0, 2.0, 3.0, 4.0], [1.01, 2.01, 3.01, 4.01]);
        let right = verified(&base, &tuned, &[1.011, 2.009, 3.01, 4.01]);
        assert_eq!(refusal(&right), None, "{right:?}");
        let lost = verified(&base, &tuned, &base);
        assert!(refusal(&lost).is_some_and(|what| what.contains("shows 0 %")), "{lost:?}");
        let twice = verified(&base, &tuned, &[1.02, 2.02, 3.02, 4.02]);
        assert!(refusal(&twice).is_some_and(|what| what.contains("shows 200 %")), "{twice:?}");
        let wrong = verified(&base, &tuned, &[4.0, 3.0, 2.0, 1.0]);
        assert!(refusal(&wrong).is_some_and(|what| what.contains("differ by")), "{wrong:?}");
        let broken = verified(&base, &tuned, &[f32::NAN; 4]);
        assert!(refusal(&broken).is_some(), "{broken:?}");
        assert_eq!(refusal(&verified(&base, &base, &base)), None, "there is no adapter");
    }
}
