//! The decoder: embedding, layers, final norm and head; loss, gradients and logits of flat batches.
//!
//! No optimizer and no loop: a call adds gradients to [`Parameters`], the caller steps. Read
//! `layer.rs` for what happens inside a layer.

use burn::tensor::{DType, Tensor, backend::Backend};
use sigil_kernels::{
    IntVector, Kernels, Matrix, RotaryTable, SequenceLayout, layout::int_vector, random,
};
use sigil_weights::DecoderConfig;

use crate::{
    CheckpointPolicy, ParameterId, Parameters,
    layer::{DecoderLayer, LayerContext, LayerSaved, Norm},
    linear::Weight,
};

/// The embedding table, `[vocab, hidden]`.
#[derive(Clone, Debug)]
pub enum Embedding<B: Backend> {
    /// Never changes.
    Frozen(Matrix<B>),
    /// Trained itself (`mode = "full"`).
    Trained(ParameterId),
}

/// A decoder-only transformer.
#[derive(Clone, Debug)]
pub struct Decoder<B: Backend> {
    /// Architecture.
    pub config: DecoderConfig,
    /// Token embedding.
    pub embedding: Embedding<B>,
    /// Layers, first to last.
    pub layers: Vec<DecoderLayer<B>>,
    /// Norm before the head.
    pub final_norm: Norm<B>,
    /// Output head `[vocab, hidden]`; none when it is the embedding.
    pub head: Option<Weight<B>>,
    /// Rotary table for the longest sequence of the run.
    pub rotary: RotaryTable<B>,
    /// Dtype of activations.
    pub compute: DType,
    /// Device of all tensors.
    pub device: B::Device,
}

/// Tokens of a flat batch and what they must predict.
#[derive(Clone, Debug)]
pub struct TokenBatch<B: Backend> {
    /// Token ids, `[tokens]`, i32.
    pub tokens: IntVector<B>,
    /// The token each position must predict, or -1.
    pub targets: Vec<i32>,
    /// Documents.
    pub layout: SequenceLayout<B>,
}

impl<B: Backend> TokenBatch<B> {
    /// Puts a batch on the device.
    ///
    /// # Shapes
    /// `tokens [n]`, `targets [n]`, `document_starts` cumulative from 0 to n.
    pub fn new(
        tokens: &[u32],
        targets: Vec<i32>,
        document_starts: Vec<u32>,
        device: &B::Device,
    ) -> Self {
        let ids = tokens.iter().map(|&token| token as i32).collect();
        let layout = SequenceLayout::new(document_starts, device);
        Self { tokens: int_vector(ids, device), targets, layout }
    }

    /// Number of positions that have a target.
    pub fn target_count(&self) -> usize {
        self.targets.iter().filter(|&&target| target >= 0).count()
    }
}

/// What kind of pass this is, and the seed of its random masks.
#[derive(Clone, Copy, Debug, Default)]
pub struct Pass {
    /// Dropout and noise apply.
    pub training: bool,
    /// Seed of this micro-batch: derived from the run's seed, the step and the micro-batch.
    pub seed: u64,
    /// NEFTune's alpha, if noise is wanted.
    pub neftune_alpha: Option<f64>,
}

/// Policy of every layer for a training pass.
#[derive(Clone, Debug)]
pub struct LayerPolicies(pub Vec<CheckpointPolicy>);

impl LayerPolicies {
    /// The same policy for all layers.
    pub fn uniform(policy: CheckpointPolicy, layers: usize) -> Self {
        Self(vec![policy; layers])
    }
}

impl<B: Kernels> Decoder<B> {
    /// Negative log-likelihood of every target, `[tokens]`, 0 where there is none.
    pub fn evaluate(&self, batch: &TokenBatch<B>, parameters: &Parameters<B>) -> Vec<f32> {
        let (x, _) = self.run(batch, parameters, &Pass::default(), None);
        let hidden = self.final_norm.apply(&x, parameters).0;
        let head = self.head_matrix(parameters);
        floats(B::head_loss(&hidden, &head, &batch.targets, None, None).nll)
    }

    /// Logits of every position, `[tokens, vocab]`, f32.
    pub fn logits(&self, batch: &TokenBatch<B>, parameters: &Parameters<B>) -> Matrix<B> {
        let (x, _) = self.run(batch, parameters, &Pass::default(), None);
        let hidden = self.final_norm.apply(&x, parameters).0;
        B::logits(&hidden, &self.head_matrix(parameters))
    }

    /// Adds the gradient of `scale * Σ nll` to the parameters and returns the nll of every target.
    ///
    /// With `scale = 1 / (targets of the whole accumulated batch)` the sum over its micro-batches is
    /// the gradient of the true token mean.
    pub fn train(
        &self,
        batch: &TokenBatch<B>,
        parameters: &mut Parameters<B>,
        scale: f32,
        pass: &Pass,
        policies: &LayerPolicies,
    ) -> Vec<f32> {
        let (x, saved) = self.run(batch, parameters, pass, Some(policies));
        let (hidden, root) = self.final_norm.apply(&x, parameters);
        let head = self.head_matrix(parameters);
        let head_id = self.trained_head();
        let sum = head_id.map(|id| parameters.take_gradient_or_zeros(id));
        let result = B::head_loss(&hidden, &head, &batch.targets, Some(scale), sum);
        if let (Some(id), Some(gradient)) = (head_id, result.weight_gradient) {
            parameters.set_gradient(id, gradient);
        }
        drop(hidden);
        let dhidden = result.hidden_gradient.expect("a gradient was asked for");
        let mut dx = self.final_norm.backward(&dhidden, &x, &root, parameters, None);
        drop((x, dhidden));

        let context = LayerContext { rotary: &self.rotary, layout: &batch.layout, pass };
        let trains_embedding = matches!(self.embedding, Embedding::Trained(_));
        for (i, (layer, saved)) in self.layers.iter().zip(saved).enumerate().rev() {
            dx = layer.backward(dx, saved, parameters, &context, i > 0 || trains_embedding);
        }
        if let Embedding::Trained(id) = self.embedding {
            let sum = parameters.take_gradient_or_zeros(id);
            parameters.set_gradient(id, B::embed_backward(&dx, &batch.tokens, sum));
        }
        floats(result.nll)
    }

    /// Runs embedding and layers; with policies, keeps what the backward pass needs.
    fn run(
        &self,
        batch: &TokenBatch<B>,
        parameters: &Parameters<B>,
        pass: &Pass,
        policies: Option<&LayerPolicies>,
    ) -> (Matrix<B>, Vec<LayerSaved<B>>) {
        let context = LayerContext { rotary: &self.rotary, layout: &batch.layout, pass };
        let mut x = match &self.embedding {
            Embedding::Frozen(table) => B::embed(table, &batch.tokens, self.compute),
            Embedding::Trained(id) => B::embed(parameters.value(*id), &batch.tokens, self.compute),
        };
        if let (true, Some(alpha)) = (pass.training, pass.neftune_alpha) {
            x = B::add_noise(x, &self.noise_bounds(batch, alpha), random::derive(pass.seed, &[2]));
        }
        let mut all_saved = vec![];
        for (i, layer) in self.layers.iter().enumerate() {
            let policy = policies.map(|policies| policies.0[i]);
            let (y, saved) = layer.forward(x, parameters, &context, policy);
            all_saved.extend(saved);
            x = y;
        }
        (x, all_saved)
    }

    /// `alpha / sqrt(length * hidden)` for every row, by its document's length.
    fn noise_bounds(&self, batch: &TokenBatch<B>, alpha: f64) -> Vec<f32> {
        let hidden = self.config.hidden_size;
        let documents = batch.layout.documents();
        documents
            .flat_map(|(start, end)| {
                let bound = alpha / ((end - start) as f64 * hidden as f64).sqrt();
                std::iter::repeat_n(bound as f32, end - start)
            })
            .collect()
    }

    fn trained_head(&self) -> Option<ParameterId> {
        match (&self.head, &self.embedding) {
            (Some(Weight::Trained(id)), _) | (None, Embedding::Trained(id)) => Some(*id),
            _ => None,
        }
    }

    fn head_matrix(&self, parameters: &Parameters<B>) -> sigil_kernels::FrozenMatrix<B> {
        match (&self.head, &self.embedding) {
            (Some(head), _) => head.matrix(parameters),
            (None, Embedding::Frozen(table)) => sigil_kernels::FrozenMatrix::Dense(table.clone()),
            (None, Embedding::Trained(id)) => Weight::Trained(*id).matrix(parameters),
        }
    }
}

/// A vector's numbers on the host.
fn floats<B: Backend>(vector: Tensor<B, 1>) -> Vec<f32> {
    vector.into_data().iter::<f32>().collect()
}
