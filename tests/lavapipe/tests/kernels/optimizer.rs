//! AdamW and the gradient norm on lavapipe.

use crate::{Vulkan, assert_close, both, config, vulkan};
use proptest::prelude::*;
use sigil_kernels::{AdamW, Kernels, TrainedMatrix, plain};

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
    fn a_list_is_stepped_in_its_order(
        shapes in prop::collection::vec((1usize..20, 1usize..60), 1..4), seed in any::<u64>()
    ) {
        let Some(gpu) = vulkan() else { return Ok(()) };
        let settings = AdamW {
            learning_rate: 1e-2, beta1: 0.9, beta2: 0.999, epsilon: 1e-8,
            weight_decay: 0.1, step: 2, gradient_scale: 0.7,
        };
        let (list, list_cpu): (Vec<_>, Vec<_>) = (0u64..)
            .zip(&shapes)
            .map(|(i, &(rows, columns))| {
                let both = |role| both(seed ^ (10 * i + role), [rows, columns], &gpu);
                let ((parameter, p_cpu), (gradient, g_cpu)) = (both(1), both(2));
                let (first, m_cpu) = both(3);
                let (second, v_cpu) = (parameter.zeros_like(), p_cpu.zeros_like());
                let cpu = TrainedMatrix { parameter: p_cpu, gradient: g_cpu, first: m_cpu, second: v_cpu };
                (TrainedMatrix { parameter, gradient, first, second }, cpu)
            })
            .unzip();
        let (found, wanted) =
            (Vulkan::adamw_all(list, settings), plain::adamw_all(list_cpu, settings));
        prop_assert_eq!(found.len(), shapes.len());
        for (found, wanted) in found.into_iter().zip(wanted) {
            let names = ["parameter", "first moment", "second moment"];
            for ((name, found), wanted) in names.into_iter().zip(found).zip(wanted) {
                assert_close(name, found, wanted, 5e-6);
            }
        }
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
