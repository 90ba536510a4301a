//! AdamW in place and the gradient norm: one launch a tensor, all f32, where `cuda/optimizer.rs` does
//! not take many at once.

use burn::tensor::DType;
use burn_cubecl::CubeRuntime;
use cubecl::prelude::*;

use super::{
    buffer::{On, addressable, dense, empty, one_unit_each, owned, tensor, units},
    reduce::{SCRATCH, cube_sum},
};
use crate::{
    AdamW, Kernels, Matrix, TrainedMatrix,
    cuda::{CollectiveError, DeviceGroup, Native, optimizer as many},
    plain,
};

/// Cubes that share a tensor in the norm: the partial sums read back for it.
const PARTS: usize = 128;

/// PyTorch's order of operations; all three buffers are updated in place.
#[cube(launch)]
pub fn adamw_kernel(
    gradient: &Array<f32>,
    parameter: &mut Array<f32>,
    first: &mut Array<f32>,
    second: &mut Array<f32>,
    gradient_scale: f32,
    decay: f32,
    one_minus_beta1: f32,
    beta2: f32,
    one_minus_beta2: f32,
    step_size: f32,
    root: f32,
    epsilon: f32,
) {
    if ABSOLUTE_POS < parameter.len() {
        let g = gradient[ABSOLUTE_POS] * gradient_scale;
        let old = first[ABSOLUTE_POS];
        let m = old + (g - old) * one_minus_beta1;
        let v = second[ABSOLUTE_POS] * beta2 + g * g * one_minus_beta2;
        first[ABSOLUTE_POS] = m;
        second[ABSOLUTE_POS] = v;
        let denominator = v.sqrt() / root + epsilon;
        parameter[ABSOLUTE_POS] = parameter[ABSOLUTE_POS] * decay - m / denominator * step_size;
    }
}

/// `partial[offset + cube] = Σ x²` over every `cubes`-th block of units.
#[cube(launch)]
pub fn sum_of_squares_kernel<F: Float>(
    x: &Array<F>,
    partial: &mut Array<f32>,
    offset: u32,
    #[define(F)] _dtype: StorageType,
) {
    let mut scratch = SharedMemory::<f32>::new(SCRATCH);
    let mut sum = f32::new(0.0);
    let stride = CUBE_COUNT * CUBE_DIM as usize;
    for at in range_stepped(ABSOLUTE_POS, x.len(), stride) {
        let value = f32::cast_from(x[at]);
        sum += value * value;
    }
    let total = cube_sum(sum, &mut scratch);
    if UNIT_POS == 0 {
        partial[offset as usize + CUBE_POS] = total;
    }
}

/// See [`crate::Kernels::adamw`].
pub(super) fn adamw<R: CubeRuntime>(
    parameter: Matrix<On<R>>,
    gradient: &Matrix<On<R>>,
    first: Matrix<On<R>>,
    second: Matrix<On<R>>,
    step: AdamW,
) -> (Matrix<On<R>>, Matrix<On<R>>, Matrix<On<R>>) {
    let count = parameter.shape().num_elements();
    let types = [parameter.dtype(), gradient.dtype(), first.dtype(), second.dtype()];
    if count == 0 || types != [DType::F32; 4] || !addressable(&[count]) {
        return plain::adamw(parameter, gradient, first, second, step);
    }
    let gradient = dense(gradient);
    let (parameter, first, second) = (owned(parameter), owned(first), owned(second));
    let (step_size, root) = plain::bias_corrections(&step);
    adamw_kernel::launch::<R>(
        &gradient.client,
        one_unit_each(&gradient.client, count),
        units(),
        gradient.clone().into_array_arg(),
        parameter.clone().into_array_arg(),
        first.clone().into_array_arg(),
        second.clone().into_array_arg(),
        step.gradient_scale as f32,
        (1.0 - step.learning_rate * step.weight_decay) as f32,
        (1.0 - step.beta1) as f32,
        step.beta2 as f32,
        (1.0 - step.beta2) as f32,
        step_size as f32,
        root as f32,
        step.epsilon as f32,
    );
    (tensor(parameter), tensor(first), tensor(second))
}

/// See [`crate::Kernels::adamw_all`].
pub(super) fn adamw_all<R: Native>(
    list: Vec<TrainedMatrix<On<R>>>,
    step: AdamW,
) -> Vec<[Matrix<On<R>>; 3]>
where
    On<R>: Kernels,
{
    many::adamw(list, step).unwrap_or_else(|list| plain::adamw_all(list, step))
}

/// See [`crate::Kernels::sum_of_squares`]: partial sums on the device, one read for all tensors.
pub(super) fn sum_of_squares<R: Native>(tensors: &[Matrix<On<R>>]) -> f64 {
    if let Some(sum) = many::sum_of_squares(tensors) {
        return sum;
    }
    let sizes: Vec<usize> = tensors.iter().map(|x| x.shape().num_elements()).collect();
    let Some(any) = tensors.first() else { return 0.0 };
    if sizes.contains(&0) || !addressable(&sizes) {
        return plain::sum_of_squares(tensors);
    }
    let partial = empty(&dense(any), [tensors.len() * PARTS], DType::F32);
    for (i, x) in tensors.iter().enumerate() {
        let x = dense(x);
        sum_of_squares_kernel::launch::<R>(
            &x.client,
            CubeCount::Static(PARTS as u32, 1, 1),
            units(),
            x.clone().into_array_arg(),
            partial.clone().into_array_arg(),
            (i * PARTS) as u32,
            x.dtype.into(),
        );
    }
    let partial: crate::Vector<On<R>> = tensor(partial);
    partial.into_data().iter::<f64>().sum()
}

/// See [`crate::Kernels::sum_over`].
pub(super) fn sum_over<R: Native>(
    group: &DeviceGroup,
    tensors: Vec<Matrix<On<R>>>,
) -> Result<Vec<Matrix<On<R>>>, CollectiveError> {
    let buffers: Vec<_> = tensors.into_iter().map(owned).collect();
    if let Some(first) = buffers.first() {
        R::sum_over(&first.client, group, &buffers)?;
    }
    Ok(buffers.into_iter().map(tensor).collect())
}
