//! Counts of sizes in steps that double.

use serde::Serialize;

/// How many sizes lie in each of `1, 2..3, 4..7, 8..15` and so on.
#[derive(Debug, Clone, Default, Serialize)]
pub(crate) struct Histogram {
    /// Counts by the number of binary digits of the size.
    pub(crate) counts: Vec<u64>,
    /// All sizes together.
    pub(crate) sum: u64,
    /// The largest size.
    pub(crate) largest: u64,
}

impl Histogram {
    /// Counts a size.
    pub(crate) fn add(&mut self, size: u64) {
        let step = (u64::BITS - size.leading_zeros()) as usize;
        if self.counts.len() <= step {
            self.counts.resize(step + 1, 0);
        }
        self.counts[step] += 1;
        self.sum += size;
        self.largest = self.largest.max(size);
    }

    /// Returns how many sizes were counted.
    pub(crate) fn count(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// Returns each step that is not before the first or after the last count: its sizes in words,
    /// and its count.
    pub(crate) fn steps(&self) -> Vec<(String, u64)> {
        let first = self.counts.iter().position(|&count| count > 0).unwrap_or(0);
        let steps = self.counts.iter().enumerate().skip(first);
        steps
            .map(|(step, &count)| {
                let low = if step == 0 { 0 } else { 1_u64 << (step - 1) };
                (format!("{low}+"), count)
            })
            .collect()
    }

    /// Draws the histogram for a terminal.
    pub(crate) fn draw(&self, title: &str) -> String {
        let mean = self.sum as f64 / self.count().max(1) as f64;
        let mut text = format!("{title}: mean {mean:.0}, largest {}\n", self.largest);
        let most = self.counts.iter().copied().max().unwrap_or(0).max(1);
        for (label, count) in self.steps() {
            let width = (count * 40).div_ceil(most) as usize;
            text.push_str(&format!("{label:>10} {:<40} {count}\n", "█".repeat(width)));
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_double() {
        let mut histogram = Histogram::default();
        [0, 1, 2, 3, 4, 1000].into_iter().for_each(|size| histogram.add(size));
        assert_eq!(histogram.count(), 6);
        assert_eq!(
            histogram.steps()[..4],
            [
                ("0+".to_owned(), 1),
                ("1+".to_owned(), 1),
                ("2+".to_owned(), 2),
                ("4+".to_owned(), 1)
            ]
        );
        assert!(histogram.draw("characters").contains("largest 1000"));
    }
}
