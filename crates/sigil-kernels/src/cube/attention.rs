//! Launches of the attention kernels: CUDA C++ where it covers the heads, else CubeCL with the
//! tiling that fits the device, else the plain version.

use burn::tensor::DType;
use burn_cubecl::CubeRuntime;
use cubecl::prelude::*;

use super::{
    attention_backward::{
        attention_key_gradient_kernel, attention_query_gradient_kernel, delta_kernel,
    },
    attention_forward::{Tiling, attention_kernel},
    buffer::{On, addressable, dense, dense_int, empty, lanes, one_unit_each, tensor, units},
};
use crate::{AttentionShape, Matrix, SequenceLayout, cuda, cuda::Native, plain};

/// `(side, tile)`, fastest first.
const SIZES: [(usize, usize); 4] = [(16, 64), (16, 32), (16, 16), (8, 8)];

/// Which tiles a pass keeps in shared memory at once.
#[derive(Clone, Copy)]
struct Demand {
    feature_tiles: usize,
    score_tiles: usize,
}

const FORWARD: Demand = Demand { feature_tiles: 2, score_tiles: 1 };
const BACKWARD: Demand = Demand { feature_tiles: 4, score_tiles: 2 };

fn tiling<R: CubeRuntime>(
    client: &ComputeClient<R>,
    head_dim: usize,
    dtype: DType,
    demand: Demand,
) -> Option<Tiling> {
    let most = client.properties().hardware.max_shared_memory_size;
    let sizes = SIZES.map(|(side, tile)| Tiling { side, tile, head_dim });
    sizes.into_iter().find(|tiling| {
        let features = demand.feature_tiles * tiling.features() * dtype.size();
        features + demand.score_tiles * tiling.scores() * 4 <= most
    })
}

/// Whether the kernels take these tensors at all.
fn covered<R: CubeRuntime>(tensors: &[&Matrix<On<R>>], shape: AttentionShape) -> bool {
    let dtype = tensors[0].dtype();
    let elements: Vec<usize> = tensors.iter().map(|x| x.shape().num_elements()).collect();
    tensors.iter().all(|x| x.dtype() == dtype)
        && addressable(&elements)
        && !elements.contains(&0)
        && shape.window != Some(0)
        && shape.heads.is_multiple_of(shape.kv_heads)
}

/// A window of all tokens is none.
fn window(shape: AttentionShape, tokens: usize) -> u32 {
    shape.window.map_or(tokens, |window| window.min(tokens)) as u32
}

/// See [`crate::Kernels::attention`].
pub(super) fn attention<R: Native>(
    q: &Matrix<On<R>>,
    k: &Matrix<On<R>>,
    v: &Matrix<On<R>>,
    layout: &SequenceLayout<On<R>>,
    shape: AttentionShape,
) -> (Matrix<On<R>>, Matrix<On<R>>) {
    let [tokens, width] = q.dims();
    if !covered(&[q, k, v], shape) {
        return plain::attention(q, k, v, layout, shape);
    }
    let buffers = [dense(q), dense(k), dense(v)];
    if let Some((out, sums)) = cuda::attention::forward(buffers.each_ref(), layout, shape) {
        return (tensor(out), tensor(sums));
    }
    let [qb, kb, vb] = buffers;
    let (client, dtype) = (qb.client.clone(), qb.dtype);
    let Some(tiling) = tiling(&client, shape.head_dim, dtype, FORWARD) else {
        return plain::attention(q, k, v, layout, shape);
    };
    let out = empty(&qb, [tokens, width], dtype);
    let log_sum_exp = empty(&qb, [tokens, shape.heads], DType::F32);
    attention_kernel::launch::<R>(
        &client,
        CubeCount::Static(tokens.div_ceil(tiling.tile) as u32, shape.heads as u32, 1),
        CubeDim::new_2d(tiling.side as u32, tiling.side as u32),
        qb.into_array_arg(),
        kb.into_array_arg(),
        vb.into_array_arg(),
        dense_int(&layout.start_tensor).into_array_arg(),
        out.clone().into_array_arg(),
        log_sum_exp.clone().into_array_arg(),
        shape.heads as u32,
        shape.kv_heads as u32,
        window(shape, tokens),
        shape.scale,
        tiling,
        dtype.into(),
    );
    (tensor(out), tensor(log_sum_exp))
}

/// See [`crate::Kernels::attention_backward`]; `saved` is the output and its log-sum-exp.
pub(super) fn attention_backward<R: Native>(
    dout: &Matrix<On<R>>,
    [q, k, v]: [&Matrix<On<R>>; 3],
    saved: (&Matrix<On<R>>, &Matrix<On<R>>),
    layout: &SequenceLayout<On<R>>,
    shape: AttentionShape,
) -> (Matrix<On<R>>, Matrix<On<R>>, Matrix<On<R>>) {
    let (out, log_sum_exp) = saved;
    let plain = || plain::attention_backward(dout, q, k, v, out, log_sum_exp, layout, shape);
    if !covered(&[q, k, v, dout, out], shape) {
        return plain();
    }
    let [tokens, width] = q.dims();
    let buffers = [dense(q), dense(k), dense(v), dense(dout)];
    let (client, dtype) = (buffers[0].client.clone(), q.dtype());
    let Some(tiling) = tiling(&client, shape.head_dim, dtype, BACKWARD) else {
        return plain();
    };
    let sums = dense(log_sum_exp);
    let delta = empty(&sums, [tokens, shape.heads], DType::F32);
    let n = lanes(&client, shape.head_dim, dtype);
    delta_kernel::launch::<R>(
        &client,
        one_unit_each(&client, tokens * shape.heads),
        units(),
        n,
        buffers[3].clone().into_array_arg(),
        dense(out).into_array_arg(),
        delta.clone().into_array_arg(),
        (shape.head_dim / n) as u32,
        dtype.into(),
    );
    let saved = [&sums, &delta];
    if let Some(all) = cuda::attention::backward(buffers.each_ref(), saved, layout, shape) {
        return all.map(tensor).into();
    }
    let tiles = tokens.div_ceil(tiling.tile) as u32;
    let cube = CubeDim::new_2d(tiling.side as u32, tiling.side as u32);
    let (heads, kv_heads) = (shape.heads as u32, shape.kv_heads as u32);
    let starts = dense_int(&layout.start_tensor);
    let dq = empty(&sums, [tokens, width], dtype);
    let [qb, kb, vb, db] = buffers.clone().map(|buffer| buffer.into_array_arg());
    attention_query_gradient_kernel::launch::<R>(
        &client,
        CubeCount::Static(tiles, heads, 1),
        cube,
        qb,
        kb,
        vb,
        db,
        sums.clone().into_array_arg(),
        delta.clone().into_array_arg(),
        starts.clone().into_array_arg(),
        dq.clone().into_array_arg(),
        heads,
        kv_heads,
        window(shape, tokens),
        shape.scale,
        tiling,
        dtype.into(),
    );
    let kv = [tokens, shape.kv_heads * shape.head_dim];
    let (dk, dv) = (empty(&sums, kv, dtype), empty(&sums, kv, dtype));
    let [qb, kb, vb, db] = buffers.map(|buffer| buffer.into_array_arg());
    attention_key_gradient_kernel::launch::<R>(
        &client,
        CubeCount::Static(tiles, kv_heads, 1),
        cube,
        qb,
        kb,
        vb,
        db,
        sums.into_array_arg(),
        delta.into_array_arg(),
        starts.into_array_arg(),
        dense_int(&layout.end_tensor).into_array_arg(),
        dk.clone().into_array_arg(),
        dv.clone().into_array_arg(),
        heads,
        kv_heads,
        window(shape, tokens),
        shape.scale,
        tiling,
        dtype.into(),
    );
    (tensor(dq), tensor(dk), tensor(dv))
}
