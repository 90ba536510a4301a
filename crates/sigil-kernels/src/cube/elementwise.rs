//! Bias, dropout, noise: one unit a vector of elements.
//!
//! Read `swiglu.rs` for the gated activation and `random.rs` for the masks.

use burn_cubecl::CubeRuntime;
use cubecl::prelude::*;

use super::{
    buffer::{On, addressable, dense, empty, lanes, one_unit_each, owned, tensor, units, upload},
    random::unit,
};
use crate::{Matrix, Vector as FloatVector, plain};

/// `x += bias`, `columns` counted in vectors.
#[cube(launch)]
pub fn add_bias_kernel<F: Float, W: Float, N: Size>(
    bias: &Array<Vector<W, N>>,
    x: &mut Array<Vector<F, N>>,
    columns: u32,
    #[define(F, W)] _dtypes: [StorageType; 2],
) {
    if ABSOLUTE_POS < x.len() {
        let column = ABSOLUTE_POS % columns as usize;
        x[ABSOLUTE_POS] = x[ABSOLUTE_POS] + Vector::cast_from(bias[column]);
    }
}

/// `out = x * mask`, where the mask is 0 or `1 / (1 - p)` by the element's random number.
#[cube(launch)]
pub fn dropout_kernel<F: Float, N: Size>(
    x: &Array<Vector<F, N>>,
    out: &mut Array<Vector<F, N>>,
    p: f32,
    keep: f32,
    seed: u64,
    #[define(F)] _dtype: StorageType,
) {
    if ABSOLUTE_POS < out.len() {
        let mut mask = Vector::<F, N>::empty();
        let n = out.vector_size();
        #[unroll]
        for lane in 0..n {
            let index = u64::cast_from(ABSOLUTE_POS * n + lane);
            mask[lane] = F::cast_from(select(unit(seed, index) < p, f32::new(0.0), keep));
        }
        out[ABSOLUTE_POS] = x[ABSOLUTE_POS] * mask;
    }
}

/// `x += uniform(-bounds[row], bounds[row])`, `columns` counted in vectors.
#[cube(launch)]
pub fn add_noise_kernel<F: Float, N: Size>(
    bounds: &Array<f32>,
    x: &mut Array<Vector<F, N>>,
    columns: u32,
    seed: u64,
    #[define(F)] _dtype: StorageType,
) {
    if ABSOLUTE_POS < x.len() {
        let bound = bounds[ABSOLUTE_POS / columns as usize];
        let mut noise = Vector::<F, N>::empty();
        let n = x.vector_size();
        #[unroll]
        for lane in 0..n {
            let index = u64::cast_from(ABSOLUTE_POS * n + lane);
            let centred = f32::new(2.0) * unit(seed, index) - f32::new(1.0);
            noise[lane] = F::cast_from(centred * bound);
        }
        x[ABSOLUTE_POS] = x[ABSOLUTE_POS] + noise;
    }
}

/// See [`crate::Kernels::add_bias`].
pub(super) fn add_bias<R: CubeRuntime>(
    x: Matrix<On<R>>,
    bias: &FloatVector<On<R>>,
) -> Matrix<On<R>> {
    let [rows, columns] = x.dims();
    if rows * columns == 0 || !addressable(&[rows * columns]) {
        return plain::add_bias(x, bias);
    }
    let (x, bias) = (owned(x), dense(bias));
    let client = x.client.clone();
    let n = lanes(&client, columns, x.dtype);
    add_bias_kernel::launch::<R>(
        &client,
        one_unit_each(&client, rows * columns / n),
        units(),
        n,
        bias.clone().into_array_arg(),
        x.clone().into_array_arg(),
        (columns / n) as u32,
        [x.dtype.into(), bias.dtype.into()],
    );
    tensor(x)
}

/// See [`crate::Kernels::dropout`].
pub(super) fn dropout<R: CubeRuntime>(x: &Matrix<On<R>>, p: f32, seed: u64) -> Matrix<On<R>> {
    let [rows, columns] = x.dims();
    if rows * columns == 0 || !addressable(&[rows * columns]) {
        return plain::dropout(x, p, seed);
    }
    let x = dense(x);
    let out = empty(&x, [rows, columns], x.dtype);
    let n = lanes(&x.client, columns, x.dtype);
    dropout_kernel::launch::<R>(
        &x.client,
        one_unit_each(&x.client, rows * columns / n),
        units(),
        n,
        x.clone().into_array_arg(),
        out.clone().into_array_arg(),
        p,
        1.0 / (1.0 - p),
        seed,
        x.dtype.into(),
    );
    tensor(out)
}

/// See [`crate::Kernels::add_noise`].
pub(super) fn add_noise<R: CubeRuntime>(
    x: Matrix<On<R>>,
    bounds: &[f32],
    seed: u64,
) -> Matrix<On<R>> {
    let [rows, columns] = x.dims();
    if rows * columns == 0 || !addressable(&[rows * columns]) {
        return plain::add_noise(x, bounds, seed);
    }
    let x = owned(x);
    let client = x.client.clone();
    let n = lanes(&client, columns, x.dtype);
    let bounds = upload(&x, bounds);
    add_noise_kernel::launch::<R>(
        &client,
        one_unit_each(&client, rows * columns / n),
        units(),
        n,
        bounds.into_array_arg(),
        x.clone().into_array_arg(),
        (columns / n) as u32,
        seed,
        x.dtype.into(),
    );
    tensor(x)
}
