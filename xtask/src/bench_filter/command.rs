//! The verb: fetches the corpus, measures every case in turn, prints.
#![expect(clippy::print_stdout, reason = "a chore answers on the terminal")]

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::Arc;

use sigil_data::{ReadSettings, SourceSpec, Tokenizer};
use sigil_filter::{Mode, RuleSet};

use super::corpus::{self, File, Stratum};
use super::python::{self, PythonCases};
use super::report::{Report, StratumReport};
use super::{cases, end_to_end, pipeline};

/// How often the cases are measured that a target is set for.
const ROUNDS: usize = 3;

/// Tokens a second of the trainer that must not wait: a model of 8 billion parameters on a GPU.
const TRAINER_TOKENS_PER_SEC: f64 = 12_000.0;
/// Steps of that trainer.
const TRAINER_STEPS: usize = 20;

/// Flags of `cargo xtask bench-filter`.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Print one JSON object
    #[arg(long)]
    json: bool,
    /// Folder for the corpus and what is passed to Python
    #[arg(long, value_name = "FOLDER", default_value = "target/bench-filter")]
    work: PathBuf,
    /// Cargo home to fetch into, if not one inside the work folder
    #[arg(long, value_name = "FOLDER")]
    cargo_home: Option<PathBuf>,
    /// The cargo to fetch with
    #[arg(long, value_name = "PATH", default_value = "cargo")]
    cargo: PathBuf,
    /// A Python to run the predecessor's rules with
    #[arg(long, value_name = "PATH", default_value = "python3")]
    python: PathBuf,
    /// The predecessor's `data_filters.py`, to check the port against
    #[arg(long, value_name = "FILE")]
    original: Option<PathBuf>,
    /// Take one file in so many, for a first look
    #[arg(long, value_name = "COUNT", default_value = "1")]
    one_in: NonZeroUsize,
    /// Model folder whose tokenizer counts the tokens of the pipeline
    #[arg(long, value_name = "FOLDER", default_value = "configs/sigil-base")]
    tokenizer: PathBuf,
    /// Leave Python out, and with it the way from parquet to kept rows
    #[arg(long)]
    no_python: bool,
}

/// Measures all cases and prints the figures.
///
/// # Errors
/// The corpus cannot be had, or Python fails.
pub(crate) fn run(arguments: &Arguments) -> miette::Result<()> {
    let report = measure(arguments).map_err(|error| miette::miette!("{error}"))?;
    if arguments.json {
        let text = serde_json::to_string_pretty(&report).expect("figures are plain data");
        println!("{text}");
    } else {
        print!("{}", report.table());
    }
    Ok(())
}

fn measure(arguments: &Arguments) -> Result<Report, super::error::Error> {
    let load_average = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let home = arguments.cargo_home.clone().unwrap_or_else(|| arguments.work.join("cargo-home"));
    let corpus = corpus::load(&arguments.cargo, &home, &arguments.work)?;
    let mut strata = Vec::new();
    for stratum in [Stratum::Handwritten, Stratum::Bindings] {
        let files: Vec<&File> = corpus
            .files
            .iter()
            .filter(|file| file.stratum == stratum)
            .step_by(arguments.one_in.get())
            .collect();
        strata.push(measure_stratum(arguments, stratum, &files)?);
    }
    let pipeline = measure_pipeline(arguments, &corpus.files)?;
    Ok(Report {
        pipeline,
        one_file_in: arguments.one_in.get(),
        corpus_sha256: corpus.sha256,
        files: corpus.files.len(),
        bytes: corpus.files.iter().map(|file| file.bytes.len()).sum(),
        load_average: load_average.trim().to_owned(),
        strata,
    })
}

/// Writes the hand-written files as rows and measures their whole way to blocks of tokens.
fn measure_pipeline(
    arguments: &Arguments,
    files: &[File],
) -> Result<pipeline::PipelineReport, super::error::Error> {
    let path = arguments.work.join("pipeline-rows.jsonl");
    let mut rows = String::new();
    let wanted = files.iter().filter(|file| file.stratum == Stratum::Handwritten);
    for file in wanted.step_by(arguments.one_in.get()) {
        if let Ok(content) = std::str::from_utf8(&file.bytes) {
            rows.push_str(
                &serde_json::json!({ "path": file.path, "content": content }).to_string(),
            );
            rows.push('\n');
        }
    }
    std::fs::write(&path, rows).map_err(super::error::Error::file("write", &path))?;
    let failed = |error: &dyn std::error::Error| super::error::Error::Pipeline(error.to_string());
    let tokenizer = Tokenizer::load(&arguments.tokenizer).map_err(|error| failed(&error))?;
    let input = pipeline::Input {
        source: SourceSpec::Jsonl(path),
        read: ReadSettings::new(""),
        rules: RuleSet::phase2(),
        tokenizer: Arc::new(tokenizer),
        trainer_tokens_per_sec: TRAINER_TOKENS_PER_SEC,
        steps: TRAINER_STEPS,
    };
    pipeline::run(&input).map_err(|error| failed(&error))
}

fn measure_stratum(
    arguments: &Arguments,
    stratum: Stratum,
    files: &[&File],
) -> Result<StratumReport, super::error::Error> {
    // Parse and walk are measured by turns, and the least time of each counts: other programs on the
    // machine only ever add to it.
    let facts = || cases::judge("parse and all facts", files, RuleSet::none(), Mode::Audit, 1);
    let (mut parse, mut walk) = (cases::parse_alone(files), facts());
    for _ in 1..ROUNDS {
        parse = parse.least(cases::parse_alone(files));
        walk = walk.least(facts());
    }
    let mut measured = vec![parse, walk];
    let presets = [
        ("phase1", RuleSet::phase1()),
        ("phase2", RuleSet::phase2()),
        ("strict", RuleSet::strict()),
    ];
    let mut differences = Vec::new();
    for (name, rules) in &presets {
        for mode in [Mode::Decide, Mode::Audit] {
            let name = format!("{name}, {}", mode.name());
            let rounds = if mode == Mode::Decide { ROUNDS } else { 1 };
            let judge = || cases::judge(&name, files, rules.clone(), mode, 1);
            measured.push((1..rounds).fold(judge(), |least, _| least.least(judge())));
        }
        differences.extend(cases::differences(name, files, rules.clone()));
    }
    let two = || cases::judge("strict, decide", files, RuleSet::strict(), Mode::Decide, 2);
    measured.push((1..ROUNDS).fold(two(), |least, _| least.least(two())));
    let mut python = PythonCases::default();
    if !arguments.no_python {
        let parquet = arguments.work.join("filter-rows.parquet");
        let original = arguments.original.as_deref();
        python = python::run(&arguments.python, original, &arguments.work, &parquet, files)?;
        for case in &python.end_to_end {
            let rules = presets.iter().find(|(name, _)| *name == case.preset);
            let rules = rules.map_or_else(RuleSet::none, |(_, rules)| rules.clone());
            let name = format!("parquet, {}", case.preset);
            let first = end_to_end::judge_parquet(&name, &parquet, rules.clone())?;
            measured.push(first.least(end_to_end::judge_parquet(&name, &parquet, rules)?));
        }
    }
    Ok(StratumReport { stratum, cases: measured, python, differences })
}
