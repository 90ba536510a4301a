//! Rule sets that are ready to use.

use super::*;

impl RuleSet {
    /// The predecessor's broad first phase: paths, tests, benchmarks and lengths.
    ///
    /// Its reasons, names and limits are the predecessor's; what counts as a test is not (its pattern
    /// never matched `#[cfg(test)]`).
    pub fn phase1() -> Self {
        Self {
            vendor_path: Some(VendorPath::default()),
            test_file: Some(TestFile::default()),
            bench_file: Some(BenchFile::default()),
            too_short: Some(TooShort { min_chars: 64 }),
            too_long: Some(TooLong { max_chars: 200_000 }),
            ..Self::none()
        }
    }

    /// The predecessor's second phase, on top of the first: no examples, tighter lengths, idiomatic
    /// and documented code only.
    pub fn phase2() -> Self {
        Self {
            example_file: Some(ExampleFile::default()),
            too_short: Some(TooShort { min_chars: 128 }),
            too_long: Some(TooLong { max_chars: 100_000 }),
            not_idiomatic: Some(NotIdiomatic::default()),
            no_documentation: Some(NoDocumentation::default()),
            ..Self::phase1()
        }
    }

    /// Every rule that needs nothing but the row itself, at its default; test code is cut out where
    /// something remains.
    pub fn strict() -> Self {
        Self {
            test_file: Some(TestFile { mode: TestMode::Strip, ..TestFile::default() }),
            too_short: Some(TooShort { min_chars: 128 }),
            too_long: Some(TooLong { max_chars: 100_000 }),
            licence: None,
            ..Self::all()
        }
    }

    /// Gives the preset of a name: `phase1`, `phase2`, `strict`, `all` or `none`.
    pub fn preset(name: &str) -> Option<Self> {
        Some(match name {
            "phase1" => Self::phase1(),
            "phase2" => Self::phase2(),
            "strict" => Self::strict(),
            "all" => Self::all(),
            "none" => Self::none(),
            _ => return None,
        })
    }
}
