//! `cargo xtask bench-expert`: expert iteration on the shipped base, with several seeds, as one table.
//!
//! It runs `sigil-expert` for each seed, one after the other, and reads the reports; a seed that is done
//! is not done again. Next: `docs/concepts/expert.md` for what the arms are.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a chore talks to the person who runs it"
)]

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;

/// The arguments of `cargo xtask bench-expert`.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Seeds
    #[arg(long, value_delimiter = ',', default_value = "1,2,3")]
    seeds: Vec<u64>,
    /// Settings of the rounds
    #[arg(long, value_name = "FILE", default_value = "configs/expert-quickstart.toml")]
    config: PathBuf,
    /// Folder of the runs
    #[arg(long, value_name = "DIR", default_value = "out/expert")]
    out: PathBuf,
}

/// Runs all seeds and prints the table.
///
/// # Errors
/// A program that is missing or fails, a report that cannot be read.
pub(crate) fn run(arguments: &Arguments) -> miette::Result<()> {
    let own = std::env::current_exe().map_err(|error| miette::miette!("{error}"))?;
    let program = own.with_file_name("sigil-expert");
    let mut rows = Vec::new();
    for seed in &arguments.seeds {
        let folder = arguments.out.join(format!("seed-{seed}"));
        eprintln!("seed {seed}: {}", folder.display());
        let status = Command::new(&program)
            .arg("run")
            .arg("--config")
            .arg(&arguments.config)
            .arg("--seed")
            .arg(seed.to_string())
            .arg("--out")
            .arg(&folder)
            .stdout(Stdio::null())
            .status()
            .map_err(|error| miette::miette!("cannot start `{}`: {error}", program.display()))?;
        if !status.success() {
            return Err(miette::miette!("seed {seed} ended with {status}"));
        }
        rows.push((*seed, report(&folder.join("report.json"))?));
    }
    print!("{}", table(&rows));
    Ok(())
}

fn report(path: &Path) -> miette::Result<Value> {
    let text =
        std::fs::read(path).map_err(|error| miette::miette!("{}: {error}", path.display()))?;
    serde_json::from_slice(&text).map_err(|error| miette::miette!("{}: {error}", path.display()))
}

/// A share or a change in percent, with its interval.
fn percent(estimate: &Value, sign: bool) -> String {
    let part = |name: &str| 100.0 * estimate[name].as_f64().unwrap_or(f64::NAN);
    let (value, low, high) = (part("value"), part("low"), part("high"));
    if sign {
        format!("{value:+.1} ({low:+.1} to {high:+.1})")
    } else {
        format!("{value:.1} ({low:.1} to {high:.1})")
    }
}

/// The table: a line for each seed, then the means of the changes.
fn table(rows: &[(u64, Value)]) -> String {
    let mut text = "| seed | base % | unjudged % | judged % | unjudged − base | judged − base | judged − unjudged |\n\
                    |---|---|---|---|---|---|---|\n"
        .to_owned();
    let mut changes: Vec<f64> = Vec::new();
    for (seed, report) in rows {
        let none = Value::Null;
        let arm = |name: &str| {
            let arms = report["arms"].as_array();
            arms.into_iter().flatten().find(|arm| arm["arm"] == name).unwrap_or(&none)
        };
        let (judged, unjudged) = (arm("judged"), arm("unjudged"));
        changes.extend(judged["change"]["pass_rate"]["value"].as_f64());
        text.push_str(&format!(
            "| {seed} | {} | {} | {} | {} | {} | {} |\n",
            percent(&report["base"]["pass"], false),
            percent(&unjudged["held_out"]["pass"], false),
            percent(&judged["held_out"]["pass"], false),
            percent(&unjudged["change"]["pass_rate"], true),
            percent(&judged["change"]["pass_rate"], true),
            percent(&report["judged_against_unjudged"]["pass_rate"], true),
        ));
    }
    let mean = 100.0 * changes.iter().sum::<f64>() / changes.len().max(1) as f64;
    text.push_str(&format!("\nMean change of the judged arm: {mean:+.1} points.\n"));
    text
}
