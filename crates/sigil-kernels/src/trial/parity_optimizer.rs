//! The optimizer's operations beside the plain version: cases of `parity.rs`.

use burn::tensor::DType;

use super::{
    inputs::matrix,
    parity::{cpu_matrix, error, worst},
};
use crate::{AdamW, Cpu, Kernels, Matrix, TrainedMatrix, plain};

fn settings(step: u64) -> AdamW {
    AdamW {
        learning_rate: 1e-3,
        beta1: 0.9,
        beta2: 0.999,
        epsilon: 1e-8,
        weight_decay: 0.01,
        step,
        gradient_scale: 0.5,
    }
}

/// One matrix, and the norm of two.
pub(super) fn optimizer<B: Kernels>(device: &B::Device) -> f64 {
    let shape = [16, 1000];
    let both =
        |seed| (matrix::<B>(seed, shape, DType::F32, device), cpu_matrix(seed, shape, DType::F32));
    let ((p, p_cpu), (g, g_cpu)) = (both(1), both(2));
    let ((m, m_cpu), (v, v_cpu)) = (both(3), both(4));
    let (v, v_cpu) = (v.powi_scalar(2), v_cpu.powi_scalar(2));
    let wanted = plain::sum_of_squares::<Cpu>(&[g_cpu.clone(), p_cpu.clone()]);
    let norm = (B::sum_of_squares(&[g.clone(), p.clone()]) / wanted - 1.0).abs();
    let (p, m, v) = B::adamw(p, &g, m, v, settings(3));
    let (p_cpu, m_cpu, v_cpu) = plain::adamw(p_cpu, &g_cpu, m_cpu, v_cpu, settings(3));
    worst([norm, error(p, p_cpu), error(m, m_cpu), error(v, v_cpu)])
}

/// More tensors than a launch takes, of ragged lengths: AdamW twice, then the norm of the first moments.
pub(super) fn optimizer_of_many<B: Kernels>(device: &B::Device) -> f64 {
    let shapes =
        (0..230usize).map(|i| [1 + i % 3, if i % 40 == 7 { 6000 } else { 1 + i * 37 % 301 }]);
    let (list, list_cpu): (Vec<_>, Vec<_>) = (0u64..)
        .zip(shapes)
        .map(|(i, shape)| {
            let both = |seed| {
                let seed = 10 * i + seed;
                let on = matrix::<B>(seed, shape, DType::F32, device);
                (on, cpu_matrix(seed, shape, DType::F32))
            };
            let ((parameter, p_cpu), (gradient, g_cpu)) = (both(1), both(2));
            let ((first, m_cpu), (second, v_cpu)) = (both(3), both(4));
            let second = second.powi_scalar(2);
            let list = TrainedMatrix { parameter, gradient, first, second };
            let second = v_cpu.powi_scalar(2);
            (list, TrainedMatrix { parameter: p_cpu, gradient: g_cpu, first: m_cpu, second })
        })
        .unzip();
    let again = |[parameter, first, second]: [Matrix<B>; 3], gradient| TrainedMatrix {
        parameter,
        gradient,
        first,
        second,
    };
    let gradients: Vec<_> = list.iter().map(|one| one.gradient.clone()).collect();
    let stepped = B::adamw_all(list, settings(1));
    let list = stepped.into_iter().zip(gradients).map(|(one, gradient)| again(one, gradient));
    let found = B::adamw_all(list.collect(), settings(2));
    let wanted: Vec<[Matrix<Cpu>; 3]> = list_cpu
        .into_iter()
        .map(|one| {
            let g = one.gradient;
            let (p, m, v) = plain::adamw(one.parameter, &g, one.first, one.second, settings(1));
            plain::adamw(p, &g, m, v, settings(2)).into()
        })
        .collect();
    let firsts: Vec<_> = found.iter().map(|[_, first, _]| first.clone()).collect();
    let firsts_cpu: Vec<_> = wanted.iter().map(|[_, first, _]| first.clone()).collect();
    let norm = B::sum_of_squares(&firsts) / plain::sum_of_squares::<Cpu>(&firsts_cpu);
    let errors = found.into_iter().zip(wanted).flat_map(|(found, wanted)| {
        found.into_iter().zip(wanted).map(|(found, wanted)| error(found, wanted))
    });
    worst(errors.chain([(norm - 1.0).abs()]))
}
