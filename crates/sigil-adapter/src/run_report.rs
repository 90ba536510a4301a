//! A run, or several side by side, as a page for a browser.
//!
//! Everything comes from the files of the run folder, and a part that is missing or damaged is left out,
//! so that a run that is being trained has a page too. Texts are text: what a model wrote cannot become
//! markup (`sigil-report` sees to that). Next: `run_report/data.rs`.

mod data;

use sigil_report::{Cell, Column, LineChart, Page, Series, Table};
use sigil_run::{MetricsRow, RunView};

use crate::AdapterError;
use crate::files::size;
use data::RunData;

/// Name of the page in a run folder.
pub const FILE: &str = "report.html";

/// Samples shown at most.
const MOST_SAMPLES: usize = 8;

/// The page of one run.
///
/// # Errors
/// `run.json` or the metrics cannot be read.
pub fn page(run: &RunView) -> Result<String, AdapterError> {
    compare(std::slice::from_ref(run))
}

/// The page of several runs; of one, it is the same as [`page`].
///
/// # Errors
/// `run.json` or the metrics of one cannot be read.
pub fn compare(runs: &[RunView]) -> Result<String, AdapterError> {
    let runs = runs.iter().map(RunData::read).collect::<Result<Vec<_>, _>>()?;
    let mut page = match runs.as_slice() {
        [run] => Page::new(&format!("Run {}", run.name)),
        several => Page::new(&format!("{} runs", several.len())),
    };
    summary(&mut page, &runs);
    curves(&mut page, &runs);
    judged(&mut page, &runs);
    for run in &runs {
        let whose = if runs.len() > 1 { format!(": {}", run.name) } else { String::new() };
        sets(&mut page, run, &whose);
        ledger(&mut page, run, &whose);
        samples(&mut page, run, &whose);
    }
    settings(&mut page, &runs);
    Ok(page.render())
}

fn summary(page: &mut Page, runs: &[RunData]) {
    page.heading("Summary");
    let columns = ["run", "base", "step", "loss", "evaluation before", "evaluation now", "change"];
    let mut columns: Vec<Column> = columns
        .iter()
        .map(|name| match *name {
            "run" | "base" => Column::text(name),
            name => Column::number(name),
        })
        .collect();
    columns.extend(["tokens", "tokens/s", "time", "peak memory"].map(Column::number));
    columns.push(Column::text("best set"));
    let mut table = Table::new(columns);
    for run in runs {
        let last = run.rows.iter().rev().find(|row| row.loss.is_some());
        let evaluations: Vec<f64> = run.rows.iter().filter_map(|row| row.eval_loss).collect();
        let (first, now) = (evaluations.first().copied(), evaluations.last().copied());
        let change = first.zip(now).filter(|_| evaluations.len() > 1);
        let number = |value: Option<f64>, digits: usize| {
            value.map_or_else(String::new, |value| format!("{value:.digits$}"))
        };
        table.row([
            Cell::from(run.name.as_str()),
            run.base().into(),
            last.map_or_else(String::new, |row| row.step.to_string()).into(),
            number(last.and_then(|row| row.loss), 4).into(),
            number(first, 4).into(),
            number(now, 4).into(),
            change
                .map_or_else(String::new, |(a, b)| format!("{:+.2} %", 100.0 * (b - a) / a))
                .into(),
            last.and_then(|row| row.tokens_seen).map_or_else(String::new, grouped).into(),
            number(run.tokens_per_second(), 0).into(),
            last.and_then(|row| row.seconds).map_or_else(String::new, duration).into(),
            last.and_then(|row| row.peak_memory_bytes).map_or_else(String::new, size).into(),
            run.best.clone().unwrap_or_default().into(),
        ]);
    }
    page.table(&table);
    for run in runs.iter().filter(|run| run.bad_lines > 0) {
        page.paragraph(&format!(
            "{} lines of the metrics of {} are no rows and are not shown.",
            run.bad_lines, run.name
        ));
    }
    if runs.iter().all(|run| run.rows.is_empty()) {
        page.paragraph("Nothing was logged yet.");
    }
}

fn curves(page: &mut Page, runs: &[RunData]) {
    let of = |value: fn(&MetricsRow) -> Option<f64>| -> Vec<Series> {
        runs.iter()
            .map(|run| Series {
                name: run.name.clone(),
                points: run
                    .rows
                    .iter()
                    .filter_map(|row| Some((row.step as f64, value(row)?)))
                    .collect(),
            })
            .filter(|series| !series.points.is_empty())
            .collect()
    };
    let charts = [
        ("Training loss", "nats per token", of(|row| row.loss)),
        ("Evaluation loss", "nats per token", of(|row| row.eval_loss)),
        ("Learning rate", "learning rate", of(|row| row.learning_rate)),
        ("Gradient norm before clipping", "global norm", of(|row| row.grad_norm)),
        ("Speed", "tokens per second", of(|row| row.tokens_per_second)),
    ];
    if charts.iter().all(|(.., series)| series.is_empty()) {
        return;
    }
    page.heading("Curves");
    for (title, y_axis, series) in charts {
        page.chart(&LineChart {
            title: title.to_owned(),
            x_axis: "optimizer step".to_owned(),
            y_axis: y_axis.to_owned(),
            series,
        });
    }
}

fn judged(page: &mut Page, runs: &[RunData]) {
    let several = runs.len() > 1;
    let mut series = Vec::new();
    let mut table = Table::new([
        Column::text("run"),
        Column::number("step"),
        Column::text("rate"),
        Column::number("value"),
        Column::text(""),
    ]);
    for run in runs {
        let names: std::collections::BTreeSet<&String> =
            run.judged.iter().flat_map(|row| row.extra.keys()).collect();
        for name in names {
            let short = name.strip_prefix("judge/").unwrap_or(name).replace('_', " ");
            let values =
                run.judged.iter().filter_map(|row| Some((row.step, *row.extra.get(name)?)));
            let values: Vec<(u64, f64)> = values.collect();
            if let Some((step, value)) = values.last() {
                table.row([
                    Cell::from(run.name.as_str()),
                    step.to_string().into(),
                    short.as_str().into(),
                    format!("{:.1} %", 100.0 * value).into(),
                    Cell::Bar { value: *value, most: 1.0 },
                ]);
            }
            series.push(Series {
                name: if several { format!("{}: {short}", run.name) } else { short },
                points: values.into_iter().map(|(step, value)| (step as f64, value)).collect(),
            });
        }
    }
    if series.is_empty() {
        return;
    }
    page.heading("Judged samples");
    page.chart(&LineChart {
        title: "Rates over checkpoint sets".to_owned(),
        x_axis: "optimizer step".to_owned(),
        y_axis: "share".to_owned(),
        series,
    });
    page.subheading("Of the last set judged");
    page.table(&table);
}

fn sets(page: &mut Page, run: &RunData, whose: &str) {
    if run.sets.is_empty() {
        return;
    }
    page.heading(&format!("Checkpoint sets{whose}"));
    let mut table =
        Table::new([Column::text("set"), Column::number("files"), Column::number("size")]);
    for (name, files, bytes) in &run.sets {
        table.row([name.as_str().into(), files.to_string().into(), size(*bytes).into()]);
    }
    page.table(&table);
}

fn ledger(page: &mut Page, run: &RunData, whose: &str) {
    if run.ledger.is_empty() {
        return;
    }
    page.heading(&format!("Data{whose}"));
    let mut table = Table::new([
        Column::text("stage"),
        Column::number("read"),
        Column::number("kept"),
        Column::text("dropped"),
    ]);
    for stage in &run.ledger {
        table.row([
            stage.name.as_str().into(),
            grouped(stage.read).into(),
            grouped(stage.kept).into(),
            stage.dropped.as_str().into(),
        ]);
    }
    page.table(&table);
    for note in &run.notes {
        page.paragraph(note);
    }
}

fn samples(page: &mut Page, run: &RunData, whose: &str) {
    if run.samples.is_empty() {
        return;
    }
    page.heading(&format!("Samples{whose}"));
    for sample in run.samples.iter().take(MOST_SAMPLES) {
        page.subheading(&format!("{}, sample {}: {}", sample.task, sample.number, sample.verdict));
        page.preformatted(&sample.text);
        if !sample.message.is_empty() {
            page.paragraph("What the compiler or the tests said:");
            page.preformatted(&sample.message);
        }
    }
    let more = run.samples.len().saturating_sub(MOST_SAMPLES);
    if more > 0 {
        page.paragraph(&format!("{more} more are in `{}`.", run.samples_file));
    }
}

fn settings(page: &mut Page, runs: &[RunData]) {
    page.heading("Settings");
    if let [one, others @ ..] = runs
        && !others.is_empty()
        && let Some(first) = &one.settings
    {
        let mut table = Table::new(
            [Column::text("setting")]
                .into_iter()
                .chain(runs.iter().map(|run| Column::text(&run.name))),
        );
        let mut keys = std::collections::BTreeMap::<String, Vec<Option<String>>>::new();
        for (at, run) in others.iter().enumerate() {
            for difference in run.settings.iter().flat_map(|settings| first.differences(settings)) {
                let row = keys
                    .entry(difference.key)
                    .or_insert_with(|| vec![difference.left.clone(); runs.len()]);
                row[at + 1] = difference.right;
            }
        }
        for (key, values) in keys {
            let values = values.into_iter().map(|v| v.unwrap_or_else(|| "not set".to_owned()));
            table.row([Cell::from(key)].into_iter().chain(values.map(Cell::from)));
        }
        page.paragraph(if table.is_empty() {
            "These runs have the same settings."
        } else {
            "Where they differ:"
        });
        page.table(&table);
    }
    for run in runs {
        if runs.len() > 1 {
            page.subheading(&run.name);
        }
        page.preformatted(&format!("# {}\n# seed {}\n{}", run.created_by, run.seed, run.config));
    }
}

/// A number with its digits in groups of three.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push('\u{a0}');
        }
        out.push(digit);
    }
    out
}

fn duration(seconds: f64) -> String {
    let whole = seconds.max(0.0).round() as u64;
    match whole {
        0..60 => format!("{whole} s"),
        60..3600 => format!("{} min {} s", whole / 60, whole % 60),
        _ => format!("{} h {} min", whole / 3600, whole % 3600 / 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sigil_run::{RunFolder, RunIdentity};

    fn run(folder: &std::path::Path, name: &str, rate: &str) -> RunView {
        let path = folder.join(name);
        let identity =
            RunIdentity { created_by: "test".into(), seed: 1, config_digest: "d".into() };
        let (run, _) = RunFolder::create_or_open(&path, &identity).expect("a new run");
        let layers = sigil_config::Layers::new().preset("quickstart");
        let loaded = layers.set([format!("train.learning_rate={rate}")]).load().expect("sound");
        let config = loaded.settings.to_toml();
        run.write_file("config.toml", config.as_bytes()).expect("written");
        let metrics = "{\"step\":0,\"eval_loss\":2.5}\n{\"step\":1,\"loss\":2.25,\"tokens_seen\":12345}\nbad\n{\"step\":2,\"eval_loss\":2.0}\n";
        std::fs::write(path.join("metrics.jsonl"), metrics).expect("written");
        let judged = "{\"step\":2,\"extra\":{\"judge/pass_rate\":0.5}}\n";
        std::fs::write(path.join("evaluations.jsonl"), judged).expect("written");
        let ledger = r#"{"stages":{"filter":{"read":1000,"kept":900,"dropped":{"<script>":100}}},"notes":["n"]}"#;
        std::fs::write(path.join("data_ledger.json"), ledger).expect("written");
        let folder = path.join("evaluations/step-00000002");
        std::fs::create_dir_all(&folder).expect("made");
        let sample = r#"{"id":"t","sample":0,"text":"</pre><script>alert(1)</script>","code":"x"}"#;
        std::fs::write(folder.join("samples.jsonl"), format!("{sample}\n")).expect("written");
        let result = r#"{"index":0,"verdict":{"kind":"compile_error"},"message":"error[E0425]"}"#;
        std::fs::write(folder.join("results.jsonl"), format!("{result}\n")).expect("written");
        std::fs::write(folder.join("metrics.json"), "{}").expect("written");
        drop(run);
        RunView::open(&path).expect("it is a run")
    }

    #[test]
    fn a_page_shows_the_run_and_no_text_becomes_markup() {
        let folder = tempfile::tempdir().expect("a folder");
        let page = page(&run(folder.path(), "one", "1e-3")).expect("it is readable");
        for wanted in [
            "Content-Security-Policy",
            "-20.00 %",
            "12\u{a0}345",
            "Evaluation loss",
            "pass rate",
            "50.0 %",
            "&lt;script&gt;alert(1)",
            "compile error",
            "error[E0425]",
            "&lt;script&gt; 100",
            "1 lines of the metrics",
        ] {
            assert!(page.contains(wanted), "{wanted} is missing: {page}");
        }
        assert!(!page.contains("<script"), "{page}");
    }

    #[test]
    fn several_runs_are_told_apart_by_what_differs() {
        let folder = tempfile::tempdir().expect("a folder");
        let runs = [run(folder.path(), "one", "1e-3"), run(folder.path(), "two", "2e-3")];
        let page = compare(&runs).expect("they are readable");
        assert!(page.contains("Where they differ:"), "{page}");
        assert!(
            page.contains("<td>train.learning_rate</td><td>0.001</td><td>0.002</td>"),
            "{page}"
        );
        assert!(page.contains("one: pass rate") && page.contains("two: pass rate"), "{page}");
    }

    #[test]
    fn numbers_are_for_people() {
        assert_eq!(
            [grouped(7), grouped(1234), grouped(1234567)],
            ["7", "1\u{a0}234", "1\u{a0}234\u{a0}567"]
        );
        assert_eq!(
            [duration(3.2), duration(61.0), duration(7260.0)],
            ["3 s", "1 min 1 s", "2 h 1 min"]
        );
    }
}
