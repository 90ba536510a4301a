//! Element loops between the float types of a file and those of memory.
//!
//! Bytes are read through arrays, never cast, so alignment does not matter; the compiler turns the
//! loops into vector code. It checks no types: `view.rs` did.

use half::{bf16, f16};
use rayon::prelude::*;
use safetensors::Dtype;

/// Elements per task: large enough to hide the hand-over, small enough to spread.
const CHUNK: usize = 1 << 16;

/// Fills `out` in parallel; `bytes` is as long.
pub(super) fn copy(bytes: &[u8], out: &mut [u8]) {
    out.par_chunks_mut(CHUNK).zip(bytes.par_chunks(CHUNK)).for_each(|(out, bytes)| {
        out.copy_from_slice(bytes);
    });
}

/// Fills `out` in parallel; `bytes` holds exactly as many elements.
pub(super) fn to_f32(dtype: Dtype, bytes: &[u8], out: &mut [f32]) {
    let size = dtype.bitsize() / 8;
    out.par_chunks_mut(CHUNK)
        .zip(bytes.par_chunks(CHUNK * size))
        .for_each(|(out, bytes)| serial_f32(dtype, bytes, out));
}

/// Fills `out` on this thread.
pub(super) fn serial_f32(dtype: Dtype, bytes: &[u8], out: &mut [f32]) {
    match dtype {
        Dtype::F32 => {
            for (out, bytes) in out.iter_mut().zip(bytes.as_chunks::<4>().0) {
                *out = f32::from_le_bytes(*bytes);
            }
        }
        Dtype::BF16 => {
            for (out, bytes) in out.iter_mut().zip(bytes.as_chunks::<2>().0) {
                *out = f32::from_bits(u32::from(u16::from_le_bytes(*bytes)) << 16);
            }
        }
        _ => {
            for (out, bytes) in out.iter_mut().zip(bytes.as_chunks::<2>().0) {
                *out = f16::from_le_bytes(*bytes).to_f32();
            }
        }
    }
}

/// Fills `out` in parallel; `bytes` holds exactly as many elements.
pub(super) fn to_bf16(dtype: Dtype, bytes: &[u8], out: &mut [bf16]) {
    let size = dtype.bitsize() / 8;
    out.par_chunks_mut(CHUNK).zip(bytes.par_chunks(CHUNK * size)).for_each(|(out, bytes)| {
        match dtype {
            Dtype::F32 => {
                for (out, bytes) in out.iter_mut().zip(bytes.as_chunks::<4>().0) {
                    *out = bf16::from_f32(f32::from_le_bytes(*bytes));
                }
            }
            Dtype::BF16 => {
                for (out, bytes) in out.iter_mut().zip(bytes.as_chunks::<2>().0) {
                    *out = bf16::from_le_bytes(*bytes);
                }
            }
            _ => {
                for (out, bytes) in out.iter_mut().zip(bytes.as_chunks::<2>().0) {
                    *out = bf16::from_f32(f16::from_le_bytes(*bytes).to_f32());
                }
            }
        }
    });
}
