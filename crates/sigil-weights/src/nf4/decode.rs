//! From nibbles and scales back to f32, any range of elements, in parallel.
//!
//! Decoding is one product per element, `code[nibble] * absmax`, all in f32; whoever wants bf16
//! rounds afterwards, once, as bitsandbytes does. Encoding is `encode.rs`.

use rayon::prelude::*;

use super::Scales;

/// Elements per task, a multiple of every block size.
const CHUNK: usize = 1 << 15;

/// What is needed to decode; lengths were checked when the matrix was made.
pub(super) struct Source<'a> {
    pub(super) packed: &'a [u8],
    pub(super) scales: &'a Scales,
    pub(super) code: &'a [f32; 16],
    pub(super) block_size: usize,
}

impl Source<'_> {
    /// Decodes the elements from `start` on into `out`.
    pub(super) fn decode(&self, start: usize, out: &mut [f32]) {
        out.par_chunks_mut(CHUNK)
            .enumerate()
            .for_each(|(chunk, out)| self.serial(start + chunk * CHUNK, out));
    }

    fn serial(&self, start: usize, out: &mut [f32]) {
        let mut at = start;
        let mut rest = out;
        while !rest.is_empty() {
            let block = at / self.block_size;
            let in_block = (block + 1) * self.block_size - at;
            let (now, later) = rest.split_at_mut(in_block.min(rest.len()));
            let absmax = self.scales.absmax_of(block);
            self.run(at, &self.code.map(|value| value * absmax), now);
            at += now.len();
            rest = later;
        }
    }

    /// Decodes within one block; `values` are the 16 values a nibble can take there.
    fn run(&self, mut at: usize, values: &[f32; 16], mut out: &mut [f32]) {
        if at % 2 == 1 {
            let [first, rest @ ..] = out else { return };
            *first = values[usize::from(self.packed[at / 2] & 15)];
            out = rest;
            at += 1;
        }
        let (pairs, last) = out.as_chunks_mut::<2>();
        let bytes = &self.packed[at / 2..];
        for (pair, byte) in pairs.iter_mut().zip(bytes) {
            *pair = [values[usize::from(byte >> 4)], values[usize::from(byte & 15)]];
        }
        if let [last] = last {
            *last = values[usize::from(bytes[pairs.len()] >> 4)];
        }
    }
}
