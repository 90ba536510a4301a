//! `run`: settings in, rounds, a report out.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use sigil_expert::ExpertError;
use sigil_expert::rounds::{Arm, Experiment, run as run_experiment};
use sigil_expert::settings::ExpertSettings;
use sigil_places::command_line;

use crate::cli::{ArmName, Run};
use crate::exit::Failure;
use crate::programs::Programs;

/// The settings of the quickstart.
const QUICKSTART: &str = include_str!("../../../configs/expert-quickstart.toml");

/// Runs `run`.
pub(crate) fn run(arguments: &Run) -> Result<ExitCode, Failure> {
    let settings = match &arguments.config {
        Some(path) => {
            let text = std::fs::read_to_string(path)
                .map_err(|source| ExpertError::Read { path: path.clone(), source })?;
            ExpertSettings::parse(&text, path)?
        }
        None => ExpertSettings::parse(QUICKSTART, Path::new("configs/expert-quickstart.toml"))?,
    };
    let mut arms: Vec<Arm> = arguments
        .arms
        .iter()
        .map(|arm| match arm {
            ArmName::Judged => Arm::Judged,
            ArmName::Unjudged => Arm::Unjudged,
        })
        .collect();
    // The judged arm decides how many rounds the other one gets.
    arms.sort_unstable();
    arms.dedup();
    let folder = arguments
        .out
        .clone()
        .unwrap_or_else(|| PathBuf::from(format!("out/expert/seed-{}", arguments.seed)));
    let mut programs = Programs::find(&folder)?;
    let experiment = Experiment { settings, seed: arguments.seed, arms, folder };
    let report = match run_experiment(&experiment, &mut programs) {
        Err(error @ ExpertError::Interrupted { .. }) => {
            eprintln!("to go on: {}", command_line("sigil-expert"));
            return Err(error.into());
        }
        other => other?,
    };
    eprintln!("report: {}", experiment.folder.join("report.md").display());
    if arguments.json {
        print!("{}", report.to_json());
    } else {
        print!("{}", report.to_markdown());
    }
    Ok(ExitCode::SUCCESS)
}
