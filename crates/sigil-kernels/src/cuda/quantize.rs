//! The launch that quantizes a matrix where it lies.

use burn::tensor::{DType, Tensor};

use super::{
    Family, Native,
    native::is_left_out,
    source::{QUANTIZE, Source},
};
use crate::{
    FourBitCode, Matrix, QuantizedBlocks,
    cube::buffer::{On, dense, empty, tensor},
    plain,
};

/// Numbers that share a scale.
const BLOCK: usize = 64;
/// Numbers of a word.
const WORD: usize = 8;
const THREADS: u32 = 256;

/// The kernel for numbers of a type, if there is one.
pub(crate) fn quantize_source(dtype: DType) -> Option<Source> {
    let input = match dtype {
        DType::BF16 => 0,
        DType::F16 => 1,
        DType::F32 => 2,
        _ => return None,
    };
    let defines = vec![("INPUT", input)];
    Some(Source { file: QUANTIZE, defines, threads: THREADS, shared_bytes: 0 })
}

/// See [`crate::Kernels::quantizes`].
pub(crate) fn quantizes<R: Native>(device: &R::Device) -> bool {
    !is_left_out(Family::Quantization) && R::card(&R::client(device)).is_some()
}

/// See [`crate::Kernels::quantize_blocks`].
pub(crate) fn quantize<R: Native>(
    weight: &Matrix<On<R>>,
    code: &FourBitCode,
) -> QuantizedBlocks<On<R>> {
    let [rows, columns] = weight.dims();
    let elements = rows * columns;
    let source = quantize_source(weight.dtype()).filter(|_| quantizes::<R>(&weight.device()));
    let blocks = elements.div_ceil(BLOCK);
    let grid = u32::try_from((blocks * (BLOCK / WORD)).div_ceil(THREADS as usize));
    let (Some(source), Ok(grid), 1..) = (source, grid, elements) else {
        return plain::quantize(weight, code);
    };
    let numbers = dense(weight);
    let packed = empty(&numbers, [elements.div_ceil(WORD)], DType::U32);
    let absmax = empty(&numbers, [blocks], DType::F32);
    let buffers = [&numbers, &packed, &absmax];
    R::launch(&numbers.client, source, [grid, 1, 1], &buffers, &scalars(elements as u64, code));
    QuantizedBlocks { packed: Tensor::from_primitive(packed), absmax: tensor(absmax) }
}

/// `QuantizeShape`.
fn scalars(elements: u64, code: &FourBitCode) -> Vec<u32> {
    // What orders integers as their bits order floats.
    let ordered = |x: f32| match x.to_bits() {
        bits if x.is_sign_negative() => bits ^ 0x7fff_ffff,
        bits => bits,
    };
    let mut words = vec![elements as u32, (elements >> 32) as u32];
    words.extend(code.midpoints.map(ordered));
    words.extend(code.order.map(u32::from));
    words
}
