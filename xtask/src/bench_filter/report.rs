//! The figures as a table.

use serde::Serialize;

use super::cases::{Case, Difference};
use super::corpus::Stratum;
use super::pipeline::PipelineReport;
use super::python::{PythonCase, PythonCases};

/// The figures of one stratum.
#[derive(Debug, Serialize)]
pub(super) struct StratumReport {
    pub(super) stratum: Stratum,
    pub(super) cases: Vec<Case>,
    pub(super) python: PythonCases,
    pub(super) differences: Vec<Difference>,
}

/// All figures.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    /// One file in so many was taken.
    pub(super) one_file_in: usize,
    pub(super) corpus_sha256: String,
    pub(super) files: usize,
    pub(super) bytes: usize,
    pub(super) load_average: String,
    pub(super) strata: Vec<StratumReport>,
    /// The whole way of training data.
    pub(super) pipeline: PipelineReport,
}

impl Report {
    /// Writes a table per stratum.
    pub(super) fn table(&self) -> String {
        let mut text = format!(
            "corpus: {} files, {:.1} MB, sha256 {}\none file in: {}\nload average: {}\n",
            self.files,
            self.bytes as f64 / 1e6,
            self.corpus_sha256,
            self.one_file_in,
            self.load_average,
        );
        for stratum in &self.strata {
            text.push_str(&stratum.table());
        }
        text.push_str(&self.pipeline.table());
        text
    }
}

impl StratumReport {
    fn table(&self) -> String {
        let mut text = format!(
            "\n{:?}\n{:<30} {:>7} {:>8} {:>9} {:>9} {:>7} {:>8} {:>12}\n",
            self.stratum,
            "case",
            "threads",
            "CPU s",
            "wall s",
            "MB/CPU s",
            "kept %",
            "parsed %",
            "parsed MB/s"
        );
        for case in &self.cases {
            text.push_str(&format!(
                "{:<30} {:>7} {:>8.2} {:>9.2} {:>9.1} {:>7.1} {:>8.1} {:>12.1}\n",
                case.name,
                case.threads,
                case.spent.cpu_secs,
                case.spent.wall_secs,
                case.mb_per_cpu_sec(),
                percent(case.kept, case.files),
                percent(case.parsed_bytes, case.bytes),
                case.parsed_mb_per_cpu_sec(),
            ));
        }
        self.python_rows(&mut text, "Python", &self.python.function);
        self.python_rows(&mut text, "Python, parquet", &self.python.end_to_end);
        self.ratios(&mut text);
        text.push_str(&format!(
            "verdicts without the tree that differ from the tree's: {}\n",
            self.differences.len()
        ));
        for difference in &self.differences {
            let name = |reason: Option<&'static str>| reason.unwrap_or("keep");
            text.push_str(&format!(
                "    {} {}: {} instead of {}\n",
                difference.preset,
                difference.file,
                name(difference.decided),
                name(difference.by_tree),
            ));
        }
        text
    }

    fn python_rows(&self, text: &mut String, way: &str, cases: &[PythonCase]) {
        for case in cases {
            text.push_str(&format!(
                "{:<30} {:>7} {:>8.2} {:>9.2} {:>9.1} {:>7.1}\n",
                format!("{way}, {}", case.preset),
                1,
                case.cpu_secs,
                case.wall_secs,
                case.mb_per_cpu_sec(),
                percent(case.kept, self.cases.first().map_or(0, |first| first.files)),
            ));
            if let Some(differs) = case.differs_from_original {
                text.push_str(&format!(
                    "    files that the original decides otherwise: {differs}\n"
                ));
            }
        }
    }

    fn ratios(&self, text: &mut String) {
        let find = |name: &str, threads: usize| {
            self.cases.iter().find(|case| case.name == name && case.threads == threads)
        };
        if let (Some(parse), Some(facts)) =
            (find("tree-sitter parse alone", 1), find("parse and all facts", 1))
        {
            let walk = facts.spent.cpu_secs / parse.spent.cpu_secs.max(1e-9) - 1.0;
            text.push_str(&format!("all facts beyond the parse: {:.0} % of it\n", 100.0 * walk));
        }
        for preset in ["phase1", "phase2"] {
            for (ours, cases) in [
                (format!("{preset}, decide"), &self.python.function),
                (format!("parquet, {preset}"), &self.python.end_to_end),
            ] {
                let python = cases.iter().find(|case| case.preset == preset);
                if let (Some(case), Some(python)) = (find(&ours, 1), python) {
                    let ratio = case.mb_per_cpu_sec() / python.mb_per_cpu_sec();
                    text.push_str(&format!("{ours} beside Python, per CPU second: {ratio:.2} x\n"));
                }
            }
        }
        if let (Some(one), Some(two)) = (find("strict, decide", 1), find("strict, decide", 2)) {
            let ratio = two.spent.cpu_secs / one.spent.cpu_secs.max(1e-9);
            text.push_str(&format!("CPU seconds at two threads beside one: {ratio:.2} x\n"));
        }
    }
}

fn percent(part: usize, whole: usize) -> f64 {
    100.0 * part as f64 / whole.max(1) as f64
}
