//! The numbers as a page: what `report.rs` says as Markdown, with drawings, every task, and examples of
//! what failed.
//!
//! A model's text and its compiler messages stand in here; `sigil-report` lets no text be markup. Next:
//! `report.rs`.

use std::collections::BTreeMap;

use sigil_report::{Cell, Column, Page, Table};

use super::compare::Comparison;
use super::metrics::{Metrics, definitions};
use super::pass_at_k::Estimate;
use super::report::facts_of_run;
use crate::judge::{SampleResult, Verdict};

/// Examples shown of each verdict.
const EXAMPLES_OF_A_VERDICT: usize = 3;

/// Characters of an example's messages.
const MOST_OF_A_MESSAGE: usize = 3000;

/// Rows of a table of names with counts.
const MOST_ROWS: usize = 30;

/// The page of an evaluation. `results` are those of which `metrics` are.
pub fn evaluation_page(metrics: &Metrics, results: &[SampleResult]) -> Page {
    let mut page = Page::new(&format!("Evaluation: {}", metrics.protocol.benchmark));
    let mut table = Table::new(["", ""].map(Column::text));
    for (name, value) in facts_of_run(metrics) {
        table.row([name.into(), value.into()]);
    }
    page.heading("The run").table(&table);
    page.heading("Rates").paragraph("Intervals hold 95 % of 10,000 draws of tasks.");
    let heads = [
        Column::text(""),
        Column::number("value"),
        Column::number("interval"),
        Column::text("0 to 100 %"),
        Column::text("is"),
    ];
    let mut rates = Table::new(heads.clone());
    for (k, estimate) in &metrics.pass_at {
        let meaning = format!("the chance that one of {k} samples of a task passes");
        rates.row(percent_row(&format!("pass@{k}"), estimate, &meaning, 0.0));
    }
    let mut means = Table::new([
        Column::text(""),
        Column::number("value"),
        Column::number("interval"),
        Column::text("is"),
    ]);
    for definition in definitions() {
        let Some(estimate) = metrics.rates.get(definition.name) else { continue };
        if definition.name.ends_with("_rate") {
            rates.row(percent_row(definition.name, estimate, definition.meaning, 0.0));
        } else {
            means.row([
                definition.name.into(),
                format!("{:.3}", estimate.value).into(),
                format!("{:.3} – {:.3}", estimate.low, estimate.high).into(),
                definition.meaning.into(),
            ]);
        }
    }
    page.table(&rates).heading("Means").table(&means);
    for (title, counts) in [
        ("Verdicts", &metrics.verdicts),
        ("Refused without a compiler", &metrics.filter_reasons),
        ("First errors", &metrics.error_types),
        ("Error codes", &metrics.error_codes),
        ("Crates that are not in the set", &metrics.missing_dependencies),
        ("Clippy by group", &metrics.clippy_groups),
        ("Clippy by lint", &metrics.clippy_lints),
        ("Quality of what passes", &metrics.quality_strata),
    ] {
        if !counts.is_empty() {
            page.heading(title).table(&bars(counts));
        }
    }
    page.heading("Tasks").table(&tasks(results));
    examples(&mut page, results);
    page
}

fn percent_row(name: &str, estimate: &Estimate, meaning: &str, least: f64) -> [Cell; 5] {
    let Estimate { value, low, high } = *estimate;
    [
        name.into(),
        format!("{:.1} %", value * 100.0).into(),
        format!("{:.1} – {:.1} %", low * 100.0, high * 100.0).into(),
        Cell::Interval { low, value, high, least, most: 1.0 },
        meaning.into(),
    ]
}

/// Names with counts, most first, with bars.
fn bars(counts: &BTreeMap<String, usize>) -> Table {
    let mut rows: Vec<(&String, &usize)> = counts.iter().collect();
    rows.sort_by(|a, b| b.1.cmp(a.1).then_with(|| a.0.cmp(b.0)));
    let most = rows.first().map_or(1, |row| *row.1) as f64;
    let mut table = Table::new([Column::text(""), Column::number("count"), Column::text("")]);
    let left = rows.len().saturating_sub(MOST_ROWS);
    for (name, count) in rows.into_iter().take(MOST_ROWS) {
        let bar = Cell::Bar { value: *count as f64, most };
        table.row([name.as_str().into(), count.to_string().into(), bar]);
    }
    if left > 0 {
        table.row([format!("{left} more").into()]);
    }
    table
}

/// One row for each task.
fn tasks(results: &[SampleResult]) -> Table {
    let mut by_task: BTreeMap<&str, Vec<&SampleResult>> = BTreeMap::new();
    for result in results {
        by_task.entry(&result.task_id).or_default().push(result);
    }
    let mut table = Table::new([
        Column::text("task"),
        Column::number("samples"),
        Column::number("compile"),
        Column::number("pass"),
        Column::number("clippy"),
        Column::text("verdicts"),
    ]);
    for (task_id, samples) in by_task {
        let count = |which: fn(&SampleResult) -> bool| {
            samples.iter().filter(|result| which(result)).count().to_string()
        };
        let tested = samples.iter().any(|result| result.passed.is_some());
        let clippy: u32 = samples.iter().map(|result| result.lints.clippy_total()).sum();
        let mut verdicts = BTreeMap::<String, usize>::new();
        for result in &samples {
            *verdicts.entry(result.verdict.name()).or_default() += 1;
        }
        let verdicts: Vec<String> =
            verdicts.into_iter().map(|(name, count)| format!("{count} {name}")).collect();
        table.row([
            task_id.into(),
            samples.len().to_string().into(),
            count(|result| result.compiled).into(),
            if tested { count(|result| result.passed == Some(true)) } else { "–".into() }.into(),
            clippy.to_string().into(),
            verdicts.join(", ").into(),
        ]);
    }
    table
}

/// The first samples of each verdict that is no success, with what was said of them.
fn examples(page: &mut Page, results: &[SampleResult]) {
    let mut by_verdict: BTreeMap<String, Vec<&SampleResult>> = BTreeMap::new();
    for result in results {
        if !matches!(result.verdict, Verdict::Pass { .. } | Verdict::Compiled) {
            by_verdict.entry(result.verdict.name()).or_default().push(result);
        }
    }
    if by_verdict.is_empty() {
        return;
    }
    page.heading("Examples of what failed");
    for (name, samples) in by_verdict {
        page.subheading(&format!("{name}, {} in all", samples.len()));
        for result in samples.into_iter().take(EXAMPLES_OF_A_VERDICT) {
            let mut line = format!("sample {} for {}", result.index, result.task_id);
            if let Verdict::Refused { reason } = &result.verdict {
                line.push_str(&format!(": {}", reason.name()));
            }
            if let Some(tests) = result.tests.as_ref().filter(|tests| !tests.failed.is_empty()) {
                line.push_str(&format!(
                    ": {} of {} tests pass; not {}",
                    tests.passed,
                    tests.total,
                    tests.failed.join(", ")
                ));
            }
            page.paragraph(&line);
            if let Verdict::Infra { why } = &result.verdict {
                page.preformatted(why);
            }
            let message: String = result.message.chars().take(MOST_OF_A_MESSAGE).collect();
            if !message.trim().is_empty() {
                page.preformatted(message.trim_end());
            }
        }
    }
}

/// The page of a comparison.
pub fn comparison_page(comparison: &Comparison, before: &str, after: &str) -> Page {
    let mut page = Page::new("Comparison");
    page.paragraph(&format!("Before: {before}. After: {after}."));
    page.paragraph(&format!(
        "{} tasks in both; {} only before, {} only after. After minus before, paired by task; intervals \
         hold 95 % of 10,000 draws of tasks.",
        comparison.tasks,
        comparison.only_before.len(),
        comparison.only_after.len()
    ));
    let mut table = Table::new([
        Column::text(""),
        Column::number("change"),
        Column::number("interval"),
        Column::text("-100 to 100 %"),
        Column::text(""),
    ]);
    table.row(percent_row("compile_rate", &comparison.compile_rate, "", -1.0));
    if let Some(pass) = &comparison.pass_rate {
        table.row(percent_row("pass_rate", pass, "", -1.0));
    }
    if let Some(warnings) = &comparison.clippy_warnings {
        table.row([
            "avg_clippy_warnings".into(),
            format!("{:.3}", warnings.value).into(),
            format!("{:.3} – {:.3}", warnings.low, warnings.high).into(),
        ]);
    }
    page.heading("Changes").table(&table);
    let mut table = Table::new([
        Column::text("task"),
        Column::number("before"),
        Column::number("after"),
        Column::text(""),
    ]);
    for flip in &comparison.flips {
        table.row([
            flip.task_id.as_str().into(),
            format!("{:.1} %", flip.before * 100.0).into(),
            format!("{:.1} %", flip.after * 100.0).into(),
            if flip.after > flip.before { "better" } else { "worse" }.into(),
        ]);
    }
    if !table.is_empty() {
        page.heading("Tasks that changed").table(&table);
    }
    for (title, tasks) in
        [("Only before", &comparison.only_before), ("Only after", &comparison.only_after)]
    {
        if !tasks.is_empty() {
            let names: Vec<&str> = tasks.iter().map(String::as_str).collect();
            page.heading(title).paragraph(&names.join(", "));
        }
    }
    page
}
