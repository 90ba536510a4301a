//! Rotary position embedding in plain Burn operations.

use burn::tensor::{DType, Tensor, backend::Backend};

use crate::{Matrix, RotaryTable, SequenceLayout};

/// See [`crate::Kernels::rotate`].
pub fn rotate<B: Backend>(
    x: Matrix<B>,
    table: &RotaryTable<B>,
    layout: &SequenceLayout<B>,
    head_dim: usize,
    inverse: bool,
) -> Matrix<B> {
    let dtype = x.dtype();
    let [tokens, width] = x.dims();
    let (heads, half) = (width / head_dim, table.rotary_dim / 2);
    let row = |t: &Matrix<B>| {
        t.clone().select(0, layout.positions_tensor.clone()).reshape([tokens, 1, half])
    };
    let (cos, sin) = (row(&table.cos), row(&table.sin));
    let sin = if inverse { sin.neg() } else { sin };
    let x = x.cast(DType::F32).reshape([tokens, heads, head_dim]);
    let part = |from: usize, to: usize| x.clone().slice([0..tokens, 0..heads, from..to]);
    let (first, second) = (part(0, half), part(half, 2 * half));
    let mut parts = vec![
        first.clone() * cos.clone() - second.clone() * sin.clone(),
        second * cos + first * sin,
    ];
    if 2 * half < head_dim {
        parts.push(part(2 * half, head_dim));
    }
    Tensor::cat(parts, 2).reshape([tokens, width]).cast(dtype)
}
