//! Matrix products through the `gemm` crate, on slices with strides.

use gemm::Parallelism;

use super::view::{Owned, View, matrix};
use crate::{Cpu, Matrix, Product};

/// Multiply-adds under which a product stays on one thread.
const PARALLEL_FROM: usize = 1 << 17;

/// A matrix inside a slice: element `(i, j)` is `values[i * row + j * column]`.
#[derive(Clone, Copy)]
pub(super) struct Strided<'a> {
    pub(super) values: &'a [f32],
    pub(super) row: usize,
    pub(super) column: usize,
}

impl<'a> Strided<'a> {
    /// Rows one after another, `stride` elements apart.
    pub(super) fn rows(values: &'a [f32], stride: usize) -> Self {
        Self { values, row: stride, column: 1 }
    }

    /// The same memory with rows and columns exchanged.
    pub(super) fn transposed(self) -> Self {
        Self { values: self.values, row: self.column, column: self.row }
    }

    fn covers(&self, rows: usize, columns: usize) -> bool {
        rows == 0
            || columns == 0
            || (rows - 1) * self.row + (columns - 1) * self.column < self.values.len()
    }
}

/// How a product is written to its destination.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Write {
    /// Over what was there.
    Replace,
    /// Added to what was there.
    Add,
}

/// `out [m, n] (+)= alpha * lhs [m, k] · rhs [k, n]`; rows of `out` are `out_stride` apart.
///
/// # Panics
/// When an operand is shorter than its shape says.
pub(super) fn product_into(
    [m, n, k]: [usize; 3],
    lhs: Strided<'_>,
    rhs: Strided<'_>,
    alpha: f32,
    out: &mut [f32],
    out_stride: usize,
    write: Write,
    parallel: bool,
) {
    let view = Strided::rows(out, out_stride);
    assert!(lhs.covers(m, k) && rhs.covers(k, n) && view.covers(m, n), "product out of bounds");
    assert!(n <= out_stride || m <= 1, "rows of the result overlap");
    let threads = if parallel && m * n * k >= PARALLEL_FROM {
        Parallelism::Rayon(rayon::current_num_threads())
    } else {
        Parallelism::None
    };
    raw([m, n, k], lhs, rhs, alpha, out.as_mut_ptr(), out_stride, write, threads);
}

#[expect(unsafe_code, reason = "the gemm crate takes raw pointers")]
fn raw(
    [m, n, k]: [usize; 3],
    lhs: Strided<'_>,
    rhs: Strided<'_>,
    alpha: f32,
    out: *mut f32,
    out_stride: usize,
    write: Write,
    threads: Parallelism,
) {
    // SAFETY: the callers checked that every element addressed by the shapes and strides lies in
    // its slice, and that `out` is borrowed mutably or freshly allocated, so that nothing aliases
    // it. Strides fit isize because slices do.
    unsafe {
        gemm::gemm(
            m,
            n,
            k,
            out,
            1,
            out_stride as isize,
            write == Write::Add,
            lhs.values.as_ptr(),
            lhs.column as isize,
            lhs.row as isize,
            rhs.values.as_ptr(),
            rhs.column as isize,
            rhs.row as isize,
            1.0,
            alpha,
            false,
            false,
            false,
            threads,
        );
    }
}

/// A fresh `[m, n]` vector holding `alpha * lhs · rhs`, never zeroed first.
#[expect(unsafe_code, reason = "zeroing the result first costs a tenth of a thin product")]
pub(super) fn product_new(
    [m, n, k]: [usize; 3],
    lhs: Strided<'_>,
    rhs: Strided<'_>,
    alpha: f32,
) -> Vec<f32> {
    assert!(lhs.covers(m, k) && rhs.covers(k, n), "product out of bounds");
    if k == 0 {
        return vec![0.0; m * n];
    }
    let mut out: Vec<f32> = Vec::with_capacity(m * n);
    let threads = if m * n * k >= PARALLEL_FROM {
        Parallelism::Rayon(rayon::current_num_threads())
    } else {
        Parallelism::None
    };
    raw([m, n, k], lhs, rhs, alpha, out.as_mut_ptr(), n, Write::Replace, threads);
    // SAFETY: the product wrote all m * n elements (k > 0, nothing is read with `Write::Replace`).
    unsafe { out.set_len(m * n) };
    out
}

/// See [`crate::Kernels::product`]; all tensors f32.
pub(super) fn product(
    product: Product,
    lhs: &Matrix<Cpu>,
    rhs: &Matrix<Cpu>,
    alpha: f32,
    accumulator: Option<Matrix<Cpu>>,
) -> Matrix<Cpu> {
    let ([lhs_rows, lhs_columns], [rhs_rows, rhs_columns]) = (lhs.dims(), rhs.dims());
    let (lhs, rhs) = (View::of(lhs), View::of(rhs));
    let left = Strided::rows(lhs.slice(), lhs_columns);
    let right = Strided::rows(rhs.slice(), rhs_columns);
    let (shape, left, right) = match product {
        Product::Nn => ([lhs_rows, rhs_columns, lhs_columns], left, right),
        Product::Nt => ([lhs_rows, rhs_rows, lhs_columns], left, right.transposed()),
        Product::Tn => ([lhs_columns, rhs_columns, lhs_rows], left.transposed(), right),
    };
    let [m, n, _] = shape;
    match accumulator {
        None => matrix(product_new(shape, left, right, alpha), [m, n]),
        Some(sum) => {
            assert_eq!(sum.dims(), [m, n], "accumulator of another shape");
            let mut sum = Owned::take(sum);
            product_into(shape, left, right, alpha, sum.slice(), n, Write::Add, true);
            sum.tensor()
        }
    }
}
