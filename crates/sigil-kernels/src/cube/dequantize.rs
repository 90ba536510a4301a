//! Decodes NF4 and FP4 weights, nested scales included, in one pass.
//!
//! Not a fused matrix product: decoding is about 1 % of a step on a large card, so the weight goes
//! to one scratch matrix and Burn multiplies. Read `linear.rs` next.

use burn::tensor::DType;
use burn_cubecl::CubeRuntime;
use cubecl::prelude::*;

use super::buffer::{
    On, addressable, dense, dense_int, empty, one_unit_each, tensor, units, upload,
};
use crate::{Matrix, QuantizedTensor, ScaleTensors, plain};

/// The 16 levels as bits: part of the kernel, so that a launch uploads nothing.
pub type LevelBits = [u32; 16];

/// One unit decodes one word of eight codes; codes of a byte are high nibble first.
///
/// With `nested` the scale of block `b` is `scale_levels[code b] * absmax[b / group] + offset`,
/// else `absmax[b]`. A tail shorter than a word needs vectors of one element.
#[cube(launch)]
pub fn dequantize_kernel<F: Float, N: Size>(
    packed: &Array<u32>,
    absmax: &Array<f32>,
    scale_codes: &Array<u32>,
    scale_levels: &Array<f32>,
    out: &mut Array<Vector<F, N>>,
    offset: f32,
    words_per_block: u32,
    group_size: u32,
    #[comptime] levels: LevelBits,
    #[comptime] nested: bool,
    #[define(F)] _dtype: StorageType,
) {
    let mut table = SharedMemory::<f32>::new(16usize);
    #[unroll]
    for i in 0..16u32 {
        if UNIT_POS == i {
            let bits = comptime!(levels[i as usize]);
            table[i as usize] = f32::new(comptime!(f32::from_bits(bits)));
        }
    }
    sync_cube();
    if ABSOLUTE_POS < packed.len() {
        let word = packed[ABSOLUTE_POS];
        let block = ABSOLUTE_POS / words_per_block as usize;
        let scale = if comptime!(nested) {
            let code = (scale_codes[block / 4] >> (8 * (block as u32 % 4))) & 255u32;
            scale_levels[code as usize] * absmax[block / group_size as usize] + offset
        } else {
            absmax[block]
        };
        let n = out.vector_size();
        let vectors = comptime!(8 / n);
        #[unroll]
        for v in 0..vectors {
            let mut decoded = Vector::<F, N>::empty();
            #[unroll]
            for lane in 0..n {
                let i = comptime!((v * n + lane) as u32);
                // Byte i / 2 holds element i in its high nibble when i is even.
                let shift = comptime!(8 * (i / 2) + if i.is_multiple_of(2) { 4 } else { 0 });
                let code = (word >> shift) & 15u32;
                decoded[lane] = F::cast_from(table[code as usize] * scale);
            }
            let at = ABSOLUTE_POS * vectors + v;
            if at < out.len() {
                out[at] = decoded;
            }
        }
    }
}

/// See [`crate::Kernels::dequantize`].
pub(super) fn dequantize<R: CubeRuntime>(
    weight: &QuantizedTensor<On<R>>,
    dtype: DType,
) -> Matrix<On<R>> {
    let [rows, columns] = weight.shape;
    let count = rows * columns;
    let words = weight.packed.dims()[0];
    // A word may not straddle two blocks.
    if count == 0 || !weight.block_size.is_multiple_of(8) || !addressable(&[count]) {
        return plain::dequantize(weight, dtype);
    }
    let packed = dense_int(&weight.packed);
    let out = empty(&packed, [rows, columns], dtype);
    let most = packed.client.properties().hardware.max_vector_size.min(16 / dtype.size());
    let n = if count.is_multiple_of(8) { most.clamp(1, 8) } else { 1 };
    let (absmax, codes, scale_levels, offset, group, nested) = match &weight.scales {
        ScaleTensors::Plain(absmax) => {
            let absmax = dense(absmax);
            let unused = upload(&packed, &[0.0]);
            (absmax, unused.clone(), unused, 0.0, 1, false)
        }
        ScaleTensors::Nested { codes, absmax, levels, offset, group_size } => {
            (dense(absmax), dense_int(codes), dense(levels), *offset, *group_size, true)
        }
    };
    dequantize_kernel::launch::<R>(
        &packed.client,
        one_unit_each(&packed.client, words),
        units(),
        n,
        packed.clone().into_array_arg(),
        absmax.into_array_arg(),
        codes.into_array_arg(),
        scale_levels.into_array_arg(),
        out.clone().into_array_arg(),
        offset,
        (weight.block_size / 8) as u32,
        group as u32,
        weight.levels.map(f32::to_bits),
        nested,
        dtype.into(),
    );
    tensor(out)
}
