//! Uses sigil-filter from outside its workspace: rule sets from JSON, many rows on all threads,
//! counters to JSON and back. It fails if anything of that does not work.

use std::error::Error;

use sigil_filter::telemetry::Telemetry;
use sigil_filter::{Filter, Row, RuleSet, StageTimes};

fn main() -> Result<(), Box<dyn Error>> {
    let rules: RuleSet = serde_json::from_str(r#"{"test_file": {"mode": "reject"}, "no_items": {}}"#)?;
    let filter = Filter::new(rules)?;
    let sources = ["pub fn a() {}", "#[test]\nfn a() {}", "// nothing", "let r#type = 1;"];
    let rows: Vec<Row<'_>> = sources.iter().map(|source| Row::from(*source)).collect();
    let verdicts = filter.decide_all(&rows);
    let reasons: Vec<Option<&str>> = verdicts.iter().map(|verdict| verdict.reason()).collect();
    assert_eq!(reasons, [None, Some("test_file"), Some("no_items"), Some("no_items")]);

    let mut telemetry = Telemetry::default();
    for verdict in &verdicts {
        telemetry.record("outside", verdict, StageTimes::default());
    }
    let again = Telemetry::from_json(&telemetry.to_json())?;
    assert_eq!(again.total().kept, 1);
    print!("{}", again.to_table());
    Ok(())
}
