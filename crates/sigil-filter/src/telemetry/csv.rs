//! Telemetry as comma-separated values (RFC 4180), one line per dataset and one for the total.

use super::{Counters, Telemetry};
use crate::RuleSet;

impl Telemetry {
    /// Writes the counters with a column for each reason, deciding and found.
    pub fn to_csv(&self) -> String {
        let mut text = String::from("dataset,seen,kept,dropped,kept_share,edited,parsed");
        text.push_str(",seen_bytes,kept_bytes,parsed_bytes");
        for kind in ["first", "all"] {
            for reason in RuleSet::REASONS {
                text.push_str(&format!(",{kind}_{reason}"));
            }
        }
        text.push_str("\r\n");
        for (name, counters) in &self.datasets {
            line(&mut text, name, counters);
        }
        line(&mut text, "total", &self.total());
        text
    }
}

fn line(text: &mut String, name: &str, counters: &Counters) {
    text.push_str(&quoted(name));
    text.push_str(&format!(
        ",{},{},{},{:.6},{},{},{},{},{}",
        counters.seen,
        counters.kept,
        counters.dropped(),
        counters.kept_share(),
        counters.edited,
        counters.parsed,
        counters.seen_bytes,
        counters.kept_bytes,
        counters.parsed_bytes,
    ));
    for reasons in [&counters.first_reasons, &counters.all_reasons] {
        for reason in RuleSet::REASONS {
            text.push_str(&format!(",{}", reasons.get(*reason).copied().unwrap_or(0)));
        }
    }
    text.push_str("\r\n");
}

fn quoted(name: &str) -> String {
    if name.contains(['"', ',', '\n', '\r']) {
        format!("\"{}\"", name.replace('"', "\"\""))
    } else {
        name.to_owned()
    }
}
