//! Attention forward and backward on lavapipe: documents, grouped heads, windows, odd head sizes.

use crate::{Vulkan, assert_close, both, config, layouts, vulkan};
use proptest::prelude::*;
use sigil_kernels::{AttentionShape, Kernels, plain};

/// Sums over up to 150 keys and 128 features in another order, and the driver's `exp`.
const SUMS: f32 = 3e-5;

fn check(lengths: &[usize], shape: AttentionShape, seed: u64) {
    let Some(gpu) = vulkan() else { return };
    let tokens = lengths.iter().sum();
    let (wide, narrow) = (shape.heads * shape.head_dim, shape.kv_heads * shape.head_dim);
    let (q, q_cpu) = both(seed, [tokens, wide], &gpu);
    let (k, k_cpu) = both(seed ^ 1, [tokens, narrow], &gpu);
    let (v, v_cpu) = both(seed ^ 2, [tokens, narrow], &gpu);
    let (dout, dout_cpu) = both(seed ^ 3, [tokens, wide], &gpu);
    let (layout, layout_cpu) = layouts(lengths, &gpu);
    let (out, sums) = Vulkan::attention(&q, &k, &v, &layout, shape);
    let (out_cpu, sums_cpu) = plain::attention(&q_cpu, &k_cpu, &v_cpu, &layout_cpu, shape);
    assert_close("output", out.clone(), out_cpu.clone(), SUMS);
    assert_close("log-sum-exp", sums.clone(), sums_cpu.clone(), SUMS);
    let (dq, dk, dv) = Vulkan::attention_backward(&dout, &q, &k, &v, &out, &sums, &layout, shape);
    let (dq_cpu, dk_cpu, dv_cpu) = plain::attention_backward(
        &dout_cpu,
        &q_cpu,
        &k_cpu,
        &v_cpu,
        &out_cpu,
        &sums_cpu,
        &layout_cpu,
        shape,
    );
    assert_close("dq", dq, dq_cpu, SUMS);
    assert_close("dk", dk, dk_cpu, SUMS);
    assert_close("dv", dv, dv_cpu, SUMS);
}

fn shape(kv_heads: usize, group: usize, head_dim: usize, window: Option<usize>) -> AttentionShape {
    let scale = 1.0 / (head_dim as f32).sqrt();
    AttentionShape { heads: kv_heads * group, kv_heads, head_dim, window, scale }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn random_documents(
        lengths in prop::collection::vec(1usize..50, 1..5),
        kv_heads in 1usize..3, group in 1usize..4,
        head_dim in prop::sample::select(vec![8usize, 20, 32]),
        window in prop::option::of(1usize..40),
        seed in any::<u64>(),
    ) {
        check(&lengths, shape(kv_heads, group, head_dim, window), seed);
    }
}

#[test]
fn tiles_of_all_sizes_agree() {
    // 32 KiB of shared memory hold smaller tiles as the head grows.
    for head_dim in [16, 64, 128] {
        check(&[70, 3], shape(1, 2, head_dim, None), head_dim as u64);
    }
}

#[test]
fn a_document_that_ends_on_a_tile_and_one_that_does_not() {
    check(&[64, 64, 1, 21], shape(2, 2, 16, None), 5);
    check(&[64, 64, 1, 21], shape(2, 2, 16, Some(16)), 6);
}
