//! From the sweep's file to its report.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use sigil_sweep::{Plan, SweepError, SweepSettings, run as run_sweep};

use crate::cli::Arguments;
use crate::exit::Failure;
use crate::runs::Runs;

/// Runs the sweep.
pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode, Failure> {
    let settings = SweepSettings::parse(&read(&arguments.file)?, &arguments.file)?;
    let base = settings.sweep.config.as_deref().map(read).transpose()?;
    let plan = Plan::new(&settings, base.as_deref())?;
    if arguments.dry_run {
        for trial in &plan.trials {
            println!("{}: {}", trial.name, trial.describe());
        }
        for (number, (steps, count)) in plan.rounds.iter().enumerate() {
            let steps = steps.map_or("its own steps".to_owned(), |steps| format!("{steps} steps"));
            eprintln!("round {}: {count} runs of {steps} each", number + 1);
        }
        return Ok(ExitCode::SUCCESS);
    }
    let name = arguments.file.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let folder = arguments.out.clone().unwrap_or_else(|| PathBuf::from("out/sweep").join(name));
    let mut runs = Runs::new()?;
    let results = run_sweep(&settings, &plan, &folder, arguments.retry_failed, &mut runs)?;
    eprintln!("report: {}", folder.join("report.html").display());
    if arguments.json {
        print!("{}", results.to_json());
    } else {
        print!("{}", results.to_markdown());
    }
    if results.failed() > 0 {
        eprintln!(
            "{} runs failed; their logs lie beside them, and --retry-failed begins them anew",
            results.failed()
        );
        return Ok(ExitCode::from(10));
    }
    Ok(ExitCode::SUCCESS)
}

fn read(path: &Path) -> Result<String, SweepError> {
    std::fs::read_to_string(path)
        .map_err(|source| SweepError::Read { path: path.to_owned(), source })
}
