//! Counts by size, in classes of powers of two.

/// How many values fell into each class.
///
/// Class 0 holds zero; class `n` holds the values from `2^(n-1)` to `2^n - 1`. Classes are fixed, so
/// histograms of different machines add up.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(default, deny_unknown_fields))]
#[non_exhaustive]
pub struct Histogram {
    /// Counts by class, without empty classes at the end.
    pub counts: Vec<u64>,
    /// The sum of all values.
    pub sum: u64,
}

impl Histogram {
    pub(super) fn add(&mut self, value: usize) {
        let class = (usize::BITS - value.leading_zeros()) as usize;
        if self.counts.len() <= class {
            self.counts.resize(class + 1, 0);
        }
        self.counts[class] += 1;
        self.sum = self.sum.saturating_add(value as u64);
    }

    pub(super) fn merge(&mut self, other: &Self) {
        if self.counts.len() < other.counts.len() {
            self.counts.resize(other.counts.len(), 0);
        }
        for (count, more) in self.counts.iter_mut().zip(&other.counts) {
            *count += more;
        }
        self.sum = self.sum.saturating_add(other.sum);
    }

    /// How many values there are.
    pub fn total(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// The upper end of the class in which the given share of values is reached; zero of nothing.
    pub fn quantile_below(&self, share: f64) -> u64 {
        let wanted = share.clamp(0.0, 1.0) * self.total() as f64;
        let mut seen = 0;
        for (class, count) in self.counts.iter().enumerate() {
            seen += count;
            if *count > 0 && seen as f64 >= wanted {
                return if class >= 64 { u64::MAX } else { (1 << class) - 1 };
            }
        }
        0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_are_powers_of_two() {
        let mut histogram = Histogram::default();
        [0, 1, 2, 3, 4, usize::MAX].into_iter().for_each(|value| histogram.add(value));
        assert_eq!(histogram.counts[..4], [1, 1, 2, 1]);
        assert_eq!(histogram.counts.len(), 65);
        assert_eq!(histogram.quantile_below(0.5), 3);
    }
}
