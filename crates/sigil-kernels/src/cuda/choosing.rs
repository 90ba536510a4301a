//! Launches of the kernels that choose tokens where the logits are: the penalty, the likeliest, a draw.
//!
//! What the settings mean is in [`ChoiceSettings`]; here they become the integers that `draw.cu` counts in.

use burn::tensor::{DType, Tensor};
use burn_cubecl::tensor::CubeTensor;

use super::{
    Native,
    native::{Family, is_left_out},
    source::{DRAW, LIKELIEST, PENALIZE, Source},
};
use crate::{
    ChoiceSettings, IntVector, Matrix, RowChoice,
    cube::buffer::{On, dense, empty, owned, upload_int},
};

/// Words of a row that [`DRAW`] takes at most: so many weights of 2^40 add up in 64 bits.
const MOST_WORDS: usize = 1 << 22;

/// The kernel that chooses the likeliest token of a row.
pub(crate) fn likeliest_source() -> Source {
    Source { file: LIKELIEST, defines: vec![], threads: 256, shared_bytes: 2 * 256 * 4 }
}

/// The kernel that draws a token of a row.
pub(crate) fn draw_source() -> Source {
    // Its `Board`: bins, groups of bins, two sums, numbers and columns, a bin.
    let shared_bytes = 8 * (256 + 32 + 2) + 2 * 256 * 4 + 8;
    Source { file: DRAW, defines: vec![], threads: 256, shared_bytes }
}

/// The kernel that makes the tokens of the text so far less likely.
pub(crate) fn penalize_source() -> Source {
    Source { file: PENALIZE, defines: vec![], threads: 256, shared_bytes: 0 }
}

/// See [`crate::Decoding::choose`].
pub(crate) fn choose<R: Native>(
    logits: Matrix<On<R>>,
    how: &ChoiceSettings,
    rows: &[RowChoice<'_>],
) -> Result<Vec<u32>, Matrix<On<R>>> {
    let [count, columns] = logits.dims();
    let fits = i32::try_from(count).is_ok() && (1..=MOST_WORDS).contains(&columns) && count > 0;
    if is_left_out(Family::Decoding) || logits.dtype() != DType::F32 || !fits {
        return Err(logits);
    }
    let mut buffer = dense(&logits);
    if R::card(&buffer.client).is_none() {
        return Err(logits);
    }
    assert_eq!(rows.len(), count, "every row has its number and its text");
    if how.repetition_penalty != 1.0 {
        // Given up first, so that the logits are written in place and not copied.
        drop(buffer);
        buffer = owned(logits);
        penalize(&buffer, columns, how.repetition_penalty, rows);
    }
    let out = empty(&buffer, [count], DType::I32);
    let client = buffer.client.clone();
    let grid = [count as u32, 1, 1];
    if how.temperature == 0.0 {
        R::launch(&client, likeliest_source(), grid, &[&buffer, &out], &[columns as u32]);
    } else {
        let shares: Vec<i32> =
            rows.iter().flat_map(|row| words(share(row.random))).map(|word| word as i32).collect();
        let shares = upload_int(&buffer, &shares);
        let scalars = draw_scalars(columns, how);
        R::launch(&client, draw_source(), grid, &[&buffer, &shares, &out], &scalars);
    }
    let out: IntVector<On<R>> = Tensor::from_primitive(out);
    Ok(out.into_data().iter::<i32>().map(|token| token as u32).collect())
}

/// Changes the logits of the rows' texts in place.
fn penalize<R: Native>(
    logits: &CubeTensor<R>,
    columns: usize,
    penalty: f32,
    rows: &[RowChoice<'_>],
) {
    let (starts, tokens) = texts(rows, columns);
    if tokens.is_empty() {
        return;
    }
    let (starts, tokens) = (upload_int(logits, &starts), upload_int(logits, &tokens));
    R::launch(
        &logits.client,
        penalize_source(),
        [rows.len() as u32, 1, 1],
        &[&starts, &tokens, logits],
        &[columns as u32, penalty.to_bits()],
    );
}

/// The texts one after another, and where each begins; the end of all comes last.
fn texts(rows: &[RowChoice<'_>], columns: usize) -> (Vec<i32>, Vec<i32>) {
    let (mut starts, mut tokens) = (vec![0], vec![]);
    for row in rows {
        assert!(row.seen.iter().all(|&token| (token as usize) < columns), "texts hold words");
        tokens.extend(row.seen.iter().map(|&token| token as i32));
        starts.push(i32::try_from(tokens.len()).expect("texts are shorter than 2^31 tokens"));
    }
    (starts, tokens)
}

/// The parameters of [`DRAW`].
fn draw_scalars(columns: usize, how: &ChoiceSettings) -> [u32; 7] {
    // Neither infinite nor zero, so that no difference of logits times it is a NaN.
    let factor = std::f64::consts::LOG2_E / f64::from(how.temperature);
    let factor = (factor as f32).clamp(f32::MIN_POSITIVE, f32::MAX);
    // 0 stands for all, so a share that is too small for the fixed point is the smallest.
    let top_p = if how.top_p < 1.0 { share(f64::from(how.top_p)).max(1) } else { 0 };
    let least = (f64::from(how.min_p) * (1u64 << 40) as f64).ceil() as u64;
    let top_k = u32::try_from(how.top_k).unwrap_or(u32::MAX);
    let ([top_p, top_p_high], [least, least_high]) = (words(top_p), words(least));
    [columns as u32, factor.to_bits(), top_k, top_p, top_p_high, least, least_high]
}

/// A number in `[0, 1)` as a share of 2^64: exact for numbers of 53 bits from 2^-11 on.
fn share(number: f64) -> u64 {
    (number * 2f64.powi(64)) as u64
}

/// Low and high.
fn words(number: u64) -> [u32; 2] {
    [number as u32, (number >> 32) as u32]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_become_shares() {
        assert_eq!(share(0.0), 0);
        assert_eq!(share(0.5), 1 << 63);
        // The largest number that a stream of random numbers gives.
        assert_eq!(share(1.0 - f64::EPSILON / 2.0), u64::MAX - 2047);
        assert_eq!(words(share(0.75) + 3), [3, 3 << 30]);
    }

    #[test]
    fn settings_become_the_integers_of_the_kernel() {
        let how = ChoiceSettings {
            temperature: 0.5,
            top_k: 40,
            top_p: 0.75,
            min_p: 0.25,
            repetition_penalty: 1.0,
        };
        let factor = 2.0 * std::f32::consts::LOG2_E;
        let wanted = [1000, factor.to_bits(), 40, 0, 3 << 30, 0, 1 << 6];
        assert_eq!(draw_scalars(1000, &how), wanted);
        let all = ChoiceSettings { top_k: usize::MAX, top_p: 1.0, min_p: 0.0, ..how };
        assert_eq!(draw_scalars(1000, &all)[2..], [u32::MAX, 0, 0, 0, 0]);
        // Above 0 stays above 0.
        let tiny = ChoiceSettings { top_p: 1e-30, min_p: 1e-30, ..how };
        assert_eq!(draw_scalars(1000, &tiny)[3..], [1, 0, 1, 0]);
        for temperature in [f32::from_bits(1), f32::MIN_POSITIVE, f32::MAX] {
            let factor = draw_scalars(9, &ChoiceSettings { temperature, ..how })[1];
            let factor = f32::from_bits(factor);
            assert!(factor.is_finite() && factor > 0.0, "{temperature:e}: {factor:e}");
        }
    }

    #[test]
    fn texts_lie_one_after_another() {
        let row = |seen| RowChoice { random: 0.0, seen };
        let (starts, tokens) = texts(&[row(&[5, 2]), row(&[]), row(&[9])], 10);
        assert_eq!((starts, tokens), (vec![0, 2, 2, 3], vec![5, 2, 9]));
    }

    #[test]
    #[should_panic(expected = "texts hold words")]
    fn a_token_that_is_no_word_reaches_no_card() {
        texts(&[RowChoice { random: 0.0, seen: &[10] }], 10);
    }
}
