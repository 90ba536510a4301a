//! The self-check of a benchmark as Markdown and as a page.
//!
//! Next: `report.rs`, which does the same for samples.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use sigil_report::{Cell, Column, Page, Table};

use super::report::plain;
use super::self_check::{MutantTable, SelfCheck, SurvivorClass};

/// One line for each thing that was found out, with what it is about.
fn findings(check: &SelfCheck) -> Vec<(&'static str, String)> {
    let mut rows = vec![
        ("tasks", check.tasks.to_string()),
        ("own solutions that pass", check.passing.to_string()),
        ("of these tested inside the sample's crate", check.forgeable.len().to_string()),
        ("without tests that run", check.without_tests.len().to_string()),
        ("own solutions that fail", check.failing.len().to_string()),
    ];
    if !check.repaired.is_empty() {
        let compiling = check.repaired.iter().filter(|task| task.verdict == "compiled").count();
        let passing = check.repaired.iter().filter(|task| task.verdict == "pass").count();
        rows.push(("repaired tasks, a set of their own", check.repaired.len().to_string()));
        rows.push(("of these passing", passing.to_string()));
        rows.push(("of these compiling, without tests", compiling.to_string()));
    }
    if let Some(mutants) = &check.mutants {
        rows.push(("mutants", mutants.judged.to_string()));
        rows.push(("fewest mutants of a task", mutants.fewest_per_task.to_string()));
        rows.push(("mutants that pass", mutants.survivors.len().to_string()));
        let of = |class| mutants.survivors_of(class).to_string();
        rows.push(("listed as equivalent", of(Some(SurvivorClass::Equivalent))));
        rows.push(("listed as a weak test", of(Some(SurvivorClass::WeakTest))));
        rows.push(("on no list", of(None)));
    }
    rows
}

/// The verdicts that occur in a table, which are its columns.
fn verdicts(mutants: &MutantTable) -> BTreeSet<&str> {
    mutants.by_kind.values().flat_map(BTreeMap::keys).map(String::as_str).collect()
}

/// The self-check as Markdown.
pub fn self_check_markdown(check: &SelfCheck) -> String {
    // Writing to a string cannot fail.
    let mut text = format!("# Self-check of {}\n\n| | |\n|---|---|\n", plain(&check.benchmark));
    for (name, value) in findings(check) {
        let _ = writeln!(text, "| {name} | {value} |");
    }
    if !check.failing.is_empty() {
        text.push_str("\n## Own solutions that fail\n\n| task | verdict | first error | failed tests |\n|---|---|---|---|\n");
        for task in &check.failing {
            let class = task.class.map_or(String::new(), |class| format!("{class:?}"));
            let failed: Vec<String> = task.failed.iter().map(|name| plain(name)).collect();
            let (id, verdict) = (plain(&task.task_id), &task.verdict);
            let _ = writeln!(text, "| {id} | {verdict} | {class} | {} |", failed.join(", "));
        }
    }
    if !check.without_tests.is_empty() {
        let names: Vec<String> = check.without_tests.iter().map(|name| plain(name)).collect();
        let _ = write!(text, "\n## Without tests that run\n\n{}\n", names.join(", "));
    }
    if !check.repaired.is_empty() {
        text.push_str("\n## Repaired\n\n| task | was wrong | verdict now |\n|---|---|---|\n");
        for task in &check.repaired {
            let (id, faults) = (plain(&task.task_id), task.faults.join("; "));
            let _ = writeln!(text, "| {id} | {faults} | {} |", task.verdict);
        }
    }
    if let Some(mutants) = &check.mutants {
        let verdicts = verdicts(mutants);
        let names: Vec<&str> = verdicts.iter().copied().collect();
        let _ = write!(
            text,
            "\n## Mutants by kind of change\n\n| kind | {} |\n|---|{}\n",
            names.join(" | "),
            "---|".repeat(names.len())
        );
        for (kind, counts) in &mutants.by_kind {
            let cells: Vec<String> = verdicts
                .iter()
                .map(|name| counts.get(*name).copied().unwrap_or(0).to_string())
                .collect();
            let _ = writeln!(text, "| {kind} | {} |", cells.join(" | "));
        }
        let news = mutants.survivors.iter().filter(|survivor| survivor.known.is_none());
        for (index, survivor) in news.enumerate() {
            if index == 0 {
                text.push_str("\n## Mutants that pass and are on no list\n\n");
            }
            let _ = writeln!(text, "- {} {}", plain(&survivor.task_id), plain(&survivor.mutant));
        }
        for (index, known) in mutants.gone.iter().enumerate() {
            if index == 0 {
                text.push_str("\n## On the list, but no longer passing\n\n");
            }
            let _ = writeln!(text, "- {} {}", plain(&known.task_id), plain(&known.mutant));
        }
    }
    text
}

/// The self-check as a page.
pub fn self_check_page(check: &SelfCheck) -> Page {
    let mut page = Page::new(&format!("Self-check of {}", check.benchmark));
    let mut table = Table::new([Column::text(""), Column::number("")]);
    for (name, value) in findings(check) {
        table.row([name.into(), value.into()]);
    }
    page.heading("What was found").table(&table);
    let columns = ["task", "verdict", "first error", "failed tests"].map(Column::text);
    let mut table = Table::new(columns);
    for task in &check.failing {
        let class = task.class.map_or(String::new(), |class| format!("{class:?}"));
        let cells = [task.task_id.clone(), task.verdict.clone(), class, task.failed.join(", ")];
        table.row(cells.map(Cell::from));
    }
    if !table.is_empty() {
        page.heading("Own solutions that fail").table(&table);
    }
    let mut table = Table::new(["task", "was wrong", "verdict now"].map(Column::text));
    for task in &check.repaired {
        let cells = [task.task_id.clone(), task.faults.join("; "), task.verdict.clone()];
        table.row(cells.map(Cell::from));
    }
    if !table.is_empty() {
        page.heading("Repaired").table(&table);
    }
    if let Some(mutants) = &check.mutants {
        let verdicts = verdicts(mutants);
        let heads = verdicts.iter().map(|name| Column::number(name));
        let mut table = Table::new([Column::text("kind")].into_iter().chain(heads));
        for (kind, counts) in &mutants.by_kind {
            let count =
                |name: &&str| Cell::from(counts.get(*name).copied().unwrap_or(0).to_string());
            table.row([Cell::from(kind.as_str())].into_iter().chain(verdicts.iter().map(count)));
        }
        page.heading("Mutants by kind of change").table(&table);
        let mut table = Table::new(["task", "change", "is"].map(Column::text));
        for survivor in &mutants.survivors {
            let class = match survivor.known {
                Some(SurvivorClass::Equivalent) => "equivalent",
                Some(SurvivorClass::WeakTest) => "a weak test",
                None => "on no list",
            };
            let cells = [survivor.task_id.as_str(), &survivor.mutant, class];
            table.row(cells.map(Cell::from));
        }
        page.heading("Mutants that pass").table(&table);
    }
    page
}
