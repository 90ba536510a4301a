//! Loss over held-out documents, file by file, and the paired comparison of two evaluations.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use sigil_data::{Batch, DocumentSet, EvaluationPass};
use sigil_kernels::Kernels;
use sigil_model::{Decoder, Parameters};

use crate::{
    micro_batch::MicroBatches,
    ranks::{RanksError, Team},
};

/// Sum of losses and number of targets of one file or row.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct FileLoss {
    /// Sum of the negative log-likelihoods, in nats, as the bits of an f64: exact in any format.
    sum_bits: u64,
    /// Predicted tokens.
    pub targets: u64,
}

impl FileLoss {
    /// Sum of the negative log-likelihoods, in nats.
    pub fn sum(&self) -> f64 {
        f64::from_bits(self.sum_bits)
    }

    fn add(&mut self, nll: f64, targets: u64) {
        self.sum_bits = (self.sum() + nll).to_bits();
        self.targets += targets;
    }
}

/// Losses of every held-out file.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Evaluation {
    /// By the name of the file or row.
    pub files: BTreeMap<String, FileLoss>,
}

/// How one evaluation compares with another over the same files.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Comparison {
    /// Mean loss of the earlier one.
    pub before: f64,
    /// Mean loss of the later one.
    pub after: f64,
    /// `before - after`.
    pub improvement: f64,
    /// Standard error of the improvement, paired over files.
    pub standard_error: f64,
    /// Files in both.
    pub files: usize,
}

impl Evaluation {
    /// Counts the losses at the positions of a batch.
    fn add(&mut self, batch: &Batch, nll: &[f32]) {
        for (bounds, row) in batch.document_starts.windows(2).zip(&batch.rows) {
            let range = bounds[0] as usize..bounds[1] as usize;
            let sum: f64 = nll[range.clone()].iter().map(|&x| f64::from(x)).sum();
            let targets = batch.targets[range].iter().filter(|&&target| target >= 0).count();
            let name = row.origin.to_string();
            self.files.entry(name).or_default().add(sum, targets as u64);
        }
    }

    /// Mean negative log-likelihood per target over all files, in nats.
    pub fn loss(&self) -> f64 {
        let sum: f64 = self.files.values().map(FileLoss::sum).sum();
        sum / self.targets().max(1) as f64
    }

    /// Predicted tokens.
    pub fn targets(&self) -> u64 {
        self.files.values().map(|file| file.targets).sum()
    }

    /// Compares this evaluation with a later one, file by file.
    ///
    /// The improvement is a ratio of sums over files, `Σ (a_i - b_i) / Σ n_i`; its standard error
    /// is the usual linearized one for a ratio estimator, with files as the sampling unit (Cochran,
    /// "Sampling Techniques", 1977, section 6.3).
    pub fn compare(&self, later: &Self) -> Comparison {
        let pairs: Vec<(f64, f64, f64)> = self
            .files
            .iter()
            .filter_map(|(name, before)| {
                let after = later.files.get(name)?;
                Some((before.sum(), after.sum(), before.targets as f64))
            })
            .collect();
        let total: f64 = pairs.iter().map(|pair| pair.2).sum();
        let mean = |f: &dyn Fn(&(f64, f64, f64)) -> f64| pairs.iter().map(f).sum::<f64>() / total;
        let (before, after) = (mean(&|pair| pair.0), mean(&|pair| pair.1));
        let improvement = before - after;
        let squares: f64 = pairs
            .iter()
            .map(|(before, after, targets)| (before - after - improvement * targets).powi(2))
            .sum();
        let count = pairs.len() as f64;
        let standard_error = (squares * count / (count - 1.0).max(1.0)).sqrt() / total;
        Comparison { before, after, improvement, standard_error, files: pairs.len() }
    }
}

/// Runs every held-out document once, a batch a process of the team at a time; `stop` is asked between.
///
/// Returns none if it was told to stop.
///
/// # Errors
/// The processes cannot go on together.
pub fn evaluate<B: Kernels>(
    decoder: &Decoder<B>,
    parameters: &Parameters<B>,
    micro_batches: &MicroBatches,
    team: &mut Team,
    documents: &DocumentSet,
    stop: &dyn Fn() -> bool,
) -> Result<Option<Evaluation>, RanksError> {
    let mut evaluation = Evaluation::default();
    let mut pass = EvaluationPass::new(documents, micro_batches.evaluation_tokens::<B>());
    loop {
        if stop() {
            return Ok(None);
        }
        let batches: Vec<Batch> = pass.by_ref().take(team.ranks()).collect();
        if batches.is_empty() {
            return Ok(Some(evaluation));
        }
        let losses = team.score(decoder, parameters, micro_batches, &batches)?;
        for (batch, nll) in batches.iter().zip(losses) {
            evaluation.add(batch, &nll);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn evaluation(files: &[(f64, u64)]) -> Evaluation {
        let mut evaluation = Evaluation::default();
        for (i, &(sum, targets)) in files.iter().enumerate() {
            evaluation.files.entry(format!("file {i}")).or_default().add(sum, targets);
        }
        evaluation
    }

    #[test]
    fn an_equal_gain_everywhere_has_no_error() {
        let before = evaluation(&[(30.0, 10), (50.0, 20), (90.0, 30)]);
        let after = evaluation(&[(20.0, 10), (30.0, 20), (60.0, 30)]);
        let comparison = before.compare(&after);
        assert!((comparison.improvement - 1.0).abs() < 1e-12);
        assert!(comparison.standard_error < 1e-12);
        assert_eq!(comparison.files, 3);
    }

    #[test]
    fn the_error_is_that_of_a_mean_when_files_are_equally_long() {
        let before = evaluation(&[(10.0, 10), (10.0, 10), (10.0, 10), (10.0, 10)]);
        let after = evaluation(&[(9.0, 10), (8.0, 10), (9.0, 10), (6.0, 10)]);
        let comparison = before.compare(&after);
        // Gains per token .1 .2 .1 .4: mean .2, standard deviation sqrt(.06 / 3).
        assert!((comparison.improvement - 0.2).abs() < 1e-12);
        assert!((comparison.standard_error - (0.02f64).sqrt() / 2.0).abs() < 1e-12);
    }
}
