//! What is measured, and what is checked over the whole corpus.

use serde::Serialize;
use sigil_filter::{Filter, Mode, Row, RuleSet, Stage};
use tree_sitter::{Language, Parser};

use super::corpus::File;
use super::timer::{Spent, measure};

/// The figures of one case.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Case {
    pub(super) name: String,
    pub(super) files: usize,
    pub(super) bytes: usize,
    pub(super) kept: usize,
    pub(super) parsed_bytes: usize,
    pub(super) threads: usize,
    #[serde(flatten)]
    pub(super) spent: Spent,
}

impl Case {
    /// Megabytes judged per CPU second.
    pub(super) fn mb_per_cpu_sec(&self) -> f64 {
        self.bytes as f64 / 1e6 / self.spent.cpu_secs.max(1e-9)
    }

    /// Megabytes parsed per CPU second, over all the CPU time of the case.
    pub(super) fn parsed_mb_per_cpu_sec(&self) -> f64 {
        self.parsed_bytes as f64 / 1e6 / self.spent.cpu_secs.max(1e-9)
    }

    /// The one of two measurements of a case that took less CPU time.
    pub(super) fn least(self, other: Self) -> Self {
        if other.spent.cpu_secs < self.spent.cpu_secs { other } else { self }
    }
}

fn bytes_of(files: &[&File]) -> usize {
    files.iter().map(|file| file.bytes.len()).sum()
}

/// Parses every file with one parser and does nothing with the trees.
pub(super) fn parse_alone(files: &[&File]) -> Case {
    let mut parser = Parser::new();
    parser
        .set_language(&Language::new(tree_sitter_rust::LANGUAGE))
        .expect("the pinned grammar fits the pinned parser");
    let (trees, spent) =
        measure(|| files.iter().filter(|file| parser.parse(&file.bytes, None).is_some()).count());
    let bytes = bytes_of(files);
    Case {
        name: "tree-sitter parse alone".to_owned(),
        files: files.len(),
        bytes,
        kept: trees,
        parsed_bytes: bytes,
        threads: 1,
        spent,
    }
}

/// Judges every file by a rule set on some threads.
pub(super) fn judge(
    name: &str,
    files: &[&File],
    rules: RuleSet,
    mode: Mode,
    threads: usize,
) -> Case {
    let filter = Filter::new(rules).expect("the presets are fine");
    let one = |part: &[&File]| {
        let mut session = filter.session();
        let (mut kept, mut parsed) = (0, 0);
        for file in part {
            let row = Row::new(&file.bytes).with_path(&file.path);
            let verdict = match mode {
                Mode::Decide => session.decide(&row),
                _ => session.audit(&row),
            };
            kept += usize::from(verdict.keep);
            parsed += if verdict.stage == Stage::Tree { file.bytes.len() } else { 0 };
        }
        (kept, parsed)
    };
    let ((kept, parsed_bytes), spent) = measure(|| {
        if threads == 1 {
            return one(files);
        }
        // Every n-th file goes to the n-th thread, so that no thread gets all large ones.
        let share = |thread: usize| files.iter().skip(thread).step_by(threads).copied().collect();
        std::thread::scope(|scope| {
            let parts: Vec<Vec<&File>> = (0..threads).map(share).collect();
            let running: Vec<_> =
                parts.into_iter().map(|part| scope.spawn(move || one(&part))).collect();
            running.into_iter().fold((0, 0), |sum, thread| {
                let (kept, parsed) = thread.join().expect("judging never panics");
                (sum.0 + kept, sum.1 + parsed)
            })
        })
    });
    Case {
        name: name.to_owned(),
        files: files.len(),
        bytes: bytes_of(files),
        kept,
        parsed_bytes,
        threads,
        spent,
    }
}

/// A file whose verdict without the tree is not the tree's.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Difference {
    pub(super) preset: String,
    pub(super) file: String,
    pub(super) decided: Option<&'static str>,
    pub(super) by_tree: Option<&'static str>,
}

/// Compares every verdict with the tree's.
pub(super) fn differences(preset: &str, files: &[&File], rules: RuleSet) -> Vec<Difference> {
    let filter = Filter::new(rules).expect("the presets are fine");
    let mut session = filter.session();
    let mut differences = Vec::new();
    for file in files {
        let row = Row::new(&file.bytes).with_path(&file.path);
        let decided = session.decide(&row);
        let by_tree = session.audit_by_tree(&row);
        if decided.keep != by_tree.keep {
            differences.push(Difference {
                preset: preset.to_owned(),
                file: file.name.clone(),
                decided: decided.reason(),
                by_tree: by_tree.reason(),
            });
        }
    }
    differences
}
