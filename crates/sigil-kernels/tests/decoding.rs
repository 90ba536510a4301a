//! The operations of generation on the CPU: equal to the plain version, and every row's bits its own.

use burn::tensor::{DType, Tensor, TensorData};
use sigil_kernels::{
    AttentionShape, Beginning, CacheShape, CachedRows, Cpu, Decoding, FrozenMatrix, Kernels,
    Matrix, Pages, QuantizedTensor, ScaleTensors, Span, plain, random,
};

fn numbers(count: usize, seed: u64) -> Vec<f32> {
    (0..count as u64).map(|i| random::normal(seed, i)).collect()
}

fn matrix(shape: [usize; 2], seed: u64) -> Matrix<Cpu> {
    let data = TensorData::new(numbers(shape[0] * shape[1], seed), shape);
    Tensor::from_data(data, (&Default::default(), DType::F32))
}

fn floats(x: &Matrix<Cpu>) -> Vec<f32> {
    x.to_data().iter::<f32>().collect()
}

fn rows(x: &Matrix<Cpu>, from: usize, to: usize) -> Matrix<Cpu> {
    let columns = x.dims()[1];
    x.clone().slice([from..to, 0..columns])
}

/// A random 4-bit weight, scales quantized a second time or not.
fn quantized([outputs, inputs]: [usize; 2], block: usize, nested: bool) -> QuantizedTensor<Cpu> {
    let device = Default::default();
    let count = outputs * inputs;
    let words: Vec<u32> =
        (0..count.div_ceil(8) as u64).map(|i| random::bits(3, i) as u32).collect();
    let blocks = count.div_ceil(block);
    let vector = |values: Vec<f32>| {
        let length = values.len();
        Tensor::<Cpu, 1>::from_data(TensorData::new(values, [length]), (&device, DType::F32))
    };
    let ints = |values: Vec<u32>| {
        let length = values.len();
        Tensor::from_data(TensorData::new(values, [length]), (&device, DType::U32))
    };
    let scales = if nested {
        let codes = (0..blocks.div_ceil(4) as u64).map(|i| random::bits(4, i) as u32).collect();
        ScaleTensors::Nested {
            codes: ints(codes),
            absmax: vector(numbers(blocks.div_ceil(256), 5)),
            levels: vector(numbers(256, 6)),
            offset: 0.25,
            group_size: 256,
        }
    } else {
        ScaleTensors::Plain(vector(numbers(blocks, 7)))
    };
    let levels = std::array::from_fn(|i| i as f32 / 8.0 - 1.0);
    QuantizedTensor {
        shape: [outputs, inputs],
        packed: ints(words),
        levels,
        scales,
        block_size: block,
    }
}

/// Every form a weight can have, at a shape that fills neither the last panel nor the last block.
fn weights(shape: [usize; 2]) -> Vec<(&'static str, FrozenMatrix<Cpu>)> {
    let mut list = vec![
        ("f32", FrozenMatrix::Dense(matrix(shape, 1))),
        ("bf16", FrozenMatrix::Dense(matrix(shape, 1).cast(DType::BF16))),
        ("bf16 in f32", FrozenMatrix::Dense(matrix(shape, 1).cast(DType::BF16).cast(DType::F32))),
    ];
    for (name, block, nested) in
        [("plain", 64, false), ("nested", 64, true), ("blocks across rows", 96, true)]
    {
        list.push((name, FrozenMatrix::Quantized(quantized(shape, block, nested))));
    }
    list
}

#[test]
fn products_are_those_of_the_definition() {
    for shape in [[1, 64], [31, 64], [32, 192], [200, 576]] {
        let x = matrix([5, shape[1]], 2);
        let sum = matrix([5, shape[0]], 9);
        for (name, weight) in weights(shape) {
            let wanted = floats(&plain::linear(&x, &weight, Some(sum.clone())));
            let own = Cpu::row_weight(weight);
            let found = floats(&Cpu::row_linear(&x, &own, Some(sum.clone())));
            let largest = wanted.iter().fold(1.0f32, |a, b| a.max(b.abs()));
            for (a, b) in found.iter().zip(&wanted) {
                assert!((a - b).abs() <= 2e-6 * largest, "{name} {shape:?}: {a} and {b}");
            }
        }
    }
}

#[test]
fn a_row_of_a_product_is_the_same_among_any_others() {
    for shape in [[40, 64], [256, 576], [4096, 192]] {
        let x = matrix([150, shape[1]], 2);
        for (name, weight) in weights(shape) {
            let own = Cpu::row_weight(weight);
            let all = floats(&Cpu::row_linear(&x, &own, None));
            for (from, to) in [(0, 1), (1, 4), (70, 77), (20, 52), (3, 140)] {
                let part = floats(&Cpu::row_linear(&rows(&x, from, to), &own, None));
                assert_eq!(part, all[from * shape[0]..to * shape[0]], "{name} {shape:?} {from}");
            }
        }
    }
}

#[test]
fn four_bits_become_the_numbers_of_dequantize() {
    // One-hot rows pick single weights out, so the product must give them bit for bit.
    for nested in [false, true] {
        let weight = quantized([70, 128], 64, nested);
        let wanted = floats(&Cpu::dequantize(&weight, DType::F32).transpose());
        let own = Cpu::row_weight(FrozenMatrix::Quantized(weight));
        let found = Cpu::row_linear(&Matrix::eye(128, &Default::default()), &own, None);
        assert_eq!(floats(&found), wanted);
    }
}

const SHAPE: CacheShape =
    CacheShape { slots: 4, capacity: 70, pages: 4, kv_heads: 2, head_dim: 24 };

/// Every slot has room for its longest sequence, in pages that are not in the order of the slots.
fn pages(shape: CacheShape) -> Pages {
    let mut pages = Pages::new(shape.slots, shape.pages);
    for slot in (0..shape.slots).rev() {
        pages.begin(slot, None, shape.capacity).expect("there is room");
    }
    pages
}

fn placed(spans: &[Span], pages: &Pages) -> CachedRows<Cpu> {
    CachedRows::new(spans.to_vec(), pages, &Default::default())
}

fn attention_shape(window: Option<usize>) -> AttentionShape {
    AttentionShape { heads: 6, kv_heads: 2, head_dim: 24, window, scale: 0.3 }
}

fn three(count: usize, seed: u64) -> [Matrix<Cpu>; 3] {
    [matrix([count, 144], seed), matrix([count, 48], seed + 1), matrix([count, 48], seed + 2)]
}

#[test]
fn attention_over_the_cache_is_that_of_the_definition() {
    for window in [None, Some(1), Some(7), Some(33)] {
        let shape = attention_shape(window);
        let mut fast = Cpu::cache(SHAPE, &Default::default());
        let mut plain = plain::PlainCache::new(SHAPE, &Default::default());
        // Two prompts, then both and a third go on, then single tokens.
        let steps: [&[(usize, usize, usize)]; 4] = [
            &[(0, 0, 40), (2, 0, 3)],
            &[(2, 3, 5), (1, 0, 17), (0, 40, 1)],
            &[(0, 41, 1), (1, 17, 1), (2, 8, 1)],
            &[(2, 9, 1)],
        ];
        for (step, spans) in steps.into_iter().enumerate() {
            let spans: Vec<Span> =
                spans.iter().map(|&(slot, first, rows)| Span { slot, first, rows }).collect();
            let count = spans.iter().map(|span| span.rows).sum();
            let [q, k, v] = three(count, 10 * step as u64);
            let rows = placed(&spans, &pages(SHAPE));
            let wanted = plain::cached_attention(&q, &k, &v, &mut plain, &rows, shape);
            let found = Cpu::cached_attention(&q, &k, &v, &mut fast, &rows, shape);
            for (a, b) in floats(&found).iter().zip(floats(&wanted)) {
                assert!((a - b).abs() <= 2e-6, "window {window:?}, step {step}: {a} and {b}");
            }
        }
    }
}

#[test]
fn attention_of_a_sequence_is_the_same_among_any_others_and_in_any_pieces() {
    let shape = attention_shape(None);
    let [q, k, v] = three(60, 5);
    let mut whole = Cpu::cache(SHAPE, &Default::default());
    let span = |slot, first, rows| Span { slot, first, rows };
    let placed = |spans: &[Span]| placed(spans, &pages(SHAPE));
    let rows_of_all = placed(&[span(1, 0, 60)]);
    let all = floats(&Cpu::cached_attention(&q, &k, &v, &mut whole, &rows_of_all, shape));
    let mut pieces = Cpu::cache(SHAPE, &Default::default());
    let other = three(30, 77);
    let mut found = vec![];
    for (step, (from, to)) in [(0, 23), (23, 24), (24, 55), (55, 60)].into_iter().enumerate() {
        let spans = [span(0, step, 1), span(3, from, to - from)];
        let with = |mine: &Matrix<Cpu>, other: &Matrix<Cpu>| {
            Tensor::cat(vec![rows(other, step, step + 1), rows(mine, from, to)], 0)
        };
        let [q, k, v] = [with(&q, &other[0]), with(&k, &other[1]), with(&v, &other[2])];
        let out = Cpu::cached_attention(&q, &k, &v, &mut pieces, &placed(&spans), shape);
        found.extend_from_slice(&floats(&out)[144..]);
    }
    assert_eq!(found, all);
}

#[test]
fn a_copied_slot_goes_on_like_its_source() {
    let shape = attention_shape(None);
    let mut fast = Cpu::cache(SHAPE, &Default::default());
    let mut plain = plain::PlainCache::<Cpu>::new(SHAPE, &Default::default());
    let [q, k, v] = three(21, 5);
    let mut pages = pages(SHAPE);
    let prompt = placed(&[Span { slot: 3, first: 0, rows: 21 }], &pages);
    Cpu::cached_attention(&q, &k, &v, &mut fast, &prompt, shape);
    plain::cached_attention(&q, &k, &v, &mut plain, &prompt, shape);
    let beginning = Beginning { slot: 3, positions: 21 };
    let copy = pages.begin(0, Some(beginning), 70).expect("its own page is free");
    let copy = copy.expect("another slot's beginning is copied");
    Cpu::copy_slot(&mut fast, copy);
    plain.copy_slot(copy);
    let [q, k, v] = three(1, 8).map(|x| Tensor::cat(vec![x.clone(), x], 0));
    let next = [Span { slot: 0, first: 21, rows: 1 }, Span { slot: 3, first: 21, rows: 1 }];
    let next = placed(&next, &pages);
    let fast = floats(&Cpu::cached_attention(&q, &k, &v, &mut fast, &next, shape));
    let plain = floats(&plain::cached_attention(&q, &k, &v, &mut plain, &next, shape));
    assert_eq!(fast[..144], fast[144..]);
    assert_eq!(plain[..144], plain[144..]);
}

#[test]
fn sequences_that_share_pages_do_not_touch_each_other() {
    let room = CacheShape { slots: 4, capacity: 500, pages: 9, kv_heads: 2, head_dim: 24 };
    for (prompt, window) in [(260, None), (256, None), (300, Some(90)), (100, None)] {
        let shape = attention_shape(window);
        let mut pages = Pages::new(4, room.pages);
        // What another sequence left behind lies in the pages.
        pages.begin(3, None, 500).expect("there is room");
        let mut plain = plain::PlainCache::<Cpu>::new(room, &Default::default());
        let mut fast = Cpu::cache(room, &Default::default());
        let pass = |pages: &Pages, spans: &[Span], seed: u64, fast: &mut _, plain: &mut _| {
            let [q, k, v] = three(spans.iter().map(|span| span.rows).sum(), seed);
            let rows = placed(spans, pages);
            let found = floats(&Cpu::cached_attention(&q, &k, &v, fast, &rows, shape));
            let wanted = floats(&plain::cached_attention(&q, &k, &v, plain, &rows, shape));
            for (a, b) in found.iter().zip(&wanted) {
                // Sums over several pages.
                assert!((a - b).abs() <= 1e-5, "prompt {prompt}, {window:?}: {a} and {b}");
            }
        };
        let span = |slot, first, rows| Span { slot, first, rows };
        pass(&pages, &[span(3, 0, 500)], 1, &mut fast, &mut plain);
        pages.shorten(3, 0);
        pages.begin(1, None, 380).expect("there is room");
        pass(&pages, &[span(1, 0, prompt)], 2, &mut fast, &mut plain);
        // It goes on before it is copied.
        pass(&pages, &[span(1, prompt, 40)], 3, &mut fast, &mut plain);
        let beginning = Beginning { slot: 1, positions: prompt };
        for slot in [0, 2] {
            let copy = pages.begin(slot, Some(beginning), 380).expect("there is room");
            let copy = copy.expect("another slot's beginning is copied");
            Cpu::copy_slot(&mut fast, copy);
            plain.copy_slot(copy);
        }
        let together = [span(2, prompt, 60), span(1, prompt + 40, 1), span(0, prompt, 3)];
        pass(&pages, &together, 4, &mut fast, &mut plain);
        let next = [span(0, prompt + 3, 1), span(1, prompt + 41, 1), span(2, prompt + 60, 1)];
        pass(&pages, &next, 5, &mut fast, &mut plain);
    }
}
