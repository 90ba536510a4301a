//! LoRA branches that share an input, stacked, on lavapipe: the algorithm that CUDA runs for groups.

use sigil_kernels::{AdaptedLayer, AdaptedOutput, FrozenMatrix, Kernels, LoraInput, Matrix, plain};

use crate::{Cpu, Vulkan, assert_close, both, vulkan};

/// Weight, a, b and the gradient by the output of one layer.
type Layer<B> = (FrozenMatrix<B>, [Matrix<B>; 3]);

fn borrowed<B: Kernels>(layers: &[Layer<B>]) -> Vec<AdaptedLayer<'_, B>> {
    let each = layers.iter();
    each.map(|(weight, [a, b, _])| AdaptedLayer { weight, bias: None, a, b, scale: 0.5 }).collect()
}

fn outputs<'a, B: Kernels>(
    layers: &'a [Layer<B>],
    results: &'a [(Matrix<B>, LoraInput<B>)],
) -> Vec<AdaptedOutput<'a, B>> {
    let each = layers.iter().zip(results);
    each.map(|((_, [_, b, dy]), (_, saved))| {
        // Something that has b's shape is added to its gradient, nothing to a's.
        AdaptedOutput { dy, saved, da: None, db: Some(b.clone()) }
    })
    .collect()
}

/// One group, because Burn times its products anew for every shape, which takes seconds each here; other
/// shapes are compared on the CPU.
#[test]
fn stacked_branches() {
    let Some(gpu) = vulkan() else { return };
    let (tokens, inputs, width, rank) = (24, 32, 16, 8);
    let (x, x_cpu) = both(1, [tokens, inputs], &gpu);
    let (layers, layers_cpu): (Vec<Layer<Vulkan>>, Vec<Layer<Cpu>>) = (1..4u64)
        .map(|i| {
            let one = |role, shape| both(10 * i + role, shape, &gpu);
            let (weight, weight_cpu) = one(1, [width, inputs]);
            let ((a, a_cpu), (b, b_cpu)) = (one(2, [rank, inputs]), one(3, [width, rank]));
            let (dy, dy_cpu) = one(4, [tokens, width]);
            let layer = (FrozenMatrix::Dense(weight), [a, b, dy]);
            (layer, (FrozenMatrix::Dense(weight_cpu), [a_cpu, b_cpu, dy_cpu]))
        })
        .unzip();
    let (group, group_cpu) = (borrowed(&layers), borrowed(&layers_cpu));
    let found = plain::stacked_linears(&x, &group);
    let wanted = plain::adapted_linears(&x_cpu, &group_cpu);
    let given = outputs(&layers, &found);
    let (gradients, dx) = plain::stacked_linears_backward(&x, &group, given, Some(x.clone()));
    let given = outputs(&layers_cpu, &wanted);
    let (gradients_cpu, dx_cpu) =
        plain::adapted_linears_backward(&x_cpu, &group_cpu, given, Some(x_cpu.clone()));
    assert_eq!(found.len(), wanted.len());
    for ((y, _), (y_cpu, _)) in found.into_iter().zip(wanted) {
        assert_close("output", y, y_cpu, 2e-4);
    }
    assert_eq!(gradients.len(), gradients_cpu.len());
    for ([da, db], [da_cpu, db_cpu]) in gradients.into_iter().zip(gradients_cpu) {
        assert_close("gradient by a", da, da_cpu, 2e-4);
        assert_close("gradient by b", db, db_cpu, 2e-4);
    }
    assert_close("dx", dx.expect("a layer"), dx_cpu.expect("a layer"), 2e-4);
}
