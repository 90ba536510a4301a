//! The report of `humaneval`, as JSON and as Markdown.
//!
//! Names of tasks and models come from outside and are quoted; nothing a model wrote is in here.

use std::fmt::Write as _;

use serde_json::{Value, json};
use sigil_eval::score::Estimate;

use crate::humaneval::{Entry, Judged};

/// Rates of the report, of those in the metrics.
const RATES: [&str; 4] = ["pass_rate", "compile_rate", "clippy_pass_rate", "main_free_rate"];
/// Tasks shown of those that changed; report.json has all.
const MOST_FLIPS: usize = 40;

/// The whole report.
pub(crate) fn json(about: &Value, entries: &[Entry], judged: &[Judged]) -> Value {
    let policies: serde_json::Map<String, Value> = judged
        .iter()
        .map(|judged| {
            let mut policy: serde_json::Map<String, Value> = entries
                .iter()
                .zip(&judged.metrics)
                .map(|(entry, metrics)| (entry.contestant.role.to_owned(), json!(metrics)))
                .collect();
            policy.insert("comparison".to_owned(), json!(judged.comparison));
            policy.insert("pass_at_change".to_owned(), json!(judged.pass_at_changes));
            (judged.name.to_owned(), Value::Object(policy))
        })
        .collect();
    json!({ "about": about, "judged": policies })
}

/// The same for people.
pub(crate) fn markdown(report: &Value, entries: &[Entry], judged: &[Judged]) -> String {
    let mut text = String::from("# Benchmark\n\n");
    // Writing to a string cannot fail, here and below.
    for (name, pointer) in [
        ("benchmark", "/about/benchmark/file"),
        ("SHA-256", "/about/benchmark/sha256"),
        ("samples per task (n)", "/about/sampling/n"),
        ("temperature", "/about/sampling/temperature"),
        ("top-p", "/about/sampling/top_p"),
        ("seed", "/about/sampling/seed"),
        ("longest sample in tokens", "/about/sampling/max_new_tokens"),
        ("instruction", "/about/prompt/instruction"),
        ("chat template", "/about/prompt/chat_template"),
        ("generator", "/about/versions/generator"),
        ("contamination of the base", "/about/contamination/base"),
        ("time", "/about/called/time"),
        ("command", "/about/called/command"),
        ("processor", "/about/machine/processor"),
        ("processors", "/about/machine/processors"),
        ("memory in bytes", "/about/machine/memory_bytes"),
        ("system", "/about/machine/system"),
    ] {
        let value = report.pointer(pointer).unwrap_or(&Value::Null);
        let value = match value {
            Value::Null => "none".to_owned(),
            Value::String(value) => quoted(value),
            other => other.to_string(),
        };
        let _ = writeln!(text, "- {name}: {value}");
    }
    for entry in entries {
        let (role, label) = (entry.contestant.role, quoted(&entry.contestant.label));
        let digest: String = entry.made.model.chars().take(16).collect();
        let device = quoted(&entry.made.device);
        let _ = writeln!(text, "- {role}: {label}, digest {digest}, on {device}");
    }
    if let Some(metrics) = judged.first().and_then(|judged| judged.metrics.first()) {
        let protocol = &metrics.protocol;
        let _ = writeln!(text, "- tasks: {}", metrics.tasks);
        let (rustc, clippy) = (&protocol.rustc_version, &protocol.clippy_version);
        let _ = writeln!(text, "- compiler: {rustc}; {clippy}");
        let _ = writeln!(text, "- sandbox: {}", protocol.sandbox);
        if !protocol.excluded_tasks.is_empty() {
            let names: Vec<String> = protocol.excluded_tasks.iter().map(|n| quoted(n)).collect();
            let why = "tasks left out, since their own solution does not pass";
            let _ = writeln!(text, "- {why}: {}", names.join(", "));
        }
    }
    text.push_str(
        "\nIntervals hold 95 % of 10,000 draws of tasks. Changes are tuned minus base, paired by task.\n",
    );
    for judged in judged {
        write_policy(&mut text, entries, judged);
    }
    text
}

fn write_policy(text: &mut String, entries: &[Entry], judged: &Judged) {
    let _ = writeln!(text, "\n## With `{}`\n", judged.name);
    let roles: Vec<&str> = entries.iter().map(|entry| entry.contestant.role).collect();
    let change = if roles.len() == 2 { " change |" } else { "" };
    let _ = writeln!(text, "| | {} |{change}", roles.join(" | "));
    let _ = writeln!(text, "|---|{}", "---|".repeat(roles.len() + usize::from(roles.len() == 2)));
    let mut row = |name: &str, values: Vec<Option<&Estimate>>, change: Option<&Estimate>| {
        let _ = write!(text, "| {name} |");
        for value in values {
            let _ = write!(text, " {} |", value.map_or("–".to_owned(), percent));
        }
        if roles.len() == 2 {
            let _ = write!(text, " {} |", change.map_or(String::new(), points));
        }
        text.push('\n');
    };
    for k in judged
        .metrics
        .iter()
        .flat_map(|metrics| metrics.pass_at.keys().copied())
        .collect::<std::collections::BTreeSet<usize>>()
    {
        let values = judged.metrics.iter().map(|metrics| metrics.pass_at.get(&k)).collect();
        row(&format!("pass@{k}"), values, judged.pass_at_changes.get(&k));
    }
    for name in RATES {
        let values: Vec<_> = judged.metrics.iter().map(|metrics| metrics.rates.get(name)).collect();
        let change = judged.comparison.as_ref().and_then(|comparison| match name {
            "pass_rate" => comparison.pass_rate.as_ref(),
            "compile_rate" => Some(&comparison.compile_rate),
            _ => None,
        });
        if values.iter().any(Option::is_some) {
            row(name, values, change);
        }
    }
    let Some(comparison) = &judged.comparison else { return };
    if comparison.flips.is_empty() {
        text.push_str("\nNo task changed.\n");
        return;
    }
    text.push_str("\n| task that changed | base | tuned |\n|---|---|---|\n");
    for flip in comparison.flips.iter().take(MOST_FLIPS) {
        let (before, after) = (flip.before * 100.0, flip.after * 100.0);
        let _ = writeln!(text, "| {} | {before:.1} % | {after:.1} % |", quoted(&flip.task_id));
    }
    if comparison.flips.len() > MOST_FLIPS {
        let left = comparison.flips.len() - MOST_FLIPS;
        let _ = writeln!(text, "| {left} more, in report.json | | |");
    }
}

fn percent(estimate: &Estimate) -> String {
    let Estimate { value, low, high } = estimate;
    format!("{:.1} % ({:.1} – {:.1})", value * 100.0, low * 100.0, high * 100.0)
}

fn points(estimate: &Estimate) -> String {
    let Estimate { value, low, high } = estimate;
    format!("{:+.1} points ({:+.1} – {:+.1})", value * 100.0, low * 100.0, high * 100.0)
}

/// Any text as code on one line of Markdown.
fn quoted(text: &str) -> String {
    let safe: String = text
        .chars()
        .take(2000)
        .map(|c| match c {
            '`' | '|' => '\u{fffd}',
            c if c.is_control() => ' ',
            c => c,
        })
        .collect();
    format!("`{safe}`")
}
