//! `inspect` and `diff`: what is there, and how two adapters differ.

use std::process::ExitCode;

use sigil_adapter::difference::compare;
use sigil_adapter::inspect::inspect as gather;

use crate::cli::{Diff, Inspect};
use crate::exit::Failure;
use crate::model::subject;
use crate::output;

/// Runs `inspect`.
pub(crate) fn inspect(arguments: &Inspect) -> Result<ExitCode, Failure> {
    let which = &arguments.which;
    let found = gather(&which.path, &subject(&which.path, &which.set)?)?;
    if arguments.json {
        output::json(&found)?;
    } else {
        output::put(&found.to_string())?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Runs `diff`.
pub(crate) fn diff(arguments: &Diff) -> Result<ExitCode, Failure> {
    let left = subject(&arguments.left, &arguments.left_set)?;
    let right = subject(&arguments.right, &arguments.right_set)?;
    let difference = compare(&left, &right)?;
    if arguments.json {
        output::json(&difference)?;
    } else {
        output::put(&difference.to_string())?;
    }
    Ok(ExitCode::SUCCESS)
}
