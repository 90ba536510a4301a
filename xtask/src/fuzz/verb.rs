//! Flags in, a table out.

#![expect(clippy::print_stdout, reason = "a chore answers on the terminal")]

use miette::{Result, bail};

use super::session::places;
use crate::check::repository;

/// Flags of `cargo xtask fuzz`.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Targets to run; all without one
    targets: Vec<String>,
    /// Seconds for each target
    #[arg(long, default_value_t = 60)]
    seconds: u32,
    /// List the targets and stop
    #[arg(long)]
    list: bool,
}

/// Builds the targets and runs those asked for.
pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let known = places(repository()).targets()?;
    if arguments.list {
        known.iter().for_each(|name| println!("{name}"));
        return Ok(());
    }
    if let Some(unknown) = arguments.targets.iter().find(|name| !known.contains(name)) {
        bail!(help = format!("there are {}", known.join(", ")), "no target `{unknown}`");
    }
    let chosen = if arguments.targets.is_empty() { &known } else { &arguments.targets };
    fuzz(chosen, arguments.seconds)
}

/// Runs every target for `seconds` each.
pub(crate) fn fuzz_all(seconds: u32) -> Result<()> {
    fuzz(&places(repository()).targets()?, seconds)
}

fn fuzz(targets: &[String], seconds: u32) -> Result<()> {
    let places = places(repository());
    places.build()?;
    println!("{:<20} {:>12} {:>8} {:>8}", "target", "executions", "points", "seconds");
    let mut crashed = Vec::new();
    for target in targets {
        let session = places.fuzz(target, seconds)?;
        println!("{target:<20} {:>12} {:>8} {seconds:>8}", session.executions, session.points);
        if let Some(words) = session.crash {
            println!("{words}");
            crashed.push(target.as_str());
        }
    }
    if crashed.is_empty() {
        return Ok(());
    }
    bail!(
        help = "the inputs lie in target/fuzz/crashes; run a target's program with one to see it again",
        "crashed: {}",
        crashed.join(", ")
    );
}
