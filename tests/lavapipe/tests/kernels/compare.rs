//! Comparisons that name the first element that differs.

use proptest::test_runner::Config;
use sigil_kernels::{Matrix, Vector};

use crate::{Cpu, Vulkan};

/// Few cases: a new shape may compile a kernel, and lavapipe compiles slowly.
pub(crate) fn config() -> Config {
    Config { cases: 10, failure_persistence: None, ..Config::default() }
}

/// Fails unless `|actual - expected| <= tolerance * (1 + |expected|)` everywhere.
pub(crate) fn assert_close(
    name: &str,
    actual: Matrix<Vulkan>,
    expected: Matrix<Cpu>,
    tolerance: f32,
) {
    let shape = expected.dims();
    assert_eq!(actual.dims(), shape, "{name}: shape");
    let actual: Vec<f32> = actual.into_data().iter::<f32>().collect();
    let expected: Vec<f32> = expected.into_data().iter::<f32>().collect();
    for (i, (a, e)) in actual.iter().zip(&expected).enumerate() {
        // A NaN fails the comparison.
        let close = (a - e).abs() <= tolerance * (1.0 + e.abs());
        assert!(close, "{name}: {a} is not {e} at {:?} of {shape:?}", [i / shape[1], i % shape[1]]);
    }
}

/// [`assert_close`] for vectors.
pub(crate) fn assert_close_vector(
    name: &str,
    actual: Vector<Vulkan>,
    expected: Vector<Cpu>,
    tolerance: f32,
) {
    let [length] = expected.dims();
    assert_close(name, actual.reshape([1, length]), expected.reshape([1, length]), tolerance);
}

/// Fails unless both hold the same bits.
pub(crate) fn assert_equal(name: &str, actual: Matrix<Vulkan>, expected: Matrix<Cpu>) {
    let bits = |values: Vec<f32>| values.into_iter().map(f32::to_bits).collect::<Vec<_>>();
    let actual = bits(actual.into_data().iter::<f32>().collect());
    let expected = bits(expected.into_data().iter::<f32>().collect());
    let differs = actual.iter().zip(&expected).position(|(a, e)| a != e);
    assert_eq!(actual.len(), expected.len(), "{name}: length");
    assert_eq!(differs, None, "{name}: first element with other bits");
}
