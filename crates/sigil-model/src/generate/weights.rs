//! A decoder's weights in the form for generation.
//!
//! A LoRA adapter is kept beside the weight it belongs to, as in training, or added to it once.
//! Merging makes a 4-bit weight dense: its sum with the adapter is not on the 16 levels.

use burn::tensor::{DType, backend::Backend};
use sigil_kernels::{
    AttentionShape, Decoding, FrozenMatrix, Kernels, Matrix, Product, RotaryTable, Vector,
};
use sigil_weights::DecoderConfig;

use crate::{
    Decoder, Parameters,
    decoder::Embedding,
    layer::{GateUp, Norm, QueryKeyValue},
    linear::{Linear, Lora},
};

/// What happens to a LoRA adapter.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AdapterUse {
    /// Its two products are computed beside the weight's.
    #[default]
    Beside,
    /// It is added to the weight, which becomes dense.
    Merged,
}

/// A decoder that generates and is never trained.
#[derive(Debug)]
pub struct GenerationModel<B: Decoding> {
    pub(super) config: DecoderConfig,
    pub(super) embedding: Matrix<B>,
    pub(super) layers: Vec<Layer<B>>,
    pub(super) final_norm: RowNorm<B>,
    pub(super) head: B::RowWeight,
    pub(super) rotary: RotaryTable<B>,
    pub(super) compute: DType,
    pub(super) device: B::Device,
}

/// One decoder layer.
#[derive(Debug)]
pub(super) struct Layer<B: Decoding> {
    pub(super) attention_norm: RowNorm<B>,
    /// Three projections, or one with their rows in that order.
    pub(super) qkv: Vec<RowLinear<B>>,
    pub(super) head_norms: Option<[RowNorm<B>; 2]>,
    pub(super) output: RowLinear<B>,
    pub(super) mlp_norm: RowNorm<B>,
    /// Two projections, or one with the gate's rows first.
    pub(super) gate_up: Vec<RowLinear<B>>,
    pub(super) down: RowLinear<B>,
    pub(super) attention: AttentionShape,
}

/// A linear layer.
#[derive(Debug)]
pub(super) struct RowLinear<B: Decoding> {
    weight: B::RowWeight,
    bias: Option<Vector<B>>,
    /// A, and B times the adapter's scale.
    lora: Option<[B::RowWeight; 2]>,
}

/// An RMSNorm.
#[derive(Clone, Debug)]
pub(super) struct RowNorm<B: Backend> {
    weight: Vector<B>,
    epsilon: f64,
}

impl<B: Decoding> GenerationModel<B> {
    /// Takes a decoder apart; its adapter, if it has one, is used as `adapter` says.
    ///
    /// Activations are computed in `compute`, whatever the decoder was loaded for.
    pub fn new(
        decoder: Decoder<B>,
        parameters: &Parameters<B>,
        adapter: AdapterUse,
        compute: DType,
    ) -> Self {
        let Decoder { config, embedding, layers, final_norm, head, rotary, device, .. } = decoder;
        let linear = |linear: Linear<B>| RowLinear::new(linear, parameters, adapter, compute);
        let norm = |norm: &Norm<B>| RowNorm::new(norm, parameters);
        let layers = layers.into_iter().map(|layer| Layer {
            attention_norm: norm(&layer.attention_norm),
            qkv: match layer.qkv {
                QueryKeyValue::Separate(three) => three.into_iter().map(linear).collect(),
                QueryKeyValue::Fused(one) => vec![linear(one)],
            },
            head_norms: layer.head_norms.as_ref().map(|norms| norms.each_ref().map(norm)),
            output: linear(layer.output),
            mlp_norm: norm(&layer.mlp_norm),
            gate_up: match layer.gate_up {
                GateUp::Separate(two) => two.into_iter().map(linear).collect(),
                GateUp::Fused(one) => vec![linear(one)],
            },
            down: linear(layer.down),
            attention: layer.attention,
        });
        let layers = layers.collect();
        let final_norm = norm(&final_norm);
        let embedding = match embedding {
            Embedding::Frozen(table) => table,
            Embedding::Trained(id) => parameters.value(id).clone(),
        };
        let head = match head {
            Some(head) => head.matrix(parameters),
            None => FrozenMatrix::Dense(embedding.clone()),
        };
        let head = B::row_weight(head);
        Self { config, embedding, layers, final_norm, head, rotary, compute, device }
    }

    /// The architecture.
    pub fn config(&self) -> &DecoderConfig {
        &self.config
    }

    /// The longest sequence that the rotary table covers.
    pub fn positions(&self) -> usize {
        self.rotary.positions()
    }
}

impl<B: Decoding> RowLinear<B> {
    fn new(
        linear: Linear<B>,
        parameters: &Parameters<B>,
        adapter: AdapterUse,
        compute: DType,
    ) -> Self {
        let mut weight = linear.weight.matrix(parameters);
        let bias = linear.bias.map(|bias| bias.vector(parameters));
        let mut lora = None;
        match (linear.lora, adapter) {
            (Some(branch), AdapterUse::Merged) => {
                weight = merge(weight, &branch, parameters, compute)
            }
            (Some(branch), AdapterUse::Beside) => {
                let a = parameters.value(branch.a).clone();
                let b = parameters.value(branch.b).clone().mul_scalar(branch.scaling);
                lora = Some([a, b].map(|m| B::row_weight(FrozenMatrix::Dense(m.cast(compute)))));
            }
            (None, _) => {}
        }
        Self { weight: B::row_weight(weight), bias, lora }
    }

    /// `x · Wᵀ + bias + (x · Aᵀ) · Bᵀ (+ accumulator)`, each row by itself.
    pub(super) fn apply(&self, x: &Matrix<B>, accumulator: Option<Matrix<B>>) -> Matrix<B> {
        self.finish(x, B::row_linear(x, &self.weight, accumulator))
    }

    /// [`RowLinear::apply`] of layers that read the same input.
    pub(super) fn apply_all(linears: &[Self], x: &Matrix<B>) -> Vec<Matrix<B>> {
        let weights: Vec<&B::RowWeight> = linears.iter().map(|linear| &linear.weight).collect();
        let products = B::row_linears(x, &weights);
        linears.iter().zip(products).map(|(linear, y)| linear.finish(x, y)).collect()
    }

    /// Adds the bias and the adapter's branch.
    fn finish(&self, x: &Matrix<B>, mut y: Matrix<B>) -> Matrix<B> {
        if let Some(bias) = &self.bias {
            y = B::add_bias(y, bias);
        }
        if let Some([a, b]) = &self.lora {
            y = B::row_linear(&B::row_linear(x, a, None), b, Some(y));
        }
        y
    }
}

/// `W + scale · B · A`, computed in f32.
fn merge<B: Decoding>(
    weight: FrozenMatrix<B>,
    lora: &Lora,
    parameters: &Parameters<B>,
    compute: DType,
) -> FrozenMatrix<B> {
    let dense = match weight {
        FrozenMatrix::Dense(weight) => weight.cast(DType::F32),
        FrozenMatrix::Quantized(weight) => <B as Kernels>::dequantize(&weight, DType::F32),
    };
    let (a, b) = (parameters.value(lora.a), parameters.value(lora.b));
    let merged = B::product(Product::Nn, b, a, lora.scaling, Some(dense));
    FrozenMatrix::Dense(merged.cast(compute))
}

impl<B: Decoding> RowNorm<B> {
    fn new(norm: &Norm<B>, parameters: &Parameters<B>) -> Self {
        Self { weight: norm.weight.vector(parameters), epsilon: norm.epsilon }
    }

    pub(super) fn apply(&self, x: &Matrix<B>) -> Matrix<B> {
        B::rms_norm(x, &self.weight, self.epsilon).0
    }

    /// Normalizes every head of every row.
    pub(super) fn apply_to_heads(&self, x: Matrix<B>, head_dim: usize) -> Matrix<B> {
        let [rows, width] = x.dims();
        self.apply(&x.reshape([rows * width / head_dim, head_dim])).reshape([rows, width])
    }
}
