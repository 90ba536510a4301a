//! One optimizer step: gradients over the micro-batches, the global norm, the non-finite guard,
//! clipping, AdamW.
//!
//! The loss is the mean over all targets of the accumulated batch, not the mean of micro-batch
//! means. No loop and no file here.

use sigil_data::Batch;
use sigil_kernels::{Kernels, Matrix, random};
use sigil_model::{Decoder, Parameters, Pass, TokenBatch, decoder::LayerPolicies};

use crate::optimizer::Optimizer;

/// What one step is told.
#[derive(Clone, Copy, Debug)]
pub struct StepSettings {
    /// Index of the step, from 0; decides the random masks together with the seed.
    pub index: u64,
    /// Seed of the run.
    pub seed: u64,
    /// Learning rate of this step.
    pub learning_rate: f64,
    /// Longest gradient allowed; 0 means any.
    pub max_grad_norm: f64,
    /// NEFTune's alpha, if noise is wanted.
    pub neftune_alpha: Option<f64>,
}

/// What one step did.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct StepReport {
    /// Mean negative log-likelihood over all targets of the step, in nats.
    pub loss: f64,
    /// Global gradient norm before clipping.
    pub grad_norm: f64,
    /// Tokens that went through the model.
    pub tokens: u64,
    /// Tokens that were predicted.
    pub targets: u64,
}

/// A loss or gradient that is no finite number; the parameters are as before the step.
#[derive(Clone, Debug, PartialEq)]
pub struct NonFinite {
    /// `"loss"` or `"gradient"`.
    pub what: &'static str,
    /// Rows whose loss is not finite, or all rows of the step if only the gradient is not.
    pub rows: Vec<String>,
}

/// Takes one optimizer step over `batches`.
///
/// # Errors
/// [`NonFinite`], before anything was changed.
pub fn take_step<B: Kernels>(
    decoder: &Decoder<B>,
    parameters: &mut Parameters<B>,
    optimizer: &mut Optimizer<B>,
    batches: &[Batch],
    policies: &LayerPolicies,
    settings: &StepSettings,
) -> Result<StepReport, NonFinite> {
    let targets: usize = batches.iter().map(Batch::target_count).sum();
    let scale = 1.0 / targets.max(1) as f32;
    let mut total = 0.0f64;
    parameters.clear_gradients();
    for (micro, batch) in batches.iter().enumerate() {
        let tokens = upload(batch, &decoder.device);
        let pass = Pass {
            training: true,
            seed: random::derive(settings.seed, &[10, settings.index, micro as u64]),
            neftune_alpha: settings.neftune_alpha,
        };
        let nll = decoder.train(&tokens, parameters, scale, &pass, policies);
        let sum: f64 = nll.iter().map(|&x| f64::from(x)).sum();
        if !sum.is_finite() {
            parameters.clear_gradients();
            return Err(NonFinite { what: "loss", rows: guilty_rows(batch, &nll) });
        }
        total += sum;
    }
    let gradients: Vec<Matrix<B>> =
        parameters.iter().filter_map(|parameter| parameter.gradient.clone()).collect();
    let grad_norm = B::sum_of_squares(&gradients).sqrt();
    drop(gradients);
    if !grad_norm.is_finite() {
        parameters.clear_gradients();
        let rows = batches.iter().flat_map(|batch| &batch.rows).map(ToString::to_string);
        return Err(NonFinite { what: "gradient", rows: rows.collect() });
    }
    optimizer.step(
        parameters,
        settings.learning_rate,
        clip_factor(grad_norm, settings.max_grad_norm),
    );
    Ok(StepReport {
        loss: total / targets.max(1) as f64,
        grad_norm,
        tokens: batches.iter().map(|batch| batch.token_count() as u64).sum(),
        targets: targets as u64,
    })
}

/// The factor of `torch.nn.utils.clip_grad_norm_`.
fn clip_factor(norm: f64, max_norm: f64) -> f64 {
    if max_norm > 0.0 { (max_norm / (norm + 1e-6)).min(1.0) } else { 1.0 }
}

/// Puts a batch on the decoder's device.
pub fn upload<B: Kernels>(batch: &Batch, device: &B::Device) -> TokenBatch<B> {
    let starts = batch.document_starts.clone();
    TokenBatch::new(&batch.tokens, batch.targets.clone(), starts, device)
}

/// The rows that hold a position whose loss is not finite.
fn guilty_rows(batch: &Batch, nll: &[f32]) -> Vec<String> {
    let documents = batch.document_starts.windows(2).zip(&batch.rows);
    documents
        .filter(|(bounds, _)| {
            nll[bounds[0] as usize..bounds[1] as usize].iter().any(|loss| !loss.is_finite())
        })
        .map(|(_, row)| row.to_string())
        .collect()
}
