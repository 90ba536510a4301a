//! Links a harness to a compiled sample and runs it.
//!
//! The harness reads a secret, runs the tests, and writes the secret and one digit for each test to a
//! descriptor that the sample cannot name. Only that report counts: not the exit code, not the output.
//! Next: `judge.rs`.

use std::io::Read;

use serde::{Deserialize, Serialize};
use sigil_sandbox::{Channel, Ended, Infra, Job, TakenFile};

use super::compile::Unit;
use super::diagnostics::{parse, rendered};
use super::judge::Bench;
use super::verdict::{Limit, Stage, StageCost, Verdict};
use crate::task::{Harness, Placement};

/// What the tests said.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TestReport {
    /// How many passed.
    pub passed: usize,
    /// Of how many.
    pub total: usize,
    /// The names of those that did not pass.
    pub failed: Vec<String>,
}

/// A verdict of the tests, and what it cost.
pub(crate) struct Tested {
    pub(crate) verdict: Verdict,
    pub(crate) report: Option<TestReport>,
    pub(crate) message: String,
    pub(crate) costs: Vec<StageCost>,
    pub(crate) binary_bytes: Option<u64>,
}

const PROGRAM: &str = "/box/harness.out";
const MOST_PROGRAM_BYTES: u64 = 256 << 20;
const NONCE_BYTES: usize = 32;

/// Tests a sample that was compiled to `library`.
///
/// # Errors
/// If the sandbox fails.
pub(crate) fn test(
    bench: &Bench<'_>,
    unit: &Unit<'_>,
    harness: &Harness,
    uses_unsafe: bool,
    library: Vec<u8>,
) -> Result<Tested, Infra> {
    let mut tested = Tested {
        verdict: Verdict::WrongInterface,
        report: None,
        message: String::new(),
        costs: Vec::new(),
        binary_bytes: None,
    };
    let job = bench
        .compiler("rustc", unit.edition)
        .args(["harness.rs", "--crate-name=harness", "--crate-type=bin", "--cap-lints=allow"])
        .args([format!("--emit=link={PROGRAM}"), "--extern=sample=/in/libsample.rlib".to_owned()])
        .args(unit.externs)
        .input("/box/harness.rs", harness.main.as_bytes().to_vec())
        .input("/in/libsample.rlib", library)
        .output(PROGRAM, MOST_PROGRAM_BYTES);
    let linked = bench.run(&job)?;
    tested.costs.push(StageCost::new(Stage::Harness, &linked.usage));
    if let Some(limit) = Limit::of(linked.ended) {
        tested.verdict = Verdict::Limit { stage: Stage::Harness, limit };
        return Ok(tested);
    }
    let program = linked.files.into_iter().find_map(|(_, file)| match file {
        TakenFile::Bytes(bytes) => Some(bytes),
        _ => None,
    });
    let Some(program) = program.filter(|_| linked.ended.is_success()) else {
        let (found, _) = parse(&linked.stderr.to_text());
        tested.message = rendered(found.iter().filter(|d| d.error), bench.options.message_bytes);
        return Ok(tested);
    };
    tested.binary_bytes = Some(program.len() as u64);
    let secret =
        nonce().map_err(|source| Infra::Supervisor { action: "read /dev/urandom", source })?;
    let mut job = Job::new(&bench.test_root, "/in/harness")
        .program_file("/in/harness", program)
        .env("LD_LIBRARY_PATH", &bench.library_path);
    job.channel = Some(Channel { secret: secret.clone(), report_max_bytes: 1 << 16 });
    job.executables = Some(vec!["/in/harness".into(), bench.loader.clone()]);
    job.limits = bench.options.test_limits.clone();
    let outcome = bench.run(&job)?;
    tested.costs.push(StageCost::new(Stage::Test, &outcome.usage));
    let text = outcome.stderr.to_text();
    tested.message = text.chars().take(bench.options.message_bytes / 4).collect();
    if let Some(limit) = Limit::of(outcome.ended) {
        tested.verdict = Verdict::Limit { stage: Stage::Test, limit };
        tested.message.clear();
        return Ok(tested);
    }
    let report = (!outcome.report_cut).then_some(&outcome.report);
    let report = report.and_then(|report| read_report(report, &secret, &harness.tests));
    tested.verdict = match (outcome.ended, &report) {
        (Ended::Signalled(signal), _) => Verdict::Crash { signal },
        (Ended::Exited(code), None) => Verdict::NoReport { exit_code: code },
        (_, Some(report)) if report.passed == report.total => {
            tested.message.clear();
            let forgeable = harness.placement != Placement::Outside || uses_unsafe;
            Verdict::Pass { forgeable }
        }
        (_, Some(report)) => Verdict::TestFail { passed: report.passed, total: report.total },
        (_, None) => Verdict::NoReport { exit_code: -1 },
    };
    tested.report = report;
    Ok(tested)
}

/// A secret that no sample can know.
fn nonce() -> std::io::Result<Vec<u8>> {
    let mut bytes = vec![0; NONCE_BYTES];
    std::fs::File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    Ok(bytes)
}

/// The report, if it begins with the secret and has one digit for each test.
fn read_report(bytes: &[u8], secret: &[u8], tests: &[String]) -> Option<TestReport> {
    let digits = bytes.strip_prefix(secret)?;
    if digits.len() != tests.len() || !digits.iter().all(|digit| matches!(digit, b'0' | b'1')) {
        return None;
    }
    let failed: Vec<String> = digits
        .iter()
        .zip(tests)
        .filter(|(digit, _)| **digit == b'0')
        .map(|(_, name)| name.clone())
        .collect();
    Some(TestReport { passed: tests.len() - failed.len(), total: tests.len(), failed })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn only_the_secret_and_all_digits_are_a_report() {
        let tests = ["a".to_owned(), "b".to_owned()];
        let report = read_report(b"xyz01", b"xyz", &tests).expect("it is whole");
        assert_eq!((report.passed, report.total, report.failed), (1, 2, vec!["a".to_owned()]));
        for bytes in [&b"xyz0"[..], b"xyz011", b"xyy01", b"01", b"", b"xyz0a"] {
            assert_eq!(read_report(bytes, b"xyz", &tests), None);
        }
    }

    proptest! {
        #[test]
        fn a_guess_is_no_report(bytes in proptest::collection::vec(any::<u8>(), 0..80)) {
            let secret = nonce().expect("there is randomness");
            prop_assert_eq!(read_report(&bytes, &secret, &["a".to_owned()]), None);
        }
    }
}
