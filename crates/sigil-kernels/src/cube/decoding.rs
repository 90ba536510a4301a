//! The operations of generation: CUDA C++ where it covers shapes and card, else the training kernels and
//! the plain version. Which it is, is decided in `cuda/decoding.rs`.

use super::{buffer::On, linear};
use crate::{
    AttentionShape, CachedRows, FrozenMatrix, Matrix,
    cuda::{Native, decoding},
    plain::{self, PlainCache},
};

/// See [`crate::Decoding::row_linear`].
pub(super) fn row_linear<R: Native>(
    x: &Matrix<On<R>>,
    weight: &FrozenMatrix<On<R>>,
    accumulator: Option<Matrix<On<R>>>,
) -> Matrix<On<R>> {
    let FrozenMatrix::Quantized(quantized) = weight else {
        return linear::linear(x, weight, accumulator);
    };
    decoding::row_product(x, quantized, accumulator)
        .unwrap_or_else(|accumulator| linear::linear(x, weight, accumulator))
}

/// See [`crate::Decoding::row_linears`].
pub(super) fn row_linears<R: Native>(
    x: &Matrix<On<R>>,
    weights: &[&FrozenMatrix<On<R>>],
) -> Vec<Matrix<On<R>>> {
    decoding::row_products(x, weights)
        .unwrap_or_else(|| weights.iter().map(|weight| row_linear::<R>(x, weight, None)).collect())
}

/// See [`crate::Decoding::cached_attention`].
pub(super) fn cached_attention<R: Native>(
    q: &Matrix<On<R>>,
    k: &Matrix<On<R>>,
    v: &Matrix<On<R>>,
    cache: &mut PlainCache<On<R>>,
    rows: &CachedRows<On<R>>,
    shape: AttentionShape,
) -> Matrix<On<R>> {
    decoding::cached_attention(q, k, v, cache, rows, shape)
        .unwrap_or_else(|| plain::cached_attention(q, k, v, cache, rows, shape))
}
