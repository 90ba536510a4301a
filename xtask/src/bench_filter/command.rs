//! The verb: fetches the corpus, measures every case in turn, prints.
#![expect(clippy::print_stdout, reason = "a chore answers on the terminal")]

use std::path::PathBuf;

use sigil_filter::{Mode, RuleSet};

use super::corpus::{self, File, Stratum};
use super::report::{Report, StratumReport};
use super::{cases, python};

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
    /// Leave Python out
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
        let files: Vec<&File> =
            corpus.files.iter().filter(|file| file.stratum == stratum).collect();
        strata.push(measure_stratum(arguments, stratum, &files)?);
    }
    Ok(Report {
        corpus_sha256: corpus.sha256,
        files: corpus.files.len(),
        bytes: corpus.files.iter().map(|file| file.bytes.len()).sum(),
        load_average: load_average.trim().to_owned(),
        strata,
    })
}

fn measure_stratum(
    arguments: &Arguments,
    stratum: Stratum,
    files: &[&File],
) -> Result<StratumReport, super::error::Error> {
    // The first case also warms the caches; it is measured again last and the better one counts,
    // because every other case runs warm.
    let cold = cases::parse_alone(files);
    let mut measured =
        vec![cases::judge("parse and all facts", files, RuleSet::none(), Mode::Audit, 1)];
    let presets = [
        ("phase1", RuleSet::phase1()),
        ("phase2", RuleSet::phase2()),
        ("strict", RuleSet::strict()),
    ];
    let mut differences = Vec::new();
    for (name, rules) in &presets {
        for mode in [Mode::Decide, Mode::Audit] {
            let name = format!("{name}, {}", mode.name());
            measured.push(cases::judge(&name, files, rules.clone(), mode, 1));
        }
        differences.extend(cases::differences(name, files, rules.clone()));
    }
    measured.push(cases::judge("strict, decide", files, RuleSet::strict(), Mode::Decide, 2));
    let warm = cases::parse_alone(files);
    let parse = if warm.spent.cpu_secs < cold.spent.cpu_secs { warm } else { cold };
    measured.insert(0, parse);
    let python = if arguments.no_python {
        Vec::new()
    } else {
        python::run(&arguments.python, arguments.original.as_deref(), &arguments.work, files)?
    };
    Ok(StratumReport { stratum, cases: measured, python, differences })
}
