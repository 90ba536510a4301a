//! AdamW and the gradient norm over many tensors a launch, by `adamw_many.cu` and `squares_many.cu`.
//!
//! A launch takes as many tensors as its 4096 bytes of parameters hold. Which tensors the kernels take
//! is decided here; the others stay with `cube/optimizer.rs`.

use std::ops::Range;

use burn::tensor::DType;
use burn_cubecl::tensor::CubeTensor;

use super::{
    Native,
    native::{Family, is_left_out},
    source::{ADAMW_MANY, SQUARES_MANY, Source},
};
use crate::{
    AdamW, Matrix, TrainedMatrix, Vector,
    cube::buffer::{On, addressable, dense, empty, owned, tensor},
    plain,
};

/// Tensors of a launch.
const TENSORS: usize = 100;
/// Elements of a block of [`ADAMW_MANY`].
const ADAMW_PART: usize = 4096;
/// Elements of a block of [`SQUARES_MANY`].
const SQUARES_PART: usize = 16_384;

/// The kernel that takes a step.
pub(crate) fn adamw_source() -> Source {
    let defines = vec![("TENSORS", TENSORS as u32)];
    Source { file: ADAMW_MANY, defines, threads: 256, shared_bytes: 0 }
}

/// The kernel that sums squares.
pub(crate) fn squares_source() -> Source {
    let defines = vec![("TENSORS", TENSORS as u32)];
    Source { file: SQUARES_MANY, defines, threads: 256, shared_bytes: 256 * 4 }
}

/// `TensorTable` of `tensors.cuh` for tensors of these lengths, at most [`TENSORS`], and the blocks of
/// the launch.
fn table(lengths: &[usize], part: usize) -> (Vec<u32>, u32) {
    let mut blocks = 0;
    let mut words = Vec::with_capacity(2 * TENSORS);
    for i in 0..TENSORS {
        blocks += lengths.get(i).map_or(0, |length| length.div_ceil(part)) as u32;
        words.push(blocks);
    }
    words.extend((0..TENSORS).map(|i| lengths.get(i).copied().unwrap_or(0) as u32));
    (words, blocks)
}

/// Cuts a list of `count` tensors into launches. A grid holds the blocks of any of them: those of
/// [`TENSORS`] tensors of 2^32 elements are fewer than 2^31.
fn launches(count: usize) -> impl Iterator<Item = Range<usize>> {
    (0..count).step_by(TENSORS).map(move |first| first..count.min(first + TENSORS))
}

/// Whether the kernels take a tensor of this type and length.
fn is_covered(dtype: DType, length: usize) -> bool {
    dtype == DType::F32 && length > 0 && addressable(&[length])
}

/// Whether the kernels run for tensors beside this one.
fn run<R: Native>(any: &Matrix<On<R>>) -> bool {
    !is_left_out(Family::Optimizer) && R::card(&dense(any).client).is_some()
}

/// See [`crate::Kernels::adamw_all`]; gives the list back where the kernel does not take all of it.
pub(crate) fn adamw<R: Native>(
    list: Vec<TrainedMatrix<On<R>>>,
    step: AdamW,
) -> Result<Vec<[Matrix<On<R>>; 3]>, Vec<TrainedMatrix<On<R>>>> {
    let covered = list.iter().all(|TrainedMatrix { parameter, gradient, first, second }| {
        let length = parameter.shape().num_elements();
        [parameter, gradient, first, second].iter().all(|x| is_covered(x.dtype(), length))
    });
    if !covered || !list.first().is_some_and(|one| run::<R>(&one.parameter)) {
        return Err(list);
    }
    let gradients: Vec<CubeTensor<R>> = list.iter().map(|one| dense(&one.gradient)).collect();
    let buffers: Vec<[CubeTensor<R>; 3]> = list
        .into_iter()
        .map(|one| [owned(one.parameter), owned(one.first), owned(one.second)])
        .collect();
    let (step_size, root) = plain::bias_corrections(&step);
    let numbers = [
        step.gradient_scale,
        1.0 - step.learning_rate * step.weight_decay,
        1.0 - step.beta1,
        step.beta2,
        1.0 - step.beta2,
        step_size,
        root,
        step.epsilon,
    ];
    let lengths: Vec<usize> = gradients.iter().map(|x| x.meta.shape().num_elements()).collect();
    for launch in launches(lengths.len()) {
        let (mut scalars, blocks) = table(&lengths[launch.clone()], ADAMW_PART);
        scalars.extend(numbers.map(|x| (x as f32).to_bits()));
        let pointers: Vec<&CubeTensor<R>> = (0..TENSORS)
            .flat_map(|i| {
                // A kernel has all its parameters in every launch; the table says which count.
                let at = if i < launch.len() { launch.start + i } else { launch.start };
                let [parameter, first, second] = &buffers[at];
                [parameter, &gradients[at], first, second]
            })
            .collect();
        let client = &gradients[launch.start].client;
        R::launch(client, adamw_source(), [blocks, 1, 1], &pointers, &scalars);
    }
    Ok(buffers.into_iter().map(|all| all.map(tensor)).collect())
}

/// See [`crate::Kernels::sum_of_squares`]: partial sums on the device, one read for all tensors. `None`
/// where the kernel does not take one of them.
pub(crate) fn sum_of_squares<R: Native>(tensors: &[Matrix<On<R>>]) -> Option<f64> {
    let any = tensors.first()?;
    let lengths: Vec<usize> = tensors.iter().map(|x| x.shape().num_elements()).collect();
    let covered = tensors.iter().zip(&lengths).all(|(x, &length)| is_covered(x.dtype(), length));
    if !covered || !run::<R>(any) {
        return None;
    }
    let buffers: Vec<CubeTensor<R>> = tensors.iter().map(dense).collect();
    let parts: usize = lengths.iter().map(|&length| length.div_ceil(SQUARES_PART)).sum();
    u32::try_from(parts).ok()?;
    let partial = empty(&buffers[0], [parts], DType::F32);
    let mut offset = 0;
    for launch in launches(lengths.len()) {
        let (mut scalars, blocks) = table(&lengths[launch.clone()], SQUARES_PART);
        scalars.push(offset);
        offset += blocks;
        let at = |i| if i < launch.len() { launch.start + i } else { launch.start };
        let mut pointers: Vec<&CubeTensor<R>> = (0..TENSORS).map(|i| &buffers[at(i)]).collect();
        pointers.push(&partial);
        let client = &partial.client;
        R::launch(client, squares_source(), [blocks, 1, 1], &pointers, &scalars);
    }
    let partial: Vector<On<R>> = tensor(partial);
    Some(partial.into_data().iter::<f64>().sum())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Bytes that a launch may pass on every card.
    const MOST_BYTES: usize = 4096;

    #[test]
    fn the_parameters_of_a_launch_fit() {
        let (words, _) = table(&[1], ADAMW_PART);
        assert!(4 * 8 * TENSORS + 4 * (words.len() + 8) <= MOST_BYTES);
        assert!(8 * (TENSORS + 1) + 4 * (words.len() + 1) <= MOST_BYTES);
        for source in [adamw_source(), squares_source()] {
            assert!(source.text().contains(&format!("#define TENSORS {TENSORS}\n")));
        }
        let part = |part| format!("constexpr u32 PART = {part};");
        assert!(adamw_source().text().contains(&part(ADAMW_PART)));
        assert!(squares_source().text().contains(&part(SQUARES_PART)));
    }

    #[test]
    fn an_8b_model_takes_five_launches() {
        // LoRA of rank 16 on all linear layers of Llama-3.1-8B.
        let layer = [(4096, 4096), (4096, 1024), (4096, 1024), (4096, 4096)]
            .into_iter()
            .chain([(4096, 14_336), (4096, 14_336), (14_336, 4096)])
            .flat_map(|(into, out)| [16 * into, 16 * out]);
        let lengths: Vec<usize> = (0..32).flat_map(|_| layer.clone()).collect();
        assert_eq!(lengths.len(), 448);
        assert_eq!(launches(lengths.len()).count(), 5);
    }

    #[test]
    fn a_grid_is_never_too_large() {
        let huge = [u32::MAX as usize; TENSORS];
        let (_, blocks) = table(&huge, ADAMW_PART.min(SQUARES_PART));
        assert_eq!(blocks as usize, TENSORS * (1 << 20));
        assert!(i32::try_from(blocks).is_ok());
    }

    proptest! {
        #[test]
        fn launches_cover_every_tensor_once_and_tables_every_element(
            lengths in prop::collection::vec(1usize..20_000, 0..350)
        ) {
            let mut next = 0;
            for launch in launches(lengths.len()) {
                prop_assert_eq!(launch.start, next);
                prop_assert!((1..=TENSORS).contains(&launch.len()));
                next = launch.end;
                let (words, blocks) = table(&lengths[launch.clone()], ADAMW_PART);
                let (ends, counts) = words.split_at(TENSORS);
                let mut before = 0;
                for (i, &end) in ends.iter().enumerate() {
                    let own = (end - before) as usize;
                    let length = counts[i] as usize;
                    prop_assert_eq!(length, lengths[launch.clone()].get(i).copied().unwrap_or(0));
                    prop_assert!(own * ADAMW_PART >= length);
                    prop_assert!(own == 0 || (own - 1) * ADAMW_PART < length);
                    before = end;
                }
                prop_assert_eq!(before, blocks);
            }
            prop_assert_eq!(next, lengths.len());
        }
    }
}
