//! What the operations take and give besides tensors: shapes, settings, groups of tensors.
//!
//! No operation here: read `kernels.rs`.

use burn::tensor::backend::Backend;

use crate::{FrozenMatrix, Matrix, Vector};

/// Which operands of a matrix product are transposed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Product {
    /// `lhs [m, k] · rhs [k, n]`.
    Nn,
    /// `lhs [m, k] · rhs [n, k]ᵀ`.
    Nt,
    /// `lhs [k, m]ᵀ · rhs [k, n]`.
    Tn,
}

/// Shape of an attention call.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AttentionShape {
    /// Query heads.
    pub heads: usize,
    /// Key and value heads; divides `heads`.
    pub kv_heads: usize,
    /// Features of a head.
    pub head_dim: usize,
    /// Key `j` is visible to query `i` only if `i - window < j <= i`.
    pub window: Option<usize>,
    /// Factor of the scores, `1 / sqrt(head_dim)` in all families here.
    pub scale: f32,
}

/// Settings of one AdamW step (PyTorch's arithmetic).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AdamW {
    /// Learning rate of this step.
    pub learning_rate: f64,
    /// Decay of the first moment.
    pub beta1: f64,
    /// Decay of the second moment.
    pub beta2: f64,
    /// Added to the denominator after the bias correction.
    pub epsilon: f64,
    /// Decoupled weight decay.
    pub weight_decay: f64,
    /// Number of this step, from 1.
    pub step: u64,
    /// The gradient is multiplied by this first (global-norm clipping).
    pub gradient_scale: f64,
}

/// A trained matrix with what one AdamW step reads, all f32 and of one shape.
#[derive(Clone, Debug)]
pub struct TrainedMatrix<B: Backend> {
    /// The value.
    pub parameter: Matrix<B>,
    /// Its gradient.
    pub gradient: Matrix<B>,
    /// First moment.
    pub first: Matrix<B>,
    /// Second moment.
    pub second: Matrix<B>,
}

/// What the backward pass of a LoRA branch needs from the forward pass.
#[derive(Clone, Debug)]
pub struct LoraInput<B: Backend> {
    /// `dropout(x) · Aᵀ`, `[tokens, rank]`.
    pub projected: Matrix<B>,
}

/// One of several linear layers that read the same input, with its LoRA branch.
#[derive(Clone, Copy, Debug)]
pub struct AdaptedLayer<'a, B: Backend> {
    /// `[out, in]`.
    pub weight: &'a FrozenMatrix<B>,
    /// `[out]`.
    pub bias: Option<&'a Vector<B>>,
    /// `[rank, in]`, f32.
    pub a: &'a Matrix<B>,
    /// `[out, rank]`, f32.
    pub b: &'a Matrix<B>,
    /// Factor of the branch.
    pub scale: f32,
}

/// What the backward pass of an [`AdaptedLayer`] is given.
#[derive(Clone, Debug)]
pub struct AdaptedOutput<'a, B: Backend> {
    /// Gradient by the layer's output, `[tokens, out]`.
    pub dy: &'a Matrix<B>,
    /// Of the forward pass.
    pub saved: &'a LoraInput<B>,
    /// The gradient by a so far, `[rank, in]`, f32.
    pub da: Option<Matrix<B>>,
    /// The gradient by b so far, `[out, rank]`, f32.
    pub db: Option<Matrix<B>>,
}

/// Result of the language-model head.
#[derive(Clone, Debug)]
pub struct HeadLoss<B: Backend> {
    /// Negative log-likelihood of every target, 0 where the target is ignored, `[tokens]`, f32.
    pub nll: Vector<B>,
    /// Gradient of `scale * Σ nll` by the hidden states, `[tokens, hidden]`.
    pub hidden_gradient: Option<Matrix<B>>,
    /// Gradient by the head's weight added to the accumulator, `[vocab, hidden]`, f32.
    pub weight_gradient: Option<Matrix<B>>,
}

/// Memory of a device that this thread's tensors take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DeviceMemory {
    /// Bytes of tensors.
    pub in_use: u64,
    /// Bytes taken from the device, those kept for tensors to come among them.
    pub reserved: u64,
}
