//! RMSNorm, row by row.

use rayon::prelude::*;

use super::{
    lanes::{dot, rows_per_task, vectorized},
    view::{Owned, View, matrix, vector},
};
use crate::{Cpu, Matrix, Vector};

/// See [`crate::Kernels::rms_norm`].
pub(super) fn rms_norm(
    x: &Matrix<Cpu>,
    weight: &Vector<Cpu>,
    epsilon: f64,
) -> (Matrix<Cpu>, Vector<Cpu>) {
    let [rows, columns] = x.dims();
    let weight = View::of(&weight.clone().cast(burn::tensor::DType::F32));
    let (x, weight) = (View::of(x), weight.slice::<f32>());
    let x: &[f32] = x.slice();
    let mut y = vec![0.0; rows * columns];
    let mut roots = vec![0.0; rows];
    let step = rows_per_task(columns);
    y.par_chunks_mut(step * columns)
        .zip(roots.par_chunks_mut(step))
        .zip(x.par_chunks(step * columns))
        .for_each(|((y, roots), x)| {
            vectorized(|| {
                let rows = y.chunks_exact_mut(columns).zip(x.chunks_exact(columns));
                for ((y, x), root) in rows.zip(roots) {
                    let mean_square = dot(x, x) / columns as f32;
                    *root = 1.0 / (mean_square + epsilon as f32).sqrt();
                    for ((y, x), w) in y.iter_mut().zip(x).zip(weight) {
                        *y = x * *root * w;
                    }
                }
            });
        });
    (matrix(y, [rows, columns]), vector(roots))
}

/// See [`crate::Kernels::rms_norm_backward`].
pub(super) fn rms_norm_backward(
    dy: &Matrix<Cpu>,
    x: &Matrix<Cpu>,
    weight: &Vector<Cpu>,
    reciprocal_root: &Vector<Cpu>,
    accumulator: Option<Matrix<Cpu>>,
    dweight: Option<Vector<Cpu>>,
) -> (Matrix<Cpu>, Option<Vector<Cpu>>) {
    let [rows, columns] = x.dims();
    let weight = View::of(&weight.clone().cast(burn::tensor::DType::F32));
    let (dy, x, roots) = (View::of(dy), View::of(x), View::of(reciprocal_root));
    let (dy, x, roots): (&[f32], &[f32], &[f32]) = (dy.slice(), x.slice(), roots.slice());
    let weight: &[f32] = weight.slice();
    let step = rows_per_task(columns);

    let dweight = dweight.map(|sum| {
        let parts: Vec<Vec<f32>> = dy
            .par_chunks(step * columns)
            .zip(x.par_chunks(step * columns))
            .zip(roots.par_chunks(step))
            .map(|((dy, x), roots)| vectorized(|| weight_gradient(dy, x, roots, columns)))
            .collect();
        let mut sum = Owned::take(sum);
        for part in parts {
            sum.slice().iter_mut().zip(part).for_each(|(sum, part)| *sum += part);
        }
        sum.tensor()
    });

    let adds = accumulator.is_some();
    let mut dx = match accumulator {
        Some(sum) => Owned::take(sum),
        None => Owned::take(matrix(vec![0.0; rows * columns], [rows, columns])),
    };
    dx.slice()
        .par_chunks_mut(step * columns)
        .zip(dy.par_chunks(step * columns))
        .zip(x.par_chunks(step * columns))
        .zip(roots.par_chunks(step))
        .for_each(|(((dx, dy), x), roots)| {
            vectorized(|| {
                let rows = dx.chunks_exact_mut(columns).zip(dy.chunks_exact(columns));
                for (((dx, dy), x), &root) in rows.zip(x.chunks_exact(columns)).zip(roots) {
                    // dx = r * g - x * r³ * mean(g * x), where g = dy * weight.
                    let mut sums = [0.0f32; 16];
                    let mut rest = 0.0;
                    for ((dy, x), w) in dy.chunks(16).zip(x.chunks(16)).zip(weight.chunks(16)) {
                        if dy.len() == 16 {
                            for i in 0..16 {
                                sums[i] += dy[i] * w[i] * x[i];
                            }
                        } else {
                            rest += (0..dy.len()).map(|i| dy[i] * w[i] * x[i]).sum::<f32>();
                        }
                    }
                    let mean = (super::lanes::sum(&sums) + rest) / columns as f32;
                    let factor = root * root * root * mean;
                    let terms = dx.iter_mut().zip(dy).zip(x).zip(weight);
                    if adds {
                        terms.for_each(|(((dx, dy), x), w)| *dx += root * dy * w - x * factor);
                    } else {
                        terms.for_each(|(((dx, dy), x), w)| *dx = root * dy * w - x * factor);
                    }
                }
            });
        });
    (dx.tensor(), dweight)
}

/// `Σ dy * x * r` over the rows of one task.
#[inline(always)]
fn weight_gradient(dy: &[f32], x: &[f32], roots: &[f32], columns: usize) -> Vec<f32> {
    let mut sum = vec![0.0f32; columns];
    for ((dy, x), root) in dy.chunks_exact(columns).zip(x.chunks_exact(columns)).zip(roots) {
        for ((sum, dy), x) in sum.iter_mut().zip(dy).zip(x) {
            *sum += dy * x * root;
        }
    }
    sum
}
