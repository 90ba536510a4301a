//! Preference pairs: of each task, the best sample against the worst.
//!
//! A row is what TRL calls a preference with an explicit prompt: `prompt`, `chosen` and `rejected` as
//! text (<https://huggingface.co/docs/trl/dataset_formats#preference>), and the two scores as
//! `score_chosen` and `score_rejected`. Prompt and answer join to the text that the judge compiled. Not
//! here: what is trained on in rounds (`select.rs`).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::score::ScoreWeights;
use crate::select::{Candidate, SelectSettings, refused, thresholds};

/// One pair.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Pair {
    /// What the model was given.
    pub prompt: String,
    /// What it should write: the task's best sample, one that could be trained on.
    pub chosen: String,
    /// What it should not: the task's worst sample.
    pub rejected: String,
    /// The score of the first.
    pub score_chosen: f64,
    /// The score of the second, which is lower.
    pub score_rejected: f64,
    /// The task.
    #[serde(rename = "_task")]
    pub task: String,
}

/// A pair of each task that has one: a sample that the selection would take, and one of a lower score.
///
/// Samples without a verdict make none, nor do answers that bring the whole function instead of going on
/// where the prompt ends. Of equal scores the shorter text is better and, after that, the earlier sample.
pub fn pairs(
    candidates: &[Candidate],
    score: &ScoreWeights,
    settings: &SelectSettings,
) -> Vec<Pair> {
    let (strict, score) = thresholds(candidates, score, settings);
    let mut by_task: BTreeMap<&str, Vec<(f64, bool, &str, &Candidate)>> = BTreeMap::new();
    for one in candidates {
        let Some(result) = &one.result else { continue };
        let Some(answer) = one.text.strip_prefix(&one.prompt) else { continue };
        let taken = refused(result, settings, strict.as_ref(), &score).is_ok();
        let of_task = by_task.entry(&one.task_id).or_default();
        of_task.push((score.score(result), taken, answer, one));
    }
    let mut pairs = Vec::new();
    for (task, mut samples) in by_task {
        samples.sort_by(|(a_score, _, a, _), (b_score, _, b, _)| {
            b_score.total_cmp(a_score).then(a.len().cmp(&b.len()))
        });
        let best = samples.iter().find(|(_, taken, ..)| *taken);
        let (Some(best), Some(worst)) = (best, samples.last()) else { continue };
        if worst.0 < best.0 {
            pairs.push(Pair {
                prompt: best.3.prompt.clone(),
                chosen: best.2.to_owned(),
                rejected: worst.2.to_owned(),
                score_chosen: best.0,
                score_rejected: worst.0,
                task: task.to_owned(),
            });
        }
    }
    pairs
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::score::tests::result;

    fn candidate(task: &str, answer: &str, passed: bool, compiled: bool) -> Candidate {
        let mut result = result(task, 0, passed, 0);
        result.compiled = compiled;
        let prompt = "fn f() {".to_owned();
        Candidate {
            task_id: task.to_owned(),
            composition: task.to_owned(),
            text: format!("{prompt}{answer}"),
            prompt,
            result: Some(result),
        }
    }

    #[test]
    fn the_best_stands_against_the_worst() {
        let candidates = [
            candidate("a", " wrong }", false, true),
            candidate("a", " right and long }", true, true),
            candidate("a", " right }", true, true),
            candidate("a", " broken", false, false),
            // Nothing to choose, nothing to reject.
            candidate("b", " wrong }", false, true),
            candidate("c", " right }", true, true),
            candidate("c", " right }", true, true),
        ];
        let found = pairs(&candidates, &ScoreWeights::default(), &SelectSettings::default());
        assert_eq!(found.len(), 1, "{found:?}");
        let pair = &found[0];
        assert_eq!((pair.chosen.as_str(), pair.rejected.as_str()), (" right }", " broken"));
        assert_eq!((pair.prompt.as_str(), pair.task.as_str()), ("fn f() {", "a"));
        assert!(pair.score_chosen > pair.score_rejected && pair.score_rejected == 0.0);
    }

    #[test]
    fn what_has_no_verdict_or_begins_otherwise_makes_no_pair() {
        let mut whole = candidate("a", " right }", true, true);
        whole.text = "fn f() { right }".replace("fn", "pub fn");
        let mut unjudged = candidate("a", " right }", true, true);
        unjudged.result = None;
        let candidates = [whole, unjudged, candidate("a", " broken", false, false)];
        let (score, settings) = (ScoreWeights::default(), SelectSettings::default());
        assert!(pairs(&candidates, &score, &settings).is_empty());
    }
}
