//! pass@k without bias, and intervals that resample tasks.
//!
//! Source of the estimator: Chen et al., "Evaluating Large Language Models Trained on Code" (2021),
//! section 2.1. Samples of one task are not independent, so an interval draws whole tasks.

use serde::{Deserialize, Serialize};

use super::random::SplitMix;
use crate::EvalError;

/// How often an interval draws.
pub const RESAMPLES: usize = 10_000;

/// The seed of every interval.
const SEED: u64 = 0x5167_696c;

/// The chance that at least one of `k` samples is right, when `right` of `n` are; drawn without putting
/// back.
///
/// # Errors
/// If there are fewer than `k` samples.
pub fn pass_at_k(n: usize, right: usize, k: usize, task_id: &str) -> Result<f64, EvalError> {
    if k > n || k == 0 {
        return Err(EvalError::TooFewSamples { k, task_id: task_id.to_owned(), n });
    }
    if n - right < k {
        return Ok(1.0);
    }
    let miss: f64 = (n - right + 1..=n).map(|i| 1.0 - k as f64 / i as f64).product();
    Ok(1.0 - miss)
}

/// A value with what it could have been had other tasks of the same kind been drawn.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Estimate {
    /// The mean over tasks.
    pub value: f64,
    /// The lower end of the 95 % interval.
    pub low: f64,
    /// The upper end.
    pub high: f64,
}

impl Estimate {
    /// The mean of one value for each task, with its interval. `None` without tasks.
    pub fn of_tasks(values: &[f64]) -> Option<Self> {
        let weighted: Vec<(f64, f64)> = values.iter().map(|value| (*value, 1.0)).collect();
        Self::of_clusters(&weighted)
    }

    /// A ratio of sums, such as passes to samples, with one pair for each task. `None` if the
    /// denominators are all 0.
    pub fn of_clusters(pairs: &[(f64, f64)]) -> Option<Self> {
        let ratio = |sums: (f64, f64)| (sums.1 > 0.0).then(|| sums.0 / sums.1);
        let add = |a: (f64, f64), b: &(f64, f64)| (a.0 + b.0, a.1 + b.1);
        let value = ratio(pairs.iter().fold((0.0, 0.0), add))?;
        let mut generator = SplitMix::new(SEED);
        let mut drawn: Vec<f64> = (0..RESAMPLES)
            .filter_map(|_| {
                let sums = (0..pairs.len())
                    .map(|_| &pairs[generator.below(pairs.len() as u64) as usize])
                    .fold((0.0, 0.0), add);
                ratio(sums)
            })
            .collect();
        drawn.sort_by(f64::total_cmp);
        let at = |share: f64| drawn[((drawn.len() - 1) as f64 * share).round() as usize];
        Some(Self { value, low: at(0.025), high: at(0.975) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Counts the subsets of size `k` with a right sample.
    fn by_counting(n: usize, right: usize, k: usize) -> f64 {
        let (mut hits, mut all) = (0u32, 0u32);
        for subset in 0u32..1 << n {
            if subset.count_ones() as usize == k {
                all += 1;
                hits += u32::from(subset & ((1 << right) - 1) != 0);
            }
        }
        f64::from(hits) / f64::from(all)
    }

    #[test]
    fn it_is_what_counting_says() {
        for n in 1..=10 {
            for right in 0..=n {
                for k in 1..=n {
                    let value = pass_at_k(n, right, k, "t").expect("k is not above n");
                    assert!((value - by_counting(n, right, k)).abs() < 1e-12, "{n} {right} {k}");
                }
            }
        }
    }

    #[test]
    fn more_than_there_are_is_an_error() {
        let error = pass_at_k(3, 1, 4, "t/1").expect_err("there are three");
        assert_eq!(error.to_string(), "pass@4 needs at least 4 samples of every task; `t/1` has 3");
        assert!(pass_at_k(3, 1, 0, "t").is_err());
    }

    #[test]
    fn intervals_hold_the_value_and_widen_when_samples_are_of_few_tasks() {
        let many: Vec<(f64, f64)> = (0..200).map(|i| (f64::from(i % 2), 1.0)).collect();
        let few = [(10.0, 20.0), (20.0, 20.0), (0.0, 20.0), (10.0, 20.0)];
        let (many, few) = (Estimate::of_clusters(&many), Estimate::of_clusters(&few));
        let (many, few) = (many.expect("there are some"), few.expect("there are some"));
        assert_eq!((many.value, few.value), (0.5, 0.5));
        assert!(many.low < 0.5 && 0.5 < many.high);
        assert!(few.high - few.low > 2.0 * (many.high - many.low));
        assert_eq!(Estimate::of_clusters(&[]), None);
    }
}
