//! SwiGLU forward and backward: one unit a vector of elements.

use burn_cubecl::CubeRuntime;
use cubecl::prelude::*;

use super::buffer::{On, addressable, dense, empty, lanes, one_unit_each, owned, tensor, units};
use crate::{Matrix, plain};

/// `1 / (1 + exp(-x))`.
#[cube]
fn sigmoid<N: Size>(x: Vector<f32, N>) -> Vector<f32, N> {
    let one = Vector::<f32, N>::new(f32::new(1.0));
    one / (one + (Vector::<f32, N>::new(f32::new(0.0)) - x).exp())
}

/// `out = silu(gate) * up`, silu rounded to the activations' type first.
#[cube(launch)]
pub fn swiglu_kernel<F: Float, N: Size>(
    gate: &Array<Vector<F, N>>,
    up: &Array<Vector<F, N>>,
    out: &mut Array<Vector<F, N>>,
    #[define(F)] _dtype: StorageType,
) {
    if ABSOLUTE_POS < out.len() {
        let g = Vector::<f32, N>::cast_from(gate[ABSOLUTE_POS]);
        let silu = Vector::<F, N>::cast_from(g * sigmoid::<N>(g));
        out[ABSOLUTE_POS] = silu * up[ABSOLUTE_POS];
    }
}

/// `dup = dy * silu(gate)` and `dgate = dy * up * σ(1 + gate(1 - σ))`, written over `dy`.
#[cube(launch)]
pub fn swiglu_backward_kernel<F: Float, N: Size>(
    gate: &Array<Vector<F, N>>,
    up: &Array<Vector<F, N>>,
    dy: &mut Array<Vector<F, N>>,
    dup: &mut Array<Vector<F, N>>,
    #[define(F)] _dtype: StorageType,
) {
    if ABSOLUTE_POS < dup.len() {
        let one = Vector::<f32, N>::new(f32::new(1.0));
        let g = Vector::<f32, N>::cast_from(gate[ABSOLUTE_POS]);
        let u = Vector::<f32, N>::cast_from(up[ABSOLUTE_POS]);
        let d = Vector::<f32, N>::cast_from(dy[ABSOLUTE_POS]);
        let sigma = sigmoid::<N>(g);
        let slope = (g * (one - sigma) + one) * sigma;
        dup[ABSOLUTE_POS] = Vector::<F, N>::cast_from(d * g * sigma);
        dy[ABSOLUTE_POS] = Vector::<F, N>::cast_from(d * u * slope);
    }
}

/// See [`crate::Kernels::swiglu`].
pub(super) fn swiglu<R: CubeRuntime>(gate: &Matrix<On<R>>, up: &Matrix<On<R>>) -> Matrix<On<R>> {
    let [rows, columns] = gate.dims();
    if rows * columns == 0 || gate.dtype() != up.dtype() || !addressable(&[rows * columns]) {
        return plain::swiglu(gate, up);
    }
    let (gate, up) = (dense(gate), dense(up));
    let (client, dtype) = (gate.client.clone(), gate.dtype);
    let n = lanes(&client, columns, dtype);
    let out = empty(&gate, [rows, columns], dtype);
    swiglu_kernel::launch::<R>(
        &client,
        one_unit_each(&client, rows * columns / n),
        units(),
        n,
        gate.into_array_arg(),
        up.into_array_arg(),
        out.clone().into_array_arg(),
        dtype.into(),
    );
    tensor(out)
}

/// See [`crate::Kernels::swiglu_backward`].
pub(super) fn swiglu_backward<R: CubeRuntime>(
    dy: Matrix<On<R>>,
    gate: &Matrix<On<R>>,
    up: &Matrix<On<R>>,
) -> (Matrix<On<R>>, Matrix<On<R>>) {
    let [rows, columns] = gate.dims();
    let same = gate.dtype() == up.dtype() && dy.dtype() == gate.dtype();
    if rows * columns == 0 || !same || !addressable(&[rows * columns]) {
        return plain::swiglu_backward(dy, gate, up);
    }
    let (dy, gate, up) = (owned(dy), dense(gate), dense(up));
    let (client, dtype) = (gate.client.clone(), gate.dtype);
    let n = lanes(&client, columns, dtype);
    let dup = empty(&gate, [rows, columns], dtype);
    swiglu_backward_kernel::launch::<R>(
        &client,
        one_unit_each(&client, rows * columns / n),
        units(),
        n,
        gate.into_array_arg(),
        up.into_array_arg(),
        dy.clone().into_array_arg(),
        dup.clone().into_array_arg(),
        dtype.into(),
    );
    (tensor(dy), tensor(dup))
}
