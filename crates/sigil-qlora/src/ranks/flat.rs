//! Parameters, gradients and moments as one row of host numbers each, in the parameters' order.

use burn::tensor::{DType, TensorData};
use sigil_kernels::{Kernels, Matrix};
use sigil_model::{ParameterId, Parameters};

/// All gradients, zeros where there is none.
pub(super) fn gradients<B: Kernels>(parameters: &Parameters<B>) -> Vec<f32> {
    let mut all = Vec::with_capacity(parameters.count());
    for parameter in parameters.iter() {
        match &parameter.gradient {
            Some(gradient) => all.extend(gradient.to_data().iter::<f32>()),
            None => all.resize(all.len() + numbers(&parameter.value), 0.0),
        }
    }
    all
}

/// Replaces all gradients.
///
/// # Panics
/// There are not as many numbers as parameters; the caller has checked that.
pub(super) fn set_gradients<B: Kernels>(parameters: &mut Parameters<B>, all: &[f32]) {
    let mut rest = all;
    for parameter in parameters.iter_mut() {
        let (own, after) = rest.split_at(numbers(&parameter.value));
        let (shape, device) = (parameter.value.dims(), parameter.value.device());
        let data = TensorData::new(own.to_vec(), shape);
        parameter.gradient = Some(Matrix::from_data(data, (&device, DType::F32)));
        rest = after;
    }
}

/// All values.
pub(super) fn values<B: Kernels>(parameters: &Parameters<B>) -> Vec<f32> {
    parameters.iter().flat_map(|p| p.value.to_data().iter::<f32>().collect::<Vec<_>>()).collect()
}

/// Replaces all values; as many as there are parameters.
pub(super) fn set_values<B: Kernels>(parameters: &mut Parameters<B>, all: &[f32]) {
    let mut rest = all;
    for index in 0..parameters.len() {
        let id = ParameterId(index);
        let (own, after) = rest.split_at(numbers(parameters.value(id)));
        parameters.set_value(id, own.to_vec());
        rest = after;
    }
}

/// Cuts a row into one a parameter.
pub(super) fn cut<B: Kernels>(parameters: &Parameters<B>, all: &[f32]) -> Vec<Vec<f32>> {
    let mut rest = all;
    let mut parts = vec![];
    for parameter in parameters.iter() {
        let (own, after) = rest.split_at(numbers(&parameter.value));
        parts.push(own.to_vec());
        rest = after;
    }
    parts
}

/// Digest of all values.
pub(super) fn digest<B: Kernels>(parameters: &Parameters<B>) -> [u8; 32] {
    let mut hasher = blake3::Hasher::new();
    for parameter in parameters.iter() {
        let values: Vec<f32> = parameter.value.to_data().iter::<f32>().collect();
        let bytes: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        hasher.update(&bytes);
    }
    *hasher.finalize().as_bytes()
}

fn numbers<B: Kernels>(matrix: &Matrix<B>) -> usize {
    matrix.dims().iter().product()
}
