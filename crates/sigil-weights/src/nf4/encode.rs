//! From floats to nibbles and absmax values, in parallel and block by block.
//!
//! The arithmetic per block is bitsandbytes' own: the reciprocal of the absmax once, one product per
//! element, then a count of midpoints. A last block that is not full divides instead, as
//! bitsandbytes does there. Whatever the source, elements arrive in f32 a few thousand at a time,
//! so no second copy of a large matrix is made. Decoding is `decode.rs`.

use rayon::prelude::*;

use super::FourBit;

/// Elements that one task converts and encodes at a time; at least the largest block size.
const CHUNK: usize = 4096;

/// The parts of an encoded run: packed nibbles and one absmax per block.
pub(super) struct Encoded {
    pub(super) packed: Vec<u8>,
    pub(super) absmax: Vec<f32>,
}

/// Encodes `len` elements; `fill(start, out)` gives those from `start` on.
///
/// A block that holds a not-a-number or an infinity gets that as its absmax.
pub(super) fn encode<F>(len: usize, block_size: usize, kind: FourBit, fill: F) -> Encoded
where
    F: Fn(usize, &mut [f32]) + Sync,
{
    let blocks_per_chunk = CHUNK / block_size;
    let mut packed = vec![0_u8; len.div_ceil(2)];
    let mut absmax = vec![0_f32; len.div_ceil(block_size)];
    packed
        .par_chunks_mut(CHUNK / 2)
        .zip(absmax.par_chunks_mut(blocks_per_chunk))
        .enumerate()
        .for_each(|(chunk, (packed, absmax))| {
            let start = chunk * CHUNK;
            let mut buffer = [0_f32; CHUNK];
            let values = &mut buffer[..CHUNK.min(len - start)];
            fill(start, values);
            let blocks = values.chunks_mut(block_size).zip(packed.chunks_mut(block_size / 2));
            for ((values, packed), absmax) in blocks.zip(absmax) {
                *absmax = block(values, block_size, kind, packed);
            }
        });
    Encoded { packed, absmax }
}

/// Encodes one block in place and returns its absmax.
fn block(values: &mut [f32], block_size: usize, kind: FourBit, packed: &mut [u8]) -> f32 {
    // Ordered as integers, the bits of a magnitude put infinity and not-a-number above all numbers.
    let bits = values.iter().fold(0, |most: u32, x| most.max(x.to_bits() & 0x7fff_ffff));
    let mut absmax = f32::from_bits(bits);
    if values.len() == block_size {
        let inverse = 1.0 / absmax.max(1e-38);
        values.iter_mut().for_each(|x| *x *= inverse);
    } else {
        absmax = if absmax.is_nan() { absmax } else { absmax.max(1e-38) };
        values.iter_mut().for_each(|x| *x /= absmax);
    }
    match kind {
        FourBit::Nf4 => nibbles::<{ FourBit::Nf4 as u8 }>(values, packed),
        FourBit::Fp4 => nibbles::<{ FourBit::Fp4 as u8 }>(values, packed),
    }
    absmax
}

/// Encodes scaled values; generic over the kind so that the midpoints are constants of the loop.
fn nibbles<const KIND: u8>(values: &[f32], packed: &mut [u8]) {
    let kind = const { if KIND == FourBit::Nf4 as u8 { FourBit::Nf4 } else { FourBit::Fp4 } };
    let order = kind.order();
    let mut counts = [0_i32; 32];
    for (values, packed) in values.chunks(32).zip(packed.chunks_mut(16)) {
        for (count, x) in counts.iter_mut().zip(values) {
            *count = kind.midpoints().iter().map(|midpoint| i32::from(*x > *midpoint)).sum();
        }
        if values.len() % 2 == 1 {
            counts[values.len()] =
                i32::from(kind.midpoints().iter().filter(|x| 0.0 > **x).count() as u8);
        }
        for (byte, pair) in packed.iter_mut().zip(counts.as_chunks::<2>().0) {
            let [high, low] = [order[pair[0] as usize], order[pair[1] as usize]];
            *byte = high << 4 | low;
        }
    }
}
