//! Judges the files given as arguments and prints a line for each, then the counters.
//!
//! `cargo run -p sigil-filter --example judge -- src/lib.rs src/*.rs`
#![expect(clippy::print_stdout, reason = "an example answers on the terminal")]

use std::error::Error;

use sigil_filter::telemetry::Telemetry;
use sigil_filter::{Filter, Row, RuleSet};

fn main() -> Result<(), Box<dyn Error>> {
    let filter = Filter::new(RuleSet::strict())?;
    let mut session = filter.session().timed();
    let mut telemetry = Telemetry::default();
    for path in std::env::args().skip(1) {
        let source = std::fs::read(&path)?;
        let verdict = session.audit(&Row::new(&source).with_path(&path));
        let reasons: Vec<&str> = verdict.reasons.iter().map(|reason| reason.id).collect();
        println!("{path}: {}", if verdict.keep { "keep".to_owned() } else { reasons.join(", ") });
        telemetry.record("arguments", &verdict, session.times());
    }
    println!("\n{}", telemetry.to_table());
    Ok(())
}
