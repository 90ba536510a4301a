//! A quantized matrix in memory: made from floats or from a checkpoint's parts, and decoded.
//!
//! Its parts are public to read, since device kernels upload them as they are, but it can only be
//! made through functions that check that they fit together. It is not a file format (`bnb.rs`).

use std::ops::Range;

use super::decode::Source;
use super::encode::encode;
use super::{BLOCK_SIZE, CodecError, FourBit, NESTED_BLOCK_SIZE, Scales};
use crate::tensor_files::{TensorView, WeightsError};

/// A matrix of 4-bit codes and the scales of their blocks.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct QuantizedMatrix {
    /// Which code.
    pub kind: FourBit,
    /// `[out, in]`.
    pub shape: [usize; 2],
    /// Two nibbles a byte over the flat row-major run: element `2j` high, element `2j + 1` low.
    pub packed: Vec<u8>,
    /// One scale per block of the flat run.
    pub scales: Scales,
    /// Elements per block.
    pub block_size: usize,
    /// What each nibble stands for, in units of the block's scale.
    pub code: [f32; 16],
}

impl QuantizedMatrix {
    /// Quantizes a row-major matrix in blocks of 64, with its scales in 8 bits if `nested`.
    ///
    /// # Shapes
    /// `weights` holds `shape[0] * shape[1]` elements.
    ///
    /// # Errors
    /// The number of elements does not match, or one of them is not finite.
    pub fn quantize(
        weights: &[f32],
        shape: [usize; 2],
        kind: FourBit,
        nested: bool,
    ) -> Result<Self, CodecError> {
        if Self::elements(shape) != Some(weights.len()) {
            return Err(CodecError::Shape { shape, found: weights.len() });
        }
        Self::from_source(shape, kind, nested, |start, out| {
            out.copy_from_slice(&weights[start..start + out.len()]);
        })
    }

    /// Quantizes a mapped tensor without copying it out first; its elements are f32, f16 or bf16.
    ///
    /// # Errors
    /// The tensor is no matrix, is of another type, or has an element that is not finite.
    pub fn quantize_tensor(
        tensor: &TensorView<'_>,
        kind: FourBit,
        nested: bool,
    ) -> Result<Self, WeightsError> {
        tensor.check_float()?;
        let &[rows, columns] = tensor.shape else {
            return Err(WeightsError::WrongShape {
                path: tensor.file.to_path_buf(),
                tensor: tensor.name.to_owned(),
                found: tensor.shape.to_vec(),
                expected: "a matrix".to_owned(),
            });
        };
        let made = Self::from_source([rows, columns], kind, nested, |start, out| {
            tensor.fill_f32(start, out);
        });
        made.map_err(|source| WeightsError::Codec {
            path: tensor.file.to_path_buf(),
            tensor: tensor.name.to_owned(),
            source,
        })
    }

    fn from_source<F>(
        shape: [usize; 2],
        kind: FourBit,
        nested: bool,
        fill: F,
    ) -> Result<Self, CodecError>
    where
        F: Fn(usize, &mut [f32]) + Sync,
    {
        let len = shape[0] * shape[1];
        let encoded = encode(len, BLOCK_SIZE, kind, &fill);
        if let Some(block) = encoded.absmax.iter().position(|absmax| !absmax.is_finite()) {
            let start = block * BLOCK_SIZE;
            let mut values = vec![0.0; BLOCK_SIZE.min(len - start)];
            fill(start, &mut values);
            let inside = values.iter().position(|x| !x.is_finite()).unwrap_or(0);
            let at = start + inside;
            return Err(CodecError::NotFinite { row: at / shape[1], column: at % shape[1] });
        }
        let scales =
            if nested { Scales::nest(&encoded.absmax) } else { Scales::Plain(encoded.absmax) };
        let (packed, code) = (encoded.packed, *kind.code());
        Ok(Self { kind, shape, packed, scales, block_size: BLOCK_SIZE, code })
    }

    /// Puts the parts of an already quantized matrix together.
    ///
    /// # Errors
    /// The parts do not have the lengths that the shape and block sizes need.
    pub fn from_parts(
        kind: FourBit,
        shape: [usize; 2],
        packed: Vec<u8>,
        scales: Scales,
        block_size: usize,
        code: [f32; 16],
    ) -> Result<Self, CodecError> {
        if !(32..=4096).contains(&block_size) || !block_size.is_power_of_two() {
            return Err(CodecError::BlockSize { found: block_size });
        }
        let Some(len) = Self::elements(shape) else {
            return Err(CodecError::Shape { shape, found: packed.len().saturating_mul(2) });
        };
        if packed.len() != len.div_ceil(2) {
            let (found, expected) = (packed.len(), len.div_ceil(2));
            return Err(CodecError::Length { part: "weight", found, expected });
        }
        scales.check(len.div_ceil(block_size))?;
        Ok(Self { kind, shape, packed, scales, block_size, code })
    }

    fn elements(shape: [usize; 2]) -> Option<usize> {
        shape[0].checked_mul(shape[1])
    }

    /// Number of elements.
    #[must_use]
    pub fn len(&self) -> usize {
        self.shape[0] * self.shape[1]
    }

    /// Whether there are no elements.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Bytes in memory: codes and scales.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.packed.len() + self.scales.bytes()
    }

    /// Decodes the whole matrix, row-major.
    #[must_use]
    pub fn dequantize(&self) -> Vec<f32> {
        let mut out = vec![0.0; self.len()];
        self.source().decode(0, &mut out);
        out
    }

    /// Decodes some rows into `out`, row-major.
    ///
    /// # Shapes
    /// `out` holds `rows.len() * shape[1]` elements.
    ///
    /// # Panics
    /// If the rows are not inside the matrix or `out` has another length: both are mistakes of the
    /// caller, not of any file.
    pub fn dequantize_into(&self, out: &mut [f32], rows: Range<usize>) {
        assert!(rows.start <= rows.end && rows.end <= self.shape[0], "rows outside the matrix");
        assert_eq!(out.len(), rows.len() * self.shape[1], "room for the rows asked for");
        self.source().decode(rows.start * self.shape[1], out);
    }

    fn source(&self) -> Source<'_> {
        Source {
            packed: &self.packed,
            scales: &self.scales,
            code: &self.code,
            block_size: self.block_size,
        }
    }
}

/// Bytes that a matrix of so many elements takes when quantized, for memory plans.
#[must_use]
pub fn stored_bytes(elements: usize, nested: bool) -> usize {
    let blocks = elements.div_ceil(BLOCK_SIZE);
    let scales = if nested {
        blocks + 4 * blocks.div_ceil(NESTED_BLOCK_SIZE) + 4 * 256 + 4
    } else {
        4 * blocks
    };
    elements.div_ceil(2) + scales
}
