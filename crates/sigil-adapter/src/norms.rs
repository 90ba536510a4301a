//! Sizes of low-rank updates, without making them.
//!
//! An update is `D = s · B · A`, with `A [rank, in]`, `B [out, rank]`. Its Frobenius inner product with
//! another is `<D1, D2> = s1 s2 Σ (B1ᵀ B2) ∘ (A1 A2ᵀ)`, two small matrices instead of two of the weight's
//! size. Sums are in f64. Next: `difference.rs`.

use sigil_weights::peft::LoraPair;

/// An update with its scale.
#[derive(Debug, Clone, Copy)]
pub struct Update<'a> {
    /// Its matrices.
    pub pair: &'a LoraPair,
    /// What their product is multiplied with.
    pub scaling: f64,
}

impl Update<'_> {
    /// Frobenius inner product of two updates of the same weight; ranks may differ.
    ///
    /// # Panics
    /// If they are of weights of other shapes: the caller compares what belongs together.
    #[must_use]
    pub fn inner(&self, other: &Update<'_>) -> f64 {
        let (one, two) = (self.pair, other.pair);
        assert_eq!((one.in_features, one.out_features), (two.in_features, two.out_features));
        let mut sum = 0.0;
        // A1 A2ᵀ is `[rank1, rank2]`; B1ᵀ B2 likewise, summed over the rows of B.
        let mut of_b = vec![0.0_f64; one.rank * two.rank];
        for (b1, b2) in one.b.chunks_exact(one.rank).zip(two.b.chunks_exact(two.rank)) {
            for (row, x) in of_b.chunks_exact_mut(two.rank).zip(b1) {
                for (cell, y) in row.iter_mut().zip(b2) {
                    *cell += f64::from(*x) * f64::from(*y);
                }
            }
        }
        for (i, a1) in one.a.chunks_exact(one.in_features).enumerate() {
            for (j, a2) in two.a.chunks_exact(two.in_features).enumerate() {
                let product: f64 =
                    a1.iter().zip(a2).map(|(x, y)| f64::from(*x) * f64::from(*y)).sum();
                sum += product * of_b[i * two.rank + j];
            }
        }
        self.scaling * other.scaling * sum
    }

    /// Frobenius norm of the update.
    #[must_use]
    pub fn norm(&self) -> f64 {
        // Rounding can leave a hair below nothing.
        self.inner(self).max(0.0).sqrt()
    }
}

/// Euclidean norm of a slice.
#[must_use]
pub fn norm(values: &[f32]) -> f64 {
    values.iter().map(|value| f64::from(*value).powi(2)).sum::<f64>().sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn dense(update: &Update<'_>) -> Vec<f64> {
        let pair = update.pair;
        let mut all = vec![0.0; pair.out_features * pair.in_features];
        for (row, b) in all.chunks_exact_mut(pair.in_features).zip(pair.b.chunks_exact(pair.rank)) {
            for (b, a) in b.iter().zip(pair.a.chunks_exact(pair.in_features)) {
                for (cell, a) in row.iter_mut().zip(a) {
                    *cell += update.scaling * f64::from(*b) * f64::from(*a);
                }
            }
        }
        all
    }

    fn pair(rank: usize, values: &[f32]) -> LoraPair {
        let (a, b) = values.split_at(rank * 5);
        let b = b[..4 * rank].to_vec();
        LoraPair { rank, in_features: 5, out_features: 4, a: a.to_vec(), b }
    }

    proptest! {
        #[test]
        fn inner_products_are_those_of_the_whole_matrices(
            values in proptest::collection::vec(-2.0f32..2.0, 45),
            rank in 1usize..4,
            scaling in 0.1f64..3.0,
        ) {
            let (one, two) = (pair(rank, &values), pair(2, &values[9..]));
            let (one, two) =
                (Update { pair: &one, scaling }, Update { pair: &two, scaling: 0.5 });
            let wanted: f64 = dense(&one).iter().zip(dense(&two)).map(|(x, y)| x * y).sum();
            prop_assert!((one.inner(&two) - wanted).abs() < 1e-9 * (1.0 + wanted.abs()));
            let wanted = dense(&one).iter().map(|x| x * x).sum::<f64>().sqrt();
            prop_assert!((one.norm() - wanted).abs() < 1e-9 * (1.0 + wanted));
        }
    }
}
