//! Judges samples and writes what came out.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::ExitCode;

use sigil_eval::judge::{Job, Measurement, SampleResult};
use sigil_eval::score::{Metrics, Protocol, evaluation_page, markdown, to_lines};
use sigil_eval::task::{
    Sample, Task, pick, read_benchmark, read_rust_folder, read_samples, read_solutions,
};

use crate::cli::{Evaluate, JudgeArguments};
use crate::exit::Failure;
use crate::judging::{Batch, Judging, partial};

/// Runs the verb that has no name: judging.
pub(crate) fn run(
    path: &Path,
    arguments: &Evaluate,
    judge_arguments: &JudgeArguments,
) -> Result<ExitCode, Failure> {
    let projects = arguments.tasks.as_ref().is_some_and(|tasks| tasks.is_dir());
    let mut samples = match (path.is_dir(), projects) {
        (true, true) => read_solutions(path)?,
        (true, false) => read_rust_folder(path)?,
        (false, _) => read_samples(path)?,
    };
    if let Some(count) = arguments.sample {
        samples = pick(samples, count, arguments.seed);
    }
    let tasks = match &arguments.tasks {
        Some(file) => read_benchmark(file)?.1,
        None => Vec::new(),
    };
    let judging = Judging::open(judge_arguments)?;
    let excluded = if arguments.all_tasks || judge_arguments.no_tests {
        BTreeSet::new()
    } else {
        untrusted(&judging, &tasks, &samples)?
    };
    Job::assign(&samples, &tasks)?;
    samples.retain(|sample| !excluded.contains(&sample.task_id));
    if !excluded.is_empty() && !judge_arguments.quiet {
        eprintln!(
            "{} tasks are left out: their own solution does not pass (--all-tasks keeps them)",
            excluded.len()
        );
    }
    let jobs = Job::assign(&samples, &tasks)?;
    let Batch { judged, interrupted } = judging.all(&jobs, "judging")?;
    let (results, measurements): (Vec<SampleResult>, Vec<Measurement>) = judged.into_iter().unzip();
    if let Some(failure) = interrupted {
        if let Some(folder) = &arguments.out {
            make_folder(folder)?;
            write(&partial(folder), &to_lines(&results))?;
        }
        return Err(failure);
    }
    let protocol = judging.describe(Protocol {
        benchmark: file_name(arguments.tasks.as_deref().unwrap_or(path)),
        seed: arguments.sample.map(|_| arguments.seed),
        temperature: arguments.temperature,
        prompt: arguments.prompt.clone(),
        k: arguments.k.clone(),
        excluded_tasks: excluded,
        ..Protocol::default()
    })?;
    let metrics = Metrics::of(&results, protocol)?;
    let json = serde_json::to_string_pretty(&metrics).expect("metrics are plain data");
    if let Some(folder) = &arguments.out {
        write_all(folder, &results, &measurements, &metrics, &json)?;
    }
    if let Some(path) = &arguments.html {
        write(path, &evaluation_page(&metrics, &results).render())?;
    }
    if arguments.json {
        println!("{json}");
    } else {
        print!("{}", markdown(&metrics));
    }
    judging.finish()?;
    let name = if metrics.rates.contains_key("pass_rate") { "pass_rate" } else { "compile_rate" };
    let reached = metrics.rates.get(name).map_or(0.0, |estimate| estimate.value);
    match arguments.min_pass {
        Some(wanted) if reached < wanted => {
            eprintln!("error: {name} is {reached:.4}, and --min-pass asks for {wanted}");
            Ok(ExitCode::from(9))
        }
        _ => Ok(ExitCode::SUCCESS),
    }
}

/// The tasks of the samples whose own solution does not pass.
fn untrusted(
    judging: &Judging<'_>,
    tasks: &[Task],
    samples: &[Sample],
) -> Result<BTreeSet<String>, Failure> {
    let wanted: BTreeSet<&str> = samples.iter().map(|sample| sample.task_id.as_str()).collect();
    let solutions: Vec<Sample> = tasks
        .iter()
        .filter(|task| wanted.contains(task.id.as_str()) && !task.canonical_solution.is_empty())
        .enumerate()
        .map(|(index, task)| canonical_sample(index, task))
        .collect();
    let jobs = Job::assign(&solutions, tasks)?;
    let judged = judging.all(&jobs, "checking the benchmark's own solutions")?.whole()?;
    Ok(judged
        .into_iter()
        .filter(|(result, _)| !result.verdict.passed())
        .map(|(result, _)| result.task_id)
        .collect())
}

/// A task's own solution as a sample.
pub(crate) fn canonical_sample(index: usize, task: &Task) -> Sample {
    Sample {
        index,
        task_id: task.id.clone(),
        prompt: String::new(),
        text: task.canonical_solution.clone(),
    }
}

fn write_all(
    folder: &Path,
    results: &[SampleResult],
    measurements: &[Measurement],
    metrics: &Metrics,
    json: &str,
) -> Result<(), Failure> {
    make_folder(folder)?;
    for (name, text) in [
        ("results.jsonl", to_lines(results)),
        ("metrics.json", format!("{json}\n")),
        ("report.md", markdown(metrics)),
        ("measurements.jsonl", to_lines(measurements)),
    ] {
        write(&folder.join(name), &text)?;
    }
    Ok(())
}

fn make_folder(folder: &Path) -> Result<(), Failure> {
    std::fs::create_dir_all(folder).map_err(|error| {
        Failure::new(1, format!("cannot make `{}`: {error}", folder.display()), None)
    })
}

/// Writes a file that is whole or absent.
pub(crate) fn write(path: &Path, text: &str) -> Result<(), Failure> {
    sigil_run::atomic_write(path, text.as_bytes()).map_err(|error| Failure::new(1, error, None))
}

/// The last part of a path.
pub(crate) fn file_name(path: &Path) -> String {
    path.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned())
}
