//! Every CPU operation against the plain version, and every hand-written backward pass against
//! Burn's autodiff of the plain forward pass, on random shapes.
//!
//! Tolerances are relative to the largest element: f32 sums of up to a few hundred terms in another
//! order differ by about 1e-6, so 2e-5 leaves room and still sees any wrong term.

use burn::backend::Autodiff;
use burn::tensor::{DType, Int, Tensor, TensorData};
use proptest::prelude::*;
use sigil_kernels::{
    AdamW, AdaptedLayer, AdaptedOutput, AttentionShape, Cpu, FrozenMatrix, Kernels, LoraInput,
    Matrix, Product, QuantizedTensor, RotaryTable, ScaleTensors, SequenceLayout, TrainedMatrix,
    Vector, layout::int_vector, plain, random,
};

type Oracle = Autodiff<Cpu>;

const TOLERANCE: f32 = 2e-5;

fn values(seed: u64, count: usize) -> Vec<f32> {
    (0..count as u64).map(|i| random::normal(seed, i)).collect()
}

fn matrix<B: burn::tensor::backend::Backend>(seed: u64, shape: [usize; 2]) -> Matrix<B> {
    let data = TensorData::new(values(seed, shape[0] * shape[1]), shape);
    Tensor::from_data(data, (&Default::default(), DType::F32))
}

fn vector<B: burn::tensor::backend::Backend>(seed: u64, length: usize) -> Vector<B> {
    Tensor::from_data(
        TensorData::new(values(seed, length), [length]),
        (&Default::default(), DType::F32),
    )
}

fn elements<B: burn::tensor::backend::Backend, const D: usize>(x: Tensor<B, D>) -> Vec<f32> {
    x.into_data().iter::<f32>().collect()
}

#[track_caller]
fn close<const D: usize>(what: &str, actual: Tensor<Cpu, D>, wanted: Tensor<Cpu, D>) {
    within(TOLERANCE, what, actual, wanted);
}

#[track_caller]
fn within<const D: usize>(
    tolerance: f32,
    what: &str,
    actual: Tensor<Cpu, D>,
    wanted: Tensor<Cpu, D>,
) {
    assert_eq!(actual.dims(), wanted.dims(), "{what}: shape");
    let (actual, wanted) = (elements(actual), elements(wanted));
    // Inputs are of size one: where a gradient cancels to zero, its rounding errors do not.
    let largest = wanted.iter().fold(0.3f32, |a, b| a.max(b.abs()));
    for (i, (a, w)) in actual.iter().zip(&wanted).enumerate() {
        let error = (a - w).abs() / largest;
        assert!(error <= tolerance, "{what}: element {i}: {a} instead of {w}");
    }
}

/// Documents of the given lengths.
fn layout<B: burn::tensor::backend::Backend>(lengths: &[usize]) -> SequenceLayout<B> {
    let mut starts = vec![0u32];
    for length in lengths {
        starts.push(starts[starts.len() - 1] + *length as u32);
    }
    SequenceLayout::new(starts, &Default::default())
}

fn attention_case() -> impl Strategy<Value = (Vec<usize>, AttentionShape)> {
    let lengths = prop::collection::vec(1usize..150, 1..4);
    let heads = (1usize..3, 1usize..4, prop::sample::select(vec![4usize, 8, 20]));
    let window = prop::option::of(1usize..100);
    (lengths, heads, window).prop_map(|(lengths, (kv_heads, group, head_dim), window)| {
        let scale = (head_dim as f32).powf(-0.5);
        (lengths, AttentionShape { heads: kv_heads * group, kv_heads, head_dim, window, scale })
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn products(m in 1usize..70, n in 1usize..70, k in 1usize..70, alpha in -2.0f32..2.0) {
        for (product, lhs, rhs) in [
            (Product::Nn, [m, k], [k, n]),
            (Product::Nt, [m, k], [n, k]),
            (Product::Tn, [k, m], [k, n]),
        ] {
            let (lhs, rhs) = (matrix::<Cpu>(1, lhs), matrix::<Cpu>(2, rhs));
            for sum in [None, Some(matrix::<Cpu>(3, [m, n]))] {
                let wanted = plain::product(product, &lhs, &rhs, alpha, sum.clone());
                close("product", Cpu::product(product, &lhs, &rhs, alpha, sum), wanted);
            }
        }
    }

    #[test]
    fn attention((lengths, shape) in attention_case()) {
        let flat = layout::<Cpu>(&lengths);
        let (tokens, width) = (flat.tokens(), shape.heads * shape.head_dim);
        let kv_width = shape.kv_heads * shape.head_dim;
        let q = matrix::<Cpu>(1, [tokens, width]);
        let (k, v) = (matrix::<Cpu>(2, [tokens, kv_width]), matrix::<Cpu>(3, [tokens, kv_width]));
        let dout = matrix::<Cpu>(4, [tokens, width]);
        let (out, sums) = Cpu::attention(&q, &k, &v, &flat, shape);
        let (plain_out, plain_sums) = plain::attention(&q, &k, &v, &flat, shape);
        close("attention", out.clone(), plain_out);
        close("log-sum-exp", sums.clone(), plain_sums);
        let ours = Cpu::attention_backward(&dout, &q, &k, &v, &out, &sums, &flat, shape);
        let plains = plain::attention_backward(&dout, &q, &k, &v, &out, &sums, &flat, shape);

        let track = |x: &Matrix<Cpu>| Matrix::<Oracle>::from_inner(x.clone()).require_grad();
        let (tq, tk, tv) = (track(&q), track(&k), track(&v));
        let tracked = plain::attention(&tq, &tk, &tv, &layout::<Oracle>(&lengths), shape).0;
        let grads = (tracked * Matrix::from_inner(dout)).sum().backward();
        for (name, ours, plain, oracle) in [
            ("dq", ours.0, plains.0, tq.grad(&grads)),
            ("dk", ours.1, plains.1, tk.grad(&grads)),
            ("dv", ours.2, plains.2, tv.grad(&grads)),
        ] {
            let oracle = oracle.expect("tracked");
            close(name, ours, oracle.clone());
            close(name, plain, oracle);
        }
    }

    #[test]
    fn norm(rows in 1usize..40, columns in 1usize..200) {
        let (x, dy) = (matrix::<Cpu>(1, [rows, columns]), matrix::<Cpu>(2, [rows, columns]));
        let weight = vector::<Cpu>(3, columns);
        let (y, root) = Cpu::rms_norm(&x, &weight, 1e-5);
        let (plain_y, plain_root) = plain::rms_norm(&x, &weight, 1e-5);
        close("norm", y, plain_y);
        close("root", root.clone(), plain_root);

        let tracked = Matrix::<Oracle>::from_inner(x.clone()).require_grad();
        let tracked_weight = Vector::<Oracle>::from_inner(weight.clone()).require_grad();
        let oracle = plain::rms_norm(&tracked, &tracked_weight, 1e-5).0;
        let grads = (oracle * Matrix::from_inner(dy.clone())).sum().backward();
        let dx = tracked.grad(&grads).expect("tracked");
        let dweight = tracked_weight.grad(&grads).expect("tracked");
        let before = matrix::<Cpu>(5, [rows, columns]);
        let zero = || Some(Vector::<Cpu>::zeros([columns], &Default::default()));
        for (sum, wanted) in [(None, dx.clone()), (Some(before.clone()), before + dx)] {
            let ours = Cpu::rms_norm_backward(&dy, &x, &weight, &root, sum.clone(), zero());
            close("dx", ours.0, wanted.clone());
            close("dweight", ours.1.expect("asked for"), dweight.clone());
            let plain = plain::rms_norm_backward(&dy, &x, &weight, &root, sum, zero());
            close("dx", plain.0, wanted);
            close("dweight", plain.1.expect("asked for"), dweight.clone());
        }
    }

    #[test]
    fn swiglu(rows in 1usize..20, columns in 1usize..90) {
        let shape = [rows, columns];
        let (gate, up, dy) =
            (matrix::<Cpu>(1, shape), matrix::<Cpu>(2, shape), matrix::<Cpu>(3, shape));
        close("swiglu", Cpu::swiglu(&gate, &up), plain::swiglu(&gate, &up));
        let tracked = Matrix::<Oracle>::from_inner(gate.clone()).require_grad();
        let tracked_up = Matrix::<Oracle>::from_inner(up.clone()).require_grad();
        let oracle = plain::swiglu(&tracked, &tracked_up) * Matrix::from_inner(dy.clone());
        let grads = oracle.sum().backward();
        let ours = Cpu::swiglu_backward(dy.clone(), &gate, &up);
        let plain = plain::swiglu_backward(dy, &gate, &up);
        for (ours, plain, tracked) in [(ours.0, plain.0, tracked), (ours.1, plain.1, tracked_up)] {
            let oracle = tracked.grad(&grads).expect("tracked");
            close("gradient", ours, oracle.clone());
            close("gradient", plain, oracle);
        }
    }

    #[test]
    fn rotation_and_its_inverse(
        lengths in prop::collection::vec(1usize..40, 1..4),
        heads in 1usize..4,
        half in 1usize..9,
        rest in 0usize..5,
    ) {
        let flat = layout::<Cpu>(&lengths);
        let head_dim = 2 * half + rest;
        let frequencies: Vec<f32> = (0..half).map(|i| 0.9f32.powi(i as i32)).collect();
        let table = RotaryTable::<Cpu>::new(&frequencies, 1.0, 64, &Default::default());
        let x = matrix::<Cpu>(1, [flat.tokens(), heads * head_dim]);
        let turned = Cpu::rotate(x.clone(), &table, &flat, head_dim, false);
        let wanted = plain::rotate(x.clone(), &table, &flat, head_dim, false);
        close("rotate", turned.clone(), wanted);
        close("and back", Cpu::rotate(turned.clone(), &table, &flat, head_dim, true), x.clone());
        close("and back", plain::rotate(turned, &table, &flat, head_dim, true), x);
    }

    #[test]
    fn head_loss(tokens in 1usize..40, width in 1usize..30, vocab in 2usize..70) {
        let hidden = matrix::<Cpu>(1, [tokens, width]);
        let weight = matrix::<Cpu>(2, [vocab, width]);
        let targets: Vec<i32> = (0..tokens as u64)
            .map(|i| (random::bits(9, i) % (vocab as u64 + 2)) as i32 - 2)
            .collect();
        let head = FrozenMatrix::Dense(weight.clone());
        let zero = || Some(Matrix::<Cpu>::zeros([vocab, width], &Default::default()));
        let ours = Cpu::head_loss(&hidden, &head, &targets, Some(0.37), zero());
        let plain = plain::head_loss(&hidden, &head, &targets, Some(0.37), zero());

        let tracked = Matrix::<Oracle>::from_inner(hidden).require_grad();
        let tracked_weight = Matrix::<Oracle>::from_inner(weight).require_grad();
        let logits = tracked.clone().matmul(tracked_weight.clone().transpose());
        let log = burn::tensor::activation::log_softmax(logits, 1);
        let picked: Vec<i32> = targets.iter().map(|&t| t.max(0)).collect();
        let mask: Vec<f32> = targets.iter().map(|&t| if t < 0 { 0.0 } else { -1.0 }).collect();
        let index = int_vector::<Oracle>(picked, &Default::default()).reshape([tokens, 1]);
        let mask = Tensor::from_data(TensorData::new(mask, [tokens, 1]), &Default::default());
        let nll = log.gather(1, index) * mask;
        close("nll", ours.nll, nll.clone().inner().reshape([tokens]));
        close("nll", plain.nll, nll.clone().inner().reshape([tokens]));
        let grads = nll.mul_scalar(0.37).sum().backward();
        for (ours, plain, tracked) in [
            (ours.hidden_gradient, plain.hidden_gradient, tracked),
            (ours.weight_gradient, plain.weight_gradient, tracked_weight),
        ] {
            let zero = tracked.clone().inner().zeros_like();
            let oracle = tracked.grad(&grads).unwrap_or(zero);
            close("gradient", ours.expect("asked for"), oracle.clone());
            close("gradient", plain.expect("asked for"), oracle);
        }
    }

    #[test]
    fn lora(tokens in 1usize..30, inputs in 1usize..40, outputs in 1usize..40, rank in 1usize..9) {
        let x = matrix::<Cpu>(1, [tokens, inputs]);
        let (a, b) = (matrix::<Cpu>(2, [rank, inputs]), matrix::<Cpu>(3, [outputs, rank]));
        let (y, dy) = (matrix::<Cpu>(4, [tokens, outputs]), matrix::<Cpu>(5, [tokens, outputs]));
        let track = |x: &Matrix<Cpu>| Matrix::<Oracle>::from_inner(x.clone()).require_grad();
        let (tx, ta, tb) = (track(&x), track(&a), track(&b));
        let branch = tx.clone().matmul(ta.clone().transpose()).matmul(tb.clone().transpose());
        let oracle = Matrix::from_inner(y.clone()) + branch.mul_scalar(0.5);
        let (ours, saved) = Cpu::lora_forward(&x, &a, &b, 0.5, y);
        close("lora", ours, oracle.clone().inner());
        let grads = (oracle * Matrix::from_inner(dy.clone())).sum().backward();
        let (da, db) = (None, Some(b.zeros_like()));
        let (da, db, dx) = Cpu::lora_backward(&dy, &x, &saved, &a, &b, 0.5, da, db, None);
        close("da", da, ta.grad(&grads).expect("tracked"));
        close("db", db, tb.grad(&grads).expect("tracked"));
        close("dx", dx, tx.grad(&grads).expect("tracked"));
    }

    #[test]
    fn stacked_branches_are_those_of_each_layer(
        tokens in 1usize..40,
        inputs in 1usize..50,
        sizes in prop::collection::vec((1usize..40, 1usize..9, any::<bool>()), 1..5),
    ) {
        let x = matrix::<Cpu>(1, [tokens, inputs]);
        // Weight, a, b, dy, gradients so far, bias: the latter of some layers.
        let tensors: Vec<_> = (1u64..).zip(&sizes).map(|(i, &(outputs, rank, more))| {
            let one = |role, shape| matrix::<Cpu>(10 * i + role, shape);
            let bias = more.then(|| vector::<Cpu>(10 * i + 9, outputs));
            let sums = [[rank, inputs], [outputs, rank]].map(|shape| more.then(|| one(8, shape)));
            let weight = FrozenMatrix::Dense(one(1, [outputs, inputs]));
            let (a, b) = (one(2, [rank, inputs]), one(3, [outputs, rank]));
            (weight, a, b, one(4, [tokens, outputs]), sums, bias)
        }).collect();
        let layers: Vec<AdaptedLayer<'_, Cpu>> = tensors
            .iter()
            .map(|(weight, a, b, _, _, bias)| {
                AdaptedLayer { weight, bias: bias.as_ref(), a, b, scale: 0.5 }
            })
            .collect();
        let ours = plain::stacked_linears::<Cpu>(&x, &layers);
        let each = Cpu::adapted_linears(&x, &layers);
        prop_assert_eq!((ours.len(), each.len()), (sizes.len(), sizes.len()));
        let given = |saved: &[(Matrix<Cpu>, LoraInput<Cpu>)]| -> Vec<LoraInput<Cpu>> {
            saved.iter().map(|(_, saved)| saved.clone()).collect()
        };
        let (saved, saved_each) = (given(&ours), given(&each));
        for ((y, saved), (y_each, saved_each)) in ours.into_iter().zip(each) {
            within(1e-5, "output", y, y_each);
            within(1e-5, "projected", saved.projected, saved_each.projected);
        }
        for dx in [None, Some(matrix::<Cpu>(5, [tokens, inputs]))] {
            let outputs = |saved| -> Vec<AdaptedOutput<'_, Cpu>> {
                let parts = tensors.iter().zip::<std::slice::Iter<'_, LoraInput<Cpu>>>(saved);
                parts
                    .map(|((_, _, _, dy, [da, db], _), saved)| {
                        AdaptedOutput { dy, saved, da: da.clone(), db: db.clone() }
                    })
                    .collect()
            };
            let (gradients, sum) = plain::stacked_linears_backward::<Cpu>(
                &x, &layers, outputs(saved.iter()), dx.clone(),
            );
            let (wanted, wanted_sum) =
                Cpu::adapted_linears_backward(&x, &layers, outputs(saved_each.iter()), dx);
            prop_assert_eq!((gradients.len(), wanted.len()), (sizes.len(), sizes.len()));
            within(1e-5, "dx", sum.expect("a layer"), wanted_sum.expect("a layer"));
            for ([da, db], [da_each, db_each]) in gradients.into_iter().zip(wanted) {
                within(1e-5, "da", da, da_each);
                within(1e-5, "db", db, db_each);
            }
        }
    }

    #[test]
    fn four_bit_weights(blocks_a_row in 1usize..5, rows in 1usize..40, nested: bool) {
        let (columns, device) = (64 * blocks_a_row, Default::default());
        let words = rows * columns / 8;
        let code = |i: usize| random::bits(3, i as u64) as u32 as i32;
        let ints = |count: usize| {
            let data = TensorData::new((0..count).map(|i| code(i) as u32).collect(), [count]);
            Tensor::<Cpu, 1, Int>::from_data(data, (&device, DType::U32))
        };
        let blocks = rows * blocks_a_row;
        let scales = if nested {
            let groups = blocks.div_ceil(256);
            ScaleTensors::Nested {
                codes: ints(blocks.div_ceil(4)),
                absmax: vector(5, groups),
                levels: vector(6, 256),
                offset: 0.25,
                group_size: 256,
            }
        } else {
            ScaleTensors::Plain(vector(5, blocks))
        };
        let levels = std::array::from_fn(|i| random::normal(8, i as u64));
        let shape = [rows, columns];
        let packed = ints(words);
        let weight = QuantizedTensor { shape, packed, levels, scales, block_size: 64 };
        let dense = plain::dequantize(&weight, DType::F32);
        close("dequantize", Cpu::dequantize(&weight, DType::F32), dense.clone());
        let weight = FrozenMatrix::Quantized(weight);
        let (x, dy) = (matrix::<Cpu>(1, [7, columns]), matrix::<Cpu>(2, [7, rows]));
        let wanted = x.clone().matmul(dense.clone().transpose());
        close("linear", Cpu::linear(&x, &weight, None), wanted.clone());
        close("linear", plain::linear(&x, &weight, None), wanted);
        close("backward", Cpu::linear_backward(&dy, &weight, None), dy.matmul(dense));
    }

    #[test]
    fn optimizer(rows in 1usize..30, columns in 1usize..300, step in 1u64..50) {
        let shape = [rows, columns];
        let step = AdamW {
            learning_rate: 3e-3, beta1: 0.9, beta2: 0.95, epsilon: 1e-8, weight_decay: 0.1, step,
            gradient_scale: 0.7,
        };
        let (p, g, m) = (matrix::<Cpu>(1, shape), matrix::<Cpu>(2, shape), matrix::<Cpu>(3, shape));
        let v = matrix::<Cpu>(4, shape).powi_scalar(2);
        let ours = Cpu::adamw(p.clone(), &g, m.clone(), v.clone(), step);
        let wanted = plain::adamw(p, &g, m, v, step);
        close("parameter", ours.0, wanted.0);
        close("first moment", ours.1, wanted.1);
        close("second moment", ours.2, wanted.2);
        let all = [g.clone(), g];
        let (fast, slow) = (Cpu::sum_of_squares(&all), plain::sum_of_squares(&all));
        assert!((fast / slow - 1.0).abs() < 1e-6);
    }

    #[test]
    fn a_step_over_a_list_is_that_of_each(lengths in prop::collection::vec(1usize..400, 0..7)) {
        let step = AdamW {
            learning_rate: 3e-3, beta1: 0.9, beta2: 0.95, epsilon: 1e-8, weight_decay: 0.1, step: 4,
            gradient_scale: 0.7,
        };
        let trained = |(i, &length): (usize, &usize)| {
            let one = |role| matrix::<Cpu>(10 * i as u64 + role, [1, length]);
            let second = one(4).powi_scalar(2);
            TrainedMatrix { parameter: one(1), gradient: one(2), first: one(3), second }
        };
        let list: Vec<TrainedMatrix<Cpu>> = lengths.iter().enumerate().map(trained).collect();
        let bits = |x: Matrix<Cpu>| -> Vec<u32> { elements(x).into_iter().map(f32::to_bits).collect() };
        let wanted: Vec<[Vec<u32>; 3]> = list
            .iter()
            .cloned()
            .map(|one| {
                let found = Cpu::adamw(one.parameter, &one.gradient, one.first, one.second, step);
                <[Matrix<Cpu>; 3]>::from(found).map(bits)
            })
            .collect();
        let found: Vec<[Vec<u32>; 3]> =
            Cpu::adamw_all(list, step).into_iter().map(|all| all.map(bits)).collect();
        prop_assert_eq!(found, wanted);
    }

    #[test]
    fn dropout_and_embedding(rows in 1usize..20, columns in 1usize..200, seed: u64) {
        let x = matrix::<Cpu>(1, [rows, columns]);
        close("dropout", Cpu::dropout(&x, 0.3, seed), plain::dropout(&x, 0.3, seed));
        let tokens: Vec<i32> = (0..50).map(|i| (random::bits(seed, i) % rows as u64) as i32).collect();
        let tokens = int_vector::<Cpu>(tokens, &Default::default());
        let picked = plain::embed(&x, &tokens, DType::F32);
        close("embed", Cpu::embed(&x, &tokens, DType::F32), picked.clone());
        let narrow = x.clone().cast(DType::BF16);
        let wanted = plain::embed(&narrow, &tokens, DType::F32);
        close("embed bf16", Cpu::embed(&narrow, &tokens, DType::F32), wanted);
        let sum = Cpu::embed_backward(&picked, &tokens, x.clone());
        close("embed backward", sum, plain::embed_backward(&picked, &tokens, x));
    }
}

#[test]
fn dropout_keeps_the_share_it_says() {
    let x = Matrix::<Cpu>::ones([100, 1000], &Default::default());
    let kept = elements(Cpu::dropout(&x, 0.25, 11));
    let share = kept.iter().filter(|&&v| v != 0.0).count() as f64 / kept.len() as f64;
    assert!((share - 0.75).abs() < 0.01, "kept {share}");
    assert!(kept.iter().all(|&v| v == 0.0 || (v - 4.0 / 3.0).abs() < 1e-6));
}

#[test]
fn a_result_does_not_depend_on_the_number_of_threads() {
    let run = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("threads");
        pool.install(|| {
            let x = matrix::<Cpu>(1, [300, 128]);
            let weight = FrozenMatrix::Dense(matrix::<Cpu>(2, [500, 128]));
            let targets: Vec<i32> = (0..300).collect();
            let zero = Matrix::<Cpu>::zeros([500, 128], &Default::default());
            let loss = Cpu::head_loss(&x, &weight, &targets, Some(1.0), Some(zero));
            let shape =
                AttentionShape { heads: 4, kv_heads: 2, head_dim: 32, window: None, scale: 0.2 };
            let kv = matrix::<Cpu>(4, [300, 64]);
            let flat = layout::<Cpu>(&[100, 200]);
            let (out, sums) = Cpu::attention(&x, &kv, &kv, &flat, shape);
            let (dq, dk, _) =
                Cpu::attention_backward(&out, &x, &kv, &kv, &out, &sums, &flat, shape);
            let mut bits: Vec<u32> = vec![Cpu::sum_of_squares(&[x]).to_bits() as u32];
            let hidden = loss.hidden_gradient.expect("asked for");
            let weight = loss.weight_gradient.expect("asked for");
            for tensor in [hidden, weight, dq, dk] {
                bits.extend(elements(tensor).into_iter().map(f32::to_bits));
            }
            bits
        })
    };
    assert_eq!(run(1), run(2));
    assert_eq!(run(1), run(5));
}
