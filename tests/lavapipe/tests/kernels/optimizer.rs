//! AdamW and the gradient norm on lavapipe.

use crate::{Vulkan, assert_close, both, config, vulkan};
use proptest::prelude::*;
use sigil_kernels::{AdamW, Kernels, plain};

proptest! {
    #![proptest_config(config())]

    #[test]
    fn three_steps(rows in 1usize..30, columns in 1usize..60, seed in any::<u64>()) {
        let Some(gpu) = vulkan() else { return Ok(()) };
        let shape = [rows, columns];
        let (mut p, mut p_cpu) = both(seed, shape, &gpu);
        let (mut m, mut m_cpu) = (p.zeros_like(), p_cpu.zeros_like());
        let (mut v, mut v_cpu) = (p.zeros_like(), p_cpu.zeros_like());
        for step in 1..4 {
            let settings = AdamW {
                learning_rate: 1e-2, beta1: 0.9, beta2: 0.999, epsilon: 1e-8,
                weight_decay: 0.1, step, gradient_scale: 0.7,
            };
            let (gradient, gradient_cpu) = both(seed ^ step, shape, &gpu);
            (p, m, v) = Vulkan::adamw(p, &gradient, m, v, settings);
            (p_cpu, m_cpu, v_cpu) = plain::adamw(p_cpu, &gradient_cpu, m_cpu, v_cpu, settings);
        }
        // A driver's square root and division may be off by a few units.
        assert_close("parameter", p, p_cpu, 5e-6);
        assert_close("first moment", m, m_cpu, 2e-6);
        assert_close("second moment", v, v_cpu, 2e-6);
    }

    #[test]
    fn norm_of_several_tensors(
        shapes in prop::collection::vec((1usize..40, 1usize..400), 0..4), seed in any::<u64>()
    ) {
        let Some(gpu) = vulkan() else { return Ok(()) };
        let (on_gpu, on_cpu): (Vec<_>, Vec<_>) =
            shapes.iter().map(|&(rows, columns)| both(seed, [rows, columns], &gpu)).unzip();
        let (actual, expected) =
            (Vulkan::sum_of_squares(&on_gpu), plain::sum_of_squares(&on_cpu));
        // Partial sums are f32 on both.
        prop_assert!((actual - expected).abs() <= 1e-5 * expected, "{} {}", actual, expected);
    }
}
