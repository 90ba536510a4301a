//! The verb `nightly`: what takes too long for every change, one stage after the other.
//!
//! A stage is a name and a command; all are run although one fails, and the verb ends with a table.
//! Run it before calling a thing done. `.ci/run` has the quick form of each stage.

#![expect(clippy::print_stdout, reason = "a chore answers on the terminal")]

use std::process::Command;
use std::time::Instant;

use miette::{IntoDiagnostic, Result, bail};

use crate::check::repository;

/// Flags of `cargo xtask nightly`.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Stages to run; all without one
    stages: Vec<String>,
    /// List the stages and stop
    #[arg(long)]
    list: bool,
    /// How often the training program is killed
    #[arg(long, default_value_t = 500)]
    kills: u32,
    /// How often workers, server and coordinator of a queue are killed
    #[arg(long, default_value_t = 300)]
    queue_kills: u32,
    /// Seconds for each fuzz target
    #[arg(long, default_value_t = 600)]
    fuzz_seconds: u32,
}

/// What a stage is.
enum Stage {
    /// A command in the repository.
    Command(Command),
    /// The fuzz targets.
    Fuzz(u32),
    /// Every attack on every backend that can be had here.
    Attacks,
}

/// Runs the stages.
pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let stages = stages(arguments);
    if arguments.list {
        stages.iter().for_each(|(name, what, _)| println!("{name:<10} {what}"));
        return Ok(());
    }
    let is_known = |asked: &&String| stages.iter().any(|(name, _, _)| *name == asked.as_str());
    if let Some(unknown) = arguments.stages.iter().find(|asked| !is_known(asked)) {
        bail!(help = "`cargo xtask nightly --list` names them", "no stage `{unknown}`");
    }
    let mut table = Vec::new();
    for (name, what, stage) in stages {
        if !arguments.stages.is_empty() && !arguments.stages.iter().any(|asked| asked == name) {
            continue;
        }
        println!("== {name}: {what}");
        let started = Instant::now();
        let passed = match stage {
            Stage::Command(mut command) => command.status().into_diagnostic()?.success(),
            Stage::Fuzz(seconds) => told(crate::fuzz::fuzz_all(seconds)),
            Stage::Attacks => told(crate::bench_sandbox::attacks()),
        };
        table.push((name, passed, started.elapsed().as_secs()));
    }
    for (name, passed, seconds) in &table {
        println!("{name:<10} {} {seconds:>6} s", if *passed { "passed" } else { "FAILED" });
    }
    match table.iter().filter(|(_, passed, _)| !passed).count() {
        0 => Ok(()),
        failed => bail!("{failed} of {} stages failed", table.len()),
    }
}

/// Tells a failure and goes on.
fn told(result: Result<()>) -> bool {
    if let Err(report) = &result {
        println!("{report}");
    }
    result.is_ok()
}

/// The stages, in the order they run.
fn stages(arguments: &Arguments) -> Vec<(&'static str, &'static str, Stage)> {
    let cargo = |words: &[&str]| {
        let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        command.args(words).current_dir(repository());
        command
    };
    let mut kills =
        cargo(&["test", "--release", "--locked", "--workspace", "--test", "train", "kill"]);
    kills.env("SIGIL_KILLS", arguments.kills.to_string());
    let mut queue = cargo(&[
        "test",
        "--release",
        "--locked",
        "--workspace",
        "--test",
        "eval",
        "queue::",
        "--",
        "--nocapture",
    ]);
    queue.env("SIGIL_QUEUE_KILLS", arguments.queue_kills.to_string());
    queue.env("SIGIL_REQUIRE_NATS", "1");
    let mut lavapipe = Command::new(repository().join("tests/lavapipe/run"));
    lavapipe.current_dir(repository());
    vec![
        ("kills", "the training program killed at random moments", Stage::Command(kills)),
        (
            "queue",
            "a queue whose workers, server and coordinator are killed",
            Stage::Command(queue),
        ),
        ("attacks", "every attack on every sandbox backend", Stage::Attacks),
        ("fuzz", "every fuzz target", Stage::Fuzz(arguments.fuzz_seconds)),
        ("lavapipe", "the CUDA kernels on a software GPU", Stage::Command(lavapipe)),
    ]
}
