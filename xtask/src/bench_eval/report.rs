//! The table, for people and as JSON, with the ratios that the targets are about.

use std::collections::BTreeMap;

use miette::{IntoDiagnostic, Result};

use super::ways::Row;

/// Prints one JSON object.
#[expect(clippy::print_stdout, reason = "the report is data")]
pub(crate) fn print_json(rows: &[Row]) -> Result<()> {
    let report = serde_json::json!({ "rows": rows, "ratios": ratios(rows) });
    println!("{}", serde_json::to_string_pretty(&report).into_diagnostic()?);
    Ok(())
}

/// Prints a Markdown table.
#[expect(clippy::print_stdout, reason = "the report is data")]
pub(crate) fn print_table(rows: &[Row]) {
    println!(
        "| stratum | way | samples | workers | CPU ms | wall ms | samples/s | share of cores | results |"
    );
    println!("|---|---|---|---|---|---|---|---|---|");
    for row in rows {
        let share =
            row.share_of_cores.map_or(String::new(), |share| format!("{:.0} %", share * 100.0));
        println!(
            "| {} | {} | {} | {} | {:.1} | {:.1} | {:.1} | {share} | {} |",
            row.stratum,
            row.way,
            row.samples,
            row.workers,
            row.cpu_ms_per_sample,
            row.wall_ms_per_sample,
            row.samples_per_second,
            row.results.as_deref().unwrap_or_default()
        );
    }
    println!("\n| ratio of CPU ms | value |\n|---|---|");
    for (name, value) in ratios(rows) {
        println!("| {name} | {value:.2} |");
    }
}

/// How many times cheaper than (a), and how much dearer than (b), by stratum.
fn ratios(rows: &[Row]) -> BTreeMap<String, f64> {
    let find = |stratum: &str, way: &str| {
        rows.iter()
            .find(|row| row.stratum == stratum && row.way == way)
            .map(|row| row.cpu_ms_per_sample)
            .filter(|cpu| *cpu > 0.0)
    };
    let mut ratios = BTreeMap::new();
    let mut strata: Vec<&str> = rows.iter().map(|row| row.stratum).collect();
    strata.dedup();
    for stratum in strata {
        for (name, above, below) in [
            ("a / c", "a: cargo check, clippy", "c: sigil-eval"),
            ("a / c, with tests", "a: cargo check, clippy, test", "c: sigil-eval with tests"),
            ("c / b", "c: sigil-eval", "b: clippy-driver, no sandbox"),
        ] {
            if let (Some(above), Some(below)) = (find(stratum, above), find(stratum, below)) {
                ratios.insert(format!("{stratum}: {name}"), above / below);
            }
        }
    }
    ratios
}
