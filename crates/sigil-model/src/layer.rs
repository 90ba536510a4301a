//! One decoder layer: pre-norm attention and a gated MLP, forward and backward side by side.
//!
//! ```text
//! h1 = norm(x);  q, k, v = rope(h1 W);  a = attention(q, k, v);  x2 = x + a Wo
//! h2 = norm(x2); gate, up = h2 W;       m = silu(gate) up;       y  = x2 + m Wd
//! ```
//! Shapes: `x [tokens, hidden]`, `q [tokens, heads * head_dim]`, `k`, `v [tokens, kv_heads *
//! head_dim]`, `gate`, `up [tokens, intermediate]`. Read `decoder.rs` next.

use burn::tensor::{Tensor, TensorData, backend::Backend};
use sigil_kernels::{AttentionShape, Kernels, Matrix, RotaryTable, SequenceLayout, Vector};

use crate::{
    CheckpointPolicy, Parameters, Pass, group,
    linear::{Gain, Linear, LinearSaved},
};

/// Query, key and value projections: three matrices or one.
#[derive(Clone, Debug)]
#[expect(clippy::large_enum_variant, reason = "one a layer: the size of the enum is nothing")]
pub enum QueryKeyValue<B: Backend> {
    /// `q_proj`, `k_proj`, `v_proj`.
    Separate([Linear<B>; 3]),
    /// `qkv_proj`, rows in that order.
    Fused(Linear<B>),
}

/// Gate and up projections: two matrices or one.
#[derive(Clone, Debug)]
pub enum GateUp<B: Backend> {
    /// `gate_proj`, `up_proj`.
    Separate([Linear<B>; 2]),
    /// `gate_up_proj`, gate rows first.
    Fused(Linear<B>),
}

/// RMSNorm over a row, or over each head of it.
#[derive(Clone, Debug)]
pub struct Norm<B: Backend> {
    /// `[columns]`.
    pub weight: Gain<B>,
    /// Added to the mean square.
    pub epsilon: f64,
}

/// One decoder layer.
#[derive(Clone, Debug)]
pub struct DecoderLayer<B: Backend> {
    /// `input_layernorm`.
    pub attention_norm: Norm<B>,
    /// Query, key and value projections.
    pub qkv: QueryKeyValue<B>,
    /// `q_norm` and `k_norm` over each head, where the family has them.
    pub head_norms: Option<[Norm<B>; 2]>,
    /// `o_proj`.
    pub output: Linear<B>,
    /// `post_attention_layernorm`.
    pub mlp_norm: Norm<B>,
    /// Gate and up projections.
    pub gate_up: GateUp<B>,
    /// `down_proj`.
    pub down: Linear<B>,
    /// Heads, scale and window.
    pub attention: AttentionShape,
}

/// What all layers share in one pass over a batch.
pub struct LayerContext<'a, B: Backend> {
    /// Rotary table.
    pub rotary: &'a RotaryTable<B>,
    /// Documents of the batch.
    pub layout: &'a SequenceLayout<B>,
    /// Training or not, and the seed of this pass.
    pub pass: &'a Pass,
}

/// A layer's input, on the device or in host memory.
enum Input<B: Backend> {
    Device(Matrix<B>),
    Host(TensorData, B::Device),
}

/// What is kept of a layer between its forward and its backward pass.
pub struct LayerSaved<B: Backend> {
    input: Input<B>,
    activations: Option<Activations<B>>,
}

/// Everything between a layer's input and output that its backward pass reads.
///
/// What is `None` is cheap to compute again: `Minimal` leaves it out.
struct Activations<B: Backend> {
    root1: Vector<B>,
    h1: Option<Matrix<B>>,
    qkv_saved: Vec<LinearSaved<B>>,
    /// Queries and keys before their norms, and the norms' roots.
    raw_heads: Option<[(Matrix<B>, Vector<B>); 2]>,
    q: Matrix<B>,
    k: Matrix<B>,
    v: Matrix<B>,
    attended: Matrix<B>,
    log_sum_exp: Matrix<B>,
    output_saved: LinearSaved<B>,
    x2: Matrix<B>,
    root2: Vector<B>,
    h2: Option<Matrix<B>>,
    gate_up_saved: Vec<LinearSaved<B>>,
    gate: Matrix<B>,
    up: Matrix<B>,
    product: Option<Matrix<B>>,
    /// `None` where the layer was run again: its output is not computed a second time.
    down_saved: Option<LinearSaved<B>>,
}

fn columns<B: Backend>(x: &Matrix<B>, from: usize, to: usize) -> Matrix<B> {
    let rows = x.dims()[0];
    x.clone().slice([0..rows, from..to])
}

impl<B: Kernels> Norm<B> {
    fn forward(&self, x: &Matrix<B>, parameters: &Parameters<B>) -> (Matrix<B>, Vector<B>) {
        B::rms_norm(x, &self.weight.vector(parameters), self.epsilon)
    }

    /// The final norm of the decoder uses this too.
    pub(crate) fn apply(
        &self,
        x: &Matrix<B>,
        parameters: &Parameters<B>,
    ) -> (Matrix<B>, Vector<B>) {
        self.forward(x, parameters)
    }

    pub(crate) fn backward(
        &self,
        dy: &Matrix<B>,
        x: &Matrix<B>,
        root: &Vector<B>,
        parameters: &mut Parameters<B>,
        accumulator: Option<Matrix<B>>,
    ) -> Matrix<B> {
        let weight = self.weight.vector(parameters);
        let Gain::Trained(id) = self.weight else {
            return B::rms_norm_backward(dy, x, &weight, root, accumulator, None).0;
        };
        let columns = weight.dims()[0];
        let sum = parameters.take_gradient_or_zeros(id).reshape([columns]);
        let (dx, sum) = B::rms_norm_backward(dy, x, &weight, root, accumulator, Some(sum));
        let sum = sum.expect("a gradient was asked for");
        parameters.set_gradient(id, sum.reshape([1, columns]));
        dx
    }
}

impl<B: Kernels> DecoderLayer<B> {
    /// Runs the layer and keeps what `policy` says; `None` keeps nothing (no backward pass).
    pub fn forward(
        &self,
        x: Matrix<B>,
        parameters: &Parameters<B>,
        context: &LayerContext<'_, B>,
        policy: Option<CheckpointPolicy>,
    ) -> (Matrix<B>, Option<LayerSaved<B>>) {
        let mut activations = self.activations(&x, parameters, context);
        let product = activations.product.as_ref().expect("it was just computed");
        let sum = Some(activations.x2.clone());
        let (y, down_saved) = self.down.forward(product, parameters, context.pass, sum);
        activations.down_saved = Some(down_saved);
        if policy == Some(CheckpointPolicy::Minimal) {
            (activations.h1, activations.h2, activations.product) = (None, None, None);
        }
        let saved = policy.map(|policy| match policy {
            CheckpointPolicy::None | CheckpointPolicy::Minimal => {
                LayerSaved { input: Input::Device(x), activations: Some(activations) }
            }
            CheckpointPolicy::Inputs => LayerSaved { input: Input::Device(x), activations: None },
            CheckpointPolicy::Offload => {
                let device = x.device();
                LayerSaved { input: Input::Host(x.into_data(), device), activations: None }
            }
        });
        (y, saved)
    }

    /// Runs the layer up to its last product.
    fn activations(
        &self,
        x: &Matrix<B>,
        parameters: &Parameters<B>,
        context: &LayerContext<'_, B>,
    ) -> Activations<B> {
        let LayerContext { rotary, layout, pass } = context;
        let shape = self.attention;
        let (h1, root1) = self.attention_norm.forward(x, parameters);
        let ([mut q, mut k, v], qkv_saved) = self.project_qkv(&h1, parameters, pass);
        let mut raw_heads = None;
        if let Some([q_norm, k_norm]) = &self.head_norms {
            let (normed_q, q_saved) = head_norm(q_norm, q, shape.head_dim, parameters);
            let (normed_k, k_saved) = head_norm(k_norm, k, shape.head_dim, parameters);
            (q, k) = (normed_q, normed_k);
            raw_heads = Some([q_saved, k_saved]);
        }
        let q = B::rotate(q, rotary, layout, shape.head_dim, false);
        let k = B::rotate(k, rotary, layout, shape.head_dim, false);
        let (attended, log_sum_exp) = <B as Kernels>::attention(&q, &k, &v, layout, shape);
        let (x2, output_saved) = self.output.forward(&attended, parameters, pass, Some(x.clone()));

        let (h2, root2) = self.mlp_norm.forward(&x2, parameters);
        let ([gate, up], gate_up_saved) = self.project_gate_up(&h2, parameters, pass);
        let product = B::swiglu(&gate, &up);
        Activations {
            root1,
            h1: Some(h1),
            qkv_saved,
            raw_heads,
            q,
            k,
            v,
            attended,
            log_sum_exp,
            output_saved,
            x2,
            root2,
            h2: Some(h2),
            gate_up_saved,
            gate,
            up,
            product: Some(product),
            down_saved: None,
        }
    }

    /// Gradient by the layer's input; gradients of what is trained are added to `parameters`.
    ///
    /// With `wants_input = false` (the first layer over a frozen embedding) the gradient by the
    /// input is not finished and what is returned has no meaning.
    pub fn backward(
        &self,
        dy: Matrix<B>,
        saved: LayerSaved<B>,
        parameters: &mut Parameters<B>,
        context: &LayerContext<'_, B>,
        wants_input: bool,
    ) -> Matrix<B> {
        let x = match saved.input {
            Input::Device(x) => x,
            Input::Host(data, device) => {
                let dtype = data.dtype;
                Tensor::from_data(data, (&device, dtype))
            }
        };
        let kept = saved.activations.unwrap_or_else(|| self.activations(&x, parameters, context));
        let LayerContext { rotary, layout, pass } = context;
        let shape = self.attention;

        // y = x2 + down(product)
        let product = kept.product.unwrap_or_else(|| B::swiglu(&kept.gate, &kept.up));
        let down_saved =
            kept.down_saved.unwrap_or_else(|| self.down.save(&product, parameters, pass));
        let dproduct = self
            .down
            .backward(&dy, &product, &down_saved, parameters, pass, None, true)
            .expect("the input's gradient was asked for");
        drop(product);
        let (dgate, dup) = B::swiglu_backward(dproduct, &kept.gate, &kept.up);
        drop((kept.gate, kept.up));
        let h2 = kept.h2.unwrap_or_else(|| self.mlp_norm.forward(&kept.x2, parameters).0);
        let dh2 = self.gate_up_backward([dgate, dup], &h2, &kept.gate_up_saved, parameters, pass);
        drop(h2);
        let dx2 = self.mlp_norm.backward(&dh2, &kept.x2, &kept.root2, parameters, Some(dy));
        drop((dh2, kept.x2));

        // x2 = x + output(attended)
        let dattended = self
            .output
            .backward(&dx2, &kept.attended, &kept.output_saved, parameters, pass, None, true)
            .expect("the input's gradient was asked for");
        let (dq, dk, dv) = B::attention_backward(
            &dattended,
            &kept.q,
            &kept.k,
            &kept.v,
            &kept.attended,
            &kept.log_sum_exp,
            layout,
            shape,
        );
        drop((dattended, kept.q, kept.k, kept.v, kept.attended));
        let mut dq = B::rotate(dq, rotary, layout, shape.head_dim, true);
        let mut dk = B::rotate(dk, rotary, layout, shape.head_dim, true);
        if let (Some([q_norm, k_norm]), Some([raw_q, raw_k])) = (&self.head_norms, &kept.raw_heads)
        {
            dq = head_norm_backward(q_norm, dq, raw_q, shape.head_dim, parameters);
            dk = head_norm_backward(k_norm, dk, raw_k, shape.head_dim, parameters);
        }
        let h1 = kept.h1.unwrap_or_else(|| self.attention_norm.forward(&x, parameters).0);
        let dh1 =
            self.qkv_backward([dq, dk, dv], &h1, &kept.qkv_saved, parameters, pass, wants_input);
        match dh1 {
            Some(dh1) => self.attention_norm.backward(&dh1, &x, &kept.root1, parameters, Some(dx2)),
            None => dx2,
        }
    }

    fn project_qkv(
        &self,
        h: &Matrix<B>,
        parameters: &Parameters<B>,
        pass: &Pass,
    ) -> ([Matrix<B>; 3], Vec<LinearSaved<B>>) {
        match &self.qkv {
            QueryKeyValue::Separate(linears) => group::forward(linears, h, parameters, pass),
            QueryKeyValue::Fused(linear) => {
                let (all, saved) = linear.forward(h, parameters, pass, None);
                let query = self.attention.heads * self.attention.head_dim;
                let key = self.attention.kv_heads * self.attention.head_dim;
                let parts = [(0, query), (query, query + key), (query + key, query + 2 * key)];
                (parts.map(|(from, to)| columns(&all, from, to)), vec![saved])
            }
        }
    }

    fn qkv_backward(
        &self,
        gradients: [Matrix<B>; 3],
        h: &Matrix<B>,
        saved: &[LinearSaved<B>],
        parameters: &mut Parameters<B>,
        pass: &Pass,
        wants_input: bool,
    ) -> Option<Matrix<B>> {
        match &self.qkv {
            QueryKeyValue::Separate(linears) => {
                group::backward(linears, &gradients, h, saved, parameters, pass, wants_input)
            }
            QueryKeyValue::Fused(linear) => {
                let dy = Tensor::cat(gradients.to_vec(), 1);
                linear.backward(&dy, h, &saved[0], parameters, pass, None, wants_input)
            }
        }
    }

    fn project_gate_up(
        &self,
        h: &Matrix<B>,
        parameters: &Parameters<B>,
        pass: &Pass,
    ) -> ([Matrix<B>; 2], Vec<LinearSaved<B>>) {
        match &self.gate_up {
            GateUp::Separate(linears) => group::forward(linears, h, parameters, pass),
            GateUp::Fused(linear) => {
                let (all, saved) = linear.forward(h, parameters, pass, None);
                let width = all.dims()[1] / 2;
                ([columns(&all, 0, width), columns(&all, width, 2 * width)], vec![saved])
            }
        }
    }

    fn gate_up_backward(
        &self,
        gradients: [Matrix<B>; 2],
        h: &Matrix<B>,
        saved: &[LinearSaved<B>],
        parameters: &mut Parameters<B>,
        pass: &Pass,
    ) -> Matrix<B> {
        let dh = match &self.gate_up {
            GateUp::Separate(linears) => {
                group::backward(linears, &gradients, h, saved, parameters, pass, true)
            }
            GateUp::Fused(linear) => {
                let dy = Tensor::cat(gradients.to_vec(), 1);
                linear.backward(&dy, h, &saved[0], parameters, pass, None, true)
            }
        };
        dh.expect("the input's gradient was asked for")
    }
}

/// Normalizes each head; returns the result, and the input with the roots for the backward pass.
fn head_norm<B: Kernels>(
    norm: &Norm<B>,
    x: Matrix<B>,
    head_dim: usize,
    parameters: &Parameters<B>,
) -> (Matrix<B>, (Matrix<B>, Vector<B>)) {
    let [tokens, width] = x.dims();
    let heads = x.reshape([tokens * width / head_dim, head_dim]);
    let (y, root) = norm.forward(&heads, parameters);
    (y.reshape([tokens, width]), (heads, root))
}

fn head_norm_backward<B: Kernels>(
    norm: &Norm<B>,
    dy: Matrix<B>,
    (heads, root): &(Matrix<B>, Vector<B>),
    head_dim: usize,
    parameters: &mut Parameters<B>,
) -> Matrix<B> {
    let [tokens, width] = dy.dims();
    let dy = dy.reshape([tokens * width / head_dim, head_dim]);
    norm.backward(&dy, heads, root, parameters, None).reshape([tokens, width])
}
