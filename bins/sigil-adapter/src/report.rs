//! `report`: a page that shows a run, or several side by side.

use std::path::PathBuf;
use std::process::ExitCode;

use sigil_adapter::run_report::{FILE, compare};
use sigil_run::RunView;

use crate::cli::Report;
use crate::exit::Failure;

/// Runs `report`.
pub(crate) fn run(arguments: &Report) -> Result<ExitCode, Failure> {
    let runs = arguments.runs.iter().map(RunView::open).collect::<Result<Vec<_>, _>>()?;
    let page = compare(&runs)?;
    let output = match (&arguments.output, arguments.runs.as_slice()) {
        (Some(output), _) => output.clone(),
        (None, [run]) => run.join(FILE),
        (None, _) => PathBuf::from(FILE),
    };
    sigil_run::atomic_write(&output, page.as_bytes())?;
    println!("{}", output.display());
    Ok(ExitCode::SUCCESS)
}
