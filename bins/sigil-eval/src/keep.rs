//! Looks into the cache, and makes it smaller.

use std::process::ExitCode;

use sigil_eval::cache::ResultCache;

use crate::cli::Cache;
use crate::exit::Failure;

/// Runs `cache`.
pub(crate) fn run(arguments: &Cache) -> Result<ExitCode, Failure> {
    if let Some(keep) = arguments.prune {
        let left = ResultCache::prune(&arguments.folder, keep)?;
        eprintln!("{left} results are left");
    }
    let summary = ResultCache::summary(&arguments.folder)?;
    if arguments.json {
        println!("{}", serde_json::to_string_pretty(&summary).expect("it is plain data"));
    } else {
        for (kind, count) in &summary.results {
            println!("{count:>8} {kind}");
        }
        println!("{:>8} useless lines, {} bytes", summary.useless_lines, summary.bytes);
    }
    Ok(ExitCode::SUCCESS)
}
