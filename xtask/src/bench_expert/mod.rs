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
use std::time::Instant;

use serde_json::{Value, json};

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
    /// Print JSON
    #[arg(long)]
    json: bool,
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
        let begun = Instant::now();
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
        eprintln!("seed {seed}: {} s", begun.elapsed().as_secs());
        rows.push((*seed, report(&folder.join("report.json"))?));
    }
    if arguments.json {
        println!("{:#}", data(&arguments.config, &rows));
    } else {
        print!("{}", table(&rows));
    }
    Ok(())
}

fn report(path: &Path) -> miette::Result<Value> {
    let text =
        std::fs::read(path).map_err(|error| miette::miette!("{}: {error}", path.display()))?;
    serde_json::from_slice(&text).map_err(|error| miette::miette!("{}: {error}", path.display()))
}

/// The rates of all seeds, without tasks and samples.
fn data(config: &Path, rows: &[(u64, Value)]) -> Value {
    let seeds = rows.iter().map(|(seed, report)| {
        let arms = report["arms"].as_array().into_iter().flatten().map(|arm| {
            let change = &arm["change"]["pass_rate"];
            json!({
                "arm": arm["arm"], "round": arm["round"], "held_out": arm["held_out"],
                "pass_rate_minus_base": change,
            })
        });
        json!({
            "seed": seed,
            "base_development": report["base_development"],
            "base": report["base"],
            "arms": arms.collect::<Vec<_>>(),
            "judged_minus_unjudged": report["judged_against_unjudged"]["pass_rate"],
        })
    });
    let mean = mean(&changes(rows));
    json!({
        "config": config, "version": env!("CARGO_PKG_VERSION"),
        "seeds": seeds.collect::<Vec<_>>(), "mean_judged_minus_base": mean,
    })
}

/// The change of the judged arm of each seed.
fn changes(rows: &[(u64, Value)]) -> Vec<f64> {
    let judged = |report: &Value| arm(report, "judged")["change"]["pass_rate"]["value"].as_f64();
    rows.iter().filter_map(|(_, report)| judged(report)).collect()
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len().max(1) as f64
}

fn arm<'a>(report: &'a Value, name: &str) -> &'a Value {
    let arms = report["arms"].as_array();
    arms.into_iter().flatten().find(|arm| arm["arm"] == name).unwrap_or(&Value::Null)
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
    for (seed, report) in rows {
        let (judged, unjudged) = (arm(report, "judged"), arm(report, "unjudged"));
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
    text.push_str(
        "\n| seed | base, no message of clippy % | judged % | unjudged % |\n|---|---|---|---|\n",
    );
    for (seed, report) in rows {
        text.push_str(&format!(
            "| {seed} | {} | {} | {} |\n",
            percent(&report["base"]["clean"], false),
            percent(&arm(report, "judged")["held_out"]["clean"], false),
            percent(&arm(report, "unjudged")["held_out"]["clean"], false),
        ));
    }
    let mean = 100.0 * mean(&changes(rows));
    text.push_str(&format!("\nMean change of the judged arm: {mean:+.1} points.\n"));
    text
}
