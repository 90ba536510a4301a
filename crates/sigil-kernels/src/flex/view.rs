//! Flex tensors as slices, and slices as Flex tensors.

use burn::tensor::{DType, Element, Tensor, TensorData, TensorPrimitive};
use burn_flex::FlexTensor;

use crate::{Cpu, IntVector, Matrix, Vector};

/// A contiguous tensor that is read as a slice of `E`.
pub(super) struct View(FlexTensor);

impl View {
    /// A view of a float tensor; copies only if it is strided.
    pub(super) fn of<const D: usize>(tensor: &Tensor<Cpu, D>) -> Self {
        Self::contiguous(tensor.clone().into_primitive().tensor())
    }

    /// A view of an integer tensor.
    pub(super) fn of_ints(tensor: &IntVector<Cpu>) -> Self {
        Self::contiguous(tensor.clone().into_primitive())
    }

    fn contiguous(tensor: FlexTensor) -> Self {
        Self(if tensor.is_contiguous() { tensor } else { tensor.to_contiguous() })
    }

    /// The elements.
    pub(super) fn slice<E: Element + bytemuck::Pod>(&self) -> &[E] {
        self.0.as_slice().expect("contiguous by construction, dtype checked by the caller")
    }

    pub(super) fn dtype(&self) -> DType {
        self.0.dtype()
    }
}

/// A tensor whose memory nobody else holds, to be changed in place.
pub(super) struct Owned(FlexTensor);

impl Owned {
    /// Takes the tensor's memory, copying it if it is shared or strided.
    pub(super) fn take<const D: usize>(tensor: Tensor<Cpu, D>) -> Self {
        Self(tensor.into_primitive().tensor().to_contiguous())
    }

    /// The elements, for writing.
    pub(super) fn slice(&mut self) -> &mut [f32] {
        self.0.storage_mut()
    }

    /// Back to a tensor.
    pub(super) fn tensor<const D: usize>(self) -> Tensor<Cpu, D> {
        Tensor::from_primitive(TensorPrimitive::Float(self.0))
    }
}

/// A matrix around a vector of elements, row by row.
pub(super) fn matrix(values: Vec<f32>, shape: [usize; 2]) -> Matrix<Cpu> {
    let data = TensorData::new(values, shape);
    Tensor::from_primitive(TensorPrimitive::Float(FlexTensor::from_data(data)))
}

/// A vector around its elements.
pub(super) fn vector(values: Vec<f32>) -> Vector<Cpu> {
    let length = values.len();
    let data = TensorData::new(values, [length]);
    Tensor::from_primitive(TensorPrimitive::Float(FlexTensor::from_data(data)))
}
