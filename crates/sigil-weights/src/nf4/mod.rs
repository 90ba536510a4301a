//! The 4-bit codecs of bitsandbytes 0.50 on plain slices: NF4 and FP4, with and without double
//! quantization.
//!
//! A weight `[out, in]` is taken as one flat row-major run and cut into blocks of 64; each block
//! keeps the largest magnitude (absmax) and a 4-bit code per element. With double quantization the
//! absmax values are themselves stored in 8 bits. The codes equal those that bitsandbytes computes
//! on a CPU. It has no device kernels and no tensor type; the kernels crate is tested against it.
//! Read `codebook.rs`, then `matrix.rs`.

mod codebook;
mod decode;
mod dynamic;
mod encode;
mod error;
mod matrix;
mod scales;

pub use codebook::FourBit;
pub use dynamic::dynamic_map;
pub use error::CodecError;
pub use matrix::{QuantizedMatrix, stored_bytes};
pub use scales::{NESTED_BLOCK_SIZE, Scales};

/// Elements per block unless a checkpoint says otherwise.
pub const BLOCK_SIZE: usize = 64;
