//! Rows of a table by index, and rows put back in their places.
//!
//! Not the gradient of a trained table, where rows repeat: that adds in order and stays plain.

use burn::tensor::DType;
use burn_cubecl::{CubeRuntime, tensor::CubeTensor};
use cubecl::prelude::*;

use super::buffer::{
    On, addressable, dense, dense_int, empty, lanes, one_unit_each, tensor, units,
};
use crate::{IntVector, Matrix, plain};

/// `out[i] = table[rows[i]]`, or zeros where `rows[i]` is negative; `columns` counted in vectors.
#[cube(launch)]
pub fn gather_rows_kernel<T: Float, F: Float, N: Size>(
    table: &Array<Vector<T, N>>,
    rows: &Array<i32>,
    out: &mut Array<Vector<F, N>>,
    columns: u32,
    #[define(T, F)] _dtypes: [StorageType; 2],
) {
    if ABSOLUTE_POS < out.len() {
        let columns = columns as usize;
        let row = rows[ABSOLUTE_POS / columns];
        let mut value = Vector::<F, N>::cast_from(Vector::<f32, N>::new(f32::new(0.0)));
        if row >= 0 {
            let found = table[row as usize * columns + ABSOLUTE_POS % columns];
            value = Vector::<F, N>::cast_from(found);
        }
        out[ABSOLUTE_POS] = value;
    }
}

/// `out[rows[i]] = part[i]`, where no row occurs twice and a negative one is nowhere; `columns` counted
/// in vectors.
#[cube(launch)]
pub fn scatter_rows_kernel<F: Float, N: Size>(
    part: &Array<Vector<F, N>>,
    rows: &Array<i32>,
    out: &mut Array<Vector<F, N>>,
    columns: u32,
    #[define(F)] _dtype: StorageType,
) {
    if ABSOLUTE_POS < part.len() {
        let columns = columns as usize;
        let row = rows[ABSOLUTE_POS / columns];
        if row >= 0 {
            out[row as usize * columns + ABSOLUTE_POS % columns] = part[ABSOLUTE_POS];
        }
    }
}

/// Rows of `table [_, columns]` for `rows`, in `dtype`; zeros for a negative one.
pub(super) fn gather_rows<R: CubeRuntime>(
    table: &CubeTensor<R>,
    rows: CubeTensor<R>,
    [count, columns]: [usize; 2],
    dtype: DType,
) -> CubeTensor<R> {
    let out = empty(table, [count, columns], dtype);
    let n = lanes(&table.client, columns, dtype).min(lanes(&table.client, columns, table.dtype));
    gather_rows_kernel::launch::<R>(
        &table.client,
        one_unit_each(&table.client, count * columns / n),
        units(),
        n,
        table.clone().into_array_arg(),
        rows.into_array_arg(),
        out.clone().into_array_arg(),
        (columns / n) as u32,
        [table.dtype.into(), dtype.into()],
    );
    out
}

/// Writes `part [count, columns]` to the rows `rows` of `out`, but for negative ones.
pub(super) fn scatter_rows<R: CubeRuntime>(
    part: CubeTensor<R>,
    rows: CubeTensor<R>,
    out: &CubeTensor<R>,
    [count, columns]: [usize; 2],
) {
    let n = lanes(&out.client, columns, out.dtype);
    scatter_rows_kernel::launch::<R>(
        &out.client,
        one_unit_each(&out.client, count * columns / n),
        units(),
        n,
        part.into_array_arg(),
        rows.into_array_arg(),
        out.clone().into_array_arg(),
        (columns / n) as u32,
        out.dtype.into(),
    );
}

/// See [`crate::Kernels::embed`].
pub(super) fn embed<R: CubeRuntime>(
    table: &Matrix<On<R>>,
    tokens: &IntVector<On<R>>,
    dtype: DType,
) -> Matrix<On<R>> {
    let [vocab, columns] = table.dims();
    let [count] = tokens.dims();
    let tokens_are_i32 = tokens.dtype() == DType::I32;
    if count * columns == 0 || !tokens_are_i32 || !addressable(&[vocab * columns, count * columns])
    {
        return plain::embed(table, tokens, dtype);
    }
    tensor(gather_rows(&dense(table), dense_int(tokens), [count, columns], dtype))
}
