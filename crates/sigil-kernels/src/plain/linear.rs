//! Matrix products and 4-bit decoding in plain Burn operations.

use burn::tensor::{DType, Tensor, backend::Backend};

use crate::{FrozenMatrix, Matrix, Product, QuantizedTensor, ScaleTensors, Vector};

/// See [`crate::Kernels::product`].
pub fn product<B: Backend>(
    product: Product,
    lhs: &Matrix<B>,
    rhs: &Matrix<B>,
    alpha: f32,
    accumulator: Option<Matrix<B>>,
) -> Matrix<B> {
    let (lhs, rhs) = (lhs.clone(), rhs.clone());
    let result = match product {
        Product::Nn => lhs.matmul(rhs),
        Product::Nt => lhs.matmul(rhs.transpose()),
        Product::Tn => lhs.transpose().matmul(rhs),
    };
    let result = if alpha == 1.0 { result } else { result.mul_scalar(alpha) };
    match accumulator {
        Some(sum) => {
            let dtype = sum.dtype();
            sum + result.cast(dtype)
        }
        None => result,
    }
}

/// See [`crate::Kernels::dequantize`].
pub fn dequantize<B: Backend>(weight: &QuantizedTensor<B>, dtype: DType) -> Matrix<B> {
    let device = weight.packed.device();
    let [rows, columns] = weight.shape;
    let count = rows * columns;
    let words = weight.packed.dims()[0];
    // Byte j of a word holds elements 2j (high nibble) and 2j + 1 (low nibble).
    let nibbles: Vec<Tensor<B, 2, burn::tensor::Int>> = (0..8)
        .map(|i| {
            let shift = 8 * (i / 2) + if i % 2 == 0 { 4 } else { 0 };
            let packed = weight.packed.clone().bitwise_right_shift_scalar(elem::<B>(shift));
            packed.bitwise_and_scalar(elem::<B>(15)).cast(DType::I32).reshape([words, 1])
        })
        .collect();
    let codes = Tensor::cat(nibbles, 1).reshape([words * 8]);
    let levels = Tensor::<B, 1>::from_data(weight.levels, (&device, DType::F32));
    let values = levels.select(0, codes).slice([0..count]);
    let scales = block_scales(&weight.scales, count.div_ceil(weight.block_size));
    let blocks = scales.dims()[0];
    let scales = scales.reshape([blocks, 1]).repeat_dim(1, weight.block_size);
    let scales = scales.reshape([blocks * weight.block_size]).slice([0..count]);
    (values * scales).reshape([rows, columns]).cast(dtype)
}

/// The f32 scale of every block.
fn block_scales<B: Backend>(scales: &ScaleTensors<B>, blocks: usize) -> Vector<B> {
    match scales {
        ScaleTensors::Plain(absmax) => absmax.clone(),
        ScaleTensors::Nested { codes, absmax, levels, offset, group_size } => {
            let words = codes.dims()[0];
            let bytes: Vec<Tensor<B, 2, burn::tensor::Int>> = (0..4)
                .map(|i| {
                    let code = codes.clone().bitwise_right_shift_scalar(elem::<B>(8 * i));
                    code.bitwise_and_scalar(elem::<B>(255)).cast(DType::I32).reshape([words, 1])
                })
                .collect();
            let codes = Tensor::cat(bytes, 1).reshape([words * 4]).slice([0..blocks]);
            let groups = absmax.dims()[0];
            let group = absmax.clone().reshape([groups, 1]).repeat_dim(1, *group_size);
            let group = group.reshape([groups * group_size]).slice([0..blocks]);
            levels.clone().select(0, codes) * group + *offset
        }
    }
}

fn elem<B: Backend>(value: i32) -> B::IntElem {
    burn::tensor::ElementConversion::elem(value)
}

fn dense<B: Backend>(weight: &FrozenMatrix<B>, dtype: DType) -> Matrix<B> {
    match weight {
        FrozenMatrix::Dense(weight) => weight.clone().cast(dtype),
        FrozenMatrix::Quantized(weight) => dequantize(weight, dtype),
    }
}

/// See [`crate::Kernels::linear`].
pub fn linear<B: Backend>(
    x: &Matrix<B>,
    weight: &FrozenMatrix<B>,
    accumulator: Option<Matrix<B>>,
) -> Matrix<B> {
    product(Product::Nt, x, &dense(weight, x.dtype()), 1.0, accumulator)
}

/// See [`crate::Kernels::linear_backward`].
pub fn linear_backward<B: Backend>(
    dy: &Matrix<B>,
    weight: &FrozenMatrix<B>,
    accumulator: Option<Matrix<B>>,
) -> Matrix<B> {
    product(Product::Nn, dy, &dense(weight, dy.dtype()), 1.0, accumulator)
}
