//! What a run says in the end: rates of each arm before and after, with intervals over tasks, how rounds
//! went, and samples of the same tasks before and after.
//!
//! Next: `rounds/experiment.rs`, which gathers it.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde::{Deserialize, Serialize};
use sigil_eval::judge::SampleResult;
use sigil_eval::score::{Comparison, Estimate, compare};

use crate::ExpertError;
use crate::rounds::{Arm, Experiment};
use crate::select::Fates;
use crate::tasks::MadeTask;

/// Tasks of which samples are shown.
const SHOWN: usize = 3;

/// Judged samples of evaluation tasks.
#[derive(Clone, Debug, PartialEq)]
pub struct Measured {
    results: Vec<SampleResult>,
    /// Task and text of each, in the order of the results.
    texts: Vec<(String, String)>,
}

/// Rates of an evaluation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    /// Tasks.
    pub tasks: usize,
    /// Samples.
    pub samples: usize,
    /// The share that compiles.
    pub compile: Estimate,
    /// The share that compiles without a message of clippy.
    pub clean: Estimate,
    /// The share that passes its tests.
    pub pass: Estimate,
}

impl Measured {
    /// Puts results and texts together.
    ///
    /// # Errors
    /// Never for files that a run made; without any result there is no rate.
    pub fn new(
        results: Vec<SampleResult>,
        texts: Vec<(String, String)>,
    ) -> Result<Self, ExpertError> {
        if results.is_empty() {
            let problem = "there are no results".to_owned();
            return Err(sigil_eval::EvalError::Compare(problem).into());
        }
        Ok(Self { results, texts })
    }

    /// The share of samples that pass.
    pub fn pass_rate(&self) -> f64 {
        let passed = self.results.iter().filter(|result| result.passed == Some(true)).count();
        passed as f64 / self.results.len() as f64
    }

    /// Rates with intervals over tasks.
    ///
    /// # Panics
    /// Never: there is at least one result.
    pub fn summary(&self) -> Summary {
        let rate = |test: fn(&SampleResult) -> bool| {
            let mut tasks: BTreeMap<&str, (f64, f64)> = BTreeMap::new();
            for result in &self.results {
                let sums = tasks.entry(&result.task_id).or_default();
                sums.0 += f64::from(u8::from(test(result)));
                sums.1 += 1.0;
            }
            let pairs: Vec<(f64, f64)> = tasks.into_values().collect();
            Estimate::of_clusters(&pairs).expect("there is a result")
        };
        let tasks: std::collections::BTreeSet<&str> =
            self.results.iter().map(|result| result.task_id.as_str()).collect();
        Summary {
            tasks: tasks.len(),
            samples: self.results.len(),
            compile: rate(|result| result.compiled),
            clean: rate(|result| result.compiled && result.lints.clippy_total() == 0),
            pass: rate(|result| result.passed == Some(true)),
        }
    }

    /// The first sample of a task, and whether it passes.
    fn first(&self, task_id: &str) -> Option<(&str, bool)> {
        let at = self.texts.iter().position(|(id, _)| id == task_id)?;
        Some((self.texts[at].1.as_str(), self.results.get(at)?.passed == Some(true)))
    }
}

/// How a round went.
#[derive(Clone, Debug, PartialEq)]
pub struct RoundReport {
    /// Its arm.
    pub arm: Arm,
    /// From 1.
    pub round: usize,
    /// Tasks asked.
    pub tasks: usize,
    /// Tasks left out since they hold an evaluation task.
    pub decontaminated: usize,
    /// What became of the samples.
    pub fates: Fates,
    /// The development tasks after it.
    pub development: Measured,
}

/// An arm in the end.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ArmReport {
    /// Which.
    pub arm: Arm,
    /// The round whose model was measured.
    pub round: usize,
    /// Rates on held-out tasks.
    pub held_out: Summary,
    /// The change from the base, paired by task.
    pub change: Comparison,
}

/// A round in the report's file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RoundLine {
    /// Its arm.
    pub arm: Arm,
    /// From 1.
    pub round: usize,
    /// Tasks asked.
    pub tasks: usize,
    /// What became of the samples.
    pub fates: Fates,
    /// The development tasks after it.
    pub development: Summary,
}

/// A task with what was written before and after.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Shown {
    /// What was given.
    pub prompt: String,
    /// By arm (`base` too): what was written, and whether it passes.
    pub samples: BTreeMap<String, (String, bool)>,
}

/// Everything.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// The version of this program.
    pub version: String,
    /// The run's seed.
    pub seed: u64,
    /// The base on development tasks.
    pub base_development: Summary,
    /// The base on held-out tasks.
    pub base: Summary,
    /// The arms.
    pub arms: Vec<ArmReport>,
    /// The judged arm against the one that is not, paired by task.
    pub judged_against_unjudged: Option<Comparison>,
    /// All rounds.
    pub rounds: Vec<RoundLine>,
    /// Some tasks, drawn by nothing but their place.
    pub shown: Vec<Shown>,
}

impl Report {
    /// Gathers.
    ///
    /// # Errors
    /// Results that have no task in common.
    pub(crate) fn new(
        experiment: &Experiment,
        base_development: Measured,
        base: Measured,
        arms: Vec<(Arm, usize, Measured)>,
        rounds: Vec<RoundReport>,
        tasks: &[MadeTask],
    ) -> Result<Self, ExpertError> {
        let of = |arm: Arm| arms.iter().find(|(one, ..)| *one == arm).map(|(_, _, one)| one);
        let judged_against_unjudged = match (of(Arm::Unjudged), of(Arm::Judged)) {
            (Some(before), Some(after)) => Some(compare(&before.results, &after.results)?),
            _ => None,
        };
        let every = (tasks.len() / SHOWN).max(1);
        let shown = tasks.iter().step_by(every).take(SHOWN).map(|task| {
            let named = |name: &str, measured: &Measured| {
                let (text, passed) = measured.first(&task.task_id)?;
                Some((name.to_owned(), (text.to_owned(), passed)))
            };
            let of_arms = arms.iter().filter_map(|(arm, _, one)| named(arm.name(), one));
            let samples = named("base", &base).into_iter().chain(of_arms).collect();
            Shown { prompt: task.prompt.clone(), samples }
        });
        Ok(Self {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            seed: experiment.seed,
            base_development: base_development.summary(),
            base: base.summary(),
            shown: shown.collect(),
            judged_against_unjudged,
            rounds: rounds
                .iter()
                .map(|round| RoundLine {
                    arm: round.arm,
                    round: round.round,
                    tasks: round.tasks,
                    fates: round.fates.clone(),
                    development: round.development.summary(),
                })
                .collect(),
            arms: arms
                .iter()
                .map(|(arm, round, measured)| {
                    Ok(ArmReport {
                        arm: *arm,
                        round: *round,
                        held_out: measured.summary(),
                        change: compare(&base.results, &measured.results)?,
                    })
                })
                .collect::<Result<_, ExpertError>>()?,
        })
    }

    /// As JSON.
    ///
    /// # Panics
    /// Never: a report is plain data.
    pub fn to_json(&self) -> String {
        let mut text = serde_json::to_string_pretty(self).expect("a report is plain data");
        text.push('\n');
        text
    }

    /// For people.
    pub fn to_markdown(&self) -> String {
        let mut text = format!("# Expert iteration, seed {}\n\n", self.seed);
        let base = &self.base;
        let _ = writeln!(
            text,
            "{} held-out tasks, {} samples before and after. Intervals: 95 %, over tasks.\n\n\
             | arm | compiles | without clippy's messages | passes its tests | change |\n\
             |---|---|---|---|---|\n\
             | base | {} | {} | {} | |",
            base.tasks,
            base.samples,
            percent(&base.compile),
            percent(&base.clean),
            percent(&base.pass),
        );
        for arm in &self.arms {
            let change = arm.change.pass_rate.as_ref().map_or_else(String::new, points);
            let _ = writeln!(
                text,
                "| {}, round {} | {} | {} | {} | {change} |",
                arm.arm.name(),
                arm.round,
                percent(&arm.held_out.compile),
                percent(&arm.held_out.clean),
                percent(&arm.held_out.pass),
            );
        }
        if let Some(change) = self.judged_against_unjudged.as_ref().and_then(|c| c.pass_rate) {
            let _ = writeln!(text, "\nJudged against unjudged: {}.", points(&change));
        }
        let _ = writeln!(
            text,
            "\n## Rounds\n\nThe base passes {} of its development samples.\n\n\
             | arm | round | tasks | samples | passed | trained on | development |\n\
             |---|---|---|---|---|---|---|",
            percent(&self.base_development.pass)
        );
        for round in &self.rounds {
            let fates = &round.fates;
            let passed =
                if round.arm == Arm::Judged { fates.passed.to_string() } else { "–".to_owned() };
            let _ = writeln!(
                text,
                "| {} | {} | {} | {} | {passed} | {} | {} |",
                round.arm.name(),
                round.round,
                round.tasks,
                fates.samples,
                fates.selected,
                percent(&round.development.pass),
            );
        }
        text.push_str("\n## Samples before and after\n");
        for shown in &self.shown {
            let _ = writeln!(text, "\n```rust\n{}\n```", shown.prompt);
            for (arm, (sample, passed)) in &shown.samples {
                let verdict = if *passed { "passes" } else { "fails" };
                let _ = writeln!(text, "\n{arm}, {verdict}:\n\n```rust\n{}\n```", sample.trim());
            }
        }
        text
    }
}

fn percent(estimate: &Estimate) -> String {
    format!(
        "{:.1} % ({:.1} – {:.1})",
        100.0 * estimate.value,
        100.0 * estimate.low,
        100.0 * estimate.high
    )
}

fn points(estimate: &Estimate) -> String {
    format!(
        "{:+.1} points ({:+.1} – {:+.1})",
        100.0 * estimate.value,
        100.0 * estimate.low,
        100.0 * estimate.high
    )
}
