//! The learning rate as a pure function of the step, with the formulae of transformers'
//! `optimization.py` in f64.

use sigil_config::Schedule;

/// A schedule with its numbers.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LearningRate {
    /// Rate at the end of the warm-up.
    pub peak: f64,
    /// Steps of the whole run.
    pub total_steps: u64,
    /// Steps in which the rate rises from 0; 0 means none.
    pub warmup_steps: u64,
    /// What follows the warm-up.
    pub schedule: Schedule,
    /// Lowest rate as a share of the peak, where the schedule has one.
    pub min_ratio: f64,
    /// Exponent of the polynomial schedule.
    pub power: f64,
}

/// Time scale of the inverse square root when there is no warm-up, as in transformers.
const INVERSE_SQRT_TIMESCALE: u64 = 10_000;

impl LearningRate {
    /// The rate of the step with this index, from 0.
    pub fn at(&self, index: u64) -> f64 {
        self.peak * self.factor(index)
    }

    fn factor(&self, index: u64) -> f64 {
        let Self { total_steps, warmup_steps, min_ratio, power, .. } = *self;
        if index < warmup_steps {
            return index as f64 / warmup_steps as f64;
        }
        let after = (index - warmup_steps) as f64;
        let span = total_steps.saturating_sub(warmup_steps).max(1) as f64;
        let cosine = || (0.5 * (1.0 + (std::f64::consts::PI * after / span).cos())).max(0.0);
        match self.schedule {
            Schedule::Constant => 1.0,
            Schedule::Linear => (total_steps as f64 - index as f64).max(0.0) / span,
            Schedule::Cosine => cosine(),
            Schedule::CosineWithMinLr => cosine() * (1.0 - min_ratio) + min_ratio,
            Schedule::InverseSqrt => {
                let scale = if warmup_steps > 0 { warmup_steps } else { INVERSE_SQRT_TIMESCALE };
                let shift = scale - warmup_steps;
                1.0 / ((index + shift) as f64 / scale as f64).sqrt()
            }
            Schedule::Polynomial if index > total_steps => min_ratio,
            Schedule::Polynomial => {
                (1.0 - min_ratio) * (1.0 - after / span).max(0.0).powf(power) + min_ratio
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(schedule: Schedule, warmup_steps: u64) -> LearningRate {
        let (min_ratio, power) = (0.1, 2.0);
        LearningRate { peak: 2e-4, total_steps: 100, warmup_steps, schedule, min_ratio, power }
    }

    const ALL: [Schedule; 6] = [
        Schedule::Constant,
        Schedule::Linear,
        Schedule::Cosine,
        Schedule::CosineWithMinLr,
        Schedule::InverseSqrt,
        Schedule::Polynomial,
    ];

    #[test]
    fn every_schedule_rises_in_a_line_and_peaks_at_the_end_of_the_warm_up() {
        for schedule in ALL {
            let rate = with(schedule, 10);
            assert_eq!(rate.at(0), 0.0);
            assert!((rate.at(5) - 1e-4).abs() < 1e-18);
            assert!((rate.at(10) - 2e-4).abs() < 1e-18, "{schedule:?}");
            assert_eq!(with(schedule, 0).at(0), 2e-4, "{schedule:?} without a warm-up");
        }
    }

    /// By hand from the formulae, half way between the end of the warm-up and the end.
    #[test]
    fn the_middle_is_where_the_formulae_have_it() {
        for (schedule, factor) in [
            (Schedule::Constant, 1.0),
            (Schedule::Linear, 0.5),
            (Schedule::Cosine, 0.5),
            (Schedule::CosineWithMinLr, 0.55),
            (Schedule::InverseSqrt, (10.0f64 / 55.0).sqrt()),
            (Schedule::Polynomial, 0.9 * 0.25 + 0.1),
        ] {
            let rate = with(schedule, 10).at(55);
            assert!((rate / 2e-4 - factor).abs() < 1e-12, "{schedule:?}: {rate}");
        }
    }

    #[test]
    fn the_end_is_the_lowest_and_never_negative() {
        for schedule in ALL {
            let rate = with(schedule, 10);
            assert!((10..150).all(|step| rate.at(step + 1) <= rate.at(step) || step >= 99));
            assert!(rate.at(100_000) >= 0.0, "{schedule:?}");
        }
        assert_eq!(with(Schedule::Linear, 10).at(100), 0.0);
        assert!((with(Schedule::CosineWithMinLr, 10).at(100) - 2e-5).abs() < 1e-18);
        assert!((with(Schedule::Polynomial, 10).at(100) - 2e-5).abs() < 1e-18);
    }

    #[test]
    fn a_run_that_is_all_warm_up_divides_by_nothing() {
        for schedule in ALL {
            assert!(with(schedule, 100).at(99).is_finite());
            assert!(with(schedule, 100).at(100).is_finite());
        }
    }
}
