//! Times to figures, as a table or as one JSON object with named keys.
//!
//! Best and median: the best says what the code can do, the median what it did on a machine that
//! others may have used meanwhile. A ratio above 1 means that ours is faster.

use serde::Serialize;

use super::protocol::StepTime;
use super::shape::{Case, Shape};

/// What one implementation did in one case.
#[derive(Debug, Serialize)]
pub(crate) struct Figures {
    pub(crate) implementation: String,
    pub(crate) trained_parameters: u64,
    pub(crate) steps: usize,
    pub(crate) best_ms: f64,
    pub(crate) median_ms: f64,
    pub(crate) best_tokens_per_second: f64,
    pub(crate) median_tokens_per_second: f64,
    /// Median of each part by itself.
    pub(crate) median_forward_backward_ms: f64,
    pub(crate) median_clip_ms: f64,
    pub(crate) median_optimizer_ms: f64,
    pub(crate) peak_resident_bytes: u64,
    /// After the warm-up and all steps.
    pub(crate) last_loss: f64,
}

impl Figures {
    /// Sums up `steps`, of which there is at least one.
    pub(crate) fn new(
        implementation: String,
        trained_parameters: u64,
        steps: &[StepTime],
        tokens: usize,
        peak_resident_bytes: u64,
        last_loss: f64,
    ) -> Self {
        let part = |of: fn(&StepTime) -> f64| median(steps.iter().map(of).collect());
        let best_ms = steps.iter().map(StepTime::total_ms).fold(f64::INFINITY, f64::min);
        let median_ms = part(StepTime::total_ms);
        Self {
            implementation,
            trained_parameters,
            steps: steps.len(),
            best_ms,
            median_ms,
            best_tokens_per_second: tokens as f64 / best_ms * 1e3,
            median_tokens_per_second: tokens as f64 / median_ms * 1e3,
            median_forward_backward_ms: part(|step| step.forward_backward_ms),
            median_clip_ms: part(|step| step.clip_ms),
            median_optimizer_ms: part(|step| step.optimizer_ms),
            peak_resident_bytes,
            last_loss,
        }
    }
}

/// The middle value, or the mean of the two in the middle.
fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    if values.len().is_multiple_of(2) {
        (values[middle - 1] + values[middle]) / 2.0
    } else {
        values[middle]
    }
}

/// One case, ours and the peer's.
#[derive(Debug, Serialize)]
pub(crate) struct CaseReport {
    pub(crate) case: &'static str,
    pub(crate) ours: Figures,
    pub(crate) peer: Option<Figures>,
    /// Why there is no peer.
    pub(crate) peer_unavailable: Option<String>,
    /// Our tokens per second over the peer's, best against best.
    pub(crate) best_ratio: Option<f64>,
    /// The same, median against median.
    pub(crate) median_ratio: Option<f64>,
}

impl CaseReport {
    /// Puts both sides together; `peer` is why there is none, or its figures.
    pub(crate) fn new(case: Case, ours: Figures, peer: Result<Figures, String>) -> Self {
        let ratio = |of: fn(&Figures) -> f64| peer.as_ref().ok().map(|peer| of(peer) / of(&ours));
        let (best_ratio, median_ratio) = (ratio(|f| f.best_ms), ratio(|f| f.median_ms));
        let (peer, peer_unavailable) = match peer {
            Ok(peer) => (Some(peer), None),
            Err(reason) => (None, Some(reason)),
        };
        Self { case: case.name(), ours, peer, peer_unavailable, best_ratio, median_ratio }
    }
}

/// The whole measurement.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    pub(crate) shape: Shape,
    /// The architecture as `config.json` spells it.
    pub(crate) model: serde_json::Value,
    pub(crate) threads: usize,
    pub(crate) warmup_steps: usize,
    /// The machine's one-minute load average before and after; well above `threads` means that
    /// others slowed both sides.
    pub(crate) load_average: [Option<f64>; 2],
    pub(crate) cases: Vec<CaseReport>,
}

impl Report {
    /// The table for a person.
    pub(crate) fn table(&self) -> String {
        let mut text = format!(
            "4 layers, d 256, 8/4 heads, ff 768, vocab {}; batch {}x{}; LoRA r {} on all linear \
             layers; {} threads\n",
            self.shape.vocabulary,
            self.shape.sequences,
            self.shape.sequence_tokens,
            self.shape.rank,
            self.threads,
        );
        let load = |load: Option<f64>| load.map_or("unknown".to_owned(), |x| format!("{x:.1}"));
        let [before, after] = self.load_average;
        text += &format!("load average before {}, after {}\n\n", load(before), load(after));
        text += &format!(
            "{:<10} {:<44} {:>8} {:>8} {:>9} {:>9} {:>8} {:>6} {:>6} {:>9}\n",
            "case",
            "implementation",
            "best ms",
            "med. ms",
            "best t/s",
            "med. t/s",
            "fwd+bwd",
            "clip",
            "optim",
            "peak MiB"
        );
        for case in &self.cases {
            text += &line(case.case, &case.ours);
            match (&case.peer, &case.peer_unavailable) {
                (Some(peer), _) => text += &line("", peer),
                (None, Some(reason)) => text += &format!("{:<10} {reason}\n", ""),
                (None, None) => {}
            }
            if let (Some(best), Some(median)) = (case.best_ratio, case.median_ratio) {
                text += &format!(
                    "{:<10} ours / peer, tokens per second: best {best:.2}, median {median:.2}\n",
                    ""
                );
            }
        }
        text
    }
}

fn line(case: &str, figures: &Figures) -> String {
    format!(
        "{case:<10} {:<44} {:>8.1} {:>8.1} {:>9.0} {:>9.0} {:>8.1} {:>6.2} {:>6.2} {:>9.0}\n",
        figures.implementation,
        figures.best_ms,
        figures.median_ms,
        figures.best_tokens_per_second,
        figures.median_tokens_per_second,
        figures.median_forward_backward_ms,
        figures.median_clip_ms,
        figures.median_optimizer_ms,
        figures.peak_resident_bytes as f64 / f64::from(1 << 20),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn figures(name: &str, totals: &[f64]) -> Figures {
        let steps: Vec<StepTime> = totals
            .iter()
            .map(|ms| StepTime { forward_backward_ms: ms - 3.0, clip_ms: 1.0, optimizer_ms: 2.0 })
            .collect();
        Figures::new(name.to_owned(), 1, &steps, 1000, 5 << 20, 7.0)
    }

    #[test]
    fn best_median_and_ratios() {
        let ours = figures("ours", &[30.0, 10.0, 20.0, 40.0]);
        assert_eq!((ours.best_ms, ours.median_ms), (10.0, 25.0));
        assert_eq!((ours.best_tokens_per_second, ours.median_forward_backward_ms), (1e5, 22.0));
        let peer = figures("peer", &[20.0, 50.0, 80.0]);
        let report = CaseReport::new(Case::LoraF32, ours, Ok(peer));
        assert_eq!((report.best_ratio, report.median_ratio), (Some(2.0), Some(2.0)));
    }

    #[test]
    fn a_missing_peer_is_said() {
        let case =
            CaseReport::new(Case::QloraNf4, figures("ours", &[5.0]), Err("no Python".to_owned()));
        let report = Report {
            shape: super::super::shape::SHAPE,
            model: serde_json::Value::Null,
            threads: 2,
            warmup_steps: 0,
            load_average: [Some(1.0), None],
            cases: vec![case],
        };
        let table = report.table();
        assert!(table.contains("no Python\n") && !table.contains("ours / peer"), "{table}");
    }
}
