//! The language-model head and cross-entropy, in chunks of tokens that stay in the cache.

use rayon::prelude::*;

use super::{
    gemm::{Strided, Write, product_into, product_new},
    lanes::{exp, max, vectorized},
    linear::with_weight,
    view::{Owned, View, matrix, vector},
};
use crate::{Cpu, FrozenMatrix, HeadLoss, Matrix};

/// Logits held at once, in elements: 16 MiB of f32.
const CHUNK_LOGITS: usize = 1 << 22;

/// See [`crate::Kernels::head_loss`].
pub(super) fn head_loss(
    hidden: &Matrix<Cpu>,
    head: &FrozenMatrix<Cpu>,
    targets: &[i32],
    gradient: Option<f32>,
    weight_gradient: Option<Matrix<Cpu>>,
) -> HeadLoss<Cpu> {
    let ([tokens, width], [vocab, _]) = (hidden.dims(), head.shape());
    let view = View::of(hidden);
    let hidden: &[f32] = view.slice();
    let rows: Vec<usize> = (0..tokens).filter(|&row| targets[row] >= 0).collect();
    let mut nll = vec![0.0f32; tokens];
    let mut dhidden = gradient.map(|_| vec![0.0f32; tokens * width]);
    let mut dweight = weight_gradient.map(Owned::take);
    with_weight(head, |weight| {
        let weight = Strided::rows(weight, width);
        for chunk in rows.chunks((CHUNK_LOGITS / vocab).max(1)) {
            let count = chunk.len();
            let part: Vec<f32> = chunk
                .iter()
                .flat_map(|&row| &hidden[row * width..(row + 1) * width])
                .copied()
                .collect();
            let part = Strided::rows(&part, width);
            let mut logits = product_new([count, vocab, width], part, weight.transposed(), 1.0);
            let losses: Vec<f32> = logits
                .par_chunks_exact_mut(vocab)
                .zip(chunk)
                .map(|(logits, &row)| vectorized(|| softmax_loss(logits, targets[row], gradient)))
                .collect();
            chunk.iter().zip(losses).for_each(|(&row, loss)| nll[row] = loss);
            if let Some(dhidden) = &mut dhidden {
                let dlogits = Strided::rows(&logits, vocab);
                let dpart = product_new([count, width, vocab], dlogits, weight, 1.0);
                for (&row, part) in chunk.iter().zip(dpart.chunks_exact(width)) {
                    dhidden[row * width..(row + 1) * width].copy_from_slice(part);
                }
                if let Some(sum) = &mut dweight {
                    let (shape, dlogits) = ([vocab, width, count], dlogits.transposed());
                    product_into(shape, dlogits, part, 1.0, sum.slice(), width, Write::Add, true);
                }
            }
        }
    });
    HeadLoss {
        nll: vector(nll),
        hidden_gradient: dhidden.map(|values| matrix(values, [tokens, width])),
        weight_gradient: dweight.map(Owned::tensor),
    }
}

/// The loss of one row; with a gradient, the logits become `scale * (softmax - onehot)`.
#[inline(always)]
fn softmax_loss(logits: &mut [f32], target: i32, gradient: Option<f32>) -> f32 {
    let top = max(logits);
    let picked = logits[target as usize] - top;
    let mut sums = [0.0f32; 16];
    let mut chunks = logits.chunks_exact_mut(16);
    for chunk in &mut chunks {
        for i in 0..16 {
            chunk[i] = exp(chunk[i] - top);
            sums[i] += chunk[i];
        }
    }
    let mut total = super::lanes::sum(&sums);
    for logit in chunks.into_remainder() {
        *logit = exp(*logit - top);
        total += *logit;
    }
    if let Some(scale) = gradient {
        let factor = scale / total;
        logits.iter_mut().for_each(|p| *p *= factor);
        logits[target as usize] -= scale;
    }
    total.ln() - picked
}
