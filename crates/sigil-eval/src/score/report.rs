//! The numbers as Markdown.
//!
//! Text that a model wrote is not in here; names of tasks and crates are, with what Markdown would read
//! as markup taken away.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::compare::Comparison;
use super::metrics::{Metrics, definitions};
use super::pass_at_k::Estimate;

/// A name of a file, task or crate as it can stand in a table.
pub(super) fn plain(name: &str) -> String {
    let short: String = name.chars().take(200).collect();
    let safe: String = short
        .chars()
        .map(|c| {
            if c.is_control() || matches!(c, '|' | '`' | '<' | '>' | '[' | ']' | '*' | '\\') {
                '\u{fffd}'
            } else {
                c
            }
        })
        .collect();
    format!("`{safe}`")
}

fn percent(estimate: &Estimate) -> String {
    let Estimate { value, low, high } = estimate;
    format!("{:.1} % | {:.1} – {:.1} %", value * 100.0, low * 100.0, high * 100.0)
}

fn number(estimate: &Estimate) -> String {
    format!("{:.3} | {:.3} – {:.3}", estimate.value, estimate.low, estimate.high)
}

const EXCLUDED: &str = "tasks left out, since their own solution does not pass";

/// How a run was made: names with values, of which some are text from outside.
pub(super) fn facts_of_run(metrics: &Metrics) -> Vec<(&'static str, String)> {
    let protocol = &metrics.protocol;
    let (least, most) = (metrics.least_samples_per_task, metrics.most_samples_per_task);
    let samples = format!(
        "{} judged of {}, of these {} refused without a compiler; {} not judged because the sandbox failed",
        metrics.evaluated_samples,
        metrics.total_samples,
        metrics.filtered_samples,
        metrics.infra_samples
    );
    let per_task = if least == most { least.to_string() } else { format!("{least} to {most}") };
    let excluded: Vec<&str> = protocol.excluded_tasks.iter().map(String::as_str).collect();
    let editions: Vec<&str> = protocol.editions.iter().map(String::as_str).collect();
    let rows = [
        ("benchmark", protocol.benchmark.clone()),
        ("tasks", metrics.tasks.to_string()),
        ("samples per task (n)", per_task),
        ("samples", samples),
        ("temperature", protocol.temperature.map_or("not told".into(), |t| t.to_string())),
        ("prompt", protocol.prompt.clone().unwrap_or_else(|| "not told".into())),
        ("seed", protocol.seed.map(|seed| seed.to_string()).unwrap_or_default()),
        ("edition", editions.join(", ")),
        ("compiler", format!("{}; {}", protocol.rustc_version, protocol.clippy_version)),
        ("lints", protocol.lint_groups.join(", ")),
        ("sandbox", protocol.sandbox.clone()),
        ("dependencies", protocol.dependencies.chars().take(16).collect()),
        (EXCLUDED, excluded.join(", ")),
    ];
    rows.into_iter().filter(|(_, value)| !value.is_empty()).collect()
}

/// The report of an evaluation.
pub fn markdown(metrics: &Metrics) -> String {
    let mut text = String::from("# Evaluation\n\n");
    for (name, value) in facts_of_run(metrics) {
        // Writing to a string cannot fail. Counts and versions are the program's own words.
        let value = match name {
            "benchmark" | "prompt" => plain(&value),
            EXCLUDED => value.split(", ").map(plain).collect::<Vec<_>>().join(", "),
            _ => value,
        };
        let _ = writeln!(text, "- {name}: {value}");
    }
    text.push_str("\nIntervals hold 95 % of 10,000 draws of tasks.\n");
    if !metrics.pass_at.is_empty() {
        text.push_str("\n| | value | interval |\n|---|---|---|\n");
        for (k, estimate) in &metrics.pass_at {
            let _ = writeln!(text, "| pass@{k} | {} |", percent(estimate));
        }
    }
    text.push_str("\n## Rates and means\n\n| | value | interval | is |\n|---|---|---|---|\n");
    for definition in definitions() {
        let Some(estimate) = metrics.rates.get(definition.name) else { continue };
        let rate = definition.name.ends_with("_rate");
        let value = if rate { percent(estimate) } else { number(estimate) };
        let _ = writeln!(text, "| {} | {value} | {} |", definition.name, definition.meaning);
    }
    table(&mut text, "Verdicts", &metrics.verdicts, usize::MAX);
    table(&mut text, "Refused", &metrics.filter_reasons, usize::MAX);
    table(&mut text, "First errors", &metrics.error_types, usize::MAX);
    table(&mut text, "Error codes", &metrics.error_codes, 20);
    table(&mut text, "Crates that are not in the set", &metrics.missing_dependencies, 20);
    table(&mut text, "Clippy by group", &metrics.clippy_groups, usize::MAX);
    table(&mut text, "Clippy by lint", &metrics.clippy_lints, 20);
    table(&mut text, "Quality of what passes", &metrics.quality_strata, usize::MAX);
    text
}

fn table(text: &mut String, title: &str, counts: &BTreeMap<String, usize>, most: usize) {
    if counts.is_empty() {
        return;
    }
    let _ = write!(text, "\n## {title}\n\n| | count |\n|---|---|\n");
    let mut rows: Vec<(&String, &usize)> = counts.iter().collect();
    rows.sort_by(|a, b| b.1.cmp(a.1).then_with(|| a.0.cmp(b.0)));
    let left = rows.len().saturating_sub(most);
    for (name, count) in rows.into_iter().take(most) {
        let _ = writeln!(text, "| {} | {count} |", plain(name));
    }
    if left > 0 {
        let _ = writeln!(text, "| {left} more | |");
    }
}

/// The report of a comparison.
pub fn comparison_markdown(comparison: &Comparison) -> String {
    let mut text = format!(
        "# Comparison\n\n{} tasks in both; {} only before, {} only after. After minus before, paired by \
         task; intervals hold 95 % of 10,000 draws of tasks.\n\n| | change | interval |\n|---|---|---|\n",
        comparison.tasks,
        comparison.only_before.len(),
        comparison.only_after.len()
    );
    let _ = writeln!(text, "| compile_rate | {} |", percent(&comparison.compile_rate));
    if let Some(pass) = &comparison.pass_rate {
        let _ = writeln!(text, "| pass_rate | {} |", percent(pass));
    }
    if let Some(warnings) = &comparison.clippy_warnings {
        let _ = writeln!(text, "| avg_clippy_warnings | {} |", number(warnings));
    }
    if !comparison.flips.is_empty() {
        text.push_str("\n## Tasks that changed\n\n| task | before | after |\n|---|---|---|\n");
        for flip in &comparison.flips {
            let (before, after) = (flip.before * 100.0, flip.after * 100.0);
            let _ = writeln!(text, "| {} | {before:.1} % | {after:.1} % |", plain(&flip.task_id));
        }
    }
    text
}
