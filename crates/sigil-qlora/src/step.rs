//! One optimizer step: gradients over the micro-batches (shared with other processes where there are
//! some), the global norm, the non-finite guard, clipping, AdamW.
//!
//! The loss is the mean over all targets of the accumulated batch, not the mean of micro-batch
//! means. No loop and no file here.

use sigil_data::Batch;
use sigil_kernels::{Kernels, Matrix, random};
use sigil_model::{Decoder, Parameters, Pass};

use crate::{
    micro_batch::MicroBatches,
    optimizer::Optimizer,
    ranks::{MicroLoss, RanksError, Team},
};

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

/// Why a step was not taken; the parameters are as before it.
#[derive(Debug)]
pub enum StepError {
    /// A loss or gradient is no finite number.
    NonFinite(NonFinite),
    /// The processes that share the step cannot go on together.
    Ranks(RanksError),
}

impl From<RanksError> for StepError {
    fn from(error: RanksError) -> Self {
        Self::Ranks(error)
    }
}

/// Takes one optimizer step over `batches`, which the team shares.
///
/// # Errors
/// See [`StepError`]; nothing was changed.
pub fn take_step<B: Kernels>(
    decoder: &Decoder<B>,
    parameters: &mut Parameters<B>,
    optimizer: &mut Optimizer<B>,
    team: &mut Team,
    batches: &[Batch],
    micro_batches: &MicroBatches,
    settings: &StepSettings,
) -> Result<StepReport, StepError> {
    let targets: usize = batches.iter().map(Batch::target_count).sum();
    let scale = 1.0 / targets.max(1) as f32;
    parameters.clear_gradients();
    team.deal(batches, scale, settings)?;
    let mut losses = vec![];
    for own in batches.iter().enumerate().step_by(team.ranks()) {
        let loss = add_gradients(decoder, parameters, own, scale, micro_batches, settings);
        let finite = loss.sum().is_finite();
        losses.push(loss);
        if !finite {
            break;
        }
    }
    losses.extend(team.losses(parameters)?);
    losses.sort_by_key(|loss| loss.number);
    if let Some(loss) = losses.iter().find(|loss| !loss.sum().is_finite()) {
        team.drop_gradients()?;
        parameters.clear_gradients();
        let rows = batches.get(loss.number as usize).map(|batch| guilty_rows(batch, loss));
        let rows = rows.unwrap_or_default();
        return Err(StepError::NonFinite(NonFinite { what: "loss", rows }));
    }
    let total: f64 = losses.iter().map(MicroLoss::sum).sum();
    team.sum(parameters)?;
    let gradients: Vec<Matrix<B>> =
        parameters.iter().filter_map(|parameter| parameter.gradient.clone()).collect();
    let grad_norm = B::sum_of_squares(&gradients).sqrt();
    drop(gradients);
    if !grad_norm.is_finite() {
        team.drop_gradients()?;
        parameters.clear_gradients();
        let rows = batches.iter().flat_map(|batch| &batch.rows).map(ToString::to_string);
        let rows = rows.collect();
        return Err(StepError::NonFinite(NonFinite { what: "gradient", rows }));
    }
    let gradient_scale = clip_factor(grad_norm, settings.max_grad_norm);
    team.apply(settings.learning_rate, gradient_scale)?;
    optimizer.step(parameters, settings.learning_rate, gradient_scale);
    Ok(StepReport {
        loss: total / targets.max(1) as f64,
        grad_norm,
        tokens: batches.iter().map(|batch| batch.token_count() as u64).sum(),
        targets: targets as u64,
    })
}

/// Adds the gradients of `scale * Σ loss` of a micro-batch, given with its number in the step.
pub(crate) fn add_gradients<B: Kernels>(
    decoder: &Decoder<B>,
    parameters: &mut Parameters<B>,
    (number, batch): (usize, &Batch),
    scale: f32,
    micro_batches: &MicroBatches,
    settings: &StepSettings,
) -> MicroLoss {
    let pass = Pass {
        training: true,
        seed: random::derive(settings.seed, &[10, settings.index, number as u64]),
        neftune_alpha: settings.neftune_alpha,
    };
    let nll = micro_batches.with_batch(decoder, batch, |tokens| {
        decoder.train(&tokens, parameters, scale, &pass, &micro_batches.policies)
    });
    let sum: f64 = nll.iter().map(|&x| f64::from(x)).sum();
    let documents = batch.document_starts.windows(2).enumerate();
    let guilty = documents.filter(|(_, bounds)| {
        nll[bounds[0] as usize..bounds[1] as usize].iter().any(|loss| !loss.is_finite())
    });
    MicroLoss {
        number: number as u64,
        sum_bits: sum.to_bits(),
        guilty: guilty.map(|(document, _)| document as u32).collect(),
    }
}

/// The losses at the positions of a batch.
pub(crate) fn score<B: Kernels>(
    decoder: &Decoder<B>,
    parameters: &Parameters<B>,
    micro_batches: &MicroBatches,
    batch: &Batch,
) -> Vec<f32> {
    let mut nll =
        micro_batches.with_batch(decoder, batch, |tokens| decoder.evaluate(&tokens, parameters));
    nll.truncate(batch.token_count());
    nll
}

/// The factor of `torch.nn.utils.clip_grad_norm_`.
fn clip_factor(norm: f64, max_norm: f64) -> f64 {
    if max_norm > 0.0 { (max_norm / (norm + 1e-6)).min(1.0) } else { 1.0 }
}

/// The rows of the documents whose loss is not finite.
fn guilty_rows(batch: &Batch, loss: &MicroLoss) -> Vec<String> {
    let rows = loss.guilty.iter().filter_map(|&document| batch.rows.get(document as usize));
    rows.map(ToString::to_string).collect()
}
