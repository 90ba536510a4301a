//! Points of a curve, never more than a screen can show.

/// Points beyond which neighbours are joined.
const MOST: usize = 2048;

/// A curve over steps. Once it has too many points, each pair of neighbours becomes their mean.
#[derive(Clone, Debug)]
pub(crate) struct Curve {
    points: Vec<(f64, f64)>,
    /// What is added to the newest point until it stands for as much as the others.
    open: Vec<(f64, f64)>,
    /// How many values a point stands for.
    stride: usize,
}

impl Default for Curve {
    fn default() -> Self {
        Self { points: Vec::new(), open: Vec::new(), stride: 1 }
    }
}

impl Curve {
    /// Adds a value; one that is not finite has no place on a curve.
    pub(crate) fn push(&mut self, step: u64, value: f64) {
        if !value.is_finite() {
            return;
        }
        self.open.push((step as f64, value));
        if self.open.len() >= self.stride {
            let joined = mean(&self.open);
            self.points.push(joined);
            self.open.clear();
        }
        if self.points.len() >= MOST {
            self.points = self.points.chunks(2).map(mean).collect();
            self.stride *= 2;
        }
    }

    /// All points, by step.
    pub(crate) fn points(&self) -> &[(f64, f64)] {
        &self.points
    }

    /// The means of all points that lie in the same stretch of so many steps.
    pub(crate) fn binned(&self, steps: f64) -> Vec<(f64, f64)> {
        let bin = |point: &(f64, f64)| (point.0 / steps).floor();
        self.points.chunk_by(|a, b| bin(a) == bin(b)).map(mean).collect()
    }

    /// The last `count` values.
    pub(crate) fn newest(&self, count: usize) -> Vec<f64> {
        let from = self.points.len().saturating_sub(count);
        self.points[from..].iter().map(|(_, value)| *value).collect()
    }
}

/// The least and the greatest value.
pub(crate) fn range(points: &[(f64, f64)]) -> Option<(f64, f64)> {
    points.iter().map(|&(_, value)| (value, value)).reduce(|a, b| (a.0.min(b.0), a.1.max(b.1)))
}

fn mean(points: &[(f64, f64)]) -> (f64, f64) {
    let count = points.len() as f64;
    let sum = points.iter().fold((0.0, 0.0), |sum, point| (sum.0 + point.0, sum.1 + point.1));
    (sum.0 / count, sum.1 / count)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_curve_keeps_its_ends_and_its_mean() {
        let mut curve = Curve::default();
        for step in 1..=100_000u64 {
            curve.push(step, 5.0 - step as f64 / 50_000.0);
        }
        let points = curve.points();
        assert!(points.len() < MOST && points.len() >= MOST / 2, "{}", points.len());
        assert!(points.windows(2).all(|pair| pair[0].0 < pair[1].0 && pair[0].1 > pair[1].1));
        assert!(points[0].0 < 130.0 && points[points.len() - 1].0 > 99_870.0);
        let (least, most) = range(curve.points()).expect("it has points");
        assert!((least - 3.0).abs() < 0.01 && (most - 5.0).abs() < 0.01, "{least} {most}");
    }

    #[test]
    fn values_that_are_not_finite_are_left_out() {
        let mut curve = Curve::default();
        assert_eq!(range(curve.points()), None);
        for value in [1.0, f64::NAN, f64::INFINITY, 3.0] {
            curve.push(1, value);
        }
        assert_eq!(curve.newest(9), [1.0, 3.0]);
        assert_eq!(curve.binned(2.0), [(1.0, 2.0)]);
        assert_eq!(curve.binned(0.5).len(), 1, "both are of step 1");
        assert_eq!(curve.newest(1), [3.0]);
        assert_eq!(range(curve.points()), Some((1.0, 3.0)));
    }
}
