//! Telemetry as a table for a terminal.

use super::{Counters, Telemetry};

impl Telemetry {
    /// Writes a table of at most 80 columns: a line per dataset, the total, then the reasons.
    pub fn to_table(&self) -> String {
        let mut text = format!(
            "{:<26} {:>11} {:>11} {:>7} {:>10} {:>7}\n",
            "dataset", "seen", "kept", "kept %", "MB seen", "parsed"
        );
        for (name, counters) in &self.datasets {
            line(&mut text, name, counters);
        }
        let total = self.total();
        line(&mut text, "total", &total);
        if !total.first_reasons.is_empty() {
            text.push_str(&format!("\n{:<26} {:>11} {:>11}\n", "reason", "decided by", "found"));
        }
        for (reason, found) in &total.all_reasons {
            let first = total.first_reasons.get(reason).copied().unwrap_or(0);
            text.push_str(&format!("{reason:<26} {first:>11} {found:>11}\n"));
        }
        for (stage, seconds) in &total.stage_seconds {
            text.push_str(&format!("{stage:<26} {seconds:>11.3} s\n"));
        }
        let modes: Vec<String> =
            total.modes.iter().map(|(mode, rows)| format!("{mode} {rows}")).collect();
        text.push_str(&format!("rows by mode: {}\n", modes.join(", ")));
        text
    }
}

fn line(text: &mut String, name: &str, counters: &Counters) {
    let name: String = if name.chars().count() > 26 {
        name.chars().take(25).chain(['…']).collect()
    } else {
        name.to_owned()
    };
    let parsed = counters.parsed as f64 / counters.seen.max(1) as f64;
    text.push_str(&format!(
        "{name:<26} {:>11} {:>11} {:>7.2} {:>10.2} {:>6.1}%\n",
        counters.seen,
        counters.kept,
        100.0 * counters.kept_share(),
        counters.seen_bytes as f64 / 1e6,
        100.0 * parsed,
    ));
}
