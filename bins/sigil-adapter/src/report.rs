//! `report`: a page that shows a run, or several side by side.

use std::path::PathBuf;
use std::process::ExitCode;

use sigil_adapter::run_report::{FILE, compare};
use sigil_run::RunView;

use crate::cli::Report;
use crate::exit::Failure;
use crate::output;

/// Runs `report`.
pub(crate) fn run(arguments: &Report) -> Result<ExitCode, Failure> {
    let runs = arguments.runs.iter().map(RunView::open).collect::<Result<Vec<_>, _>>()?;
    let page = compare(&runs)?;
    let path = match (&arguments.output, arguments.runs.as_slice()) {
        (Some(path), _) => path.clone(),
        (None, [run]) => run.join(FILE),
        (None, _) => PathBuf::from(FILE),
    };
    sigil_run::atomic_write(&path, page.as_bytes())?;
    output::line(path.display())?;
    Ok(ExitCode::SUCCESS)
}
