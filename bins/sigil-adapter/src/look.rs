//! `inspect` and `diff`: what is there, and how two adapters differ.

use std::process::ExitCode;

use serde::Serialize;
use sigil_adapter::difference::compare;
use sigil_adapter::inspect::inspect as gather;

use crate::cli::{Diff, Inspect};
use crate::exit::Failure;
use crate::model::subject;

/// Runs `inspect`.
pub(crate) fn inspect(arguments: &Inspect) -> Result<ExitCode, Failure> {
    let which = &arguments.which;
    let found = gather(&which.path, &subject(&which.path, &which.set)?)?;
    if arguments.json {
        print_json(&found)
    } else {
        print!("{found}")
    }
    Ok(ExitCode::SUCCESS)
}

/// Runs `diff`.
pub(crate) fn diff(arguments: &Diff) -> Result<ExitCode, Failure> {
    let left = subject(&arguments.left, &arguments.left_set)?;
    let right = subject(&arguments.right, &arguments.right_set)?;
    let difference = compare(&left, &right)?;
    if arguments.json {
        print_json(&difference)
    } else {
        print!("{difference}")
    }
    Ok(ExitCode::SUCCESS)
}

/// Prints a value as JSON, for other programs.
pub(crate) fn print_json(value: &impl Serialize) {
    println!("{}", serde_json::to_string_pretty(value).expect("facts serialize"));
}
