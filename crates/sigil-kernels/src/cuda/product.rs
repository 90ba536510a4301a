//! Matrix products of bf16 by `gemm.cu`: a second pair of operands and an addend cost no pass of
//! their own.

use burn::tensor::DType;
use burn_cubecl::tensor::CubeTensor;

use super::{
    Native,
    native::{Family, aligned, is_left_out},
    tiles::{FIXED_TILE, Output, Plan, ProductShape, fixed_source, plan, reduce_source},
};
use crate::{
    Matrix, Product,
    cube::buffer::{On, dense, empty, owned, tensor},
};

/// The operands of `alpha * (a·b + a2·b2)`, each pair stored as the product says.
pub(crate) struct Operands<'a, R: Native> {
    /// Which of them are transposed.
    pub product: Product,
    /// `a`, `b`.
    pub pair: [&'a Matrix<On<R>>; 2],
    /// `a2`, `b2`: LoRA's branch.
    pub second: Option<[&'a Matrix<On<R>>; 2]>,
    /// Factor of both.
    pub alpha: f32,
}

/// The sizes of a pair, `[m, n, k]`.
fn sizes<R: Native>(product: Product, [a, b]: [&Matrix<On<R>>; 2]) -> [usize; 3] {
    let ([a0, a1], [b0, b1]) = (a.dims(), b.dims());
    match product {
        Product::Nn => [a0, b1, a1],
        Product::Nt => [a0, b0, a1],
        Product::Tn => [a1, b1, a0],
    }
}

/// The product in `dtype`, which is that of the addend where there is one; gives the addend back
/// where no kernel covers it.
pub(crate) fn product<R: Native>(
    operands: &Operands<'_, R>,
    addend: Option<Matrix<On<R>>>,
    dtype: DType,
) -> Result<Matrix<On<R>>, Option<Matrix<On<R>>>> {
    let [m, n, k] = sizes(operands.product, operands.pair);
    let k2 = operands.second.map_or(0, |pair| sizes(operands.product, pair)[2]);
    let dtypes_fit = operands
        .pair
        .iter()
        .chain(operands.second.iter().flatten())
        .all(|x| x.dtype() == DType::BF16)
        && matches!(dtype, DType::BF16 | DType::F32)
        && addend.as_ref().is_none_or(|x| x.dtype() == dtype);
    if !dtypes_fit || is_left_out(Family::Products) {
        return Err(addend);
    }
    let [a, b] = operands.pair.map(dense);
    let client = a.client.clone();
    let Some(card) = R::card(&client) else { return Err(addend) };
    let shape = ProductShape { m, n, k, k2 };
    let Some(plan) = plan(operands.product, shape, card) else { return Err(addend) };
    let [a2, b2] = operands.second.map_or([a.clone(), b.clone()], |pair| pair.map(dense));
    let inputs = [&a, &b, &a2, &b2];
    if !inputs.into_iter().all(aligned) {
        return Err(addend);
    }
    // The sum goes where the addend is, if nobody else holds it, and into a buffer of its own else.
    let (addend, out) = match addend {
        None => (None, empty(&a, [m, n], dtype)),
        Some(sum) => {
            let sum = sum.into_primitive().tensor();
            if sum.is_contiguous() && sum.can_mut() && aligned(&sum) {
                (Some(sum.clone()), sum)
            } else {
                let sum = dense(&tensor::<R, 2>(sum));
                let out = empty(&a, [m, n], dtype);
                if !aligned(&sum) {
                    let copy = owned(tensor::<R, 2>(sum));
                    (Some(copy.clone()), copy)
                } else {
                    (Some(sum), out)
                }
            }
        }
    };
    run(operands, inputs, addend.as_ref(), &out, shape, plan);
    Ok(tensor(out))
}

fn run<R: Native>(
    operands: &Operands<'_, R>,
    [a, b, a2, b2]: [&CubeTensor<R>; 4],
    addend: Option<&CubeTensor<R>>,
    out: &CubeTensor<R>,
    ProductShape { m, n, k, k2 }: ProductShape,
    plan: Plan,
) {
    let client = &a.client;
    let whole = Output::Whole { f32: out.dtype == DType::F32, adds: addend.is_some() };
    let scalars = |alpha: f32| {
        let [m, n, k, k2] = [m, n, k, k2].map(|size| size as u32);
        [m, n, k, k2, plan.share_steps, alpha.to_bits()]
    };
    let more = addend.unwrap_or(out);
    let grid = [plan.blocks, 1, plan.shares];
    if plan.shares == 1 {
        let source = plan.tiles.source(operands.product, whole);
        R::launch(client, source, grid, &[a, b, a2, b2, more, out], &scalars(operands.alpha));
        return;
    }
    let partial = empty(a, [plan.shares as usize, m, n], DType::F32);
    let source = plan.tiles.source(operands.product, Output::Partial);
    R::launch(client, source, grid, &[a, b, a2, b2, more, &partial], &scalars(1.0));
    let elements = (m * n) as u64;
    let blocks = elements.div_ceil(2 * 256) as u32;
    let scalars = [elements as u32, (elements >> 32) as u32, plan.shares, operands.alpha.to_bits()];
    let source = reduce_source(out.dtype == DType::F32, addend.is_some());
    R::launch(client, source, [blocks, 1, 1], &[&partial, more, out], &scalars);
}

/// The first pair's product in `dtype` on the general units, in the order of k; gives the addend back
/// where there is no card for it, nothing to add up, or types that the kernel does not take.
pub(crate) fn fixed_product<R: Native>(
    operands: &Operands<'_, R>,
    addend: Option<Matrix<On<R>>>,
    dtype: DType,
) -> Result<Matrix<On<R>>, Option<Matrix<On<R>>>> {
    let [m, n, k] = sizes(operands.product, operands.pair);
    let [from, other] = operands.pair.map(Matrix::dtype);
    let types_fit = from == other
        && matches!(
            (from, dtype),
            (DType::BF16, DType::BF16 | DType::F32) | (DType::F32, DType::F32)
        )
        && addend.as_ref().is_none_or(|x| x.dtype() == dtype);
    let blocks = m.div_ceil(FIXED_TILE) * n.div_ceil(FIXED_TILE);
    let counted = [m, n, k, blocks].iter().all(|&size| i32::try_from(size).is_ok());
    if !types_fit || !counted || m * n * k == 0 {
        return Err(addend);
    }
    let [a, b] = operands.pair.map(dense);
    if R::card(&a.client).is_none() {
        return Err(addend);
    }
    let out = empty(&a, [m, n], dtype);
    let more = addend.as_ref().map_or_else(|| out.clone(), dense);
    R::launch(
        &a.client,
        fixed_source(operands.product, from == DType::F32, dtype == DType::F32, addend.is_some()),
        [blocks as u32, 1, 1],
        &[&a, &b, &more, &out],
        &[m as u32, n as u32, k as u32, operands.alpha.to_bits()],
    );
    Ok(tensor(out))
}
