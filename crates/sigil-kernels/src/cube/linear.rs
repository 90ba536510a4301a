//! Products with frozen weights: decode once, then Burn's matrix product.

use burn::tensor::DType;
use burn_cubecl::CubeRuntime;

use super::{buffer::On, dequantize::dequantize};
use crate::{FrozenMatrix, Matrix, Product, plain};

/// The weight as a matrix of `dtype`.
pub(super) fn decoded<R: CubeRuntime>(weight: &FrozenMatrix<On<R>>, dtype: DType) -> Matrix<On<R>> {
    match weight {
        FrozenMatrix::Dense(weight) if weight.dtype() == dtype => weight.clone(),
        FrozenMatrix::Dense(weight) => weight.clone().cast(dtype),
        FrozenMatrix::Quantized(weight) => dequantize(weight, dtype),
    }
}

/// See [`crate::Kernels::linear`].
pub(super) fn linear<R: CubeRuntime>(
    x: &Matrix<On<R>>,
    weight: &FrozenMatrix<On<R>>,
    accumulator: Option<Matrix<On<R>>>,
) -> Matrix<On<R>> {
    plain::product(Product::Nt, x, &decoded(weight, x.dtype()), 1.0, accumulator)
}

/// See [`crate::Kernels::linear_backward`].
pub(super) fn linear_backward<R: CubeRuntime>(
    dy: &Matrix<On<R>>,
    weight: &FrozenMatrix<On<R>>,
    accumulator: Option<Matrix<On<R>>>,
) -> Matrix<On<R>> {
    plain::product(Product::Nn, dy, &decoded(weight, dy.dtype()), 1.0, accumulator)
}

/// See [`crate::Kernels::logits`].
pub(super) fn logits<R: CubeRuntime>(
    hidden: &Matrix<On<R>>,
    head: &FrozenMatrix<On<R>>,
) -> Matrix<On<R>> {
    linear(hidden, head, None).cast(DType::F32)
}
