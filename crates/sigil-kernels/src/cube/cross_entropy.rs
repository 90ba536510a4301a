//! Language-model head and cross-entropy: a chunk of logits at a time, the gradient written over
//! it.
//!
//! The products are those of `linear.rs`; the kernel between them reads the logits twice and writes them once.

use std::iter::repeat_n;

use burn::tensor::DType;
use cubecl::prelude::*;

use super::{
    buffer::{On, addressable, dense, one_cube_each, owned, tensor, units, upload_int},
    embedding::{gather_rows, scatter_rows},
    linear::{decoded, product},
    reduce::{SCRATCH, cube_max, cube_sum},
};
use crate::{FrozenMatrix, HeadLoss, Matrix, Product, cuda::Native, plain};

/// Logits held at once, in bytes: enough rows that the head's product runs at full speed.
pub const CHUNK_BYTES: usize = 256 << 20;

/// Rows of a chunk of a batch, a multiple of the product's tiles where there are as many.
///
/// How many rows have a target is another number in every batch. All chunks of all batches of one size
/// have these rows, so that their memory can be kept.
#[must_use]
pub fn chunk_rows(tokens: usize, vocab: usize, element_bytes: usize) -> usize {
    const TILE: usize = 128;
    let rows = CHUNK_BYTES / (vocab * element_bytes).max(1);
    let rows = if rows > TILE { rows / TILE * TILE } else { rows };
    rows.min(tokens).max(1)
}

/// One cube a row of `logits [count, vocab]`: `nll[rows[i]] = logsumexp - logit[targets[i]]` and,
/// with `gradient`, `logits = scale * (softmax - onehot)`. Where `rows[i]` is negative the logits stay.
///
/// Sums are f32 whatever the logits are.
#[cube(launch)]
pub fn cross_entropy_kernel<F: Float>(
    rows: &Array<i32>,
    targets: &Array<i32>,
    logits: &mut Array<F>,
    nll: &mut Array<f32>,
    vocab: u32,
    scale: f32,
    #[comptime] gradient: bool,
    #[define(F)] _dtype: StorageType,
) {
    let mut scratch = SharedMemory::<f32>::new(SCRATCH);
    if CUBE_POS >= rows.len() {
        terminate!();
    }
    if rows[CUBE_POS] < 0 {
        terminate!();
    }
    let first = CUBE_POS * vocab as usize;
    let target = targets[CUBE_POS] as u32;
    // The maximum and the sum relative to it in one pass, rescaled when the maximum rises.
    let mut top = f32::new(-3.0e38);
    let mut sum = f32::new(0.0);
    for column in range_stepped(UNIT_POS, vocab, CUBE_DIM) {
        let logit = f32::cast_from(logits[first + column as usize]);
        if logit > top {
            sum *= (top - logit).exp();
            top = logit;
        }
        sum += (logit - top).exp();
    }
    let highest = cube_max(top, &mut scratch);
    let total = cube_sum(sum * (top - highest).exp(), &mut scratch);
    let log_sum = highest + total.ln();
    if UNIT_POS == 0 {
        let row = rows[CUBE_POS] as usize;
        nll[row] = log_sum - f32::cast_from(logits[first + target as usize]);
    }
    if comptime!(gradient) {
        // Unit 0 has read the target's logit before any unit writes.
        sync_cube();
        for column in range_stepped(UNIT_POS, vocab, CUBE_DIM) {
            let at = first + column as usize;
            let mut probability = (f32::cast_from(logits[at]) - log_sum).exp();
            if column == target {
                probability -= f32::new(1.0);
            }
            logits[at] = F::cast_from(probability * scale);
        }
    }
}

/// See [`crate::Kernels::head_loss`]; rows without a target are dropped before the product.
pub(super) fn head_loss<R: Native>(
    hidden: &Matrix<On<R>>,
    head: &FrozenMatrix<On<R>>,
    targets: &[i32],
    gradient: Option<f32>,
    mut weight_gradient: Option<Matrix<On<R>>>,
) -> HeadLoss<On<R>> {
    let [tokens, width] = hidden.dims();
    let [vocab, _] = head.shape();
    let rows: Vec<i32> = (0..tokens as i32).filter(|&i| targets[i as usize] >= 0).collect();
    if !addressable(&[tokens * width, vocab * width]) {
        return plain::head_loss(hidden, head, targets, gradient, weight_gradient);
    }
    let (device, dtype) = (hidden.device(), hidden.dtype());
    let nll = owned(crate::Vector::<On<R>>::zeros([tokens], (&device, DType::F32)));
    let dhidden =
        gradient.map(|_| owned(Matrix::<On<R>>::zeros([tokens, width], (&device, dtype))));
    if rows.is_empty() {
        return HeadLoss {
            nll: tensor(nll),
            hidden_gradient: dhidden.map(tensor),
            weight_gradient,
        };
    }
    let weight = decoded(head, dtype);
    let source = dense(hidden);
    let count = chunk_rows(tokens, vocab, dtype.size());
    for chunk in rows.chunks(count) {
        // What is missing is filled up with rows of zeros, whose logits and gradients are zeros.
        let missing = count - chunk.len();
        let index: Vec<i32> = chunk.iter().copied().chain(repeat_n(-1, missing)).collect();
        let wanted = chunk.iter().map(|&row| targets[row as usize]);
        let wanted: Vec<i32> = wanted.chain(repeat_n(0, missing)).collect();
        let (index, wanted) = (upload_int(&source, &index), upload_int(&source, &wanted));
        let part: Matrix<On<R>> =
            tensor(gather_rows(&source, index.clone(), [count, width], dtype));
        let logits = owned(product(Product::Nt, &part, &weight, 1.0, None));
        cross_entropy_kernel::launch::<R>(
            &source.client,
            one_cube_each(&source.client, count),
            units(),
            index.clone().into_array_arg(),
            wanted.into_array_arg(),
            logits.clone().into_array_arg(),
            nll.clone().into_array_arg(),
            vocab as u32,
            gradient.unwrap_or(0.0),
            gradient.is_some(),
            dtype.into(),
        );
        if let Some(out) = &dhidden {
            let dlogits: Matrix<On<R>> = tensor(logits);
            let dpart = product(Product::Nn, &dlogits, &weight, 1.0, None);
            scatter_rows(dense(&dpart), index, out, [count, width]);
            weight_gradient = weight_gradient
                .map(|total| product(Product::Tn, &dlogits, &part, 1.0, Some(total)));
        }
    }
    HeadLoss { nll: tensor(nll), hidden_gradient: dhidden.map(tensor), weight_gradient }
}
