//! The codec on matrices of every awkward size, and what it refuses.

use proptest::prelude::*;
use sigil_weights::nf4::stored_bytes;
use sigil_weights::{CodecError, FourBit, QuantizedMatrix, Scales};

fn quantize(weights: &[f32], shape: [usize; 2], kind: FourBit, nested: bool) -> QuantizedMatrix {
    QuantizedMatrix::quantize(weights, shape, kind, nested).expect("finite weights that fit")
}

/// bitsandbytes' arithmetic, one element at a time: full blocks multiply, a short last one divides.
fn reference(weights: &[f32], kind: FourBit) -> (Vec<u8>, Vec<f32>) {
    let (mut codes, mut scales) = (Vec::new(), Vec::new());
    for block in weights.chunks(64) {
        let mut absmax = block.iter().fold(0.0_f32, |most, x| most.max(x.abs()));
        let full = block.len() == 64;
        let inverse = 1.0 / absmax.max(1e-38);
        if !full {
            absmax = absmax.max(1e-38);
        }
        let scaled = block.iter().map(|x| if full { x * inverse } else { x / absmax });
        codes.extend(scaled.map(|x| kind.encode(x.clamp(-1.0, 1.0))));
        scales.push(absmax);
    }
    if codes.len() % 2 == 1 {
        codes.push(kind.encode(0.0));
    }
    (codes.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect(), scales)
}

fn kinds() -> impl Strategy<Value = FourBit> {
    prop_oneof![Just(FourBit::Nf4), Just(FourBit::Fp4)]
}

proptest! {
    #[test]
    fn fast_encoding_is_the_slow_one(
        kind in kinds(),
        rows in 1_usize..5,
        columns in 1_usize..300,
        seed in any::<u32>(),
        exponent in -30_i32..30,
    ) {
        let mut state = seed | 1;
        let scale = 2_f32.powi(exponent);
        let weights: Vec<f32> = (0..rows * columns).map(|_| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 8) as f32 / 8_388_608.0 * scale - scale
        }).collect();
        let matrix = quantize(&weights, [rows, columns], kind, false);
        let (packed, scales) = reference(&weights, kind);
        prop_assert_eq!(&matrix.packed, &packed);
        prop_assert_eq!(&matrix.scales, &Scales::Plain(scales));

        let all = matrix.dequantize();
        let largest = 1.0_f32.max(scale) * f32::EPSILON;
        for (i, (value, decoded)) in weights.iter().zip(&all).enumerate() {
            // No element is further off than half the widest gap of its code.
            let bound = matrix.scales.absmax_of(i / 64) * 0.17;
            prop_assert!((value - decoded).abs() <= bound + largest, "{} {}", value, decoded);
        }
        for row in 0..rows {
            let mut one = vec![0.0; columns];
            matrix.dequantize_into(&mut one, row..row + 1);
            prop_assert_eq!(&one, &all[row * columns..(row + 1) * columns]);
        }
    }

    #[test]
    fn nested_scales_stay_close(absmax in proptest::collection::vec(0.0_f32..4.0, 1..700)) {
        let nested = Scales::nest(&absmax);
        let Scales::Nested { absmax: second, .. } = &nested else { panic!("asked for nested") };
        prop_assert_eq!(second.len(), absmax.len().div_ceil(256));
        for (i, (ours, plain)) in nested.absmax_f32().iter().zip(&absmax).enumerate() {
            // The map's widest gap is 0.0141 of the block's scale, a bucket 1/32767.
            prop_assert!((ours - plain).abs() <= second[i / 256] * 0.0072 + 1e-5);
        }
    }
}

#[test]
fn large_matrices_are_the_same_as_their_pieces() {
    let weights: Vec<f32> =
        (0..200 * 320).map(|i| ((i * 37) % 1001) as f32 / 500.0 - 1.0).collect();
    let whole = quantize(&weights, [200, 320], FourBit::Nf4, false);
    let top = quantize(&weights[..100 * 320], [100, 320], FourBit::Nf4, false);
    let bottom = quantize(&weights[100 * 320..], [100, 320], FourBit::Nf4, false);
    assert_eq!(whole.packed, [top.packed, bottom.packed].concat());
    assert_eq!(whole.bytes(), stored_bytes(200 * 320, false));
    let nested = quantize(&weights, [200, 320], FourBit::Nf4, true);
    assert_eq!(nested.bytes(), stored_bytes(200 * 320, true));
}

#[test]
fn zeros_stay_zero() {
    for nested in [false, true] {
        let matrix = quantize(&[0.0; 128], [2, 64], FourBit::Nf4, nested);
        assert_eq!(matrix.packed, [0x77; 64]);
        assert_eq!(matrix.dequantize(), [0.0; 128]);
    }
}

#[test]
fn bad_weights_and_parts_are_named() {
    for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        let mut weights = vec![0.5; 3 * 100];
        weights[2 * 100 + 7] = bad;
        let error = QuantizedMatrix::quantize(&weights, [3, 100], FourBit::Nf4, true);
        assert_eq!(error, Err(CodecError::NotFinite { row: 2, column: 7 }));
    }
    let error = QuantizedMatrix::quantize(&[0.0; 5], [2, 3], FourBit::Nf4, true);
    assert_eq!(error, Err(CodecError::Shape { shape: [2, 3], found: 5 }));
    let parts = |packed: usize, scales: usize, block_size| {
        let code = *FourBit::Nf4.code();
        let scales = Scales::Plain(vec![1.0; scales]);
        QuantizedMatrix::from_parts(
            FourBit::Nf4,
            [4, 64],
            vec![0; packed],
            scales,
            block_size,
            code,
        )
    };
    parts(128, 4, 64).expect("they fit");
    assert_eq!(parts(128, 4, 60), Err(CodecError::BlockSize { found: 60 }));
    assert!(matches!(parts(127, 4, 64), Err(CodecError::Length { part: "weight", .. })));
    assert!(matches!(parts(128, 5, 64), Err(CodecError::Length { part: "absmax", .. })));
}
