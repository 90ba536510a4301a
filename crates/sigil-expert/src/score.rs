//! What a verdict is worth: a number from 0 to 1, by weights that are data.
//!
//! Not here: what is kept (`select.rs`).

use serde::{Deserialize, Serialize};
use sigil_eval::judge::SampleResult;
use sigil_eval::source::Facts;

/// Weights of what a sample is worth. Only their ratios count.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ScoreWeights {
    /// All tests passed. Without tests: it compiles.
    pub tests: f64,
    /// Few clippy messages: 1 without any, 0 from `clippy_none` on.
    pub clippy: f64,
    /// The share of `idioms_full` idioms found.
    pub idiom: f64,
    /// A documentation comment.
    pub docs: f64,
    /// Few lines: 1 up to `lines_full`, and in proportion less beyond.
    pub brevity: f64,
    /// As many clippy messages are worth nothing; under `select.strict`, one more than it allows.
    pub clippy_none: f64,
    /// As many idioms are worth everything.
    pub idioms_full: usize,
    /// As many lines are worth everything.
    pub lines_full: u32,
}

impl Default for ScoreWeights {
    fn default() -> Self {
        Self {
            tests: 0.7,
            clippy: 0.1,
            idiom: 0.0,
            docs: 0.0,
            brevity: 0.2,
            clippy_none: 3.0,
            idioms_full: Facts::IDIOMS.len(),
            lines_full: 4,
        }
    }
}

impl ScoreWeights {
    /// The predecessor's: 0.4 clippy, 0.4 idiom, 0.2 documentation, with two messages allowed.
    pub fn predecessor() -> Self {
        Self {
            tests: 0.0,
            clippy: 0.4,
            idiom: 0.4,
            docs: 0.2,
            brevity: 0.0,
            clippy_none: 3.0,
            ..Self::default()
        }
    }

    pub(crate) fn check(&self) -> Result<(), String> {
        let weights = [self.tests, self.clippy, self.idiom, self.docs, self.brevity];
        let good = weights.iter().all(|weight| *weight >= 0.0 && weight.is_finite());
        if !good || weights.iter().sum::<f64>() <= 0.0 {
            return Err(
                "the weights of `score` are not numbers of at least 0, one above".to_owned()
            );
        }
        let bounds = self.clippy_none > 0.0 && self.idioms_full > 0 && self.lines_full > 0;
        bounds.then_some(()).ok_or_else(|| {
            "`score.clippy_none`, `score.idioms_full` and `score.lines_full` must be above 0"
                .to_owned()
        })
    }

    /// The score of a sample; a sample that does not compile is worth 0.
    pub fn score(&self, result: &SampleResult) -> f64 {
        if !result.compiled {
            return 0.0;
        }
        let facts = &result.facts;
        let yes = |condition: bool| f64::from(u8::from(condition));
        let lines = f64::from(facts.code_lines.max(1));
        let parts = [
            (self.tests, yes(result.passed.unwrap_or(result.compiled))),
            (
                self.clippy,
                (1.0 - f64::from(result.lints.clippy_total()) / self.clippy_none).max(0.0),
            ),
            (self.idiom, idiom_share(result, self.idioms_full)),
            (self.docs, yes(facts.doc_comments > 0)),
            (self.brevity, (f64::from(self.lines_full) / lines).min(1.0)),
        ];
        let sum: f64 = parts.iter().map(|(weight, value)| weight * value).sum();
        sum / parts.iter().map(|(weight, _)| weight).sum::<f64>()
    }
}

/// The share of idioms, of as many as are worth everything.
pub(crate) fn idiom_share(result: &SampleResult, full: usize) -> f64 {
    (result.facts.idioms.len() as f64 / full.max(1) as f64).min(1.0)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A result as the judge writes it.
    pub(crate) fn result(task: &str, index: usize, passed: bool, clippy: u32) -> SampleResult {
        let lints = serde_json::to_value(sigil_eval::judge::Lints::default()).expect("plain data");
        let errors =
            serde_json::to_value(sigil_eval::judge::Errors::default()).expect("plain data");
        let verdict = if passed {
            serde_json::json!({"kind": "pass", "forgeable": false})
        } else {
            serde_json::json!({"kind": "test_fail", "passed": 0, "total": 1})
        };
        let mut result: SampleResult = serde_json::from_value(serde_json::json!({
            "index": index, "task_id": task, "digest": "d", "verdict": verdict, "compiled": true,
            "passed": passed, "how": "continuation", "cut_bytes": 0, "edition": "2021",
            "crate_kind": "library", "second_pass": false, "placement": null, "errors": errors,
            "lints": lints, "tests": null, "facts": Facts::of("/// It.\nfn f() {}\n"),
            "prompt_match": null, "message": "",
        }))
        .expect("it is what the judge writes");
        result.lints.clippy.insert("clippy::style".to_owned(), clippy);
        result
    }

    #[test]
    fn a_pass_is_worth_more_than_anything_else_by_default() {
        let weights = ScoreWeights::default();
        let good = weights.score(&result("t", 0, true, 9));
        let bad = weights.score(&result("t", 0, false, 0));
        assert!(good > 0.6 && bad < 0.4, "{good} {bad}");
        let mut broken = result("t", 0, true, 0);
        broken.compiled = false;
        assert_eq!(weights.score(&broken), 0.0);
    }

    #[test]
    fn the_predecessors_weights_give_its_numbers() {
        let weights = ScoreWeights::predecessor();
        let mut sample = result("t", 0, false, 1);
        // 0.4 (1 - 1/3) + 0.4 * 4/8 + 0.2.
        sample.facts.idioms = ["result", "option", "match", "if_let"].map(str::to_owned).to_vec();
        assert!((weights.score(&sample) - (0.4 * 2.0 / 3.0 + 0.2 + 0.2)).abs() < 1e-12);
    }
}
