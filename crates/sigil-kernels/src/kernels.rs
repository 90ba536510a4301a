//! The operations, as a trait over Burn backends.
//!
//! Every method has a default body in [`crate::plain`] that defines what it computes; a backend
//! overrides those that matter for its speed. Tensors are taken by value where an override may
//! reuse their memory. The CPU overrides are in `flex/`.

use burn::tensor::{DType, backend::Backend};

use crate::{
    FourBitCode, FrozenMatrix, IntVector, Matrix, QuantizedBlocks, QuantizedTensor, RotaryTable,
    SequenceLayout, Vector,
    cuda::{CollectiveError, DeviceGroup},
    operands::{
        AdamW, AdaptedLayer, AdaptedOutput, AttentionShape, DeviceMemory, HeadLoss, LoraInput,
        Product, TrainedMatrix,
    },
    plain,
};

/// The operations of a decoder layer and its optimizer.
pub trait Kernels: Backend {
    /// Whether [`Kernels::with_exact_memory`] keeps buffers by their size, so that shapes which repeat
    /// need no more memory than one of them.
    const KEEPS_SIZES: bool = false;

    /// Runs `work` with every buffer taken from the device at exactly its size and kept for the next of
    /// that size, on a device with pools of its own: for weights, and for work whose shapes repeat.
    /// [`Backend::memory_cleanup`] gives back what no tensor holds. Calls are not nested.
    fn with_exact_memory<T>(device: &Self::Device, work: impl FnOnce() -> T) -> T {
        let _ = device;
        work()
    }

    /// Waits until what was uploaded has arrived and frees the host's copies, which a device may else keep
    /// until enough kernels were launched.
    fn finish_uploads(device: &Self::Device) {
        let _ = device;
    }

    /// Memory of the device that this thread's tensors take; none where it is the process's own.
    fn memory(device: &Self::Device) -> Option<DeviceMemory> {
        let _ = device;
        None
    }

    /// `alpha * lhs · rhs (+ accumulator)`.
    fn product(
        product: Product,
        lhs: &Matrix<Self>,
        rhs: &Matrix<Self>,
        alpha: f32,
        accumulator: Option<Matrix<Self>>,
    ) -> Matrix<Self> {
        plain::product(product, lhs, rhs, alpha, accumulator)
    }

    /// Whether [`Kernels::quantize_blocks`] runs on the device; where it does not, `sigil-weights` quantizes on
    /// all cores without a copy of the weight.
    fn quantizes(device: &Self::Device) -> bool {
        let _ = device;
        false
    }

    /// Quantizes a matrix of f32, f16 or bf16 into 4 bits, bit for bit as `sigil-weights` does
    /// (bitsandbytes on a CPU): blocks of 64 numbers, row by row, with one f32 scale each.
    fn quantize_blocks(weight: &Matrix<Self>, code: &FourBitCode) -> QuantizedBlocks<Self> {
        plain::quantize(weight, code)
    }

    /// Decodes a 4-bit weight: `level[code] * scale` in f32, rounded once to `dtype`.
    ///
    /// # Shapes
    /// Returns `[out, in]`.
    fn dequantize(weight: &QuantizedTensor<Self>, dtype: DType) -> Matrix<Self> {
        plain::dequantize(weight, dtype)
    }

    /// `x [tokens, in] · Wᵀ (+ accumulator [tokens, out])`.
    fn linear(
        x: &Matrix<Self>,
        weight: &FrozenMatrix<Self>,
        accumulator: Option<Matrix<Self>>,
    ) -> Matrix<Self> {
        plain::linear(x, weight, accumulator)
    }

    /// Gradient by the input of [`Kernels::linear`]: `dy [tokens, out] · W (+ accumulator)`.
    fn linear_backward(
        dy: &Matrix<Self>,
        weight: &FrozenMatrix<Self>,
        accumulator: Option<Matrix<Self>>,
    ) -> Matrix<Self> {
        plain::linear_backward(dy, weight, accumulator)
    }

    /// The gradient by a parameter: `alpha * lhsᵀ · rhs (+ sum)`, f32.
    fn parameter_gradient(
        lhs: &Matrix<Self>,
        rhs: &Matrix<Self>,
        alpha: f32,
        sum: Option<Matrix<Self>>,
    ) -> Matrix<Self> {
        Self::product(Product::Tn, lhs, rhs, alpha, sum).cast(DType::F32)
    }

    /// Adds `scale * (x · Aᵀ) · Bᵀ` to `y`.
    ///
    /// # Shapes
    /// `x [tokens, in]`, `a [rank, in]`, `b [out, rank]`, `y [tokens, out]`; a and b are f32.
    fn lora_forward(
        x: &Matrix<Self>,
        a: &Matrix<Self>,
        b: &Matrix<Self>,
        scale: f32,
        y: Matrix<Self>,
    ) -> (Matrix<Self>, LoraInput<Self>) {
        let saved = Self::lora_project(x, a);
        let y = Self::product(Product::Nt, &saved.projected, &like(b, x), scale, Some(y));
        (y, saved)
    }

    /// What [`Kernels::lora_forward`] keeps, without its output.
    fn lora_project(x: &Matrix<Self>, a: &Matrix<Self>) -> LoraInput<Self> {
        LoraInput { projected: Self::product(Product::Nt, x, &like(a, x), 1.0, None) }
    }

    /// Backward of [`Kernels::lora_forward`]: the gradients by a and b (f32) and by `x`, each added to
    /// what is given for it.
    fn lora_backward(
        dy: &Matrix<Self>,
        x: &Matrix<Self>,
        saved: &LoraInput<Self>,
        a: &Matrix<Self>,
        b: &Matrix<Self>,
        scale: f32,
        da: Option<Matrix<Self>>,
        db: Option<Matrix<Self>>,
        dx: Option<Matrix<Self>>,
    ) -> (Matrix<Self>, Matrix<Self>, Matrix<Self>) {
        let d_projected = Self::product(Product::Nn, dy, &like(b, dy), scale, None);
        let db = Self::parameter_gradient(dy, &saved.projected, scale, db);
        let da = Self::parameter_gradient(&d_projected, x, 1.0, da);
        let dx = Self::product(Product::Nn, &d_projected, &like(a, dy), 1.0, dx);
        (da, db, dx)
    }

    /// A whole linear layer: [`Kernels::linear`], then [`Kernels::add_bias`], then
    /// [`Kernels::lora_forward`] over `input`, which is `x` with or without dropout.
    fn adapted_linear(
        x: &Matrix<Self>,
        weight: &FrozenMatrix<Self>,
        bias: Option<&Vector<Self>>,
        input: &Matrix<Self>,
        a: &Matrix<Self>,
        b: &Matrix<Self>,
        scale: f32,
        accumulator: Option<Matrix<Self>>,
    ) -> (Matrix<Self>, LoraInput<Self>) {
        let y = biased_linear(x, weight, bias, accumulator);
        Self::lora_forward(input, a, b, scale, y)
    }

    /// [`Kernels::adapted_linear`] where `projected [tokens, rank]`, the input times Aᵀ, is known.
    fn projected_linear(
        x: &Matrix<Self>,
        weight: &FrozenMatrix<Self>,
        bias: Option<&Vector<Self>>,
        projected: &Matrix<Self>,
        b: &Matrix<Self>,
        scale: f32,
        accumulator: Option<Matrix<Self>>,
    ) -> Matrix<Self> {
        let y = biased_linear(x, weight, bias, accumulator);
        Self::product(Product::Nt, projected, &like(b, x), scale, Some(y))
    }

    /// Gradient by the input of [`Kernels::adapted_linear`] without dropout, where that by `projected`
    /// is known: `dy · W + d_projected · A (+ accumulator)`.
    fn projected_linear_backward(
        dy: &Matrix<Self>,
        weight: &FrozenMatrix<Self>,
        d_projected: &Matrix<Self>,
        a: &Matrix<Self>,
        accumulator: Option<Matrix<Self>>,
    ) -> Matrix<Self> {
        let dx = <Self as Kernels>::linear_backward(dy, weight, accumulator);
        Self::product(Product::Nn, d_projected, &like(a, dy), 1.0, Some(dx))
    }

    /// Backward of [`Kernels::adapted_linear`] without dropout: the gradients by a, b and `x`, each
    /// added to what is given for it.
    fn adapted_linear_backward(
        dy: &Matrix<Self>,
        weight: &FrozenMatrix<Self>,
        x: &Matrix<Self>,
        saved: &LoraInput<Self>,
        a: &Matrix<Self>,
        b: &Matrix<Self>,
        scale: f32,
        da: Option<Matrix<Self>>,
        db: Option<Matrix<Self>>,
        dx: Option<Matrix<Self>>,
    ) -> (Matrix<Self>, Matrix<Self>, Matrix<Self>) {
        let dx = <Self as Kernels>::linear_backward(dy, weight, dx);
        Self::lora_backward(dy, x, saved, a, b, scale, da, db, Some(dx))
    }

    /// [`Kernels::adapted_linear`] of several layers that read `x [tokens, in]`, without dropout.
    ///
    /// # Shapes
    /// Returns `[tokens, out]` of every layer with what its backward pass needs.
    fn adapted_linears(
        x: &Matrix<Self>,
        layers: &[AdaptedLayer<'_, Self>],
    ) -> Vec<(Matrix<Self>, LoraInput<Self>)> {
        plain::adapted_linears(x, layers)
    }

    /// Backward of [`Kernels::adapted_linears`], `outputs` in the order of `layers`: the gradients by
    /// a and b of every layer (f32), and that by `x`, each added to what is given for it.
    fn adapted_linears_backward(
        x: &Matrix<Self>,
        layers: &[AdaptedLayer<'_, Self>],
        outputs: Vec<AdaptedOutput<'_, Self>>,
        dx: Option<Matrix<Self>>,
    ) -> (Vec<[Matrix<Self>; 2]>, Option<Matrix<Self>>) {
        plain::adapted_linears_backward(x, layers, outputs, dx)
    }

    /// `x + bias` for every row; `bias [out]`.
    fn add_bias(x: Matrix<Self>, bias: &Vector<Self>) -> Matrix<Self> {
        plain::add_bias(x, bias)
    }

    /// RMSNorm (Zhang and Sennrich 2019): `x / sqrt(mean(x²) + epsilon) * weight`, per row.
    ///
    /// Returns the result and the reciprocal root `[rows]`, f32.
    fn rms_norm(
        x: &Matrix<Self>,
        weight: &Vector<Self>,
        epsilon: f64,
    ) -> (Matrix<Self>, Vector<Self>) {
        plain::rms_norm(x, weight, epsilon)
    }

    /// Backward of [`Kernels::rms_norm`]; the gradient by `x` is added to `accumulator`.
    ///
    /// With `dweight` (f32, `[columns]`) the gradient by the weight is added to it.
    fn rms_norm_backward(
        dy: &Matrix<Self>,
        x: &Matrix<Self>,
        weight: &Vector<Self>,
        reciprocal_root: &Vector<Self>,
        accumulator: Option<Matrix<Self>>,
        dweight: Option<Vector<Self>>,
    ) -> (Matrix<Self>, Option<Vector<Self>>) {
        plain::rms_norm_backward(dy, x, weight, reciprocal_root, accumulator, dweight)
    }

    /// Rotates the leading `rotary_dim` features of every head by its token's position.
    ///
    /// Pairs are `(i, i + rotary_dim / 2)` (the "half" convention of transformers). The backward
    /// pass is the same rotation with `inverse = true`.
    ///
    /// # Shapes
    /// `x [tokens, heads * head_dim]`.
    fn rotate(
        x: Matrix<Self>,
        table: &RotaryTable<Self>,
        layout: &SequenceLayout<Self>,
        head_dim: usize,
        inverse: bool,
    ) -> Matrix<Self> {
        plain::rotate(x, table, layout, head_dim, inverse)
    }

    /// `silu(gate) * up`.
    fn swiglu(gate: &Matrix<Self>, up: &Matrix<Self>) -> Matrix<Self> {
        plain::swiglu(gate, up)
    }

    /// Backward of [`Kernels::swiglu`]: the gradients by gate and up.
    fn swiglu_backward(
        dy: Matrix<Self>,
        gate: &Matrix<Self>,
        up: &Matrix<Self>,
    ) -> (Matrix<Self>, Matrix<Self>) {
        plain::swiglu_backward(dy, gate, up)
    }

    /// Causal attention inside documents.
    ///
    /// # Shapes
    /// `q [tokens, heads * head_dim]`, `k` and `v [tokens, kv_heads * head_dim]`; returns the output
    /// like `q` and the log-sum-exp of the scores `[tokens, heads]`, f32.
    fn attention(
        q: &Matrix<Self>,
        k: &Matrix<Self>,
        v: &Matrix<Self>,
        layout: &SequenceLayout<Self>,
        shape: AttentionShape,
    ) -> (Matrix<Self>, Matrix<Self>) {
        plain::attention(q, k, v, layout, shape)
    }

    /// Backward of [`Kernels::attention`] (Dao 2023, algorithm 2): gradients by q, k and v.
    fn attention_backward(
        dout: &Matrix<Self>,
        q: &Matrix<Self>,
        k: &Matrix<Self>,
        v: &Matrix<Self>,
        out: &Matrix<Self>,
        log_sum_exp: &Matrix<Self>,
        layout: &SequenceLayout<Self>,
        shape: AttentionShape,
    ) -> (Matrix<Self>, Matrix<Self>, Matrix<Self>) {
        plain::attention_backward(dout, q, k, v, out, log_sum_exp, layout, shape)
    }

    /// Rows of `table [vocab, hidden]` for `tokens`, in `dtype`.
    fn embed(table: &Matrix<Self>, tokens: &IntVector<Self>, dtype: DType) -> Matrix<Self> {
        plain::embed(table, tokens, dtype)
    }

    /// Adds each row of `dx` to the row of `accumulator [vocab, hidden]` of its token.
    fn embed_backward(
        dx: &Matrix<Self>,
        tokens: &IntVector<Self>,
        accumulator: Matrix<Self>,
    ) -> Matrix<Self> {
        plain::embed_backward(dx, tokens, accumulator)
    }

    /// `hidden [tokens, hidden] · headᵀ`, f32.
    fn logits(hidden: &Matrix<Self>, head: &FrozenMatrix<Self>) -> Matrix<Self> {
        plain::logits(hidden, head)
    }

    /// Head and cross-entropy in chunks of tokens, so that all logits never exist at once.
    ///
    /// `targets[i]` is the token that position `i` must predict, or -1 to ignore it. With
    /// `gradient = Some(scale)` the gradient of `scale * Σ nll` by `hidden` is returned too, and
    /// `weight_gradient` is added to where given.
    fn head_loss(
        hidden: &Matrix<Self>,
        head: &FrozenMatrix<Self>,
        targets: &[i32],
        gradient: Option<f32>,
        weight_gradient: Option<Matrix<Self>>,
    ) -> HeadLoss<Self> {
        plain::head_loss(hidden, head, targets, gradient, weight_gradient)
    }

    /// Zeroes each element with probability `p` and scales the others by `1 / (1 - p)`.
    ///
    /// The mask is a function of the seed and the element's index ([`crate::random`]): the backward
    /// pass is the same call on the gradient.
    fn dropout(x: &Matrix<Self>, p: f32, seed: u64) -> Matrix<Self> {
        plain::dropout(x, p, seed)
    }

    /// Adds uniform noise in `(-bounds[row], bounds[row])` (NEFTune, Jain et al. 2023).
    fn add_noise(x: Matrix<Self>, bounds: &[f32], seed: u64) -> Matrix<Self> {
        plain::add_noise(x, bounds, seed)
    }

    /// `Σ x²` over all tensors, added in f64 in the order given.
    fn sum_of_squares(tensors: &[Matrix<Self>]) -> f64 {
        plain::sum_of_squares(tensors)
    }

    /// One AdamW step over a parameter; returns the parameter and both moments, all f32.
    fn adamw(
        parameter: Matrix<Self>,
        gradient: &Matrix<Self>,
        first: Matrix<Self>,
        second: Matrix<Self>,
        step: AdamW,
    ) -> (Matrix<Self>, Matrix<Self>, Matrix<Self>) {
        plain::adamw(parameter, gradient, first, second, step)
    }

    /// Replaces f32 tensors by their sums over all processes of a group, on the devices.
    ///
    /// # Errors
    /// The backend has no such sums, or they fail.
    fn sum_over(
        group: &DeviceGroup,
        tensors: Vec<Matrix<Self>>,
    ) -> Result<Vec<Matrix<Self>>, CollectiveError> {
        let _ = (group, tensors);
        Err(CollectiveError("this backend sums in host memory".to_owned()))
    }

    /// [`Kernels::adamw`] over many parameters; returns each with both moments, in the order given.
    fn adamw_all(list: Vec<TrainedMatrix<Self>>, step: AdamW) -> Vec<[Matrix<Self>; 3]> {
        plain::adamw_all(list, step)
    }
}

/// [`Kernels::linear`] and its bias.
fn biased_linear<B: Kernels>(
    x: &Matrix<B>,
    weight: &FrozenMatrix<B>,
    bias: Option<&Vector<B>>,
    accumulator: Option<Matrix<B>>,
) -> Matrix<B> {
    let y = <B as Kernels>::linear(x, weight, accumulator);
    match bias {
        Some(bias) => B::add_bias(y, bias),
        None => y,
    }
}

/// `parameter` in the dtype of `activation`.
pub(crate) fn like<B: Backend>(parameter: &Matrix<B>, activation: &Matrix<B>) -> Matrix<B> {
    if parameter.dtype() == activation.dtype() {
        parameter.clone()
    } else {
        parameter.clone().cast(activation.dtype())
    }
}
