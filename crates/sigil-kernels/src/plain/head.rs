//! The language-model head and cross-entropy in plain Burn operations.

use burn::tensor::{DType, Tensor, TensorData, backend::Backend};

use super::linear;
use crate::{FrozenMatrix, HeadLoss, Matrix, Product, layout::int_vector};

/// Logits held at once, in elements: 64 MiB of f32.
const CHUNK_LOGITS: usize = 1 << 24;

/// See [`crate::Kernels::logits`].
pub fn logits<B: Backend>(hidden: &Matrix<B>, head: &FrozenMatrix<B>) -> Matrix<B> {
    linear::linear(hidden, head, None).cast(DType::F32)
}

/// See [`crate::Kernels::head_loss`].
///
/// Rows without a target are dropped before the product.
pub fn head_loss<B: Backend>(
    hidden: &Matrix<B>,
    head: &FrozenMatrix<B>,
    targets: &[i32],
    gradient: Option<f32>,
    mut weight_gradient: Option<Matrix<B>>,
) -> HeadLoss<B> {
    let device = hidden.device();
    let [tokens, width] = hidden.dims();
    let [vocab, _] = head.shape();
    let rows: Vec<i32> = (0..tokens as i32).filter(|&i| targets[i as usize] >= 0).collect();
    let mut nll = vec![0.0f32; tokens];
    let mut dhidden =
        gradient.map(|_| Matrix::<B>::zeros([tokens, width], (&device, hidden.dtype())));
    for chunk in rows.chunks((CHUNK_LOGITS / vocab).max(1)) {
        let index = int_vector::<B>(chunk.to_vec(), &device);
        let part = hidden.clone().select(0, index.clone());
        let logits = logits(&part, head);
        let wanted: Vec<i32> = chunk.iter().map(|&row| targets[row as usize]).collect();
        let count = chunk.len();
        let wanted = int_vector::<B>(wanted, &device).reshape([count, 1]);
        let shifted = logits.clone() - logits.max_dim(1);
        let log_sum = shifted.clone().exp().sum_dim(1).log();
        let log_probabilities = shifted - log_sum;
        let picked = log_probabilities.clone().gather(1, wanted.clone()).into_data();
        for (&row, value) in chunk.iter().zip(picked.iter::<f32>()) {
            nll[row as usize] = -value;
        }
        if let (Some(scale), Some(sum)) = (gradient, dhidden.take()) {
            let ones = Tensor::full([count, 1], -1.0, &device);
            let dlogits = log_probabilities
                .exp()
                .scatter(1, wanted, ones, burn::tensor::IndexingUpdateOp::Add)
                .mul_scalar(scale)
                .cast(hidden.dtype());
            let dpart = linear::linear_backward(&dlogits, head, None);
            if let Some(total) = weight_gradient.take() {
                weight_gradient =
                    Some(linear::product(Product::Tn, &dlogits, &part, 1.0, Some(total)));
            }
            let update = burn::tensor::IndexingUpdateOp::Add;
            dhidden = Some(sum.select_assign(0, index, dpart, update));
        }
    }
    let nll = Tensor::from_data(TensorData::new(nll, [tokens]), (&device, DType::F32));
    HeadLoss { nll, hidden_gradient: dhidden, weight_gradient }
}
