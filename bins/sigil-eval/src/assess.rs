//! Judges the samples that the generator wrote.
//!
//! Between the generator's rows and the judge of `bench.rs`; what verdicts add up to is `sigil_eval`'s.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde::Deserialize;
use sigil_eval::judge::{Job, SampleResult};
use sigil_eval::queue::Judges;
use sigil_eval::score::{Metrics, Protocol, read_results};
use sigil_eval::task::{Sample, Task};

use crate::bench;
use crate::cli::JudgeArguments;
use crate::exit::Failure;
use crate::generation::Question;
use crate::stop::Stop;

/// A judge with what its batches need.
pub(crate) struct Assessor<'a> {
    judges: Box<dyn Judges>,
    arguments: &'a JudgeArguments,
    stop: Stop,
}

/// The part of a generator's row that matters here.
#[derive(Deserialize)]
struct Row {
    id: String,
    sample: u32,
    prompt: String,
    text: String,
}

/// Reads a generator's file: `n` samples of each prompt, in the order of the questions, or of the
/// prompts' names where there are none, whatever the order in which they ended.
pub(crate) fn samples(
    path: &Path,
    questions: Option<&[Question]>,
    n: u32,
) -> Result<Vec<Sample>, Failure> {
    let rows: Vec<Row> = read_results(path)?;
    let by_key: BTreeMap<(&str, u32), &Row> =
        rows.iter().map(|row| ((row.id.as_str(), row.sample), row)).collect();
    let names: Vec<&str> = match questions {
        Some(questions) => questions.iter().map(|question| question.id.as_str()).collect(),
        None => by_key.keys().map(|(id, _)| *id).collect::<BTreeSet<_>>().into_iter().collect(),
    };
    let mut samples = Vec::new();
    for name in names {
        for number in 0..n {
            let Some(row) = by_key.get(&(name, number)) else {
                let message = format!("`{}` lacks sample {number} of `{name}`", path.display());
                return Err(Failure::new(4, message, None));
            };
            samples.push(Sample {
                index: samples.len(),
                task_id: name.to_owned(),
                prompt: row.prompt.clone(),
                text: row.text.clone(),
            });
        }
    }
    Ok(samples)
}

impl<'a> Assessor<'a> {
    /// The judge that the arguments ask for.
    pub(crate) fn open(arguments: &'a JudgeArguments, stop: &Stop) -> Result<Self, Failure> {
        Ok(Self { judges: bench::judges(arguments, stop)?, arguments, stop: stop.clone() })
    }

    /// The tasks whose own solution does not pass.
    pub(crate) fn untrusted(&self, tasks: &[Task]) -> Result<BTreeSet<String>, Failure> {
        if self.arguments.no_tests {
            return Ok(BTreeSet::new());
        }
        let solutions: Vec<Sample> = tasks
            .iter()
            .filter(|task| !task.canonical_solution.is_empty())
            .enumerate()
            .map(|(index, task)| Sample {
                index,
                task_id: task.id.clone(),
                prompt: String::new(),
                text: task.canonical_solution.clone(),
            })
            .collect();
        let judged = self.judge(&solutions, tasks)?;
        Ok(judged.into_iter().filter(|r| !r.verdict.passed()).map(|r| r.task_id).collect())
    }

    /// Judges samples, in their order.
    pub(crate) fn judge(
        &self,
        samples: &[Sample],
        tasks: &[Task],
    ) -> Result<Vec<SampleResult>, Failure> {
        let jobs = Job::assign(samples, tasks)?;
        let edition = &self.arguments.edition;
        let stop = &self.stop;
        let goes_on = |_: &SampleResult| !stop.asked();
        let judged = self.judges.judge_all(&jobs, edition, &goes_on)?;
        if judged.len() < jobs.len() {
            let hint = "the same command goes on; with --cache FOLDER no verdict is lost either";
            return Err(Failure::new(130, "interrupted", Some(hint.to_owned())));
        }
        Ok(judged.into_iter().map(|(result, _)| result).collect())
    }

    /// What results add up to; `protocol` says how the samples were made.
    pub(crate) fn metrics(
        &self,
        results: &[SampleResult],
        protocol: Protocol,
    ) -> Result<Metrics, Failure> {
        let protocol = self.judges.protocol(protocol)?;
        // Each batch stands by itself here, and whoever asks keeps its results.
        self.judges.finish()?;
        Ok(Metrics::of(results, protocol)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_come_in_the_order_of_the_questions_and_none_may_lack() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("samples.jsonl");
        let row = |id: &str, sample: u32| {
            format!(
                "{{\"id\":\"{id}\",\"sample\":{sample},\"prompt\":\"p\",\"text\":\"{id}{sample}\",\
                 \"seed\":1}}\n"
            )
        };
        let text = [row("b", 1), row("a", 0), row("old", 0), row("b", 0), row("a", 1)].concat();
        std::fs::write(&path, text).expect("written");
        let question = |id: &str| Question { id: id.into(), prompt: "p".into() };
        let questions = [question("b"), question("a")];
        let texts = |questions, n| -> Vec<String> {
            let samples = samples(&path, questions, n).expect("all are there");
            samples.into_iter().map(|sample| format!("{}{}", sample.index, sample.text)).collect()
        };
        assert_eq!(texts(Some(&questions), 2), ["0b0", "1b1", "2a0", "3a1"]);
        assert_eq!(texts(Some(&questions), 1), ["0b0", "1a0"]);
        assert_eq!(texts(None, 1), ["0a0", "1b0", "2old0"]);
        assert!(samples(&path, Some(&questions), 3).is_err());
        assert!(samples(&path, None, 2).is_err());
    }
}
