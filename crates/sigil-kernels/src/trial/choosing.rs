//! Tokens that were chosen where the logits are, beside sums in f64.

use burn::tensor::DType;

use super::inputs::{matrix, numbers};
use crate::{ChoiceSettings, Decoding, RowChoice};

/// Rows and words of the logits.
const SHAPE: [usize; 2] = [6, 1000];

/// Greedy, with a penalty and without: 1 where a token is another one than on the CPU.
pub(super) fn likeliest<B: Decoding>(device: &B::Device) -> f64 {
    let greedy = |repetition_penalty| ChoiceSettings {
        temperature: 0.0,
        top_k: 0,
        top_p: 1.0,
        min_p: 0.0,
        repetition_penalty,
    };
    worst::<B>(device, &[greedy(1.0), greedy(1.5)])
}

/// Drawn by several settings: the largest distance of a row's number from the share of its token.
pub(super) fn drawn<B: Decoding>(device: &B::Device) -> f64 {
    let all = ChoiceSettings {
        temperature: 0.4,
        top_k: 0,
        top_p: 1.0,
        min_p: 0.0,
        repetition_penalty: 1.0,
    };
    let settings = [
        all,
        ChoiceSettings { top_k: 50, ..all },
        ChoiceSettings { top_p: 0.9, ..all },
        ChoiceSettings { min_p: 0.05, ..all },
        ChoiceSettings { top_k: 200, top_p: 0.8, min_p: 0.01, repetition_penalty: 1.2, ..all },
    ];
    worst::<B>(device, &settings)
}

fn worst<B: Decoding>(device: &B::Device, settings: &[ChoiceSettings]) -> f64 {
    let [rows, words] = SHAPE;
    let seen: Vec<u32> = (0..words as u32).step_by(3).collect();
    let randoms: Vec<f64> = (0..rows).map(|row| (row as f64 + 0.37) / rows as f64).collect();
    let rows: Vec<RowChoice<'_>> =
        randoms.iter().map(|&random| RowChoice { random, seen: &seen }).collect();
    let logits = numbers(1, SHAPE[0] * words, DType::F32);
    let mut worst = 0.0f64;
    for how in settings {
        let own = matrix::<B>(1, SHAPE, DType::F32, device);
        // A device that leaves the choice to the CPU has nothing to compare.
        let Ok(tokens) = B::choose(own, how, &rows) else { continue };
        if tokens.len() != rows.len() {
            return f64::INFINITY;
        }
        for ((logits, row), token) in logits.chunks(words).zip(&rows).zip(tokens) {
            worst = worst.max(distance(logits, how, *row, token));
        }
    }
    worst
}

/// How far a row's number lies from the share of the weights that belongs to `token`, words counted in
/// their order; infinite for one that may not be drawn. Greedy, 0 for the likeliest and 1 for others.
fn distance(logits: &[f32], how: &ChoiceSettings, row: RowChoice<'_>, token: u32) -> f64 {
    let mut logits = logits.to_vec();
    for &token in row.seen {
        let logit = &mut logits[token as usize];
        let penalty = how.repetition_penalty;
        *logit = if *logit < 0.0 { *logit * penalty } else { *logit / penalty };
    }
    let mut order: Vec<usize> = (0..logits.len()).collect();
    order.sort_by(|&a, &b| logits[b].total_cmp(&logits[a]).then(a.cmp(&b)));
    if how.temperature == 0.0 {
        return if order[0] == token as usize { 0.0 } else { 1.0 };
    }
    let top = f64::from(logits[order[0]]);
    let weight = |word: usize| ((f64::from(logits[word]) - top) / f64::from(how.temperature)).exp();
    if how.top_k > 0 {
        order.truncate(how.top_k);
    }
    let total: f64 = order.iter().map(|&word| weight(word)).sum();
    let mut mass = 0.0;
    order.retain(|&word| {
        let kept = mass < f64::from(how.top_p) * total && weight(word) >= f64::from(how.min_p);
        mass += weight(word);
        kept
    });
    order.sort_unstable();
    let total: f64 = order.iter().map(|&word| weight(word)).sum();
    let Ok(at) = order.binary_search(&(token as usize)) else { return f64::INFINITY };
    let before = order[..at].iter().map(|&word| weight(word)).sum::<f64>() / total;
    let after = before + weight(token as usize) / total;
    (before - row.random).max(row.random - after).max(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_lies_in_the_share_of_its_token() {
        // Of 3/7 and 4/7 after top-p; the text of one token, greedy below.
        let logits = [0.1f32, 0.2, 0.3, 0.4].map(f32::ln);
        let how = ChoiceSettings {
            temperature: 1.0,
            top_k: 0,
            top_p: 0.65,
            min_p: 0.0,
            repetition_penalty: 1.0,
        };
        let distance = |how: &ChoiceSettings, random, seen, token| {
            distance(&logits, how, RowChoice { random, seen }, token)
        };
        assert_eq!(distance(&how, 0.9, &[], 3), 0.0);
        assert_eq!(distance(&how, 0.1, &[], 2), 0.0);
        assert!((distance(&how, 0.9, &[], 2) - (0.9 - 3.0 / 7.0)).abs() < 1e-6);
        assert!((distance(&how, 0.1, &[], 3) - (3.0 / 7.0 - 0.1)).abs() < 1e-6);
        assert_eq!(distance(&how, 0.1, &[], 1), f64::INFINITY);
        let one = ChoiceSettings { top_k: 1, ..how };
        assert_eq!(distance(&one, 0.1, &[], 2), f64::INFINITY);
        let likely = ChoiceSettings { top_p: 1.0, min_p: 0.7, ..how };
        assert_eq!(distance(&likely, 0.1, &[], 2), 0.0);
        assert_eq!(distance(&likely, 0.1, &[], 1), f64::INFINITY);
        // A logit of -0.9 doubled lies behind all others.
        let greedy = ChoiceSettings { temperature: 0.0, repetition_penalty: 2.0, ..how };
        assert_eq!(distance(&greedy, 0.0, &[], 3), 0.0);
        assert_eq!(distance(&greedy, 0.0, &[3], 3), 1.0);
        assert_eq!(distance(&greedy, 0.0, &[3], 2), 0.0);
    }
}
