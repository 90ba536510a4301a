//! AdamW moments beside the parameters; the arithmetic is [`Kernels::adamw_all`].

use burn::tensor::{DType, TensorData, backend::Backend};
use sigil_kernels::{AdamW, Kernels, Matrix, TrainedMatrix};
use sigil_model::Parameters;

/// Settings of AdamW that do not change during a run.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AdamWSettings {
    /// Decay of the first moment.
    pub beta1: f64,
    /// Decay of the second moment.
    pub beta2: f64,
    /// Added to the denominator.
    pub epsilon: f64,
    /// Decoupled weight decay.
    pub weight_decay: f64,
}

/// The optimizer's state.
#[derive(Clone, Debug)]
pub struct Optimizer<B: Backend> {
    settings: AdamWSettings,
    /// First and second moment of every parameter, in the parameters' order.
    moments: Vec<(Matrix<B>, Matrix<B>)>,
    /// Optimizer steps taken; the bias correction counts them.
    steps: u64,
}

impl<B: Kernels> Optimizer<B> {
    /// Begins with moments of zero.
    pub fn new(settings: AdamWSettings, parameters: &Parameters<B>) -> Self {
        let zeros =
            |like: &Matrix<B>| Matrix::<B>::zeros(like.dims(), (&like.device(), DType::F32));
        let moments = parameters.iter().map(|p| (zeros(&p.value), zeros(&p.value))).collect();
        Self { settings, moments, steps: 0 }
    }

    /// Takes one step with the gradients in `parameters`, each scaled by `gradient_scale` first,
    /// and drops them. A parameter without a gradient counts as one with a gradient of zero.
    pub fn step(
        &mut self,
        parameters: &mut Parameters<B>,
        learning_rate: f64,
        gradient_scale: f64,
    ) {
        self.steps += 1;
        let AdamWSettings { beta1, beta2, epsilon, weight_decay } = self.settings;
        let step = AdamW {
            learning_rate,
            beta1,
            beta2,
            epsilon,
            weight_decay,
            step: self.steps,
            gradient_scale,
        };
        // All are moved out and back, so that the kernels own the memory and can write in place.
        let moments = std::mem::take(&mut self.moments);
        let all = parameters.iter_mut().zip(moments).map(|(parameter, (first, second))| {
            let device = parameter.value.device();
            let gradient = parameter
                .gradient
                .take()
                .unwrap_or_else(|| Matrix::zeros(parameter.value.dims(), (&device, DType::F32)));
            let empty = Matrix::zeros([0, 0], (&device, DType::F32));
            let value = std::mem::replace(&mut parameter.value, empty);
            TrainedMatrix { parameter: value, gradient, first, second }
        });
        let stepped = B::adamw_all(all.collect(), step);
        for (parameter, [value, first, second]) in parameters.iter_mut().zip(stepped) {
            parameter.value = value;
            self.moments.push((first, second));
        }
    }

    /// Optimizer steps taken.
    pub fn steps(&self) -> u64 {
        self.steps
    }

    /// Both moments of every parameter on the host, in the parameters' order.
    pub fn moments(&self) -> impl Iterator<Item = (Vec<f32>, Vec<f32>)> + '_ {
        let host = |tensor: &Matrix<B>| tensor.to_data().iter::<f32>().collect();
        self.moments.iter().map(move |(first, second)| (host(first), host(second)))
    }

    /// Restores the state of a checkpoint; lengths were checked against the parameters.
    pub fn restore(&mut self, moments: Vec<(Vec<f32>, Vec<f32>)>, steps: u64) {
        for (own, (first, second)) in self.moments.iter_mut().zip(moments) {
            let (shape, device) = (own.0.dims(), own.0.device());
            let tensor =
                |values| Matrix::from_data(TensorData::new(values, shape), (&device, DType::F32));
            *own = (tensor(first), tensor(second));
        }
        self.steps = steps;
    }
}
