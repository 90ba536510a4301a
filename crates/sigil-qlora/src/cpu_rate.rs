//! How fast this machine multiplies matrices at the moment: a short measurement for `--plan`.
//!
//! The figure goes into an estimate only; no result of a run depends on it.

use std::time::{Duration, Instant};

use burn::tensor::Tensor;
use sigil_kernels::{Cpu, Kernels as _, Matrix, Product};

/// Rows of the product, as many as a small micro-batch has tokens.
const TOKENS: usize = 512;
/// Width of the layer.
const WIDTH: usize = 768;
/// How long to measure.
const TIME: Duration = Duration::from_millis(300);

/// Floating-point operations a second in the best of several f32 matrix products on all cores.
pub fn cpu_product_rate() -> f64 {
    let device = Default::default();
    let matrix = |rows| -> Matrix<Cpu> { Tensor::full([rows, WIDTH], 0.5, &device) };
    let (x, weight) = (matrix(TOKENS), matrix(WIDTH));
    let operations = 2.0 * (TOKENS * WIDTH * WIDTH) as f64;
    let started = Instant::now();
    let mut best = f64::INFINITY;
    while started.elapsed() < TIME {
        let begun = Instant::now();
        drop(Cpu::product(Product::Nt, &x, &weight, 1.0, None));
        best = best.min(begun.elapsed().as_secs_f64());
    }
    operations / best.max(1e-9)
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_rate_is_a_rate() {
        let rate = super::cpu_product_rate();
        assert!(rate.is_finite() && rate > 1e6, "{rate}");
    }
}
