//! Every operation at the size it has in training, with its floor: operations and bytes.
//!
//! Floors count what must be moved and multiplied at least; who measures divides by a time.

use burn::tensor::DType;

use super::{
    inputs::{layout, matrix, quantized, vector},
    parity_quantize::CODE,
};
use crate::{
    AdamW, AdaptedLayer, AdaptedOutput, AttentionShape, CacheShape, CachedRows, ChoiceSettings,
    Decoding, FrozenMatrix, Kernels, Pages, Product, RowChoice, Span, TrainedMatrix,
};

/// Sizes of a model and of a micro-batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sizes {
    /// Tokens of a micro-batch.
    pub tokens: usize,
    /// Tokens of a document.
    pub document: usize,
    /// Width of the residual stream.
    pub hidden: usize,
    /// Width of the feed-forward layer.
    pub intermediate: usize,
    /// Query heads.
    pub heads: usize,
    /// Key heads.
    pub kv_heads: usize,
    /// Features of a head.
    pub head_dim: usize,
    /// Words of the vocabulary.
    pub vocab: usize,
    /// LoRA's rank.
    pub rank: usize,
}

impl Sizes {
    /// Llama-3.1-8B at four packed sequences of 4096 tokens.
    pub const LLAMA_8B: Self = Self {
        tokens: 16_384,
        document: 4096,
        hidden: 4096,
        intermediate: 14_336,
        heads: 32,
        kv_heads: 8,
        head_dim: 128,
        vocab: 128_256,
        rank: 16,
    };

    /// The same cases in milliseconds on a CPU: for rehearsals.
    pub const TOY: Self = Self {
        tokens: 128,
        document: 64,
        hidden: 64,
        intermediate: 256,
        heads: 2,
        kv_heads: 1,
        head_dim: 32,
        vocab: 1000,
        rank: 8,
    };
}

/// A case ready to be repeated.
type Repeat = Box<dyn FnMut()>;

/// One operation.
pub struct SpeedCase {
    /// Operation and size.
    pub name: String,
    /// Floating-point operations of one call, a multiply-add being two; 0 where bytes decide.
    pub operations: f64,
    /// Bytes that one call must read and write at least.
    pub bytes: f64,
    /// Makes the inputs on the device.
    pub prepare: Box<dyn FnOnce() -> Repeat>,
}

/// The cases for activations of `dtype` on `device`.
pub fn speed_cases<B: Decoding>(device: &B::Device, dtype: DType, sizes: Sizes) -> Vec<SpeedCase> {
    let Sizes { tokens, hidden, intermediate, heads, kv_heads, head_dim, vocab, rank, .. } = sizes;
    let element = dtype.size() as f64;
    let mut cases: Vec<SpeedCase> = vec![];
    let mut add =
        |name: String, [operations, bytes]: [f64; 2], prepare: Box<dyn FnOnce() -> Repeat>| {
            cases.push(SpeedCase { name, operations, bytes, prepare });
        };
    let product = |count: f64| 2.0 * count;

    let on = device.clone();
    let elements = (tokens * hidden) as f64;
    add(
        format!("copy of [{tokens}, {hidden}]"),
        [0.0, 2.0 * elements * element],
        Box::new(move || {
            let x = matrix::<B>(1, [tokens, hidden], dtype, &on);
            Box::new(move || drop(x.clone().add_scalar(1.0)))
        }),
    );
    let on = device.clone();
    let weights = (intermediate * hidden) as f64;
    add(
        format!("dequantize [{intermediate}, {hidden}]"),
        [0.0, weights * (element + 0.5159)],
        Box::new(move || {
            let weight = quantized::<B>(1, [intermediate, hidden], &on);
            Box::new(move || drop(<B as Kernels>::dequantize(&weight, dtype)))
        }),
    );
    let on = device.clone();
    add(
        format!("quantize [{intermediate}, {hidden}]"),
        [0.0, weights * (element + 0.5625)],
        Box::new(move || {
            let weight = matrix::<B>(1, [intermediate, hidden], dtype, &on);
            Box::new(move || drop(B::quantize_blocks(&weight, &CODE)))
        }),
    );
    let (q, kv) = (heads * head_dim, kv_heads * head_dim);
    for (kind, m, n, k, what) in [
        (Product::Nt, tokens, q, hidden, "q"),
        (Product::Nt, tokens, kv, hidden, "k"),
        (Product::Nt, tokens, intermediate, hidden, "gate"),
        (Product::Nt, tokens, hidden, intermediate, "down"),
        (Product::Nn, tokens, hidden, intermediate, "dx of gate"),
        (Product::Nn, tokens, intermediate, hidden, "dx of down"),
        (Product::Nt, tokens, rank, hidden, "LoRA x A"),
        (Product::Nn, tokens, rank, intermediate, "LoRA dy B"),
        (Product::Tn, intermediate, rank, tokens, "LoRA dB"),
        (Product::Tn, rank, hidden, tokens, "LoRA dA"),
    ] {
        let on = device.clone();
        let elements = (m * k + k * n + m * n) as f64;
        let (lhs, rhs) = match kind {
            Product::Nn => ([m, k], [k, n]),
            Product::Nt => ([m, k], [n, k]),
            Product::Tn => ([k, m], [k, n]),
        };
        add(
            format!("product {kind:?} {m} x {n} x {k} ({what})"),
            [product((m * n) as f64 * k as f64), elements * element],
            Box::new(move || {
                let lhs = matrix::<B>(1, lhs, dtype, &on);
                let rhs = matrix::<B>(2, rhs, dtype, &on);
                Box::new(move || drop(B::product(kind, &lhs, &rhs, 1.0, None)))
            }),
        );
    }
    let on = device.clone();
    let work = product(tokens as f64 * ((hidden + rank) * intermediate + hidden * rank) as f64);
    let moved = (tokens * (hidden + intermediate)) as f64 * element;
    add(
        format!("NF4 linear with LoRA, {hidden} to {intermediate}"),
        [work, moved],
        Box::new(move || {
            let x = matrix::<B>(1, [tokens, hidden], dtype, &on);
            let a = matrix::<B>(2, [rank, hidden], DType::F32, &on);
            let b = matrix::<B>(3, [intermediate, rank], DType::F32, &on);
            let weight = FrozenMatrix::Quantized(quantized::<B>(4, [intermediate, hidden], &on));
            Box::new(move || {
                drop(B::adapted_linear(&x, &weight, None, &x, &a, &b, 2.0, None));
            })
        }),
    );
    for backward in [false, true] {
        let on = device.clone();
        let outputs = [q, kv, kv];
        let width: usize = outputs.iter().sum();
        let (name, own) = if backward { ("backward", 2) } else { ("forward", 1) };
        // The base once; A and B once forward, and each by its gradient and by the input's backward.
        let branches = own * rank * (3 * hidden + width);
        add(
            format!("NF4 linears q, k, v with LoRA, {name}"),
            [
                product(tokens as f64 * (hidden * width + branches) as f64),
                (tokens * (own * hidden + width)) as f64 * element,
            ],
            Box::new(move || {
                let x = matrix::<B>(1, [tokens, hidden], dtype, &on);
                let tensors = outputs.map(|out| {
                    let weight = FrozenMatrix::Quantized(quantized::<B>(2, [out, hidden], &on));
                    let a = matrix::<B>(3, [rank, hidden], DType::F32, &on);
                    let b = matrix::<B>(4, [out, rank], DType::F32, &on);
                    (weight, a, b, matrix::<B>(5, [tokens, out], dtype, &on))
                });
                let mut saved: Option<Vec<_>> = None;
                Box::new(move || {
                    let layers = tensors.each_ref().map(|(weight, a, b, _)| AdaptedLayer {
                        weight,
                        bias: None,
                        a,
                        b,
                        scale: 2.0,
                    });
                    // What is measured backward needs the forward pass once.
                    if !backward || saved.is_none() {
                        let all = B::adapted_linears(&x, &layers).into_iter();
                        saved = Some(all.map(|(_, saved)| saved).collect());
                    }
                    let (true, Some(saved)) = (backward, &saved) else { return };
                    let given = tensors.iter().zip(saved).map(|((.., dy), saved)| AdaptedOutput {
                        dy,
                        saved,
                        da: None,
                        db: None,
                    });
                    drop(B::adapted_linears_backward(&x, &layers, given.collect(), None));
                })
            }),
        );
    }
    // A causal row sees half of its document; two products forward, five backward.
    let pairs = tokens as f64 * (sizes.document as f64 + 1.0) / 2.0;
    let scores = product(pairs * q as f64);
    let lengths = vec![sizes.document; tokens / sizes.document];
    let shape = AttentionShape {
        heads,
        kv_heads,
        head_dim,
        window: None,
        scale: (head_dim as f32).powf(-0.5),
    };
    let activations = (tokens * (2 * q + 2 * kv)) as f64 * element;
    for backward in [false, true] {
        let (on, lengths) = (device.clone(), lengths.clone());
        let (name, factor) = if backward { ("backward", 5.0) } else { ("forward", 2.0) };
        add(
            format!("attention {name}, {} documents of {}", lengths.len(), sizes.document),
            [factor * scores, activations * if backward { 2.0 } else { 1.0 }],
            Box::new(move || {
                let q = matrix::<B>(1, [tokens, q], dtype, &on);
                let k = matrix::<B>(2, [tokens, kv], dtype, &on);
                let v = matrix::<B>(3, [tokens, kv], dtype, &on);
                let at = layout::<B>(&lengths, &on);
                if !backward {
                    return Box::new(move || {
                        drop(<B as Kernels>::attention(&q, &k, &v, &at, shape));
                    });
                }
                let (out, sums) = <B as Kernels>::attention(&q, &k, &v, &at, shape);
                Box::new(move || {
                    drop(B::attention_backward(&q, &q, &k, &v, &out, &sums, &at, shape));
                })
            }),
        );
    }
    for rows in [1, 8, 32] {
        let on = device.clone();
        add(
            format!("rows of {rows} tokens, NF4 {hidden} to {intermediate}"),
            [0.0, weights * 0.5159],
            Box::new(move || {
                let x = matrix::<B>(1, [rows, hidden], dtype, &on);
                let weight = quantized::<B>(2, [intermediate, hidden], &on);
                let weight = B::row_weight(FrozenMatrix::Quantized(weight));
                Box::new(move || drop(B::row_linear(&x, &weight, None)))
            }),
        );
    }
    let on = device.clone();
    let stacked = (hidden * (q + 2 * kv)) as f64;
    add(
        format!("rows of 1 token, NF4 {hidden} to {q}, {kv}, {kv}"),
        [0.0, stacked * 0.5159],
        Box::new(move || {
            let x = matrix::<B>(1, [1, hidden], dtype, &on);
            let weights = [q, kv, kv].map(|width| {
                let weight = quantized::<B>(width as u64, [width, hidden], &on);
                B::row_weight(FrozenMatrix::Quantized(weight))
            });
            Box::new(move || drop(B::row_linears(&x, &weights.each_ref())))
        }),
    );
    for slots in [1, 32] {
        let on = device.clone();
        let capacity = sizes.document;
        add(
            format!("attention over a cache, {slots} sequences of {capacity}"),
            [0.0, 2.0 * (slots * capacity * kv) as f64 * element],
            Box::new(move || {
                let new = |seed, width| matrix::<B>(seed, [slots, width], dtype, &on);
                let (q, k, v) = (new(1, q), new(2, kv), new(3, kv));
                let count = slots * Pages::of_positions(capacity);
                let mut pages = Pages::new(slots, count);
                for slot in 0..slots {
                    pages.begin(slot, None, capacity).expect("there are pages for all");
                }
                let room = CacheShape { slots, capacity, pages: count, kv_heads, head_dim };
                let mut cache = B::cache(room, &on);
                let rows = |first| {
                    let spans = (0..slots).map(|slot| Span { slot, first, rows: 1 });
                    CachedRows::<B>::new(spans.collect(), &pages, &on)
                };
                // The first position makes the cache; the others hold zeros.
                drop(B::cached_attention(&q, &k, &v, &mut cache, &rows(0), shape));
                let last = rows(capacity - 1);
                Box::new(move || {
                    drop(B::cached_attention(&q, &k, &v, &mut cache, &last, shape));
                })
            }),
        );
    }
    let on = device.clone();
    add(
        format!("drawing tokens, 256 rows of {vocab} words, top-k and top-p"),
        [0.0, (256 * vocab * size_of::<f32>()) as f64],
        Box::new(move || {
            let logits = matrix::<B>(1, [256, vocab], DType::F32, &on);
            let how = ChoiceSettings {
                temperature: 0.7,
                top_k: 1000,
                top_p: 0.9,
                min_p: 0.0,
                repetition_penalty: 1.0,
            };
            Box::new(move || {
                let rows = [RowChoice { random: 0.5, seen: &[] }; 256];
                // Where no kernel draws this takes no time: it gives the logits back.
                drop(B::choose(logits.clone(), &how, &rows));
            })
        }),
    );
    let on = device.clone();
    add(
        "RMSNorm forward".to_owned(),
        [0.0, 2.0 * elements * element],
        Box::new(move || {
            let x = matrix::<B>(1, [tokens, hidden], dtype, &on);
            let weight = vector::<B>(2, hidden, &on);
            Box::new(move || drop(B::rms_norm(&x, &weight, 1e-5)))
        }),
    );
    let on = device.clone();
    add(
        "RMSNorm backward, added to a gradient".to_owned(),
        [0.0, 4.0 * elements * element],
        Box::new(move || {
            let x = matrix::<B>(1, [tokens, hidden], dtype, &on);
            let weight = vector::<B>(2, hidden, &on);
            let root = B::rms_norm(&x, &weight, 1e-5).1;
            Box::new(move || {
                let sum = Some(x.clone());
                drop(B::rms_norm_backward(&x, &x, &weight, &root, sum, None));
            })
        }),
    );
    let wide = (tokens * intermediate) as f64 * element;
    for backward in [false, true] {
        let on = device.clone();
        let (name, factor) = if backward { ("backward", 5.0) } else { ("forward", 3.0) };
        add(
            format!("SwiGLU {name}"),
            [0.0, factor * wide],
            Box::new(move || {
                let gate = matrix::<B>(1, [tokens, intermediate], dtype, &on);
                let up = matrix::<B>(2, [tokens, intermediate], dtype, &on);
                Box::new(move || {
                    if backward {
                        drop(B::swiglu_backward(gate.clone(), &gate, &up));
                    } else {
                        drop(B::swiglu(&gate, &up));
                    }
                })
            }),
        );
    }
    let on = device.clone();
    add(
        format!("head and loss with gradient, vocabulary {vocab}"),
        [2.0 * product(tokens as f64 * (vocab * hidden) as f64), 0.0],
        Box::new(move || {
            let x = matrix::<B>(1, [tokens, hidden], dtype, &on);
            let head = matrix::<B>(2, [vocab, hidden], dtype, &on);
            let head = FrozenMatrix::Dense(head);
            let targets: Vec<i32> = (0..tokens).map(|i| (i * 7919 % vocab) as i32).collect();
            Box::new(move || drop(B::head_loss(&x, &head, &targets, Some(1e-4), None)))
        }),
    );
    let on = device.clone();
    // LoRA's matrices of a few layers: as many as several launches take.
    let matrices = 256;
    let trained = matrices * rank * (hidden + intermediate);
    add(
        format!("gradient norm over {matrices} matrices, {trained} parameters"),
        [0.0, 4.0 * trained as f64],
        Box::new(move || {
            let one = matrix::<B>(1, [rank, hidden + intermediate], DType::F32, &on);
            let all: Vec<_> = (0..matrices).map(|_| one.clone().mul_scalar(0.5)).collect();
            Box::new(move || {
                std::hint::black_box(B::sum_of_squares(&all));
            })
        }),
    );
    let on = device.clone();
    add(
        format!("AdamW over {matrices} matrices, {trained} parameters"),
        [0.0, 28.0 * trained as f64],
        Box::new(move || {
            let one = |seed| matrix::<B>(seed, [rank, hidden + intermediate], DType::F32, &on);
            let all = [one(1), one(2), one(3), one(4).powi_scalar(2)];
            // Each in memory of its own, so that a step writes in place as in training.
            let each = |_| all.clone().map(|x| x.mul_scalar(0.5));
            let (mut list, gradients): (Vec<_>, Vec<_>) = (0..matrices)
                .map(each)
                .map(|[parameter, gradient, first, second]| ([parameter, first, second], gradient))
                .unzip();
            let step = AdamW {
                learning_rate: 1e-5,
                beta1: 0.9,
                beta2: 0.999,
                epsilon: 1e-8,
                weight_decay: 0.0,
                step: 10,
                gradient_scale: 1.0,
            };
            Box::new(move || {
                let now = std::mem::take(&mut list).into_iter().zip(&gradients);
                let now = now.map(|([parameter, first, second], gradient)| TrainedMatrix {
                    parameter,
                    gradient: gradient.clone(),
                    first,
                    second,
                });
                list = B::adamw_all(now.collect(), step);
            })
        }),
    );
    cases
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Cpu;

    #[test]
    fn every_case_runs_and_has_a_floor() {
        for case in speed_cases::<Cpu>(&Default::default(), DType::F32, Sizes::TOY) {
            assert!(case.operations + case.bytes > 0.0, "{}", case.name);
            let mut repeat = (case.prepare)();
            repeat();
            repeat();
        }
    }

    #[test]
    fn the_floor_of_a_7b_forward_pass_is_the_one_in_the_tables() {
        let cases = speed_cases::<Cpu>(&Default::default(), DType::BF16, Sizes::LLAMA_8B);
        let forward = cases.iter().find(|case| case.name.starts_with("attention forward"));
        // 17.6 TFLOP over 32 layers.
        let layer = forward.expect("attention is a case").operations;
        assert!((layer * 32.0 / 17.6e12 - 1.0).abs() < 0.01, "{layer:e}");
    }
}
