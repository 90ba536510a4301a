//! Bias, SwiGLU, dropout, noise, embedding, rotation on lavapipe.

use crate::{
    Cpu, Vulkan, assert_close, assert_equal, both, both_vectors, config, layouts, numbers, vulkan,
};
use burn::tensor::DType;
use proptest::prelude::*;
use sigil_kernels::{Kernels, RotaryTable, layout::int_vector, plain};

/// One rounding of f32 and a few units for `exp` and `sin` of the driver.
const ROUNDING: f32 = 3e-6;

proptest! {
    #![proptest_config(config())]

    #[test]
    fn bias_and_swiglu(rows in 1usize..9, columns in 1usize..70, seed in any::<u64>()) {
        let Some(gpu) = vulkan() else { return Ok(()) };
        let shape = [rows, columns];
        let (gate, gate_cpu) = both(seed, shape, &gpu);
        let (up, up_cpu) = both(seed ^ 1, shape, &gpu);
        let (dy, dy_cpu) = both(seed ^ 2, shape, &gpu);
        let (bias, bias_cpu) = both_vectors(&numbers(seed ^ 3, columns), &gpu);
        let expected = plain::add_bias(gate_cpu.clone(), &bias_cpu);
        assert_equal("bias", Vulkan::add_bias(gate.clone(), &bias), expected);
        let expected = plain::swiglu(&gate_cpu, &up_cpu);
        assert_close("swiglu", Vulkan::swiglu(&gate, &up), expected, ROUNDING);
        let (dgate, dup) = Vulkan::swiglu_backward(dy.clone(), &gate, &up);
        let (dgate_cpu, dup_cpu) = plain::swiglu_backward(dy_cpu.clone(), &gate_cpu, &up_cpu);
        assert_close("dgate", dgate, dgate_cpu, ROUNDING);
        assert_close("dup", dup, dup_cpu, ROUNDING);
        // `dy` was shared when it was given away: the kernel must have copied it.
        assert_equal("dy is unchanged", dy, dy_cpu);
    }

    #[test]
    fn dropout_draws_the_same_mask(
        rows in 1usize..9, columns in 1usize..70, p in 0.0f32..0.9, seed in any::<u64>()
    ) {
        let Some(gpu) = vulkan() else { return Ok(()) };
        let (x, x_cpu) = both(seed ^ 1, [rows, columns], &gpu);
        let expected = plain::dropout(&x_cpu, p, seed);
        assert_equal("dropout", Vulkan::dropout(&x, p, seed), expected);
        let bounds: Vec<f32> = (0..rows).map(|row| row as f32 * 0.1).collect();
        let expected = plain::add_noise(x_cpu, &bounds, seed);
        // A driver may fuse the multiplication into the addition.
        assert_close("noise", Vulkan::add_noise(x, &bounds, seed), expected, ROUNDING);
    }

    #[test]
    fn embedding(
        vocab in 1usize..40, columns in 1usize..40, count in 1usize..50, seed in any::<u64>()
    ) {
        let Some(gpu) = vulkan() else { return Ok(()) };
        let (table, table_cpu) = both(seed, [vocab, columns], &gpu);
        let (dx, dx_cpu) = both(seed ^ 1, [count, columns], &gpu);
        let tokens: Vec<i32> = (0..count as u64)
            .map(|i| (sigil_kernels::random::bits(seed, i) % vocab as u64) as i32)
            .collect();
        let on_gpu = int_vector::<Vulkan>(tokens.clone(), &gpu);
        let on_cpu = int_vector::<Cpu>(tokens, &Default::default());
        let expected = plain::embed(&table_cpu, &on_cpu, DType::F32);
        assert_equal("embed", Vulkan::embed(&table, &on_gpu, DType::F32), expected);
        let actual = Vulkan::embed_backward(&dx, &on_gpu, table);
        let expected = plain::embed_backward(&dx_cpu, &on_cpu, table_cpu);
        // Rows of one token are added in another order.
        assert_close("embed backward", actual, expected, 1e-5);
    }

    #[test]
    fn rotation(
        lengths in prop::collection::vec(1usize..20, 1..4),
        heads in 1usize..4, half in 1usize..17, rest in 0usize..5, seed in any::<u64>()
    ) {
        let Some(gpu) = vulkan() else { return Ok(()) };
        let tokens = lengths.iter().sum();
        let head_dim = 2 * half + rest;
        let (x, x_cpu) = both(seed, [tokens, heads * head_dim], &gpu);
        let frequencies: Vec<f32> = (0..half).map(|i| 0.5f32.powi(i as i32)).collect();
        let table = RotaryTable::<Vulkan>::new(&frequencies, 1.1, 20, &gpu);
        let table_cpu = RotaryTable::<Cpu>::new(&frequencies, 1.1, 20, &Default::default());
        let (layout, layout_cpu) = layouts(&lengths, &gpu);
        for inverse in [false, true] {
            let actual = Vulkan::rotate(x.clone(), &table, &layout, head_dim, inverse);
            let expected =
                plain::rotate(x_cpu.clone(), &table_cpu, &layout_cpu, head_dim, inverse);
            assert_close("rotate", actual, expected, ROUNDING);
        }
    }
}
