//! Products with frozen weights and with LoRA's matrices: decode once, then the CUDA C++ product
//! where it covers the operands, else Burn's, or `fixed_product.cu` where every run must give the
//! same bits.

use burn::tensor::DType;

use super::{
    buffer::{On, dense},
    dequantize::dequantize,
};
use crate::{
    AdaptedLayer, AdaptedOutput, FrozenMatrix, Kernels, LoraInput, Matrix, Product, Vector,
    cuda::{
        Family, Native,
        native::is_left_out,
        product::{Operands, fixed_product, product as native_product},
        products_are_fixed,
    },
    plain,
};

/// The weight as a matrix of `dtype`.
pub(super) fn decoded<R: Native>(weight: &FrozenMatrix<On<R>>, dtype: DType) -> Matrix<On<R>> {
    match weight {
        FrozenMatrix::Dense(weight) if weight.dtype() == dtype => weight.clone(),
        FrozenMatrix::Dense(weight) => weight.clone().cast(dtype),
        FrozenMatrix::Quantized(weight) => dequantize(weight, dtype),
    }
}

/// See [`crate::Kernels::product`].
pub(super) fn product<R: Native>(
    product: Product,
    lhs: &Matrix<On<R>>,
    rhs: &Matrix<On<R>>,
    alpha: f32,
    accumulator: Option<Matrix<On<R>>>,
) -> Matrix<On<R>> {
    let dtype = accumulator.as_ref().map_or(lhs.dtype(), Matrix::dtype);
    let operands = Operands { product, pair: [lhs, rhs], second: None, alpha };
    native_product(&operands, accumulator, dtype)
        .unwrap_or_else(|accumulator| other_product(product, lhs, rhs, alpha, accumulator, dtype))
}

/// A product that no CUDA C++ kernel covers: Burn's, which it chooses by timing, or the fixed one.
fn other_product<R: Native>(
    product: Product,
    lhs: &Matrix<On<R>>,
    rhs: &Matrix<On<R>>,
    alpha: f32,
    mut accumulator: Option<Matrix<On<R>>>,
    dtype: DType,
) -> Matrix<On<R>> {
    if products_are_fixed() {
        let operands = Operands { product, pair: [lhs, rhs], second: None, alpha };
        match fixed_product(&operands, accumulator, dtype) {
            Ok(found) => return found,
            Err(back) => accumulator = back,
        }
    }
    plain::product(product, lhs, rhs, alpha, accumulator).cast(dtype)
}

/// See [`crate::Kernels::parameter_gradient`].
pub(super) fn parameter_gradient<R: Native>(
    lhs: &Matrix<On<R>>,
    rhs: &Matrix<On<R>>,
    alpha: f32,
    sum: Option<Matrix<On<R>>>,
) -> Matrix<On<R>> {
    let operands = Operands { product: Product::Tn, pair: [lhs, rhs], second: None, alpha };
    native_product(&operands, sum, DType::F32)
        .unwrap_or_else(|sum| other_product(Product::Tn, lhs, rhs, alpha, sum, DType::F32))
}

/// A pair of products that share their sum, or one after the other where no kernel takes both.
fn double_product<R: Native>(
    kind: Product,
    pair: [&Matrix<On<R>>; 2],
    second: [&Matrix<On<R>>; 2],
    accumulator: Option<Matrix<On<R>>>,
) -> Matrix<On<R>> {
    let dtype = accumulator.as_ref().map_or(pair[0].dtype(), Matrix::dtype);
    let operands = Operands { product: kind, pair, second: Some(second), alpha: 1.0 };
    native_product(&operands, accumulator, dtype).unwrap_or_else(|accumulator| {
        let sum = product(kind, pair[0], pair[1], 1.0, accumulator);
        product(kind, second[0], second[1], 1.0, Some(sum))
    })
}

/// See [`crate::Kernels::linear`].
pub(super) fn linear<R: Native>(
    x: &Matrix<On<R>>,
    weight: &FrozenMatrix<On<R>>,
    accumulator: Option<Matrix<On<R>>>,
) -> Matrix<On<R>> {
    product(Product::Nt, x, &decoded(weight, x.dtype()), 1.0, accumulator)
}

/// See [`crate::Kernels::linear_backward`].
pub(super) fn linear_backward<R: Native>(
    dy: &Matrix<On<R>>,
    weight: &FrozenMatrix<On<R>>,
    accumulator: Option<Matrix<On<R>>>,
) -> Matrix<On<R>> {
    product(Product::Nn, dy, &decoded(weight, dy.dtype()), 1.0, accumulator)
}

/// LoRA's branch of a layer: its input, its matrices and its scale.
pub(super) struct Branch<'a, R: Native> {
    /// What the branch reads.
    pub input: &'a Matrix<On<R>>,
    /// `[rank, in]`, f32.
    pub a: &'a Matrix<On<R>>,
    /// `[out, rank]`, f32.
    pub b: &'a Matrix<On<R>>,
    /// Factor of the branch.
    pub scale: f32,
}

/// See [`crate::Kernels::adapted_linear`]: the scale goes into the small matrix.
pub(super) fn adapted_linear<R: Native>(
    x: &Matrix<On<R>>,
    weight: &FrozenMatrix<On<R>>,
    bias: Option<&Vector<On<R>>>,
    branch: Branch<'_, R>,
    accumulator: Option<Matrix<On<R>>>,
) -> (Matrix<On<R>>, LoraInput<On<R>>) {
    let dtype = x.dtype();
    let projected = product(Product::Nt, branch.input, &branch.a.clone().cast(dtype), 1.0, None);
    let outer = (&projected, branch.b, branch.scale);
    let y = projected_linear(x, weight, bias, outer, accumulator);
    (y, LoraInput { projected })
}

/// See [`crate::Kernels::projected_linear`]; the branch is `projected`, b and the scale.
pub(super) fn projected_linear<R: Native>(
    x: &Matrix<On<R>>,
    weight: &FrozenMatrix<On<R>>,
    bias: Option<&Vector<On<R>>>,
    (projected, b, scale): (&Matrix<On<R>>, &Matrix<On<R>>, f32),
    accumulator: Option<Matrix<On<R>>>,
) -> Matrix<On<R>> {
    let dtype = x.dtype();
    let b = b.clone().mul_scalar(scale).cast(dtype);
    let weight = decoded(weight, dtype);
    let y = double_product(Product::Nt, [x, &weight], [projected, &b], accumulator);
    match bias {
        Some(bias) => super::elementwise::add_bias(y, bias),
        None => y,
    }
}

/// See [`crate::Kernels::projected_linear_backward`]; the branch is the gradient by `projected`, and a.
pub(super) fn projected_linear_backward<R: Native>(
    dy: &Matrix<On<R>>,
    weight: &FrozenMatrix<On<R>>,
    (d_projected, a): (&Matrix<On<R>>, &Matrix<On<R>>),
    accumulator: Option<Matrix<On<R>>>,
) -> Matrix<On<R>> {
    let a = a.clone().cast(dy.dtype());
    let weight = decoded(weight, dy.dtype());
    double_product(Product::Nn, [dy, &weight], [d_projected, &a], accumulator)
}

/// Whether the branches share one product: where the CUDA C++ products run, and no rank leaves rows that
/// are no whole chunks of 16 bytes.
fn stacks<R: Native>(x: &Matrix<On<R>>, layers: &[AdaptedLayer<'_, On<R>>]) -> bool {
    layers.len() > 1
        && layers.iter().all(|layer| layer.a.dims()[0].is_multiple_of(8))
        && !is_left_out(Family::Products)
        && R::card(&dense(x).client).is_some()
}

/// See [`crate::Kernels::adapted_linears`].
pub(super) fn adapted_linears<R: Native>(
    x: &Matrix<On<R>>,
    layers: &[AdaptedLayer<'_, On<R>>],
) -> Vec<(Matrix<On<R>>, LoraInput<On<R>>)>
where
    On<R>: Kernels,
{
    if stacks(x, layers) {
        plain::stacked_linears(x, layers)
    } else {
        plain::adapted_linears(x, layers)
    }
}

/// See [`crate::Kernels::adapted_linears_backward`].
pub(super) fn adapted_linears_backward<R: Native>(
    x: &Matrix<On<R>>,
    layers: &[AdaptedLayer<'_, On<R>>],
    outputs: Vec<AdaptedOutput<'_, On<R>>>,
    dx: Option<Matrix<On<R>>>,
) -> (Vec<[Matrix<On<R>>; 2]>, Option<Matrix<On<R>>>)
where
    On<R>: Kernels,
{
    if stacks(x, layers) {
        plain::stacked_linears_backward(x, layers, outputs, dx)
    } else {
        plain::adapted_linears_backward(x, layers, outputs, dx)
    }
}

/// See [`crate::Kernels::lora_backward`].
pub(super) fn lora_backward<R: Native>(
    dy: &Matrix<On<R>>,
    branch: Branch<'_, R>,
    projected: &Matrix<On<R>>,
    [da, db, dx]: [Option<Matrix<On<R>>>; 3],
) -> [Matrix<On<R>>; 3] {
    let (da, db, d_projected) = parameter_gradients(dy, &branch, projected, da, db);
    let a = branch.a.clone().cast(dy.dtype());
    [da, db, product(Product::Nn, &d_projected, &a, 1.0, dx)]
}

/// See [`crate::Kernels::adapted_linear_backward`].
pub(super) fn adapted_linear_backward<R: Native>(
    dy: &Matrix<On<R>>,
    weight: &FrozenMatrix<On<R>>,
    branch: Branch<'_, R>,
    projected: &Matrix<On<R>>,
    [da, db, dx]: [Option<Matrix<On<R>>>; 3],
) -> [Matrix<On<R>>; 3] {
    let (da, db, d_projected) = parameter_gradients(dy, &branch, projected, da, db);
    [da, db, projected_linear_backward(dy, weight, (&d_projected, branch.a), dx)]
}

/// Gradients by A and B, and the gradient by `projected`.
fn parameter_gradients<R: Native>(
    dy: &Matrix<On<R>>,
    branch: &Branch<'_, R>,
    projected: &Matrix<On<R>>,
    da: Option<Matrix<On<R>>>,
    db: Option<Matrix<On<R>>>,
) -> (Matrix<On<R>>, Matrix<On<R>>, Matrix<On<R>>) {
    let b = branch.b.clone().cast(dy.dtype());
    let d_projected = product(Product::Nn, dy, &b, branch.scale, None);
    let db = parameter_gradient(dy, projected, branch.scale, db);
    let da = parameter_gradient(&d_projected, branch.input, 1.0, da);
    (da, db, d_projected)
}

/// See [`crate::Kernels::logits`].
pub(super) fn logits<R: Native>(
    hidden: &Matrix<On<R>>,
    head: &FrozenMatrix<On<R>>,
) -> Matrix<On<R>> {
    let weight = decoded(head, hidden.dtype());
    let pair = [hidden, &weight];
    let operands = Operands { product: Product::Nt, pair, second: None, alpha: 1.0 };
    native_product(&operands, None, DType::F32)
        .unwrap_or_else(|_| linear(hidden, head, None).cast(DType::F32))
}
