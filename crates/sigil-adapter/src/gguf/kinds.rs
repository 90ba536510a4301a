//! Element types of tensors, and floats written in them.
//!
//! Q8_0 is 32 elements a block: a scale in f16, then 32 signed bytes. The arithmetic is that of ggml's
//! reference (`quantize_row_q8_0_ref`), in f32, so the bytes are the same. Next: `export.rs`.

use half::f16;
use rayon::prelude::*;
use sigil_weights::Dtype;

use crate::AdapterError;
use crate::tensors::encode;

/// Elements of a Q8_0 block, and its bytes.
const BLOCK: usize = 32;
const BLOCK_BYTES: usize = 34;

/// An element type.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum TensorKind {
    /// 32-bit float.
    F32,
    /// 16-bit IEEE float.
    F16,
    /// 8 bits and a scale for every 32.
    Q8_0,
    /// 16-bit brain float.
    BF16,
    /// Another one, by its number; its elements are not read here.
    Other(u32),
}

impl TensorKind {
    /// Its number in the file.
    pub(super) fn id(self) -> u32 {
        match self {
            Self::F32 => 0,
            Self::F16 => 1,
            Self::Q8_0 => 8,
            Self::BF16 => 30,
            Self::Other(id) => id,
        }
    }

    pub(super) fn of(id: u32) -> Self {
        [Self::F32, Self::F16, Self::Q8_0, Self::BF16]
            .into_iter()
            .find(|kind| kind.id() == id)
            .unwrap_or(Self::Other(id))
    }

    /// Its name, as ggml has it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::F32 => "F32",
            Self::F16 => "F16",
            Self::Q8_0 => "Q8_0",
            Self::BF16 => "BF16",
            Self::Other(_) => "another type",
        }
    }

    /// `general.file_type` of a file whose matrices are of this type.
    pub(super) fn file_type(self) -> u32 {
        match self {
            Self::F32 | Self::Other(_) => 0,
            Self::F16 => 1,
            Self::Q8_0 => 7,
            Self::BF16 => 32,
        }
    }

    /// Bytes of a tensor whose rows have `columns` elements; none where rows are no whole blocks.
    pub(super) fn bytes(self, elements: u64, columns: u64) -> Option<u64> {
        match self {
            Self::F32 => elements.checked_mul(4),
            Self::F16 | Self::BF16 => elements.checked_mul(2),
            Self::Q8_0 if columns.is_multiple_of(BLOCK as u64) => {
                (elements / BLOCK as u64).checked_mul(BLOCK_BYTES as u64)
            }
            Self::Q8_0 | Self::Other(_) => None,
        }
    }

    /// Floats in this type.
    ///
    /// # Errors
    /// A value that the type cannot hold.
    pub(super) fn encode(self, tensor: &str, values: &[f32]) -> Result<Vec<u8>, AdapterError> {
        match self {
            Self::F16 => encode(tensor, values, Dtype::F16),
            Self::BF16 => encode(tensor, values, Dtype::BF16),
            Self::Q8_0 => quantize(tensor, values),
            Self::F32 | Self::Other(_) => encode(tensor, values, Dtype::F32),
        }
    }

    /// Elements of this type as floats; none for types that are not read.
    pub(super) fn decode(self, bytes: &[u8]) -> Option<Vec<f32>> {
        let pairs = || bytes.as_chunks::<2>().0.iter();
        match self {
            Self::F32 => {
                Some(bytes.as_chunks::<4>().0.iter().map(|b| f32::from_le_bytes(*b)).collect())
            }
            Self::F16 => Some(pairs().map(|b| f16::from_le_bytes(*b).to_f32()).collect()),
            Self::BF16 => Some(pairs().map(|b| half::bf16::from_le_bytes(*b).to_f32()).collect()),
            Self::Q8_0 => Some(
                bytes
                    .as_chunks::<BLOCK_BYTES>()
                    .0
                    .iter()
                    .flat_map(|block| {
                        let scale = f16::from_le_bytes([block[0], block[1]]).to_f32();
                        block[2..].iter().map(move |&code| f32::from(code as i8) * scale)
                    })
                    .collect(),
            ),
            Self::Other(_) => None,
        }
    }
}

fn quantize(tensor: &str, values: &[f32]) -> Result<Vec<u8>, AdapterError> {
    let mut bytes = vec![0; values.len() / BLOCK * BLOCK_BYTES];
    let blocks = bytes.par_chunks_mut(BLOCK_BYTES).zip(values.par_chunks(BLOCK));
    let lost = blocks.map(|(out, values)| {
        let largest = values.iter().fold(0.0_f32, |most, value| most.max(value.abs()));
        let scale = largest / 127.0;
        let inverse = if scale == 0.0 { 0.0 } else { 1.0 / scale };
        let short = f16::from_f32(scale);
        out[..2].copy_from_slice(&short.to_le_bytes());
        for (code, value) in out[2..].iter_mut().zip(values) {
            *code = (value * inverse).round() as i8 as u8;
        }
        (!short.is_finite()).then_some(largest)
    });
    match lost.find_first(Option::is_some).flatten() {
        None => Ok(bytes),
        Some(value) => {
            Err(AdapterError::Overflow { tensor: tensor.to_owned(), value, dtype: "Q8_0" })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn eight_bits_are_within_half_a_step(values in proptest::collection::vec(-8.0f32..8.0, 64)) {
            let bytes = TensorKind::Q8_0.encode("t", &values).expect("it fits");
            prop_assert_eq!(Some(bytes.len() as u64), TensorKind::Q8_0.bytes(64, 64));
            let back = TensorKind::Q8_0.decode(&bytes).expect("it is read");
            for (block, back) in values.chunks(32).zip(back.chunks(32)) {
                let largest = block.iter().fold(0.0f32, |most, value| most.max(value.abs()));
                for (value, back) in block.iter().zip(back) {
                    // Half a step, and what f16 does to the scale (2^-11 of a value).
                    let allowed = largest / 127.0 * 0.5 + largest * 1e-3 + 1e-6;
                    prop_assert!((value - back).abs() <= allowed, "{} {}", value, back);
                }
            }
        }

        #[test]
        fn sixteen_bits_come_back(values in proptest::collection::vec(-100.0f32..100.0, 1..40)) {
            for kind in [TensorKind::F32, TensorKind::F16, TensorKind::BF16] {
                let bytes = kind.encode("t", &values).expect("it fits");
                let once = kind.decode(&bytes).expect("it is read");
                let again = kind.encode("t", &once).expect("it fits");
                prop_assert_eq!(&again, &bytes);
            }
        }
    }
}
