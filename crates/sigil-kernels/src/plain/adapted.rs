//! Linear layers with LoRA branches that read one input: one after the other, or with their A stacked,
//! so that the input is read once for all branches.
//!
//! Both are here for any backend: a card gains by the second, the CPU does not. Without dropout only,
//! which gives every branch an input of its own.

use std::ops::Range;

use burn::tensor::Tensor;

use crate::{AdaptedLayer, AdaptedOutput, Kernels, LoraInput, Matrix, Product, kernels::like};

/// See [`crate::Kernels::adapted_linears`]: each by the backend's [`Kernels::adapted_linear`].
pub fn adapted_linears<B: Kernels>(
    x: &Matrix<B>,
    layers: &[AdaptedLayer<'_, B>],
) -> Vec<(Matrix<B>, LoraInput<B>)> {
    let each = layers.iter();
    each.map(|&AdaptedLayer { weight, bias, a, b, scale }| {
        B::adapted_linear(x, weight, bias, x, a, b, scale, None)
    })
    .collect()
}

/// See [`crate::Kernels::adapted_linears_backward`]: each by [`Kernels::adapted_linear_backward`].
pub fn adapted_linears_backward<B: Kernels>(
    x: &Matrix<B>,
    layers: &[AdaptedLayer<'_, B>],
    outputs: Vec<AdaptedOutput<'_, B>>,
    mut dx: Option<Matrix<B>>,
) -> (Vec<[Matrix<B>; 2]>, Option<Matrix<B>>) {
    let mut gradients = vec![];
    for (&AdaptedLayer { weight, a, b, scale, .. }, output) in layers.iter().zip(outputs) {
        let AdaptedOutput { dy, saved, da, db } = output;
        let (da, db, sum) =
            B::adapted_linear_backward(dy, weight, x, saved, a, b, scale, da, db, dx);
        gradients.push([da, db]);
        dx = Some(sum);
    }
    (gradients, dx)
}

/// The rows of every layer's A in the stack of all.
fn places<B: Kernels>(layers: &[AdaptedLayer<'_, B>]) -> Vec<Range<usize>> {
    let mut end = 0;
    let ranks = layers.iter().map(|layer| layer.a.dims()[0]);
    ranks
        .map(|rank| {
            end += rank;
            end - rank..end
        })
        .collect()
}

/// See [`crate::Kernels::adapted_linears`]: `x · [A1; A2; ..]ᵀ` is one product `[tokens, Σ rank]`, of
/// which every layer takes its columns.
pub fn stacked_linears<B: Kernels>(
    x: &Matrix<B>,
    layers: &[AdaptedLayer<'_, B>],
) -> Vec<(Matrix<B>, LoraInput<B>)> {
    let tokens = x.dims()[0];
    let stack = Tensor::cat(layers.iter().map(|layer| layer.a.clone()).collect(), 0);
    let all = B::product(Product::Nt, x, &like(&stack, x), 1.0, None);
    let each = layers.iter().zip(places(layers));
    each.map(|(&AdaptedLayer { weight, bias, b, scale, .. }, own)| {
        let projected = all.clone().slice([0..tokens, own]);
        let y = B::projected_linear(x, weight, bias, &projected, b, scale, None);
        (y, LoraInput { projected })
    })
    .collect()
}

/// See [`crate::Kernels::adapted_linears_backward`]: the gradients by all `projected` stand side by side,
/// and one product with `x` gives those by all A, one below the other.
pub fn stacked_linears_backward<B: Kernels>(
    x: &Matrix<B>,
    layers: &[AdaptedLayer<'_, B>],
    outputs: Vec<AdaptedOutput<'_, B>>,
    mut dx: Option<Matrix<B>>,
) -> (Vec<[Matrix<B>; 2]>, Option<Matrix<B>>) {
    let (mut by_projected, mut sums) = (vec![], vec![]);
    for (&AdaptedLayer { weight, a, b, scale, .. }, output) in layers.iter().zip(outputs) {
        let AdaptedOutput { dy, saved, da, db } = output;
        let d_projected = B::product(Product::Nn, dy, &like(b, dy), scale, None);
        sums.push((da, B::parameter_gradient(dy, &saved.projected, scale, db)));
        dx = Some(B::projected_linear_backward(dy, weight, &d_projected, a, dx));
        by_projected.push(d_projected);
    }
    let inputs = x.dims()[1];
    let all = B::parameter_gradient(&Tensor::cat(by_projected, 1), x, 1.0, None);
    let each = sums.into_iter().zip(places(layers));
    let gradients = each.map(|((sum, db), own)| {
        let da = all.clone().slice([own, 0..inputs]);
        let da = match sum {
            Some(sum) => sum + da,
            None => da,
        };
        [da, db]
    });
    (gradients.collect(), dx)
}
