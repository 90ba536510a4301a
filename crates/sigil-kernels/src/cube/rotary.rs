//! Rotary position embedding in place: one unit a vector of pairs.

use burn_cubecl::CubeRuntime;
use cubecl::prelude::*;

use super::buffer::{
    On, addressable, dense, dense_int, lanes, one_unit_each, owned, tensor, units,
};
use crate::{Matrix, RotaryTable, SequenceLayout, plain};

/// Rotates pairs `(i, i + half)` of each head; `heads`, `head_dim` and `half` are those of one row,
/// the last two counted in vectors.
#[cube(launch)]
pub fn rotate_kernel<F: Float, N: Size>(
    cos: &Array<Vector<f32, N>>,
    sin: &Array<Vector<f32, N>>,
    positions: &Array<i32>,
    x: &mut Array<Vector<F, N>>,
    heads: u32,
    head_dim: u32,
    half: u32,
    sign: f32,
    #[define(F)] _dtype: StorageType,
) {
    let (half, heads) = (half as usize, heads as usize);
    if ABSOLUTE_POS < positions.len() * heads * half {
        let pair = ABSOLUTE_POS % half;
        let head = ABSOLUTE_POS / half;
        let token = head / heads;
        let angle = positions[token] as usize * half + pair;
        let (c, s) = (cos[angle], sin[angle] * Vector::<f32, N>::new(sign));
        let first = head * head_dim as usize + pair;
        let second = first + half;
        let a = Vector::<f32, N>::cast_from(x[first]);
        let b = Vector::<f32, N>::cast_from(x[second]);
        x[first] = Vector::<F, N>::cast_from(a * c - b * s);
        x[second] = Vector::<F, N>::cast_from(b * c + a * s);
    }
}

/// See [`crate::Kernels::rotate`].
pub(super) fn rotate<R: CubeRuntime>(
    x: Matrix<On<R>>,
    table: &RotaryTable<On<R>>,
    layout: &SequenceLayout<On<R>>,
    head_dim: usize,
    inverse: bool,
) -> Matrix<On<R>> {
    let [tokens, width] = x.dims();
    let (heads, half) = (width / head_dim, table.rotary_dim / 2);
    if tokens * width * half == 0 || !addressable(&[tokens * width]) {
        return plain::rotate(x, table, layout, head_dim, inverse);
    }
    let x = owned(x);
    let client = x.client.clone();
    // Both halves and the row of the table start at a multiple of the vector.
    let mut n = lanes(&client, half, x.dtype);
    while !head_dim.is_multiple_of(n) {
        n /= 2;
    }
    rotate_kernel::launch::<R>(
        &client,
        one_unit_each(&client, tokens * heads * half / n),
        units(),
        n,
        dense(&table.cos).into_array_arg(),
        dense(&table.sin).into_array_arg(),
        dense_int(&layout.positions_tensor).into_array_arg(),
        x.clone().into_array_arg(),
        heads as u32,
        (head_dim / n) as u32,
        (half / n) as u32,
        if inverse { -1.0 } else { 1.0 },
        x.dtype.into(),
    );
    tensor(x)
}
