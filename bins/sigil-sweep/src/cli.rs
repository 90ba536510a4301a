//! The command line.

use std::path::PathBuf;

use clap::Parser;

use crate::exit;

/// Train with many settings, one run after the other, and rank the runs.
///
/// A sweep is a file: what varies, and how runs are chosen (every combination, drawn, or drawn and
/// halved). It can be stopped anywhere; the same command goes on. A run that fails does not end it.
#[derive(Debug, Parser)]
#[command(name = "sigil-sweep", version, after_help = exit::TABLE)]
pub(crate) struct Arguments {
    /// The sweep's file, such as configs/sweep-quickstart.toml
    pub(crate) file: PathBuf,
    /// Folder for the runs and the report; out/sweep/NAME-OF-THE-FILE if not given
    #[arg(short, long, value_name = "FOLDER")]
    pub(crate) out: Option<PathBuf>,
    /// Print the runs and stop; nothing is written
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Begin those runs anew that failed in an earlier session
    #[arg(long)]
    pub(crate) retry_failed: bool,
    /// Print results on stdout as JSON
    #[arg(long)]
    pub(crate) json: bool,
}
