//! A linear layer: a frozen or trained weight, an optional bias, an optional LoRA branch
//! (Hu et al. 2021), forward and backward side by side.

use burn::tensor::{DType, backend::Backend};
use sigil_kernels::{FrozenMatrix, Kernels, LoraInput, Matrix, Product, Vector, random};

use crate::{ParameterId, Parameters, Pass};

/// A weight `[out_features, in_features]`.
#[derive(Clone, Debug)]
pub enum Weight<B: Backend> {
    /// Never changes.
    Frozen(FrozenMatrix<B>),
    /// Trained itself (`mode = "full"`).
    Trained(ParameterId),
}

impl<B: Backend> Weight<B> {
    /// The weight as the kernels read it.
    pub fn matrix(&self, parameters: &Parameters<B>) -> FrozenMatrix<B> {
        match self {
            Self::Frozen(weight) => weight.clone(),
            Self::Trained(id) => FrozenMatrix::Dense(parameters.value(*id).clone()),
        }
    }
}

/// A vector that is added or multiplied: a bias or a norm's weight.
#[derive(Clone, Debug)]
pub enum Gain<B: Backend> {
    /// Never changes.
    Frozen(Vector<B>),
    /// Trained itself (`mode = "full"`).
    Trained(ParameterId),
}

impl<B: Backend> Gain<B> {
    /// The vector.
    pub fn vector(&self, parameters: &Parameters<B>) -> Vector<B> {
        match self {
            Self::Frozen(vector) => vector.clone(),
            Self::Trained(id) => parameters.vector(*id),
        }
    }
}

/// The LoRA branch of one linear layer.
#[derive(Clone, Debug)]
pub struct Lora {
    /// `[rank, in_features]`.
    pub a: ParameterId,
    /// `[out_features, rank]`.
    pub b: ParameterId,
    /// `alpha / rank`, or `alpha / sqrt(rank)` with rsLoRA.
    pub scaling: f32,
    /// Probability of zeroing an element of the branch's input while training.
    pub dropout: f32,
    /// Tells this layer's dropout masks from the others'.
    pub index: u64,
}

/// A linear layer.
#[derive(Clone, Debug)]
pub struct Linear<B: Backend> {
    /// Weight.
    pub weight: Weight<B>,
    /// Added to every row, if there is one.
    pub bias: Option<Gain<B>>,
    /// Trained branch, if there is one.
    pub lora: Option<Lora>,
}

/// What [`Linear::backward`] needs besides the input.
#[derive(Clone, Debug)]
pub struct LinearSaved<B: Backend>(pub(crate) Option<LoraInput<B>>);

impl<B: Kernels> Linear<B> {
    /// `x · Wᵀ + bias + scaling · (dropout(x) · Aᵀ) · Bᵀ (+ accumulator)`.
    ///
    /// # Shapes
    /// `x [tokens, in_features]` to `[tokens, out_features]`.
    pub fn forward(
        &self,
        x: &Matrix<B>,
        parameters: &Parameters<B>,
        pass: &Pass,
        accumulator: Option<Matrix<B>>,
    ) -> (Matrix<B>, LinearSaved<B>) {
        let weight = self.weight.matrix(parameters);
        let bias = self.bias.as_ref().map(|bias| bias.vector(parameters));
        let Some(lora) = &self.lora else {
            let y = <B as Kernels>::linear(x, &weight, accumulator);
            let y = match &bias {
                Some(bias) => B::add_bias(y, bias),
                None => y,
            };
            return (y, LinearSaved(None));
        };
        let input = lora.input::<B>(x, pass);
        let (a, b) = (parameters.value(lora.a), parameters.value(lora.b));
        let scale = lora.scaling;
        let (y, saved) =
            B::adapted_linear(x, &weight, bias.as_ref(), &input, a, b, scale, accumulator);
        (y, LinearSaved(Some(saved)))
    }

    /// What [`Linear::backward`] needs of the forward pass, without the layer's output.
    pub fn save(&self, x: &Matrix<B>, parameters: &Parameters<B>, pass: &Pass) -> LinearSaved<B> {
        LinearSaved(self.lora.as_ref().map(|lora| {
            let input = lora.input::<B>(x, pass);
            B::lora_project(&input, parameters.value(lora.a))
        }))
    }

    /// Adds to the gradients of what is trained here and returns the gradient by `x` (added to
    /// `accumulator`), unless `wants_input` is false.
    pub fn backward(
        &self,
        dy: &Matrix<B>,
        x: &Matrix<B>,
        saved: &LinearSaved<B>,
        parameters: &mut Parameters<B>,
        pass: &Pass,
        accumulator: Option<Matrix<B>>,
        wants_input: bool,
    ) -> Option<Matrix<B>> {
        self.add_own_gradients(dy, x, parameters);
        let weight = self.weight.matrix(parameters);
        match (&self.lora, &saved.0) {
            (Some(lora), Some(saved)) if wants_input && !lora.drops(pass) => {
                let (da, db) = (parameters.take_gradient(lora.a), parameters.take_gradient(lora.b));
                let (a, b) = (parameters.value(lora.a), parameters.value(lora.b));
                let scale = lora.scaling;
                let (da, db, dx) = B::adapted_linear_backward(
                    dy,
                    &weight,
                    x,
                    saved,
                    a,
                    b,
                    scale,
                    da,
                    db,
                    accumulator,
                );
                parameters.set_gradient(lora.a, da);
                parameters.set_gradient(lora.b, db);
                Some(dx)
            }
            (lora, saved) => {
                let mut dx = accumulator;
                if wants_input {
                    dx = Some(<B as Kernels>::linear_backward(dy, &weight, dx));
                }
                match (lora, saved) {
                    (Some(lora), Some(saved)) => lora.backward(dy, x, saved, parameters, pass, dx),
                    _ => dx,
                }
            }
        }
    }

    /// Adds to the gradients of a weight and a bias that are trained themselves.
    pub(crate) fn add_own_gradients(
        &self,
        dy: &Matrix<B>,
        x: &Matrix<B>,
        parameters: &mut Parameters<B>,
    ) {
        if let Weight::Trained(id) = self.weight {
            let sum = parameters.take_gradient(id);
            parameters.set_gradient(id, B::product(Product::Tn, dy, x, 1.0, sum).cast(DType::F32));
        }
        if let Some(Gain::Trained(id)) = self.bias {
            let sum = parameters.take_gradient_or_zeros(id);
            parameters.set_gradient(id, sum + dy.clone().cast(DType::F32).sum_dim(0));
        }
    }
}

impl Lora {
    /// Whether the branch reads another input than the layer in this pass.
    pub(crate) fn drops(&self, pass: &Pass) -> bool {
        self.dropout > 0.0 && pass.training
    }

    fn seed(&self, pass: &Pass) -> u64 {
        random::derive(pass.seed, &[1, self.index])
    }

    fn input<B: Kernels>(&self, x: &Matrix<B>, pass: &Pass) -> Matrix<B> {
        if self.drops(pass) { B::dropout(x, self.dropout, self.seed(pass)) } else { x.clone() }
    }

    fn backward<B: Kernels>(
        &self,
        dy: &Matrix<B>,
        x: &Matrix<B>,
        saved: &LoraInput<B>,
        parameters: &mut Parameters<B>,
        pass: &Pass,
        dx: Option<Matrix<B>>,
    ) -> Option<Matrix<B>> {
        let (da, db) = (parameters.take_gradient(self.a), parameters.take_gradient(self.b));
        let (a, b) = (parameters.value(self.a), parameters.value(self.b));
        let input = self.input::<B>(x, pass);
        let drops = self.drops(pass);
        // Dropout's mask applies to this branch's gradient alone, so it may not be added up first.
        let (own, sum) = if drops { (None, dx) } else { (dx, None) };
        let (da, db, mut dx) = B::lora_backward(dy, &input, saved, a, b, self.scaling, da, db, own);
        parameters.set_gradient(self.a, da);
        parameters.set_gradient(self.b, db);
        if drops {
            dx = B::dropout(&dx, self.dropout, self.seed(pass));
        }
        Some(match sum {
            Some(sum) => sum + dx,
            None => dx,
        })
    }
}
