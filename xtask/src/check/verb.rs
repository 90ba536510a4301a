//! The verbs `check`, `advisories` and `defects`: flags in, lines and an exit status out.

#![expect(clippy::print_stdout, reason = "a chore answers on the terminal")]

use std::path::{Path, PathBuf};

use miette::{IntoDiagnostic, Result, bail};

use super::dependencies::rewrite;
use super::rules::defects;
use super::run;

/// Where the list lies that `advisories` writes.
const ADVISORY_LIST: &str = "xtask/src/check/dependencies/advisories.tsv";

/// Flags of `cargo xtask check`.
#[derive(clap::Args)]
pub(crate) struct CheckArguments {
    /// The repository to check instead of this one
    #[arg(long, value_name = "FOLDER")]
    root: Option<PathBuf>,
    /// List the promises and stop
    #[arg(long)]
    list: bool,
}

/// Flags of `cargo xtask advisories`.
#[derive(clap::Args)]
pub(crate) struct AdvisoryArguments {
    /// A git checkout of the RustSec advisory database
    #[arg(long, value_name = "FOLDER")]
    database: PathBuf,
}

/// Checks the repository and fails when a promise is broken.
pub(crate) fn check(arguments: &CheckArguments) -> Result<()> {
    if arguments.list {
        print!("{}", run::promises());
        return Ok(());
    }
    let root = arguments.root.as_deref().unwrap_or(repository());
    let report = run::check(root).into_diagnostic()?;
    for finding in &report.findings {
        println!("{finding}");
    }
    for note in &report.notes {
        println!("note: {note}");
    }
    match report.findings.len() {
        0 => Ok(()),
        count => bail!(help = "`cargo xtask check --list` names the promises", "{count} broken"),
    }
}

/// Rewrites the committed list of advisories.
pub(crate) fn advisories(arguments: &AdvisoryArguments) -> Result<()> {
    let list = repository().join(ADVISORY_LIST);
    let count = rewrite(&arguments.database, &list).into_diagnostic()?;
    println!("{ADVISORY_LIST}: {count} advisories");
    Ok(())
}

/// Writes the page of the predecessor's defects from their list.
pub(crate) fn write_defects() -> Result<()> {
    let list = std::fs::read_to_string(repository().join(defects::LIST)).into_diagnostic()?;
    let page = defects::rendered(&list).into_diagnostic()?;
    std::fs::write(repository().join(defects::PAGE), page).into_diagnostic()?;
    println!("{} is written", defects::PAGE);
    Ok(())
}

/// Gives the root of the repository that this program was built in.
pub(crate) fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap_or(Path::new("."))
}
