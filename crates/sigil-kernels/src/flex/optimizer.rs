//! AdamW and the gradient norm.

use rayon::prelude::*;

use super::{
    lanes::vectorized,
    view::{Owned, View},
};
use crate::{AdamW, Cpu, Matrix, plain};

/// Elements that one task takes; the partial sums of the norm follow it, so it is fixed.
const PART: usize = 1 << 14;

/// See [`crate::Kernels::sum_of_squares`].
pub(super) fn sum_of_squares(tensors: &[Matrix<Cpu>]) -> f64 {
    tensors
        .iter()
        .map(|tensor| {
            let view = View::of(tensor);
            let parts: Vec<f64> = view
                .slice::<f32>()
                .par_chunks(PART)
                .map(|part| vectorized(|| part_sum(part)))
                .collect();
            parts.iter().sum::<f64>()
        })
        .sum()
}

#[inline(always)]
fn part_sum(part: &[f32]) -> f64 {
    let mut sums = [0.0f64; 8];
    let body = part.chunks_exact(8);
    let tail: f64 = body.remainder().iter().map(|&x| f64::from(x) * f64::from(x)).sum();
    for chunk in body {
        for i in 0..8 {
            sums[i] += f64::from(chunk[i]) * f64::from(chunk[i]);
        }
    }
    sums.iter().sum::<f64>() + tail
}

/// See [`crate::Kernels::adamw`].
pub(super) fn adamw(
    parameter: Matrix<Cpu>,
    gradient: &Matrix<Cpu>,
    first: Matrix<Cpu>,
    second: Matrix<Cpu>,
    step: AdamW,
) -> (Matrix<Cpu>, Matrix<Cpu>, Matrix<Cpu>) {
    let gradient = View::of(gradient);
    let (mut parameter, mut first, mut second) =
        (Owned::take(parameter), Owned::take(first), Owned::take(second));
    let (step_size, root) = plain::bias_corrections(&step);
    let scale = step.gradient_scale as f32;
    let decay = (1.0 - step.learning_rate * step.weight_decay) as f32;
    let (weight1, beta2, weight2) =
        ((1.0 - step.beta1) as f32, step.beta2 as f32, (1.0 - step.beta2) as f32);
    let (epsilon, step_size, root) = (step.epsilon as f32, step_size as f32, root as f32);
    parameter
        .slice()
        .par_chunks_mut(PART)
        .zip(first.slice().par_chunks_mut(PART))
        .zip(second.slice().par_chunks_mut(PART))
        .zip(gradient.slice::<f32>().par_chunks(PART))
        .for_each(|(((parameter, first), second), gradient)| {
            vectorized(|| {
                let terms = parameter.iter_mut().zip(first).zip(second).zip(gradient);
                for (((p, m), v), g) in terms {
                    let g = g * scale;
                    *m += (g - *m) * weight1;
                    *v = *v * beta2 + g * g * weight2;
                    *p = *p * decay - step_size * (*m / (v.sqrt() / root + epsilon));
                }
            });
        });
    (parameter.tensor(), first.tensor(), second.tensor())
}
