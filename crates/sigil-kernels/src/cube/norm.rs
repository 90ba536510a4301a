//! RMSNorm forward and backward: one cube a row, sums in f32.

use burn::tensor::DType;
use burn_cubecl::CubeRuntime;
use cubecl::prelude::*;

use super::{
    buffer::{
        On, addressable, dense, empty, lanes, one_cube_each, one_unit_each, owned, tensor, units,
    },
    reduce::{SCRATCH, cube_sum, lane_sum},
};
use crate::{Matrix, Vector as FloatVector, plain};

/// `y = round(x * r) * weight`, `r = 1 / sqrt(mean(x²) + epsilon)`; `columns` counted in vectors.
#[cube(launch)]
pub fn rms_norm_kernel<F: Float, W: Float, N: Size>(
    x: &Array<Vector<F, N>>,
    weight: &Array<Vector<W, N>>,
    y: &mut Array<Vector<F, N>>,
    reciprocal_root: &mut Array<f32>,
    columns: u32,
    epsilon: f32,
    #[define(F, W)] _dtypes: [StorageType; 2],
) {
    let mut scratch = SharedMemory::<f32>::new(SCRATCH);
    if CUBE_POS >= reciprocal_root.len() {
        terminate!();
    }
    let first = CUBE_POS * columns as usize;
    let mut squares = f32::new(0.0);
    for column in range_stepped(UNIT_POS, columns, CUBE_DIM) {
        let value = Vector::<f32, N>::cast_from(x[first + column as usize]);
        squares += lane_sum::<N>(value * value);
    }
    let total = cube_sum(squares, &mut scratch);
    let width = f32::cast_from(columns * comptime!(x.vector_size() as u32));
    let reciprocal = f32::new(1.0) / (total / width + epsilon).sqrt();
    if UNIT_POS == 0 {
        reciprocal_root[CUBE_POS] = reciprocal;
    }
    for column in range_stepped(UNIT_POS, columns, CUBE_DIM) {
        let at = first + column as usize;
        let value = Vector::<f32, N>::cast_from(x[at]) * Vector::<f32, N>::new(reciprocal);
        let factor = Vector::<F, N>::cast_from(weight[column as usize]);
        y[at] = Vector::<F, N>::cast_from(value) * factor;
    }
}

/// `dx (+)= r * (g - n * mean(g * n))` with `n = x * r`, `g = dy * weight`.
#[cube(launch)]
pub fn rms_norm_backward_kernel<F: Float, W: Float, N: Size>(
    dy: &Array<Vector<F, N>>,
    x: &Array<Vector<F, N>>,
    weight: &Array<Vector<W, N>>,
    reciprocal_root: &Array<f32>,
    dx: &mut Array<Vector<F, N>>,
    columns: u32,
    #[comptime] accumulate: bool,
    #[define(F, W)] _dtypes: [StorageType; 2],
) {
    let mut scratch = SharedMemory::<f32>::new(SCRATCH);
    if CUBE_POS >= reciprocal_root.len() {
        terminate!();
    }
    let first = CUBE_POS * columns as usize;
    let reciprocal = reciprocal_root[CUBE_POS];
    let factor = Vector::<f32, N>::new(reciprocal);
    let mut products = f32::new(0.0);
    for column in range_stepped(UNIT_POS, columns, CUBE_DIM) {
        let at = first + column as usize;
        let normed = Vector::<f32, N>::cast_from(x[at]) * factor;
        let g = Vector::<f32, N>::cast_from(dy[at])
            * Vector::<f32, N>::cast_from(weight[column as usize]);
        products += lane_sum::<N>(g * normed);
    }
    let total = cube_sum(products, &mut scratch);
    let width = f32::cast_from(columns * comptime!(x.vector_size() as u32));
    let mean = Vector::<f32, N>::new(total / width);
    for column in range_stepped(UNIT_POS, columns, CUBE_DIM) {
        let at = first + column as usize;
        let normed = Vector::<f32, N>::cast_from(x[at]) * factor;
        let g = Vector::<f32, N>::cast_from(dy[at])
            * Vector::<f32, N>::cast_from(weight[column as usize]);
        let gradient = Vector::<F, N>::cast_from((g - normed * mean) * factor);
        if comptime!(accumulate) {
            dx[at] = dx[at] + gradient;
        } else {
            dx[at] = gradient;
        }
    }
}

/// `dweight += Σ_rows dy * x * r`: one unit a column, rows in order.
#[cube(launch)]
pub fn rms_norm_weight_kernel<F: Float>(
    dy: &Array<F>,
    x: &Array<F>,
    reciprocal_root: &Array<f32>,
    dweight: &mut Array<f32>,
    #[define(F)] _dtype: StorageType,
) {
    let columns = dweight.len();
    if ABSOLUTE_POS < columns {
        let mut sum = f32::new(0.0);
        for row in 0..reciprocal_root.len() {
            let at = row * columns + ABSOLUTE_POS;
            sum += f32::cast_from(dy[at]) * (f32::cast_from(x[at]) * reciprocal_root[row]);
        }
        dweight[ABSOLUTE_POS] += sum;
    }
}

/// See [`crate::Kernels::rms_norm`].
pub(super) fn rms_norm<R: CubeRuntime>(
    x: &Matrix<On<R>>,
    weight: &FloatVector<On<R>>,
    epsilon: f64,
) -> (Matrix<On<R>>, FloatVector<On<R>>) {
    let [rows, columns] = x.dims();
    if rows * columns == 0 || !addressable(&[rows * columns]) {
        return plain::rms_norm(x, weight, epsilon);
    }
    let (x, weight) = (dense(x), dense(weight));
    let n = lanes(&x.client, columns, x.dtype);
    let y = empty(&x, [rows, columns], x.dtype);
    let reciprocal = empty(&x, [rows], DType::F32);
    rms_norm_kernel::launch::<R>(
        &x.client,
        one_cube_each(&x.client, rows),
        units(),
        n,
        x.clone().into_array_arg(),
        weight.clone().into_array_arg(),
        y.clone().into_array_arg(),
        reciprocal.clone().into_array_arg(),
        (columns / n) as u32,
        epsilon as f32,
        [x.dtype.into(), weight.dtype.into()],
    );
    (tensor(y), tensor(reciprocal))
}

/// See [`crate::Kernels::rms_norm_backward`].
pub(super) fn rms_norm_backward<R: CubeRuntime>(
    dy: &Matrix<On<R>>,
    x: &Matrix<On<R>>,
    weight: &FloatVector<On<R>>,
    reciprocal_root: &FloatVector<On<R>>,
    accumulator: Option<Matrix<On<R>>>,
    dweight: Option<FloatVector<On<R>>>,
) -> (Matrix<On<R>>, Option<FloatVector<On<R>>>) {
    let [rows, columns] = x.dims();
    let other = |dtype| dtype != x.dtype();
    let mixed = other(dy.dtype()) || accumulator.as_ref().is_some_and(|sum| other(sum.dtype()));
    if rows * columns == 0 || mixed || !addressable(&[rows * columns]) {
        return plain::rms_norm_backward(dy, x, weight, reciprocal_root, accumulator, dweight);
    }
    let (dy, x, weight) = (dense(dy), dense(x), dense(weight));
    let reciprocal = dense(reciprocal_root);
    let n = lanes(&x.client, columns, x.dtype);
    let accumulate = accumulator.is_some();
    let dx = accumulator.map_or_else(|| empty(&x, [rows, columns], x.dtype), owned);
    rms_norm_backward_kernel::launch::<R>(
        &x.client,
        one_cube_each(&x.client, rows),
        units(),
        n,
        dy.clone().into_array_arg(),
        x.clone().into_array_arg(),
        weight.clone().into_array_arg(),
        reciprocal.clone().into_array_arg(),
        dx.clone().into_array_arg(),
        (columns / n) as u32,
        accumulate,
        [x.dtype.into(), weight.dtype.into()],
    );
    let dweight = dweight.map(|sum| {
        let sum = owned(sum);
        rms_norm_weight_kernel::launch::<R>(
            &x.client,
            one_unit_each(&x.client, columns),
            units(),
            dy.into_array_arg(),
            x.clone().into_array_arg(),
            reciprocal.into_array_arg(),
            sum.clone().into_array_arg(),
            x.dtype.into(),
        );
        tensor(sum)
    });
    (tensor(dx), dweight)
}
