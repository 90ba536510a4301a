//! The scales of a quantized matrix: one absmax per block, plain or stored in 8 bits.
//!
//! Double quantization subtracts the mean of all absmax values, cuts the rest into blocks of 256,
//! and stores each by the dynamic map with an f32 absmax per such block. The mean is summed in f64
//! here and in f32 by torch, so it can differ in the last bits. Read `dynamic.rs` for the map.

use super::{CodecError, dynamic};

/// Scales per block of the second level, unless a checkpoint says otherwise.
pub const NESTED_BLOCK_SIZE: usize = 256;

/// The absmax of every block of a matrix.
#[derive(Debug, Clone, PartialEq)]
pub enum Scales {
    /// As f32, `[blocks]`.
    Plain(Vec<f32>),
    /// In 8 bits: `absmax[i] = code[codes[i]] * absmax[i / block_size] + offset`.
    Nested {
        /// One per block of the matrix, `[blocks]`.
        codes: Vec<u8>,
        /// One per `block_size` codes.
        absmax: Vec<f32>,
        /// Mean of the plain absmax values.
        offset: f32,
        /// What each 8-bit code stands for.
        code: Box<[f32; 256]>,
        /// Codes per second-level absmax.
        block_size: usize,
    },
}

impl Scales {
    /// Stores plain absmax values in 8 bits.
    #[must_use]
    pub fn nest(plain: &[f32]) -> Self {
        let sum: f64 = plain.iter().map(|absmax| f64::from(*absmax)).sum();
        let offset = if plain.is_empty() { 0.0 } else { (sum / plain.len() as f64) as f32 };
        let mut codes = Vec::with_capacity(plain.len());
        let mut absmax = Vec::with_capacity(plain.len().div_ceil(NESTED_BLOCK_SIZE));
        for block in plain.chunks(NESTED_BLOCK_SIZE) {
            let largest = block.iter().fold(0.0_f32, |most, x| most.max((x - offset).abs()));
            absmax.push(largest);
            if largest == 0.0 {
                codes.resize(codes.len() + block.len(), 0);
                continue;
            }
            let inverse = 1.0 / largest;
            codes.extend(block.iter().map(|x| dynamic::encode((x - offset) * inverse)));
        }
        let code = Box::new(*dynamic::dynamic_map());
        Self::Nested { codes, absmax, offset, code, block_size: NESTED_BLOCK_SIZE }
    }

    /// Number of blocks that have a scale.
    #[must_use]
    pub fn len(&self) -> usize {
        match self {
            Self::Plain(absmax) => absmax.len(),
            Self::Nested { codes, .. } => codes.len(),
        }
    }

    /// Whether there are no blocks.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The scale of one block.
    ///
    /// # Panics
    /// If there is no such block.
    #[must_use]
    #[inline]
    pub fn absmax_of(&self, block: usize) -> f32 {
        match self {
            Self::Plain(absmax) => absmax[block],
            Self::Nested { codes, absmax, offset, code, block_size } => {
                code[usize::from(codes[block])] * absmax[block / block_size] + offset
            }
        }
    }

    /// All scales as f32, `[blocks]`.
    #[must_use]
    pub fn absmax_f32(&self) -> Vec<f32> {
        (0..self.len()).map(|block| self.absmax_of(block)).collect()
    }

    /// Bytes in memory.
    #[must_use]
    pub fn bytes(&self) -> usize {
        match self {
            Self::Plain(absmax) => 4 * absmax.len(),
            Self::Nested { codes, absmax, .. } => codes.len() + 4 * absmax.len() + 4 * 256 + 4,
        }
    }

    /// Refuses scales that do not cover `blocks` blocks.
    pub(super) fn check(&self, blocks: usize) -> Result<(), CodecError> {
        let expect = |part, found, expected| {
            if found == expected {
                return Ok(());
            }
            Err(CodecError::Length { part, found, expected })
        };
        match self {
            Self::Plain(absmax) => expect("absmax", absmax.len(), blocks),
            Self::Nested { codes, absmax, block_size, .. } => {
                if *block_size == 0 {
                    return Err(CodecError::BlockSize { found: 0 });
                }
                expect("absmax", codes.len(), blocks)?;
                expect("nested_absmax", absmax.len(), blocks.div_ceil(*block_size))
            }
        }
    }
}
