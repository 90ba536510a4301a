//! Part of the stage `check`: whole small models against the numbers of transformers, PEFT and
//! bitsandbytes (`tests/fixtures/parity`), logits, loss and every LoRA gradient.
//!
//! The crates' own tests do the same on the CPU with tighter bounds; here it is the device's turn.
//! One gradient alone may be off by twice the tolerance: PyTorch's own bf16 is off from its f32 by up to
//! 1.8e-2 in the logits of these models, 1.7e-2 in the median gradient and 2.6e-2 in the worst.

use std::path::{Path, PathBuf};

use miette::{Context, IntoDiagnostic, miette};
use serde_json::json;
use sigil_kernels::{
    DType, Kernels, Matrix,
    trial::{release, wait},
};
use sigil_model::{
    CheckpointPolicy, LoadOptions, Mode, Pass, TokenBatch,
    adapter::set_adapter,
    decoder::LayerPolicies,
    load::{Source, load},
};
use sigil_weights::{Adapter, DecoderConfig, FourBit, WeightFiles};

use super::stages::{Found, Speaker};

/// The folder beside the program where it was packed.
pub(crate) const PACKED: &str = "parity";
/// The fixtures' families.
pub(crate) const FAMILIES: [&str; 6] = ["llama2", "llama3", "mistral", "phi3", "qwen2", "qwen3"];
/// The files of a family that are read here.
pub(crate) const FILES: [&str; 6] = [
    "base/config.json",
    "base/model.safetensors",
    "adapter/adapter_config.json",
    "adapter/adapter_model.safetensors",
    "expected.safetensors",
    "expected.json",
];

/// Where the fixtures lie: beside the program, else in the repository it was built from.
pub(crate) fn root() -> PathBuf {
    let packed = std::env::current_exe().ok().map(|program| program.with_file_name(PACKED));
    packed
        .filter(|folder| folder.is_dir())
        .unwrap_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures/parity"))
}

/// Largest errors of one family.
struct Errors {
    logits: f64,
    loss: f64,
    /// Of all gradients together.
    gradient: f64,
    /// Of the worst gradient.
    worst_gradient: f64,
}

/// One case a family.
pub(crate) fn run<B: Kernels>(
    speaker: &mut Speaker<'_>,
    device: &B::Device,
    dtype: DType,
    label: &str,
    tolerance: f64,
) -> miette::Result<()> {
    for family in FAMILIES {
        speaker.case(&format!("{label} fixture {family}"), || {
            let Errors { logits, loss, gradient, worst_gradient } =
                errors::<B>(&root().join(family), device, dtype)?;
            wait::<B>(device).map_err(|error| miette!("{error}"))?;
            release::<B>(device);
            let worst = largest(largest(logits, loss), gradient);
            Ok(Found {
                // A NaN is no agreement.
                ok: worst <= tolerance && worst_gradient <= 2.0 * tolerance,
                text: format!(
                    "logits {logits:.1e}, loss {loss:.1e}, gradients {gradient:.1e}, \
                     at most {tolerance:.0e}; worst gradient {worst_gradient:.1e}"
                ),
                figures: json!({
                    "logits_error": logits, "loss_error": loss, "gradient_error": gradient,
                    "worst_gradient_error": worst_gradient,
                    "tolerance": tolerance,
                }),
            })
        })?;
    }
    Ok(())
}

fn errors<B: Kernels>(folder: &Path, device: &B::Device, dtype: DType) -> miette::Result<Errors> {
    let weights = |error: sigil_weights::WeightsError| miette!("{error}");
    let expected = WeightFiles::open(&folder.join("expected.safetensors")).map_err(weights)?;
    let floats = |name: &str| expected.read_f32(name).map_err(weights);
    let ints = |name: &str| -> miette::Result<Vec<i32>> {
        let bytes = expected.get(name).map_err(weights)?.bytes.chunks_exact(4);
        Ok(bytes.map(|b| i32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect())
    };
    let json_path = folder.join("expected.json");
    let text = std::fs::read(&json_path)
        .into_diagnostic()
        .wrap_err_with(|| format!("reading {}", json_path.display()))?;
    let numbers: serde_json::Value = serde_json::from_slice(&text).into_diagnostic()?;
    let wanted_loss = numbers["qlora.loss"].as_f64().ok_or_else(|| miette!("no qlora.loss"))?;

    let adapter = Adapter::read(&folder.join("adapter")).map_err(|error| miette!("{error}"))?;
    let config = DecoderConfig::read(&folder.join("base")).map_err(|error| miette!("{error}"))?;
    let files = WeightFiles::open(&folder.join("base")).map_err(weights)?;
    let options = LoadOptions {
        mode: Mode::Qlora { kind: FourBit::Nf4, nested: true },
        adapter: Some(adapter.config.clone()),
        max_sequence_length: 64,
        compute: dtype,
        seed: 0,
    };
    let (decoder, mut parameters) =
        load::<B>(&config, Source::Files(&files), &options, device, &mut |_, _| ())
            .map_err(|error| miette!("{error}"))?;
    set_adapter(&decoder, &mut parameters, &adapter).map_err(|error| miette!("{error}"))?;

    let shape = expected.get("input_ids").map_err(weights)?.shape.to_vec();
    let (ids, labels) = (ints("input_ids")?, ints("labels")?);
    let (batch, kept) = flat::<B>(&ids, &labels, &ints("attention_mask")?, shape[1], device);
    let all = floats("qlora.logits")?;
    let wanted: Vec<f32> = kept
        .iter()
        .flat_map(|&row| {
            all[row * config.vocab_size..(row + 1) * config.vocab_size].iter().copied()
        })
        .collect();
    let logits = relative(&host(decoder.logits(&batch, &parameters)), &wanted);

    let policies = LayerPolicies::uniform(CheckpointPolicy::Inputs, decoder.layers.len());
    let pass = Pass { training: true, ..Pass::default() };
    let targets = batch.target_count();
    let nll = decoder.train(&batch, &mut parameters, 1.0 / targets as f32, &pass, &policies);
    let loss = nll.iter().map(|&x| f64::from(x)).sum::<f64>() / targets as f64;
    let mut worst_gradient = 0.0f64;
    let (mut all_found, mut all_wanted) = (vec![], vec![]);
    for parameter in parameters.iter() {
        let wanted = floats(&format!("grad.{}", parameter.name))?;
        let found = parameter.gradient.clone().ok_or_else(|| miette!("{}", parameter.name))?;
        let found = host(found);
        worst_gradient = largest(worst_gradient, relative_norm(&found, &wanted));
        all_found.extend(found);
        all_wanted.extend(wanted);
    }
    let gradient = relative_norm(&all_found, &all_wanted);
    Ok(Errors { logits, loss: (loss - wanted_loss).abs() / wanted_loss, gradient, worst_gradient })
}

/// Rows of `length` tokens without their padding as a flat batch, and which of them are left.
fn flat<B: Kernels>(
    ids: &[i32],
    labels: &[i32],
    mask: &[i32],
    length: usize,
    device: &B::Device,
) -> (TokenBatch<B>, Vec<usize>) {
    let (mut tokens, mut targets, mut starts, mut kept) = (vec![], vec![], vec![0u32], vec![]);
    for row in 0..ids.len() / length {
        for at in (row * length..(row + 1) * length).filter(|&at| mask[at] != 0) {
            tokens.push(ids[at] as u32);
            let last = (at + 1) % length == 0;
            targets.push(if last { -1 } else { labels[at + 1].max(-1) });
            kept.push(at);
        }
        starts.push(tokens.len() as u32);
    }
    (TokenBatch::new(&tokens, targets, starts, device), kept)
}

fn host<B: Kernels>(matrix: Matrix<B>) -> Vec<f32> {
    matrix.into_data().convert::<f32>().iter::<f32>().collect()
}

/// The larger one, where a NaN is larger than all.
fn largest(a: f64, b: f64) -> f64 {
    if b.is_nan() || a.is_nan() { f64::NAN } else { a.max(b) }
}

/// Largest difference over the largest expected magnitude.
fn relative(actual: &[f32], expected: &[f32]) -> f64 {
    if actual.len() != expected.len() {
        return f64::INFINITY;
    }
    let top = expected.iter().fold(0.0f64, |a, &b| a.max(f64::from(b.abs())));
    let pairs = actual.iter().zip(expected);
    pairs.map(|(a, b)| f64::from((a - b).abs())).fold(0.0, largest) / top
}

/// Norm of the difference over the norm.
fn relative_norm(actual: &[f32], expected: &[f32]) -> f64 {
    if actual.len() != expected.len() {
        return f64::INFINITY;
    }
    let square = |x: f64| x * x;
    let pairs = actual.iter().zip(expected);
    let difference: f64 = pairs.map(|(&a, &b)| square(f64::from(a) - f64::from(b))).sum();
    let norm: f64 = expected.iter().map(|&b| square(f64::from(b))).sum();
    (difference / norm).sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;
    use sigil_kernels::Cpu;

    #[test]
    fn the_cpu_agrees_with_the_peers() -> miette::Result<()> {
        let found = errors::<Cpu>(&root().join("qwen3"), &Default::default(), DType::F32)?;
        assert!(found.logits <= 2e-5 && found.loss <= 1e-5 && found.worst_gradient <= 1e-4);
        Ok(())
    }

    #[test]
    fn a_nan_or_a_missing_number_is_no_agreement() {
        assert!(relative(&[f32::NAN, 1.0], &[1.0, 1.0]).is_nan());
        assert!(relative(&[1.0, f32::NAN], &[1.0, 1.0]).is_nan());
        assert_eq!(relative(&[1.0], &[1.0, 1.0]), f64::INFINITY);
        assert_eq!(relative_norm(&[], &[1.0]), f64::INFINITY);
        assert!(relative_norm(&[f32::NAN], &[1.0]).is_nan());
    }
}
