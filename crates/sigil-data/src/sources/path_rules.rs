//! Which files are left out by their path.
//!
//! Is: the predecessor's path rules, made to work on relative paths too. Is not: a look into the
//! file; `#[cfg(test)]` is a matter of `sigil-filter`. Next: `rust_files.rs`.

use crate::ledger::Reason;

/// Says which kinds of files are left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PathRules {
    /// Leaves out `test/`, `tests/`, `test.rs`, `tests.rs`, `*_test.rs` and `*_tests.rs`.
    pub exclude_tests: bool,
    /// Leaves out `example/` and `examples/`.
    pub exclude_examples: bool,
    /// Leaves out `bench/`, `benches/` and `benchmarks/`.
    pub exclude_benches: bool,
}

impl PathRules {
    /// Returns why a file is left out; `path` is relative to its crate, with `/` between folders.
    ///
    /// Folders of vendored and generated files are always left out.
    pub fn reject(&self, path: &str) -> Option<Reason> {
        let (folders, name) = path.rsplit_once('/').unwrap_or(("", path));
        let inside = |names: &[&str]| folders.split('/').any(|folder| names.contains(&folder));
        let stem = name.strip_suffix(".rs").unwrap_or(name);
        let test_name = ["test", "tests"].contains(&stem)
            || stem.ends_with("_test")
            || stem.ends_with("_tests");
        if inside(&["target", "node_modules", "vendor", "__pycache__"]) {
            Some(Reason::VendorPath)
        } else if self.exclude_tests && (inside(&["test", "tests"]) || test_name) {
            Some(Reason::TestFile)
        } else if self.exclude_examples && inside(&["example", "examples"]) {
            Some(Reason::ExampleFile)
        } else if self.exclude_benches && inside(&["bench", "benches", "benchmarks"]) {
            Some(Reason::BenchFile)
        } else {
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn relative_and_absolute_paths_are_judged_alike() {
        let rules =
            PathRules { exclude_tests: true, exclude_examples: true, exclude_benches: true };
        for (path, reason) in [
            ("tests/a.rs", Some(Reason::TestFile)),
            ("/x/tests/a.rs", Some(Reason::TestFile)),
            ("src/parser/tests.rs", Some(Reason::TestFile)),
            ("src/parse_test.rs", Some(Reason::TestFile)),
            ("examples/a.rs", Some(Reason::ExampleFile)),
            ("bench/a.rs", Some(Reason::BenchFile)),
            ("benches/deep/a.rs", Some(Reason::BenchFile)),
            ("vendor/x/src/lib.rs", Some(Reason::VendorPath)),
            ("src/attest.rs", None),
            ("src/latest/contest.rs", None),
            ("lib.rs", None),
        ] {
            assert_eq!(rules.reject(path), reason, "{path}");
        }
        assert_eq!(PathRules::default().reject("tests/a.rs"), None);
    }
}
