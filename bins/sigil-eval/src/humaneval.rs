//! `humaneval`: samples of a base and of a tuned model for every task of a benchmark, both judged, and
//! what changed.
//!
//! This file is the order of things; the models are in `contest.rs`, the samples come from
//! `generator.rs`, the report is `humaneval_report.rs`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, ValueEnum};
use serde_json::json;
use sha2::{Digest as _, Sha256};
use sigil_eval::judge::SampleResult;
use sigil_eval::score::{Comparison, Estimate, Metrics, Protocol, compare, pass_at_k, to_lines};
use sigil_eval::task::Sample;

use crate::assess::{Assessor, samples};
use crate::cli::JudgeArguments;
use crate::contest::{Contestant, Models};
use crate::environment;
use crate::exit::Failure;
use crate::generation::{Count, Generation, tasks_and_questions, write_questions};
use crate::generator::{Generator, Made};
use crate::humaneval_report;
use crate::stop::Stop;

/// `humaneval`.
#[derive(Debug, Args)]
pub(crate) struct Humaneval {
    /// The benchmark's file
    pub(crate) tasks: PathBuf,
    #[command(flatten)]
    pub(crate) models: Models,
    /// Folder for samples, results and the report; what is in it is not made again
    #[arg(short, long, value_name = "FOLDER", default_value = "out/humaneval")]
    pub(crate) out: PathBuf,
    /// Samples of every task, from each model
    #[arg(short, default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) n: u32,
    /// Report pass@k for these k
    #[arg(long, value_delimiter = ',', default_value = "1,10")]
    pub(crate) k: Vec<usize>,
    /// The seed of all samples
    #[arg(long, default_value_t = 1234)]
    pub(crate) seed: u64,
    /// Take only so many tasks, from the first
    #[arg(long, value_name = "N")]
    pub(crate) limit: Option<usize>,
    /// Leave no task out, even if its own solution does not pass
    #[arg(long)]
    pub(crate) all_tasks: bool,
    /// Whether samples that use `unsafe` are tested (off) or fail untested (on)
    #[arg(long, value_enum, default_value = "on")]
    pub(crate) policy: Policy,
    /// Device of the generator: auto, cpu, cuda:0
    #[arg(long, default_value = "auto")]
    pub(crate) device: String,
    #[command(flatten)]
    pub(crate) generation: Generation,
    /// Print the report on stdout as JSON
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) judge: JudgeArguments,
}

/// Whether the judge's own rules hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Policy {
    /// They hold.
    On,
    /// They do not: every sample that compiles is tested.
    Off,
    /// The same samples are judged both ways.
    Both,
}

/// One way of judging both models.
pub(crate) struct Judged {
    /// `policy` or `no-policy`.
    pub(crate) name: &'static str,
    /// The numbers of each model, in their order.
    pub(crate) metrics: Vec<Metrics>,
    /// Tuned against base.
    pub(crate) comparison: Option<Comparison>,
    /// The change of pass@k, paired by task.
    pub(crate) pass_at_changes: BTreeMap<usize, Estimate>,
}

/// A model and what it wrote.
pub(crate) struct Entry {
    pub(crate) contestant: Contestant,
    pub(crate) made: Made,
    samples: Vec<Sample>,
}

/// Runs `humaneval`.
pub(crate) fn run(mut arguments: Humaneval) -> Result<ExitCode, Failure> {
    if let Some(k) = arguments.k.iter().find(|&&k| k == 0 || k > arguments.n as usize) {
        let message = format!("pass@{k} cannot be had from {} samples of every task", arguments.n);
        let hint = "raise -n, or ask for another --k";
        return Err(Failure::new(2, message, Some(hint.to_owned())));
    }
    let stop = Stop::listen()?;
    let generator = Generator::find()?;
    let instruction = arguments.generation.instruction()?;
    let contestants = arguments.models.contestants()?;
    let (mut tasks, mut questions) =
        tasks_and_questions(&arguments.tasks, arguments.limit, instruction.as_deref())?;
    let out = arguments.out.clone();
    std::fs::create_dir_all(&out).map_err(|error| {
        Failure::new(1, format!("cannot make `{}`: {error}", out.display()), None)
    })?;
    // A wrong toolchain or sandbox ends this before hours of generating.
    let excluded = if arguments.all_tasks {
        Default::default()
    } else {
        Assessor::open(&arguments.judge, &stop)?.untrusted(&tasks)?
    };
    tasks.retain(|task| !excluded.contains(&task.id));
    questions.retain(|question| !excluded.contains(&question.id));
    if tasks.is_empty() {
        let message = "no task is left: the benchmark's own solutions do not pass here";
        let hint = "see why with `sigil-eval check`; --all-tasks keeps them";
        return Err(Failure::new(4, message, Some(hint.to_owned())));
    }
    let prompts = out.join("prompts.jsonl");
    write_questions(&prompts, &questions)?;
    let mut entries = Vec::new();
    for contestant in contestants {
        say(&arguments, &format!("{}: {}", contestant.role, contestant.label));
        let path = out.join(format!("samples-{}.jsonl", contestant.role));
        let count = Count { n: arguments.n, seed: arguments.seed, device: &arguments.device };
        let mut flags = contestant.flags.clone();
        flags.extend(arguments.generation.arguments(&count, &prompts, &path));
        let made = generator.run(&flags, arguments.judge.quiet, &stop)?;
        let samples = samples(&path, Some(&questions), arguments.n)?;
        entries.push(Entry { contestant, made, samples });
    }
    let protocol = Protocol {
        benchmark: name_of(&arguments.tasks),
        seed: Some(arguments.seed),
        temperature: Some(arguments.generation.temperature),
        prompt: Some(instruction.clone().unwrap_or_else(|| "the task, continued".to_owned())),
        k: arguments.k.clone(),
        excluded_tasks: excluded,
        ..Protocol::default()
    };
    let policies: &[(&'static str, bool)] = match arguments.policy {
        Policy::On => &[("policy", false)],
        Policy::Off => &[("no-policy", true)],
        Policy::Both => &[("policy", false), ("no-policy", true)],
    };
    let mut judged = Vec::new();
    for &(name, allow_unsafe) in policies {
        arguments.judge.allow_unsafe = allow_unsafe;
        let assessor = Assessor::open(&arguments.judge, &stop)?;
        say(&arguments, &format!("judging ({name})"));
        let mut results = Vec::new();
        let mut metrics = Vec::new();
        for entry in &entries {
            let of_entry = assessor.judge(&entry.samples, &tasks)?;
            metrics.push(assessor.metrics(&of_entry, protocol.clone())?);
            results.push(of_entry);
        }
        let one = of_policy(name, metrics, &results, &arguments.k)?;
        write_policy(&out.join(name), &entries, &one, &results)?;
        judged.push(one);
    }
    let about = about(&arguments, &generator, instruction.as_deref(), &entries)?;
    let report = humaneval_report::json(&about, &entries, &judged);
    let text = humaneval_report::markdown(&report, &entries, &judged);
    let json = serde_json::to_string_pretty(&report).expect("the report is plain data");
    write(&out.join("report.json"), &format!("{json}\n"))?;
    write(&out.join("report.md"), &text)?;
    if arguments.json {
        println!("{json}");
    } else {
        print!("{text}");
    }
    Ok(ExitCode::SUCCESS)
}

fn say(arguments: &Humaneval, what: &str) {
    if !arguments.judge.quiet {
        eprintln!("{what}");
    }
}

/// The last part of a path.
pub(crate) fn name_of(path: &Path) -> String {
    path.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned())
}

/// Compares the models under one policy.
fn of_policy(
    name: &'static str,
    metrics: Vec<Metrics>,
    results: &[Vec<SampleResult>],
    k: &[usize],
) -> Result<Judged, Failure> {
    let mut pass_at_changes = BTreeMap::new();
    let comparison = match results {
        [base, tuned] => {
            for &k in k {
                let (before, after) = (chances(base, k)?, chances(tuned, k)?);
                let changes: Vec<f64> = before
                    .iter()
                    .filter_map(|(task, before)| Some(after.get(task)? - before))
                    .collect();
                pass_at_changes.extend(Estimate::of_tasks(&changes).map(|change| (k, change)));
            }
            Some(compare(base, tuned)?)
        }
        _ => None,
    };
    Ok(Judged { name, metrics, comparison, pass_at_changes })
}

/// pass@k of each task that was tested.
fn chances(results: &[SampleResult], k: usize) -> Result<BTreeMap<&str, f64>, Failure> {
    let mut counts: BTreeMap<&str, (usize, usize)> = BTreeMap::new();
    for result in results {
        if let Some(passed) = result.passed {
            let (n, right) = counts.entry(&result.task_id).or_default();
            *n += 1;
            *right += usize::from(passed);
        }
    }
    counts.into_iter().map(|(task, (n, right))| Ok((task, pass_at_k(n, right, k, task)?))).collect()
}

/// How it all was made.
fn about(
    arguments: &Humaneval,
    generator: &Generator,
    instruction: Option<&str>,
    entries: &[Entry],
) -> Result<serde_json::Value, Failure> {
    let bytes = std::fs::read(&arguments.tasks).map_err(|error| {
        Failure::new(1, format!("cannot read `{}`: {error}", arguments.tasks.display()), None)
    })?;
    let digest: String = Sha256::digest(&bytes).iter().map(|byte| format!("{byte:02x}")).collect();
    let models: serde_json::Map<String, serde_json::Value> = entries
        .iter()
        .map(|entry| {
            let Entry { contestant, made, .. } = entry;
            let model = json!({
                "model": contestant.label, "digest": made.model, "settings_digest": made.settings,
                "device": made.device, "threads": made.threads,
            });
            (contestant.role.to_owned(), model)
        })
        .collect();
    let generation = &arguments.generation;
    Ok(json!({
        "benchmark": {
            "file": name_of(&arguments.tasks), "sha256": digest, "limit": arguments.limit,
        },
        "models": models,
        "contamination": {
            "base": "unknown",
            "why": "what the base was trained on is not known here, so it may have seen the tasks",
        },
        "sampling": {
            "n": arguments.n, "k": arguments.k, "seed": arguments.seed,
            "temperature": generation.temperature, "top_p": generation.top_p,
            "max_new_tokens": generation.max_new_tokens, "stop": generation.stops(),
            "precision": generation.precision, "device": arguments.device,
        },
        "prompt": { "instruction": instruction, "chat_template": generation.chat_template },
        "versions": {
            "sigil-eval": env!("CARGO_PKG_VERSION"), "generator": generator.version,
        },
        "called": environment::call(),
        "machine": environment::machine(),
    }))
}

/// The files of one policy.
fn write_policy(
    folder: &Path,
    entries: &[Entry],
    judged: &Judged,
    results: &[Vec<SampleResult>],
) -> Result<(), Failure> {
    for ((entry, metrics), results) in entries.iter().zip(&judged.metrics).zip(results) {
        let place = folder.join(entry.contestant.role);
        std::fs::create_dir_all(&place).map_err(|error| {
            Failure::new(1, format!("cannot make `{}`: {error}", place.display()), None)
        })?;
        let json = serde_json::to_string_pretty(metrics).expect("metrics are plain data");
        write(&place.join("results.jsonl"), &to_lines(results))?;
        write(&place.join("metrics.json"), &format!("{json}\n"))?;
    }
    Ok(())
}

fn write(path: &Path, text: &str) -> Result<(), Failure> {
    sigil_run::atomic_write(path, text.as_bytes()).map_err(|error| Failure::new(1, error, None))
}
