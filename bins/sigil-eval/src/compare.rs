//! Compares two files of results.

use std::process::ExitCode;

use sigil_eval::judge::SampleResult;
use sigil_eval::score::{compare, comparison_markdown, comparison_page, read_results};

use crate::cli::Compare;
use crate::evaluate::write;
use crate::exit::Failure;

/// Runs `compare`.
pub(crate) fn run(arguments: &Compare) -> Result<ExitCode, Failure> {
    let before: Vec<SampleResult> = read_results(&arguments.before)?;
    let after: Vec<SampleResult> = read_results(&arguments.after)?;
    let comparison = compare(&before, &after)?;
    if let Some(path) = &arguments.html {
        let name = |path: &std::path::Path| path.display().to_string();
        let page = comparison_page(&comparison, &name(&arguments.before), &name(&arguments.after));
        write(path, &page.render())?;
    }
    if arguments.json {
        println!("{}", serde_json::to_string_pretty(&comparison).expect("it is plain data"));
    } else {
        print!("{}", comparison_markdown(&comparison));
    }
    Ok(ExitCode::SUCCESS)
}
