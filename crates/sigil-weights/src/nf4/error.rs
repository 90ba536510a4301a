//! Why a matrix cannot be quantized, or its quantized parts do not fit together.

use thiserror::Error;

/// A matrix that the codec refuses.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum CodecError {
    /// The number of elements does not match the shape.
    #[error("{found} elements do not make a matrix of shape {shape:?}")]
    Shape {
        /// `[out, in]`.
        shape: [usize; 2],
        /// Elements given.
        found: usize,
    },
    /// An element is infinite or not a number.
    #[error("element at row {row}, column {column} is not finite")]
    NotFinite {
        /// Row.
        row: usize,
        /// Column.
        column: usize,
    },
    /// The block size is not one that bitsandbytes has.
    #[error("block size {found} is none of 32, 64, 128, 256, 512, 1024, 2048, 4096")]
    BlockSize {
        /// The block size given.
        found: usize,
    },
    /// A part of a quantized matrix has the wrong length.
    #[error("{part} holds {found} values, expected {expected}")]
    Length {
        /// Which part.
        part: &'static str,
        /// Values it holds.
        found: usize,
        /// Values the shape needs.
        expected: usize,
    },
}

impl CodecError {
    /// Says what a user can do about it, where there is something.
    #[must_use]
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::NotFinite { .. } => {
                Some("the checkpoint itself is broken: fetch it again or choose another base")
            }
            _ => None,
        }
    }
}
