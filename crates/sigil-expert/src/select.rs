//! Which samples are trained on, and how much each one counts.
//!
//! A pure function of what was generated and judged. First a gate (passed, compiled, or nothing), the
//! predecessor's thresholds where they are set, then copies go, then the best of each task are taken
//! within bounds for tasks and compositions. Not here: files (`rounds/files.rs`).

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use sigil_data::dedup::{Fingerprint, Match, NearIndex};
use sigil_eval::judge::SampleResult;
use sigil_eval::score::SplitMix;

use crate::score::{ScoreWeights, idiom_share};

/// What is trained on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SelectSettings {
    /// What a sample must have reached.
    pub require: Require,
    /// Drop samples of a lower score.
    pub threshold: f64,
    /// The predecessor's thresholds, tightened when few samples compile. Not set: none.
    pub strict: Option<StrictSettings>,
    /// At most so many samples of a task, the best ones.
    pub top_per_task: usize,
    /// At most this share of all rows from one composition.
    pub max_composition_share: f64,
    /// Drop samples of one task that nearly repeat a better one (equal ones always go).
    pub near_duplicates: bool,
    /// Rows of earlier data for each new row: solved tasks that the base has seen.
    pub replay: f64,
    /// Weigh rows by their scores; otherwise all count the same.
    pub weigh: bool,
}

/// What a sample must have reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Require {
    /// All tests passed.
    Pass,
    /// It compiles.
    Compile,
}

/// The predecessor's thresholds. If a share a of the samples compiles and a is below
/// `compile_threshold` t, then f = a/t, `clippy_max` becomes `clippy_max`·f, and `idiomatic_min` becomes
/// m + (1−m)(1−f).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct StrictSettings {
    /// The share of compiling samples from which nothing is tightened.
    pub compile_threshold: f64,
    /// Most clippy messages.
    pub clippy_max: f64,
    /// Least share of idioms.
    pub idiomatic_min: f64,
    /// Whether there must be a documentation comment.
    pub documented: bool,
}

impl Default for StrictSettings {
    fn default() -> Self {
        Self { compile_threshold: 0.95, clippy_max: 2.0, idiomatic_min: 0.7, documented: true }
    }
}

impl StrictSettings {
    /// The thresholds for samples of which this share compiles.
    pub fn tightened(&self, compile_rate: f64) -> Self {
        let factor = (compile_rate / self.compile_threshold).min(1.0);
        Self {
            clippy_max: self.clippy_max * factor,
            idiomatic_min: self.idiomatic_min + (1.0 - self.idiomatic_min) * (1.0 - factor),
            ..self.clone()
        }
    }
}

impl Default for SelectSettings {
    fn default() -> Self {
        Self {
            require: Require::Pass,
            threshold: 0.0,
            strict: None,
            top_per_task: 2,
            max_composition_share: 0.05,
            near_duplicates: false,
            replay: 0.25,
            weigh: true,
        }
    }
}

impl SelectSettings {
    pub(crate) fn check(&self) -> Result<(), String> {
        let share = |name: &str, value: f64| {
            let good = value > 0.0 && value <= 1.0;
            good.then_some(()).ok_or_else(|| format!("`{name}` is not above 0 and up to 1"))
        };
        share("select.max_composition_share", self.max_composition_share)?;
        let number = |name: &str, value: f64, high: f64| {
            let good = (0.0..=high).contains(&value);
            good.then_some(()).ok_or_else(|| format!("`{name}` is not from 0 to {high}"))
        };
        number("select.threshold", self.threshold, 1.0)?;
        if let Some(strict) = &self.strict {
            share("select.strict.compile_threshold", strict.compile_threshold)?;
            number("select.strict.clippy_max", strict.clippy_max, 1e6)?;
            number("select.strict.idiomatic_min", strict.idiomatic_min, 1.0)?;
        }
        if self.top_per_task == 0 {
            return Err("`select.top_per_task` must be at least 1".to_owned());
        }
        if !(self.replay >= 0.0 && self.replay <= 100.0) {
            return Err("`select.replay` is not from 0 to 100".to_owned());
        }
        Ok(())
    }
}

/// A sample that could be trained on.
#[derive(Clone, Debug, PartialEq)]
pub struct Candidate {
    /// Its task.
    pub task_id: String,
    /// The task's composition.
    pub composition: String,
    /// The whole program: the prompt and what the model wrote, without prose.
    pub text: String,
    /// What the model was given.
    pub prompt: String,
    /// The verdict; none in an arm that is not judged.
    pub result: Option<SampleResult>,
}

/// A sample that is trained on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Selected {
    /// Its task.
    pub task_id: String,
    /// The task's composition.
    pub composition: String,
    /// The whole program.
    pub text: String,
    /// What the model was given.
    pub prompt: String,
    /// Its score; 1 in an arm that is not judged.
    pub score: f64,
    /// How often it is drawn in an epoch, on average; 1 on average over all rows.
    pub weight: f64,
}

/// What became of all candidates.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Fates {
    /// Samples there were.
    pub samples: usize,
    /// Samples that compile, where they were judged.
    pub compiled: usize,
    /// Samples whose tests passed, where they were judged.
    pub passed: usize,
    /// By reason, samples that are not trained on.
    pub dropped: BTreeMap<String, usize>,
    /// Samples that are.
    pub selected: usize,
    /// The thresholds that were used, where there are some.
    pub strict: Option<StrictSettings>,
}

/// Selects. Without verdicts nothing is asked but that a sample is no copy, and the choice among the
/// samples of a task is drawn by `seed`.
pub fn select(
    candidates: Vec<Candidate>,
    score: &ScoreWeights,
    settings: &SelectSettings,
    seed: u64,
) -> (Vec<Selected>, Fates) {
    let mut fates = Fates { samples: candidates.len(), ..Fates::default() };
    fates.compiled = judged(&candidates, |result| result.compiled);
    fates.passed = judged(&candidates, |result| result.passed == Some(true));
    let (strict, score) = thresholds(&candidates, score, settings);
    fates.strict = strict;

    let mut random = SplitMix::new(seed);
    let mut drop = |reason: &str| *fates.dropped.entry(reason.to_owned()).or_default() += 1;
    let mut by_task: BTreeMap<String, Vec<(f64, u64, Candidate)>> = BTreeMap::new();
    for one in candidates {
        let order = random.next_u64();
        let value = match &one.result {
            None => 1.0,
            Some(result) => match refused(result, settings, fates.strict.as_ref(), &score) {
                Ok(value) => value,
                Err(reason) => {
                    drop(reason);
                    continue;
                }
            },
        };
        by_task.entry(one.task_id.clone()).or_default().push((value, order, one));
    }
    let mut texts: BTreeSet<String> = BTreeSet::new();
    let mut kept: Vec<Selected> = Vec::new();
    for (_, mut samples) in by_task {
        // The best first, then the shorter, then as drawn.
        samples.sort_by(|(a_score, a_order, a), (b_score, b_order, b)| {
            let judged = a.result.is_some() && b.result.is_some();
            let length = if judged { a.text.len().cmp(&b.text.len()) } else { 0.cmp(&0) };
            b_score.total_cmp(a_score).then(length).then(a_order.cmp(b_order))
        });
        let mut near = NearIndex::new();
        let mut taken = 0;
        for (score, _, one) in samples {
            let bare: String = one.text.split_whitespace().collect();
            let print = Fingerprint::of(&one.text);
            if texts.contains(&bare) {
                drop("copy");
            } else if settings.near_duplicates
                && matches!(near.find(&print), Some(Match::Near(_) | Match::Exact(_)))
            {
                drop("near_copy");
            } else if taken >= settings.top_per_task {
                drop("enough_of_its_task");
            } else {
                texts.insert(bare);
                near.insert(&print);
                taken += 1;
                let Candidate { task_id, composition, text, prompt, .. } = one;
                kept.push(Selected { task_id, composition, text, prompt, score, weight: 1.0 });
            }
        }
    }
    let most = (kept.len() as f64 * settings.max_composition_share).ceil().max(1.0) as usize;
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    kept.retain(|row| {
        let count = counts.entry(row.composition.clone()).or_default();
        *count += 1;
        let fits = *count <= most;
        if !fits {
            drop("enough_of_its_composition");
        }
        fits
    });
    if settings.weigh {
        let mean = kept.iter().map(|row| row.score).sum::<f64>() / kept.len().max(1) as f64;
        if mean > 0.0 {
            kept.iter_mut().for_each(|row| row.weight = row.score / mean);
        }
    }
    fates.selected = kept.len();
    (kept, fates)
}

/// How many verdicts are so.
fn judged(candidates: &[Candidate], test: fn(&SampleResult) -> bool) -> usize {
    candidates.iter().filter(|one| one.result.as_ref().is_some_and(test)).count()
}

/// The thresholds as tightened by the share of candidates that compile, and the weights under them: as
/// the predecessor has it, a sample loses its part for clippy at one message above the most allowed.
pub(crate) fn thresholds(
    candidates: &[Candidate],
    score: &ScoreWeights,
    settings: &SelectSettings,
) -> (Option<StrictSettings>, ScoreWeights) {
    let compiled = judged(candidates, |result| result.compiled);
    let rate = compiled as f64 / candidates.len().max(1) as f64;
    let strict = settings.strict.as_ref().map(|strict| strict.tightened(rate));
    let mut score = score.clone();
    if let Some(strict) = &strict {
        score.clippy_none = strict.clippy_max + 1.0;
    }
    (strict, score)
}

/// The score of a sample, or why it is not trained on.
pub(crate) fn refused(
    result: &SampleResult,
    settings: &SelectSettings,
    strict: Option<&StrictSettings>,
    score: &ScoreWeights,
) -> Result<f64, &'static str> {
    if !result.compiled {
        return Err("does_not_compile");
    }
    if settings.require == Require::Pass && result.passed != Some(true) {
        return Err("does_not_pass");
    }
    if let Some(strict) = strict {
        if f64::from(result.lints.clippy_total()) > strict.clippy_max {
            return Err("clippy");
        }
        if idiom_share(result, score.idioms_full) < strict.idiomatic_min {
            return Err("idiom");
        }
        if strict.documented && result.facts.doc_comments == 0 {
            return Err("documentation");
        }
    }
    let value = score.score(result);
    if value < settings.threshold { Err("score") } else { Ok(value) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::score::tests::result;

    fn candidate(task: usize, text: &str, passed: Option<bool>) -> Candidate {
        Candidate {
            task_id: format!("t{task}"),
            composition: format!("c{}", task % 2),
            text: text.to_owned(),
            prompt: "fn".to_owned(),
            result: passed.map(|passed| result(&format!("t{task}"), 0, passed, 0)),
        }
    }

    fn settings() -> SelectSettings {
        SelectSettings { max_composition_share: 1.0, ..SelectSettings::default() }
    }

    #[test]
    fn only_passing_samples_are_kept_once_and_the_best_of_a_task_first() {
        let candidates = vec![
            candidate(1, "fn a() { 1 }", Some(true)),
            candidate(1, "fn a() {  1  }", Some(true)),
            candidate(1, "fn a() { 10 }", Some(true)),
            candidate(1, "fn a() { 100 }", Some(true)),
            candidate(2, "fn b() {}", Some(false)),
        ];
        let (rows, fates) = select(candidates, &ScoreWeights::default(), &settings(), 1);
        let texts: Vec<&str> = rows.iter().map(|row| row.text.as_str()).collect();
        assert_eq!(texts, ["fn a() { 1 }", "fn a() { 10 }"]);
        assert_eq!((fates.samples, fates.passed, fates.selected), (5, 4, 2));
        assert_eq!(fates.dropped["copy"], 1);
        assert_eq!(fates.dropped["does_not_pass"], 1);
        assert_eq!(fates.dropped["enough_of_its_task"], 1);
        let mean = rows.iter().map(|row| row.weight).sum::<f64>() / rows.len() as f64;
        assert!((mean - 1.0).abs() < 1e-9);
    }

    #[test]
    fn without_verdicts_nothing_but_copies_is_refused() {
        let candidates: Vec<Candidate> =
            (0..40).map(|i| candidate(i / 4, &format!("fn {i}"), None)).collect();
        let pick = |seed| select(candidates.clone(), &ScoreWeights::default(), &settings(), seed);
        let (rows, fates) = pick(1);
        assert_eq!((rows.len(), fates.passed), (20, 0));
        assert_eq!(pick(1).0, rows);
        assert_ne!(pick(2).0, rows);
    }

    #[test]
    fn a_composition_has_a_bounded_share() {
        let candidates: Vec<Candidate> =
            (0..40).map(|i| candidate(i, &format!("fn {i}"), None)).collect();
        let settings = SelectSettings { max_composition_share: 0.1, ..settings() };
        let (rows, fates) = select(candidates, &ScoreWeights::default(), &settings, 1);
        assert_eq!((rows.len(), fates.dropped["enough_of_its_composition"]), (8, 32));
    }

    #[test]
    fn the_predecessors_rule_gates_and_scores_by_its_tightened_thresholds() {
        let mut candidates: Vec<Candidate> =
            (0..4).map(|at| candidate(at, &format!("fn {at}() {{}}"), Some(false))).collect();
        for (at, (clippy, idioms)) in [(1, 8), (1, 6), (2, 8)].into_iter().enumerate() {
            let result = candidates[at].result.as_mut().expect("it is judged");
            result.lints.clippy.insert("clippy::style".to_owned(), clippy);
            result.facts.idioms = (0..idioms).map(|at| at.to_string()).collect();
        }
        // Three of four compile: 0.75 / 0.95 leaves 1.58 messages and asks for 0.763 of the idioms.
        candidates[3].result.as_mut().expect("it is judged").compiled = false;
        let settings = SelectSettings {
            require: Require::Compile,
            strict: Some(StrictSettings::default()),
            ..settings()
        };
        let (rows, fates) = select(candidates, &ScoreWeights::predecessor(), &settings, 1);
        assert_eq!((rows.len(), rows[0].task_id.as_str()), (1, "t0"));
        let reasons: Vec<(&str, usize)> =
            fates.dropped.iter().map(|(reason, count)| (reason.as_str(), *count)).collect();
        assert_eq!(reasons, [("clippy", 1), ("does_not_compile", 1), ("idiom", 1)]);
        let most = 2.0 * 0.75 / 0.95;
        let wanted = 0.4 * (1.0 - 1.0 / (most + 1.0)) + 0.4 + 0.2;
        assert!((rows[0].score - wanted).abs() < 1e-12, "{}", rows[0].score);
    }

    #[test]
    fn near_copies_of_a_task_go_where_that_is_asked() {
        let long = |end: &str| {
            let lines: String =
                (0..40).map(|at| format!("    let value_{at} = input[{at}] + {at};\n")).collect();
            format!("fn f(input: &[i64]) -> i64 {{\n{lines}    {end}\n}}\n")
        };
        let candidates =
            vec![candidate(1, &long("value_1"), None), candidate(1, &long("value_2"), None)];
        for (near_duplicates, wanted) in [(false, 2), (true, 1)] {
            let settings = SelectSettings { near_duplicates, ..settings() };
            let (rows, _) = select(candidates.clone(), &ScoreWeights::default(), &settings, 1);
            assert_eq!(rows.len(), wanted);
        }
    }

    #[test]
    fn thresholds_tighten_as_the_predecessors_do() {
        let strict = StrictSettings::default().tightened(0.475);
        assert!((strict.clippy_max - 1.0).abs() < 1e-12);
        assert!((strict.idiomatic_min - 0.85).abs() < 1e-12);
        assert_eq!(StrictSettings::default().tightened(0.99), StrictSettings::default());
    }
}
