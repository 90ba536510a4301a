//! Head and cross-entropy on lavapipe.
//!
//! Fixed shapes: every other one makes Burn tune its matrix products.

use sigil_kernels::{FrozenMatrix, Kernels, plain, random};

use crate::{Vulkan, assert_close, assert_close_vector, both, vulkan};

/// Products over 32 features and sums over 600 exponentials in another order.
const SUMS: f32 = 3e-5;

const VOCAB: usize = 600;
const WIDTH: usize = 32;
const TOKENS: usize = 24;

/// About a quarter of the positions has no target.
fn targets(seed: u64) -> Vec<i32> {
    (0..TOKENS as u64)
        .map(|i| (random::bits(seed, i) % VOCAB as u64) as i32)
        .map(|token| if token % 4 == 3 { -1 } else { token })
        .collect()
}

fn check(targets: &[i32], gradient: Option<f32>, trained: bool) {
    let Some(gpu) = vulkan() else { return };
    let (hidden, hidden_cpu) = both(1, [TOKENS, WIDTH], &gpu);
    let (head, head_cpu) = both(2, [VOCAB, WIDTH], &gpu);
    let (sum, sum_cpu) = both(3, [VOCAB, WIDTH], &gpu);
    let (head, head_cpu) = (FrozenMatrix::Dense(head), FrozenMatrix::Dense(head_cpu));
    let actual = Vulkan::head_loss(&hidden, &head, targets, gradient, trained.then_some(sum));
    let expected =
        plain::head_loss(&hidden_cpu, &head_cpu, targets, gradient, trained.then_some(sum_cpu));
    assert_close_vector("nll", actual.nll, expected.nll, SUMS);
    assert_eq!(actual.hidden_gradient.is_some(), gradient.is_some());
    if let (Some(actual), Some(expected)) = (actual.hidden_gradient, expected.hidden_gradient) {
        assert_close("hidden gradient", actual, expected, SUMS);
    }
    assert_eq!(actual.weight_gradient.is_some(), trained);
    if let (Some(actual), Some(expected)) = (actual.weight_gradient, expected.weight_gradient) {
        assert_close("weight gradient", actual, expected, SUMS);
    }
}

#[test]
fn loss_alone() {
    check(&targets(4), None, false);
}

#[test]
fn loss_and_both_gradients() {
    check(&targets(5), Some(0.7), true);
}

#[test]
fn no_position_has_a_target() {
    check(&[-1; TOKENS], Some(0.7), true);
}
