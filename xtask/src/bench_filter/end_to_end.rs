//! From a parquet file to kept rows, the whole way: what a user of the filter waits for.
//!
//! The file is the one that `python.rs` let Python write, so both read the same bytes. Both count kept
//! rows as they come and keep none of them.

use std::path::Path;

use sigil_data::{Ledger, ReadSettings, SourceSpec, visit_sources};
use sigil_filter::{Filter, Row, RuleSet, Stage};

use super::cases::Case;
use super::error::Error;
use super::timer::measure;

/// Reads and judges every row on one thread.
///
/// # Errors
/// The file cannot be read.
pub(super) fn judge_parquet(name: &str, parquet: &Path, rules: RuleSet) -> Result<Case, Error> {
    let filter = Filter::new(rules).expect("the presets are fine");
    // The rules limit lengths, not the reader; the reader only leaves out what is empty.
    let settings = ReadSettings { max_chars: usize::MAX, ..ReadSettings::new("") };
    let sources = [SourceSpec::Parquet(parquet.to_owned())];
    let (counted, spent) = measure(|| {
        let mut session = filter.session();
        let (mut files, mut bytes, mut parsed, mut kept) = (0, 0, 0, 0);
        visit_sources(&sources, &settings, &mut Ledger::new(), |row| {
            let verdict = session.decide(&Row::from(row.text.as_str()));
            files += 1;
            bytes += row.text.len();
            parsed += if verdict.stage == Stage::Tree { row.text.len() } else { 0 };
            kept += usize::from(verdict.keep);
        })
        .map_err(|error| Error::Parquet(error.to_string()))?;
        Ok((files, bytes, parsed, kept))
    });
    let (files, bytes, parsed_bytes, kept) = counted?;
    Ok(Case { name: name.to_owned(), files, bytes, kept, parsed_bytes, threads: 1, spent })
}
