//! Axes: where the marks stand and what they are called.
//!
//! Next: `chart.rs`.

/// A range of values with marks at round numbers.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Scale {
    pub(crate) low: f64,
    pub(crate) high: f64,
    step: f64,
}

impl Scale {
    /// A scale around values of which at least one is finite; `marks` is about how many marks it has.
    pub(crate) fn around(values: impl Iterator<Item = f64>, marks: usize) -> Option<Self> {
        let (mut low, mut high) = (f64::INFINITY, f64::NEG_INFINITY);
        for value in values.filter(|value| value.is_finite() && value.abs() < 1e300) {
            low = low.min(value);
            high = high.max(value);
        }
        if low > high {
            return None;
        }
        let largest = low.abs().max(high.abs());
        if high - low <= largest * 1e-9 || high - low < 1e-290 {
            // One value has its mark in the middle; what cannot be told apart is one value.
            let around = if largest < 1e-280 { 1.0 } else { largest * 0.1 };
            (low, high) = (low - around, high + around);
        }
        let rough = (high - low) / marks.max(1) as f64;
        let power = 10f64.powf(rough.log10().floor());
        let step = [1.0, 2.0, 5.0, 10.0].map(|by| by * power);
        let step = step.into_iter().find(|step| *step >= rough).unwrap_or(rough);
        Some(Self { low: (low / step).floor() * step, high: (high / step).ceil() * step, step })
    }

    /// Where a value lies, from 0 to 1.
    pub(crate) fn place(&self, value: f64) -> f64 {
        ((value - self.low) / (self.high - self.low)).clamp(0.0, 1.0)
    }

    /// The marks with their names.
    pub(crate) fn marks(&self) -> Vec<(f64, String)> {
        let count = ((self.high - self.low) / self.step).round().clamp(1.0, 50.0) as usize;
        (0..=count)
            .map(|index| {
                let value = self.low + self.step * index as f64;
                (value, self.name(value))
            })
            .collect()
    }

    fn name(&self, value: f64) -> String {
        // A sum of steps that ought to be nothing can miss it by a hair.
        let value = if value.abs() < self.step * 1e-6 { 0.0 } else { value };
        let largest = self.low.abs().max(self.high.abs());
        if largest >= 1e6 || self.step < 1e-4 {
            return format!("{value:.2e}");
        }
        let digits = (-self.step.log10().floor()).clamp(0.0, 6.0) as usize;
        format!("{value:.digits$}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn names(values: &[f64]) -> Vec<String> {
        let scale = Scale::around(values.iter().copied(), 5).expect("there is a value");
        scale.marks().into_iter().map(|(_, name)| name).collect()
    }

    #[test]
    fn marks_are_round_numbers_around_the_values() {
        assert_eq!(names(&[0.0, 10.0]), ["0", "2", "4", "6", "8", "10"]);
        assert_eq!(names(&[0.13, 0.91]), ["0.0", "0.2", "0.4", "0.6", "0.8", "1.0"]);
        assert_eq!(names(&[3.0]), ["2.6", "2.8", "3.0", "3.2", "3.4"]);
        assert_eq!(names(&[0.0]), ["-1.0", "-0.5", "0.0", "0.5", "1.0"]);
        assert_eq!(names(&[-1e7, 1e7]).first().map(String::as_str), Some("-1.00e7"));
        assert_eq!(Scale::around([f64::NAN, f64::INFINITY].into_iter(), 5), None);
    }

    proptest! {
        #[test]
        fn every_value_has_a_place(values in proptest::collection::vec(any::<f64>(), 1..20)) {
            if let Some(scale) = Scale::around(values.iter().copied(), 5) {
                prop_assert!(scale.low < scale.high);
                for value in values.iter().filter(|value| value.is_finite()) {
                    let place = scale.place(*value);
                    prop_assert!((0.0..=1.0).contains(&place), "{} {:?}", place, scale);
                }
                prop_assert!(scale.marks().len() <= 51);
            }
        }
    }
}
