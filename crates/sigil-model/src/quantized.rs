//! 4-bit weights on a device: quantized there, or by the CPU's cores and uploaded.
//!
//! Both ways give the same bits. The device gets the numbers as they lie in the file and makes the codes
//! and a scale for each block; scales of scales are one number in 64 and stay with the host.

use burn::tensor::{DType, Int, Tensor, TensorData, backend::Backend};
use sigil_kernels::{FourBitCode, Kernels, Matrix, QuantizedTensor, ScaleTensors, Vector};
use sigil_weights::{
    Dtype, FourBit, QuantizedMatrix, Scales, TensorView, WeightsError, nf4::BLOCK_SIZE,
};

/// Quantizes a matrix of a file.
///
/// # Errors
/// The tensor is no matrix, is of another type, or has an element that is not finite.
pub(crate) fn quantize_tensor<B: Kernels>(
    view: &TensorView<'_>,
    kind: FourBit,
    nested: bool,
    device: &B::Device,
) -> Result<QuantizedTensor<B>, WeightsError> {
    let made = if B::quantizes(device) { on_device::<B>(view, kind, nested, device) } else { None };
    match made {
        Some(made) => Ok(made),
        None => Ok(upload(QuantizedMatrix::quantize_tensor(view, kind, nested)?, device)),
    }
}

/// The matrix quantized where it will lie; none where it cannot be, which the host says why.
fn on_device<B: Kernels>(
    view: &TensorView<'_>,
    kind: FourBit,
    nested: bool,
    device: &B::Device,
) -> Option<QuantizedTensor<B>> {
    let &[rows, columns] = view.shape else { return None };
    let dtype = match view.dtype {
        Dtype::F32 => DType::F32,
        Dtype::F16 => DType::F16,
        Dtype::BF16 => DType::BF16,
        _ => return None,
    };
    let numbers = TensorData::from_bytes_vec(view.to_bytes(), [rows, columns], dtype);
    let weight = Matrix::<B>::from_data(numbers, (device, dtype));
    let code = FourBitCode { midpoints: *kind.midpoints(), order: *kind.order() };
    let blocks = B::quantize_blocks(&weight, &code);
    drop(weight);
    let absmax: Vec<f32> = blocks.absmax.to_data().iter::<f32>().collect();
    if !absmax.iter().all(|scale| scale.is_finite()) {
        return None;
    }
    let scales = if nested {
        upload_scales(Scales::nest(&absmax), device)
    } else {
        ScaleTensors::Plain(blocks.absmax)
    };
    Some(QuantizedTensor {
        shape: [rows, columns],
        packed: blocks.packed,
        levels: *kind.code(),
        scales,
        block_size: BLOCK_SIZE,
    })
}

/// The matrix with all its rows repeated.
pub(crate) fn repeat_rows(mut matrix: QuantizedMatrix, repeats: usize) -> QuantizedMatrix {
    matrix.shape[0] *= repeats;
    matrix.packed = matrix.packed.repeat(repeats);
    match &mut matrix.scales {
        Scales::Plain(absmax) => *absmax = absmax.repeat(repeats),
        Scales::Nested { codes, absmax, .. } => {
            *codes = codes.repeat(repeats);
            *absmax = absmax.repeat(repeats);
        }
    }
    matrix
}

/// Puts a quantized weight on the device.
pub(crate) fn upload<B: Backend>(
    matrix: QuantizedMatrix,
    device: &B::Device,
) -> QuantizedTensor<B> {
    let QuantizedMatrix { shape, packed, scales, block_size, code, .. } = matrix;
    let (packed, scales) = (words(packed, device), upload_scales(scales, device));
    QuantizedTensor { shape, packed, levels: code, scales, block_size }
}

fn upload_scales<B: Backend>(scales: Scales, device: &B::Device) -> ScaleTensors<B> {
    match scales {
        Scales::Plain(absmax) => ScaleTensors::Plain(vector(absmax, device)),
        Scales::Nested { codes, absmax, offset, code, block_size } => ScaleTensors::Nested {
            codes: words(codes, device),
            absmax: vector(absmax, device),
            levels: vector(code.to_vec(), device),
            offset,
            group_size: block_size,
        },
    }
}

/// Bytes as little-endian u32 words, the last filled up with zeros.
fn words<B: Backend>(bytes: Vec<u8>, device: &B::Device) -> Tensor<B, 1, Int> {
    let words: Vec<u32> = bytes
        .chunks(4)
        .map(|chunk| {
            let mut word = [0; 4];
            word[..chunk.len()].copy_from_slice(chunk);
            u32::from_le_bytes(word)
        })
        .collect();
    let count = words.len();
    Tensor::from_data(TensorData::new(words, [count]), (device, DType::U32))
}

fn vector<B: Backend>(values: Vec<f32>, device: &B::Device) -> Vector<B> {
    let count = values.len();
    Vector::from_data(TensorData::new(values, [count]), (device, DType::F32))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use proptest::prelude::*;
    use sigil_kernels::Cpu;
    use sigil_weights::CodecError;

    use super::*;

    /// All words and the bits of all numbers.
    fn bits(weight: &QuantizedTensor<Cpu>) -> Vec<u32> {
        let ints = |ints: &Tensor<Cpu, 1, Int>| ints.to_data().iter::<u32>().collect::<Vec<_>>();
        let floats = |floats: &Vector<Cpu>| floats.to_data().iter::<f32>().collect::<Vec<_>>();
        let mut all = ints(&weight.packed);
        let mut add = |numbers: Vec<f32>| all.extend(numbers.into_iter().map(f32::to_bits));
        match &weight.scales {
            ScaleTensors::Plain(absmax) => add(floats(absmax)),
            ScaleTensors::Nested { codes, absmax, levels, offset, .. } => {
                add(floats(absmax));
                add(floats(levels));
                add(vec![*offset]);
                all.extend(ints(codes));
            }
        }
        all
    }

    fn bytes(dtype: Dtype, numbers: &[f32]) -> Vec<u8> {
        let parts = numbers.iter().map(|&x| match dtype {
            Dtype::F16 => half::f16::from_f32(x).to_le_bytes().to_vec(),
            Dtype::BF16 => half::bf16::from_f32(x).to_le_bytes().to_vec(),
            _ => x.to_le_bytes().to_vec(),
        });
        parts.flatten().collect()
    }

    proptest! {
        #[test]
        fn a_device_quantizes_to_the_bits_of_the_host(
            rows in 1usize..20,
            columns in 1usize..120,
            numbers in proptest::collection::vec(prop_oneof![
                8 => -1.0f32..1.0,
                1 => Just(0.0f32),
                1 => -1e-38f32..1e-38,
                1 => -60000.0f32..60000.0,
            ], 2400),
            (kind, nested, dtype) in (
                prop_oneof![Just(FourBit::Nf4), Just(FourBit::Fp4)],
                any::<bool>(),
                prop_oneof![Just(Dtype::F32), Just(Dtype::F16), Just(Dtype::BF16)],
            ),
        ) {
            let bytes = bytes(dtype, &numbers[..rows * columns]);
            let shape = [rows, columns];
            let view = TensorView {
                name: "w",
                file: Path::new("f"),
                dtype,
                shape: &shape,
                bytes: &bytes,
            };
            let device = Default::default();
            let host = QuantizedMatrix::quantize_tensor(&view, kind, nested).expect("finite");
            let host = upload::<Cpu>(host, &device);
            let other = on_device::<Cpu>(&view, kind, nested, &device).expect("finite");
            prop_assert_eq!(bits(&host), bits(&other));
        }
    }

    #[test]
    fn what_is_not_finite_is_left_to_the_host_to_say() {
        let shape = [2, 64];
        let mut numbers = vec![1.0; 128];
        numbers[70] = f32::INFINITY;
        for broken in [f32::INFINITY, f32::NEG_INFINITY, f32::NAN] {
            numbers[70] = broken;
            let bytes = bytes(Dtype::F32, &numbers);
            let view = TensorView {
                name: "w",
                file: Path::new("f"),
                dtype: Dtype::F32,
                shape: &shape,
                bytes: &bytes,
            };
            assert!(on_device::<Cpu>(&view, FourBit::Nf4, true, &Default::default()).is_none());
            let error = quantize_tensor::<Cpu>(&view, FourBit::Nf4, true, &Default::default());
            let place = CodecError::NotFinite { row: 1, column: 6 };
            assert!(
                matches!(error, Err(WeightsError::Codec { source, .. }) if source == place),
                "{broken}"
            );
        }
    }
}
