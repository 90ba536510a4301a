//! What is trained: named f32 matrices with their gradients, in one list with a fixed order.
//!
//! Vectors (norm weights, biases) are matrices of one row. Optimizer state is not kept here.

use burn::tensor::{DType, TensorData, backend::Backend};
use sigil_kernels::{Matrix, Vector};

/// Index of a parameter in [`Parameters`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ParameterId(pub usize);

/// One trained matrix.
#[derive(Clone, Debug)]
pub struct Parameter<B: Backend> {
    /// Tensor name, unique: the PEFT name of a LoRA matrix, else the checkpoint's name.
    pub name: String,
    /// Shape in files: one number for a vector.
    pub file_shape: Vec<usize>,
    /// Value, f32.
    pub value: Matrix<B>,
    /// Sum of the gradients of this step so far, f32; none before the first.
    pub gradient: Option<Matrix<B>>,
}

/// All trained matrices.
#[derive(Clone, Debug)]
pub struct Parameters<B: Backend> {
    list: Vec<Parameter<B>>,
}

impl<B: Backend> Default for Parameters<B> {
    fn default() -> Self {
        Self { list: vec![] }
    }
}

impl<B: Backend> Parameters<B> {
    /// Adds a matrix and returns its index.
    pub fn add(&mut self, name: String, value: Matrix<B>) -> ParameterId {
        let file_shape = value.dims().to_vec();
        self.push(name, file_shape, value)
    }

    /// Adds a vector and returns its index.
    pub fn add_vector(&mut self, name: String, value: Vector<B>) -> ParameterId {
        let length = value.dims()[0];
        self.push(name, vec![length], value.reshape([1, length]))
    }

    fn push(&mut self, name: String, file_shape: Vec<usize>, value: Matrix<B>) -> ParameterId {
        let value = value.cast(DType::F32);
        self.list.push(Parameter { name, file_shape, value, gradient: None });
        ParameterId(self.list.len() - 1)
    }

    /// The value of a parameter.
    pub fn value(&self, id: ParameterId) -> &Matrix<B> {
        &self.list[id.0].value
    }

    /// The value of a parameter that is a vector.
    pub fn vector(&self, id: ParameterId) -> Vector<B> {
        let value = self.value(id).clone();
        let [_, length] = value.dims();
        value.reshape([length])
    }

    /// Takes the gradient so far, to add to it; give it back with [`Parameters::set_gradient`].
    pub fn take_gradient(&mut self, id: ParameterId) -> Option<Matrix<B>> {
        self.list[id.0].gradient.take()
    }

    /// Takes the gradient so far, zeros if there is none.
    pub fn take_gradient_or_zeros(&mut self, id: ParameterId) -> Matrix<B> {
        let value = &self.list[id.0].value;
        let (shape, device) = (value.dims(), value.device());
        self.take_gradient(id).unwrap_or_else(|| Matrix::zeros(shape, (&device, DType::F32)))
    }

    /// Stores the gradient so far.
    pub fn set_gradient(&mut self, id: ParameterId, gradient: Matrix<B>) {
        self.list[id.0].gradient = Some(gradient);
    }

    /// All parameters, in order.
    pub fn iter(&self) -> std::slice::Iter<'_, Parameter<B>> {
        self.list.iter()
    }

    /// All parameters, in order, to be changed.
    pub fn iter_mut(&mut self) -> std::slice::IterMut<'_, Parameter<B>> {
        self.list.iter_mut()
    }

    /// Number of matrices.
    pub fn len(&self) -> usize {
        self.list.len()
    }

    /// True when nothing is trained.
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// Number of trained numbers.
    pub fn count(&self) -> usize {
        self.list.iter().map(|parameter| parameter.value.dims().iter().product::<usize>()).sum()
    }

    /// Drops all gradients.
    pub fn clear_gradients(&mut self) {
        self.list.iter_mut().for_each(|parameter| parameter.gradient = None);
    }

    /// Replaces the value of a parameter by host numbers of the same shape.
    ///
    /// # Panics
    /// When the number of elements differs; files are checked before.
    pub fn set_value(&mut self, id: ParameterId, values: Vec<f32>) {
        let value = &mut self.list[id.0].value;
        let (shape, device) = (value.dims(), value.device());
        *value = Matrix::from_data(TensorData::new(values, shape), (&device, DType::F32));
    }
}
