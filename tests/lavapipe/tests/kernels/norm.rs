//! RMSNorm on lavapipe.

use crate::{
    Vulkan, assert_close, assert_close_vector, both, both_vectors, config, numbers, vulkan,
};
use proptest::prelude::*;
use sigil_kernels::{Kernels, plain};

/// Sums over up to 1,200 numbers in another order.
const SUMS: f32 = 1e-5;

proptest! {
    #![proptest_config(config())]

    #[test]
    fn forward_and_backward(
        rows in 1usize..20, columns in 1usize..1200, seed in any::<u64>(), sums in any::<bool>()
    ) {
        let Some(gpu) = vulkan() else { return Ok(()) };
        let (x, x_cpu) = both(seed, [rows, columns], &gpu);
        let (dy, dy_cpu) = both(seed ^ 1, [rows, columns], &gpu);
        let (sum, sum_cpu) = both(seed ^ 2, [rows, columns], &gpu);
        let (weight, weight_cpu) = both_vectors(&numbers(seed ^ 3, columns), &gpu);
        let (y, root) = Vulkan::rms_norm(&x, &weight, 1e-5);
        let (y_cpu, root_cpu) = plain::rms_norm(&x_cpu, &weight_cpu, 1e-5);
        assert_close("y", y, y_cpu, SUMS);
        assert_close_vector("reciprocal root", root.clone(), root_cpu.clone(), SUMS);
        let (dx, dweight) = Vulkan::rms_norm_backward(
            &dy, &x, &weight, &root, sums.then_some(sum), sums.then_some(weight.clone()),
        );
        let (dx_cpu, dweight_cpu) = plain::rms_norm_backward(
            &dy_cpu, &x_cpu, &weight_cpu, &root_cpu, sums.then_some(sum_cpu),
            sums.then_some(weight_cpu.clone()),
        );
        assert_close("dx", dx, dx_cpu, SUMS);
        prop_assert_eq!(dweight.is_some(), dweight_cpu.is_some());
        if let (Some(actual), Some(expected)) = (dweight, dweight_cpu) {
            assert_close_vector("dweight", actual, expected, SUMS);
        }
    }
}
