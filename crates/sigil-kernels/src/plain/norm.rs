//! RMSNorm in plain Burn operations.

use burn::tensor::{DType, backend::Backend};

use crate::{Matrix, Vector};

/// See [`crate::Kernels::rms_norm`].
pub fn rms_norm<B: Backend>(
    x: &Matrix<B>,
    weight: &Vector<B>,
    epsilon: f64,
) -> (Matrix<B>, Vector<B>) {
    let dtype = x.dtype();
    let [rows, columns] = x.dims();
    let x = x.clone().cast(DType::F32);
    let mean_square = x.clone().powi_scalar(2).mean_dim(1);
    let reciprocal = mean_square.add_scalar(epsilon).sqrt().recip();
    let y = (x * reciprocal.clone()).cast(dtype);
    let weight = weight.clone().cast(dtype).reshape([1, columns]);
    (y * weight, reciprocal.reshape([rows]))
}

/// See [`crate::Kernels::rms_norm_backward`].
///
/// With `n = x * r`: `dx = r * (g - n * mean(g * n))` where `g = dy * weight`.
pub fn rms_norm_backward<B: Backend>(
    dy: &Matrix<B>,
    x: &Matrix<B>,
    weight: &Vector<B>,
    reciprocal_root: &Vector<B>,
    accumulator: Option<Matrix<B>>,
    dweight: Option<Vector<B>>,
) -> (Matrix<B>, Option<Vector<B>>) {
    let dtype = dy.dtype();
    let [rows, columns] = x.dims();
    let reciprocal = reciprocal_root.clone().reshape([rows, 1]);
    let normed = x.clone().cast(DType::F32) * reciprocal.clone();
    let dy = dy.clone().cast(DType::F32);
    let dweight =
        dweight.map(|sum| sum + (dy.clone() * normed.clone()).sum_dim(0).reshape([columns]));
    let g = dy * weight.clone().cast(DType::F32).reshape([1, columns]);
    let mean = (g.clone() * normed.clone()).mean_dim(1);
    let dx = ((g - normed * mean) * reciprocal).cast(dtype);
    (accumulator.map_or_else(|| dx.clone(), |sum| sum + dx.clone()), dweight)
}
