//! Inner loops that the compiler turns into vector instructions, and their dispatch to the widest
//! set that the machine has.
//!
//! Reductions keep sixteen partial sums, because the compiler may not reorder float additions by
//! itself; the order is the same on every machine.

use rayon::prelude::*;

const LANES: usize = 16;

/// Runs `f` compiled for the best vector instructions of this machine.
#[inline(always)]
pub(crate) fn vectorized<R>(f: impl FnOnce() -> R) -> R {
    pulp::Arch::new().dispatch(f)
}

/// Rows that one task takes, so that tasks are worth their start.
pub(super) fn rows_per_task(columns: usize) -> usize {
    (32_768 / columns.max(1)).max(1)
}

/// Calls `f(first row, rows of out)` for runs of rows, in parallel.
pub(super) fn for_rows(
    out: &mut [f32],
    columns: usize,
    f: impl Fn(usize, &mut [f32]) + Send + Sync,
) {
    let rows = rows_per_task(columns);
    out.par_chunks_mut(rows * columns)
        .enumerate()
        .for_each(|(task, part)| vectorized(|| f(task * rows, part)));
}

/// `Σ a·b`.
#[inline(always)]
pub(super) fn dot(a: &[f32], b: &[f32]) -> f32 {
    let mut sums = [0.0f32; LANES];
    let (a_body, b_body) = (a.chunks_exact(LANES), b.chunks_exact(LANES));
    let tail: f32 = a_body.remainder().iter().zip(b_body.remainder()).map(|(x, y)| x * y).sum();
    for (x, y) in a_body.zip(b_body) {
        for i in 0..LANES {
            sums[i] += x[i] * y[i];
        }
    }
    fold(sums) + tail
}

/// `Σ x`.
#[inline(always)]
pub(crate) fn sum(x: &[f32]) -> f32 {
    let mut sums = [0.0f32; LANES];
    let body = x.chunks_exact(LANES);
    let tail: f32 = body.remainder().iter().sum();
    for part in body {
        for i in 0..LANES {
            sums[i] += part[i];
        }
    }
    fold(sums) + tail
}

/// The largest element, or negative infinity of none.
#[inline(always)]
pub(crate) fn max(x: &[f32]) -> f32 {
    let mut tops = [f32::NEG_INFINITY; LANES];
    let body = x.chunks_exact(LANES);
    let tail = body.remainder().iter().fold(f32::NEG_INFINITY, |a, &b| if b > a { b } else { a });
    for part in body {
        for i in 0..LANES {
            tops[i] = if part[i] > tops[i] { part[i] } else { tops[i] };
        }
    }
    tops.iter().fold(tail, |a, &b| if b > a { b } else { a })
}

#[inline(always)]
fn fold(mut sums: [f32; LANES]) -> f32 {
    let mut width = LANES / 2;
    while width > 0 {
        for i in 0..width {
            sums[i] += sums[i + width];
        }
        width /= 2;
    }
    sums[0]
}

/// `eˣ` to about one unit in the last place; NaN stays NaN, underflow gives about 1e-38.
///
/// Cephes' `expf`: reduction by `ln 2` in two parts and a polynomial of degree five.
#[inline(always)]
pub(crate) fn exp(x: f32) -> f32 {
    const MAGIC: f32 = 12_582_912.0; // 1.5 · 2²³: adding it rounds to an integer in the low bits.
    let x = x.clamp(-87.0, 88.0);
    let shifted = x * std::f32::consts::LOG2_E + MAGIC;
    let n = shifted - MAGIC;
    let r = x - n * 0.693_359_4 + n * 2.121_944_4e-4;
    let mut p = 1.987_569_1e-4;
    p = p * r + 1.398_199_9e-3;
    p = p * r + 8.333_452e-3;
    p = p * r + 4.166_579_6e-2;
    p = p * r + 1.666_666_5e-1;
    p = p * r + 5e-1;
    let value = p * r * r + r + 1.0;
    let exponent = shifted.to_bits().wrapping_sub(MAGIC.to_bits());
    value * f32::from_bits(exponent.wrapping_add(127) << 23)
}

/// The logistic function.
#[inline(always)]
pub(super) fn sigmoid(x: f32) -> f32 {
    1.0 / (1.0 + exp(-x))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exp_is_within_two_units_in_the_last_place() {
        let worst = (-86_000..88_000)
            .map(|i| i as f32 * 1e-3)
            .map(|x| ((f64::from(exp(x)) / f64::from(x).exp()) - 1.0).abs())
            .fold(0.0, f64::max);
        assert!(worst < 2.4e-7, "largest relative error {worst}");
        assert!(exp(f32::NAN).is_nan());
        assert!(exp(f32::NEG_INFINITY) < 1e-37);
        assert_eq!(exp(0.0), 1.0);
    }

    #[test]
    fn reductions_agree_with_f64() {
        for n in [0, 1, 15, 16, 17, 100, 257] {
            let x: Vec<f32> = (0..n).map(|i| ((i * 37 % 101) as f32 - 50.0) / 7.0).collect();
            let squares: f64 = x.iter().map(|&v| f64::from(v) * f64::from(v)).sum();
            assert!((f64::from(dot(&x, &x)) - squares).abs() <= 1e-5 * squares);
            let total: f64 = x.iter().map(|&v| f64::from(v)).sum();
            assert!((f64::from(sum(&x)) - total).abs() < 1e-3);
            assert_eq!(max(&x), x.iter().copied().fold(f32::NEG_INFINITY, f32::max));
        }
    }
}
