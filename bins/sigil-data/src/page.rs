//! The page of `sigil-data stats --html`.
//!
//! One file without scripts, links or anything to load; its own policy forbids them besides. Every
//! text of the data is escaped.

use std::fmt::Write as _;

use crate::histogram::Histogram;
use crate::stats::Counted;

const HEAD: &str = "<!doctype html>
<html lang=\"en\"><head><meta charset=\"utf-8\">
<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">
<meta name=\"viewport\" content=\"width=device-width\"><title>sigil-data stats</title>
<style>
body{font:15px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color-scheme:light dark}
table{border-collapse:collapse;margin:.5rem 0}td,th{padding:.15rem .7rem;text-align:left;vertical-align:top}
td.n{text-align:right;font-variant-numeric:tabular-nums}
meter{width:22rem;height:1rem}h2{margin-top:2rem}
</style></head><body>
";

/// Renders the page.
pub(crate) fn render(counted: &Counted) -> String {
    let mut page = String::from(HEAD);
    let sources = counted.sources.join(", ");
    section(&mut page, &format!("<h1>{} rows</h1><p>from {}</p>", counted.rows, escape(&sources)));
    let mut fates = String::from("<h2>What became of the rows</h2><table>");
    for (stage, tally) in counted.ledger.stages() {
        let _ = write!(
            fates,
            "<tr><th>{}</th><td class=n>{}</td><td>kept of {}</td></tr>",
            escape(stage),
            tally.kept,
            tally.read
        );
        for (reason, count) in &tally.dropped {
            let places = tally.examples.get(reason).map(|all| all.join(", ")).unwrap_or_default();
            let _ = write!(
                fates,
                "<tr><td>{}</td><td class=n>{count}</td><td>{}</td></tr>",
                escape(&reason.name()),
                escape(&places)
            );
        }
    }
    fates.push_str("</table>");
    for note in counted.ledger.notes() {
        let _ = write!(fates, "<p>{}</p>", escape(note));
    }
    section(&mut page, &fates);
    histogram(&mut page, "Characters", &counted.characters);
    if let Some(tokens) = &counted.tokens {
        histogram(&mut page, "Tokens", tokens);
        let text =
            format!("<p>{} of {} tokens are learned.</p>", counted.learned_tokens, tokens.sum);
        section(&mut page, &text);
    }
    let title = format!("{} groups, the largest", counted.group_count);
    bars(&mut page, &title, &counted.groups);
    let tasks: Vec<(String, u64)> =
        counted.tasks.iter().map(|(task, count)| (task.clone(), *count)).collect();
    if !tasks.is_empty() {
        bars(&mut page, "Tasks", &tasks);
    }
    page.push_str("</body></html>\n");
    page
}

fn section(page: &mut String, html: &str) {
    let _ = writeln!(page, "<section>{html}</section>");
}

fn histogram(page: &mut String, title: &str, histogram: &Histogram) {
    let mean = histogram.sum as f64 / histogram.count().max(1) as f64;
    let title = format!("{title}: mean {mean:.0}, largest {}", histogram.largest);
    bars(page, &title, &histogram.steps());
}

fn bars(page: &mut String, title: &str, items: &[(String, u64)]) {
    let most = items.iter().map(|(_, count)| *count).max().unwrap_or(1).max(1);
    let mut html = format!("<h2>{}</h2><table>", escape(title));
    for (label, count) in items {
        let _ = write!(
            html,
            "<tr><td>{}</td><td><meter max={most} value={count}></meter></td><td class=n>{count}</td></tr>",
            escape(label)
        );
    }
    html.push_str("</table>");
    section(page, &html);
}

/// Makes text safe between tags and in quoted attributes.
fn escape(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            c if c.is_control() && c != '\n' => safe.push('\u{fffd}'),
            c => safe.push(c),
        }
    }
    safe
}
