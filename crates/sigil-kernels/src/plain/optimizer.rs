//! AdamW and the gradient norm in plain Burn operations.

use burn::tensor::{DType, backend::Backend};

use crate::{AdamW, Kernels, Matrix, TrainedMatrix};

/// See [`crate::Kernels::sum_of_squares`].
pub fn sum_of_squares<B: Backend>(tensors: &[Matrix<B>]) -> f64 {
    tensors
        .iter()
        .map(|tensor| {
            let rows = tensor.clone().cast(DType::F32).powi_scalar(2).sum_dim(1).into_data();
            rows.iter::<f64>().sum::<f64>()
        })
        .sum()
}

/// See [`crate::Kernels::adamw`] (Loshchilov and Hutter 2019, in the order of torch.optim.AdamW).
pub fn adamw<B: Backend>(
    parameter: Matrix<B>,
    gradient: &Matrix<B>,
    first: Matrix<B>,
    second: Matrix<B>,
    step: AdamW,
) -> (Matrix<B>, Matrix<B>, Matrix<B>) {
    let gradient = gradient.clone().mul_scalar(step.gradient_scale);
    let parameter = parameter.mul_scalar(1.0 - step.learning_rate * step.weight_decay);
    let first = first.clone() + (gradient.clone() - first).mul_scalar(1.0 - step.beta1);
    let second =
        second.mul_scalar(step.beta2) + gradient.powi_scalar(2).mul_scalar(1.0 - step.beta2);
    let (step_size, root) = bias_corrections(&step);
    let denominator = second.clone().sqrt().div_scalar(root).add_scalar(step.epsilon);
    (parameter - (first.clone() / denominator).mul_scalar(step_size), first, second)
}

/// See [`crate::Kernels::adamw_all`]: one after the other, each by the backend's [`Kernels::adamw`].
pub fn adamw_all<B: Kernels>(list: Vec<TrainedMatrix<B>>, step: AdamW) -> Vec<[Matrix<B>; 3]> {
    let each = list.into_iter();
    each.map(|one| B::adamw(one.parameter, &one.gradient, one.first, one.second, step).into())
        .collect()
}

/// `(learning_rate / (1 - beta1^t), sqrt(1 - beta2^t))`.
pub(crate) fn bias_corrections(step: &AdamW) -> (f64, f64) {
    let t = step.step as f64;
    let step_size = step.learning_rate / (1.0 - step.beta1.powf(t));
    (step_size, (1.0 - step.beta2.powf(t)).sqrt())
}
