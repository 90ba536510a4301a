//! One tensor as it lies in a mapped file, and its conversion to f32 or bf16.
//!
//! The bytes are little-endian and need not be aligned. A view owns nothing. The element loops are
//! in `convert.rs`.

use std::path::Path;

use half::bf16;
use safetensors::Dtype;

use super::{WeightsError, convert};

/// A tensor in a mapped file.
#[derive(Debug, Clone, Copy)]
pub struct TensorView<'a> {
    /// The tensor's name.
    pub name: &'a str,
    /// The file that holds it, for messages.
    pub file: &'a Path,
    /// Element type.
    pub dtype: Dtype,
    /// Dimensions, outermost first; empty for a scalar.
    pub shape: &'a [usize],
    /// Elements in row-major order, little-endian, `len() * dtype size` bytes.
    pub bytes: &'a [u8],
}

impl TensorView<'_> {
    /// Number of elements.
    #[must_use]
    pub fn len(&self) -> usize {
        // The header was checked: the product fits.
        self.shape.iter().product()
    }

    /// Whether there are no elements.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Copies the elements out as f32 (exact from f16 and bf16).
    ///
    /// # Errors
    /// The element type is none of f32, f16, bf16.
    pub fn to_f32(&self) -> Result<Vec<f32>, WeightsError> {
        self.check_float()?;
        let mut out = vec![0.0; self.len()];
        convert::to_f32(self.dtype, self.bytes, &mut out);
        Ok(out)
    }

    /// Copies the elements out as bf16, rounding to nearest even from f32 and f16.
    ///
    /// # Errors
    /// The element type is none of f32, f16, bf16.
    pub fn to_bf16(&self) -> Result<Vec<bf16>, WeightsError> {
        self.check_float()?;
        let mut out = vec![bf16::ZERO; self.len()];
        convert::to_bf16(self.dtype, self.bytes, &mut out);
        Ok(out)
    }

    /// Copies the bytes out on all cores: a page that is not in memory is read from disk by whoever
    /// touches it first.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = vec![0; self.bytes.len()];
        convert::copy(self.bytes, &mut out);
        out
    }

    /// Converts the elements from `start` on into `out`, as many as it holds.
    ///
    /// # Panics
    /// If the range does not lie inside the tensor or the type is not a float: both are the
    /// caller's to check (`check_float`).
    pub(crate) fn fill_f32(&self, start: usize, out: &mut [f32]) {
        let size = self.dtype.bitsize() / 8;
        let bytes = &self.bytes[start * size..(start + out.len()) * size];
        convert::serial_f32(self.dtype, bytes, out);
    }

    pub(crate) fn check_float(&self) -> Result<(), WeightsError> {
        match self.dtype {
            Dtype::F32 | Dtype::F16 | Dtype::BF16 => Ok(()),
            _ => Err(self.wrong_dtype("F32, F16 or BF16")),
        }
    }

    pub(crate) fn wrong_dtype(&self, expected: &'static str) -> WeightsError {
        WeightsError::WrongDtype {
            path: self.file.to_path_buf(),
            tensor: self.name.to_owned(),
            found: self.dtype,
            expected,
        }
    }

    /// Refuses a tensor whose shape is not `expected`.
    ///
    /// # Errors
    /// The shapes differ.
    pub fn expect_shape(&self, expected: &[usize]) -> Result<(), WeightsError> {
        if self.shape == expected {
            return Ok(());
        }
        Err(WeightsError::WrongShape {
            path: self.file.to_path_buf(),
            tensor: self.name.to_owned(),
            found: self.shape.to_vec(),
            expected: format!("{expected:?}"),
        })
    }
}
