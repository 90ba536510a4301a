//! Drops benchmarks, by path or by attribute.

use super::path::{has_folder, names};
use super::rule::{Evidence, Gate, Needs, Rule, settings};
use crate::Reason;
use crate::facts::TreeFacts;
use crate::outline::Outline;

const ID: &str = "bench_file";

settings! {
    /// Drops rows that are or hold benchmarks.
    pub struct BenchFile {
        /// Names of folders.
        pub folders: Vec<String> = names(&["bench", "benches", "benchmark", "benchmarks"]),
        /// Whether `#[bench]` and `cfg(bench)` in the code count, too.
        pub code: bool = true,
    }
}

impl Rule for BenchFile {
    fn needs(&self) -> Needs {
        if self.code { Needs::ATTRIBUTES } else { Needs::default() }
    }

    fn by_bytes(&self, evidence: &Evidence<'_>) -> Gate {
        if has_folder(evidence.row.path, &self.folders) {
            return Gate::Fail(Reason::named(ID));
        }
        // Every attribute and option that counts has this word in its name.
        let word = memchr::memmem::find(evidence.source.as_bytes(), b"bench").is_some();
        if self.code && word { Gate::Unknown } else { Gate::Pass }
    }

    fn by_outline(&self, _: &Evidence<'_>, outline: &Outline) -> Gate {
        Gate::decided(outline.has_benches().then(|| Reason::named(ID)))
    }

    fn by_tree(&self, _: &Evidence<'_>, facts: &TreeFacts) -> Option<Reason> {
        let first = facts.bench_spans.first().copied();
        (facts.bench_attributes > 0).then(|| Reason::named(ID).at(first))
    }
}
