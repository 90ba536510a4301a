//! Counts what became of every file: taken, or left out and why; per licence and in all.
//!
//! Written as JSON beside the texts and printed as a table. Not a list of the files: that is
//! `texts.rs`.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde::Serialize;

/// Files and their bytes.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Serialize)]
pub(super) struct Count {
    pub(super) files: u64,
    pub(super) bytes: u64,
}

impl Count {
    fn add(&mut self, bytes: usize) {
        self.files += 1;
        self.bytes += bytes as u64;
    }
}

/// The whole account of one preparation.
#[derive(Debug, Default, Serialize)]
pub(super) struct Ledger {
    /// Crates read.
    pub(super) crates: usize,
    /// Crates whose lines the corpus was kept away from.
    pub(super) avoided_crates: usize,
    /// Files taken for training.
    pub(super) train: Count,
    /// Files taken for measuring, from crates that training never sees.
    pub(super) held_out: Count,
    /// Files left out, by reason; bytes are as found.
    pub(super) left_out: BTreeMap<&'static str, Count>,
    /// Files taken, by licence.
    pub(super) licences: BTreeMap<String, Count>,
}

impl Ledger {
    /// Counts a file that was taken.
    pub(super) fn take(&mut self, licence: &str, held_out: bool, bytes: usize) {
        if held_out {
            self.held_out.add(bytes)
        } else {
            self.train.add(bytes)
        }
        self.licences.entry(licence.to_owned()).or_default().add(bytes);
    }

    /// Counts a file that was left out.
    pub(super) fn leave_out(&mut self, reason: &'static str, bytes: usize) {
        self.left_out.entry(reason).or_default().add(bytes);
    }

    /// Returns the account as a table for people.
    pub(super) fn table(&self) -> String {
        let mut rows = vec![("taken for training", self.train), ("taken, held out", self.held_out)];
        rows.extend(self.left_out.iter().map(|(reason, count)| (*reason, *count)));
        rows.extend(self.licences.iter().map(|(licence, count)| (licence.as_str(), *count)));
        let width = rows.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
        let mut table = format!(
            "{} crates read, {} crates of the quickstart kept away from\n{:width$}  {:>8}  {:>9}\n",
            self.crates, self.avoided_crates, "", "files", "MB"
        );
        for (name, count) in rows {
            let megabytes = count.bytes as f64 / 1e6;
            writeln!(table, "{name:width$}  {:>8}  {megabytes:>9.2}", count.files)
                .expect("a string takes every write");
        }
        table
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_is_counted_once_in_the_table() {
        let mut ledger = Ledger { crates: 2, ..Ledger::default() };
        ledger.take("MIT", false, 1_500_000);
        ledger.take("MIT", true, 500_000);
        ledger.leave_out("generated", 10_000);
        let expected = [
            "2 crates read, 0 crates of the quickstart kept away from",
            "                       files         MB",
            "taken for training         1       1.50",
            "taken, held out            1       0.50",
            "generated                  1       0.01",
            "MIT                        2       2.00",
        ];
        assert_eq!(ledger.table().lines().collect::<Vec<_>>(), expected);
    }
}
