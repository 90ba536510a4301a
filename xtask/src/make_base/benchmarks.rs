//! Finds files that hold pieces of benchmark problems, so that the base never learns them.
//!
//! A file is left out when it defines one of the benchmark's telling function names or shares ten
//! words in a row with a prompt or a solution. Benchmark tests are not compared: their frame is
//! what every Rust test looks like.

use std::collections::{BTreeSet, HashSet};
use std::path::Path;

use serde::Deserialize;

use super::error::Error;

/// Words in a row that have to agree.
const RUN_WORDS: usize = 10;
/// Function names of fewer parts (`add`, `is_prime`) are everyone's.
const TELLING_NAME_PARTS: usize = 3;

#[derive(Deserialize)]
struct Problem {
    entry_point: Option<String>,
    #[serde(default)]
    prompt: String,
    #[serde(default)]
    declaration: String,
    #[serde(default)]
    canonical_solution: String,
}

/// What is known of the benchmarks.
#[derive(Debug, Default)]
pub(super) struct Benchmarks {
    names: BTreeSet<String>,
    runs: HashSet<u64>,
}

impl Benchmarks {
    /// Reads JSONL files of problems (`prompt`, `declaration`, `canonical_solution`,
    /// `entry_point`).
    ///
    /// # Errors
    /// A file that cannot be read; a line that is no problem.
    pub(super) fn read<P: AsRef<Path>>(paths: &[P]) -> Result<Self, Error> {
        let mut benchmarks = Self::default();
        for path in paths.iter().map(AsRef::as_ref) {
            let text = std::fs::read_to_string(path).map_err(Error::file("read", path))?;
            for (index, line) in text.lines().enumerate().filter(|(_, l)| !l.trim().is_empty()) {
                let problem = serde_json::from_str(line).map_err(|error| Error::Line {
                    path: path.to_owned(),
                    line: index + 1,
                    what: error.to_string(),
                })?;
                benchmarks.add(&problem);
            }
        }
        Ok(benchmarks)
    }

    fn add(&mut self, problem: &Problem) {
        let name = problem.entry_point.as_deref().unwrap_or_default();
        if name.split('_').filter(|part| !part.is_empty()).count() >= TELLING_NAME_PARTS {
            self.names.insert(name.to_owned());
        }
        for text in [&problem.prompt, &problem.declaration, &problem.canonical_solution] {
            self.runs.extend(runs(&words(text)));
        }
    }

    /// Tells whether a text holds a piece of a benchmark.
    pub(super) fn touch(&self, text: &str) -> bool {
        let words = words(text);
        let named = words.windows(2).any(|pair| pair[0] == "fn" && self.names.contains(pair[1]));
        named || runs(&words).any(|run| self.runs.contains(&run))
    }
}

fn words(text: &str) -> Vec<&str> {
    text.split(|c: char| !c.is_alphanumeric() && c != '_').filter(|word| !word.is_empty()).collect()
}

fn runs<'a>(words: &'a [&str]) -> impl Iterator<Item = u64> + 'a {
    words.windows(RUN_WORDS).filter(|run| is_telling(run)).map(|run| {
        let mut hasher = blake3::Hasher::new();
        for word in run {
            hasher.update(word.as_bytes());
            hasher.update(b" ");
        }
        u64::from_le_bytes(
            *hasher.finalize().as_bytes().first_chunk().expect("a hash has 32 bytes"),
        )
    })
}

/// Runs of numbers, or of one or two words over and over, are not anybody's text.
fn is_telling(run: &[&str]) -> bool {
    let worded: BTreeSet<&&str> =
        run.iter().filter(|word| word.starts_with(|c: char| !c.is_ascii_digit())).collect();
    worded.len() >= 5
}

#[cfg(test)]
mod tests {
    use super::*;

    fn benchmarks() -> Benchmarks {
        let mut benchmarks = Benchmarks::default();
        benchmarks.add(&Problem {
            entry_point: Some("has_close_elements".to_owned()),
            prompt: "// Check if any two numbers are closer to each other than the threshold"
                .to_owned(),
            declaration: String::new(),
            canonical_solution:
                "numbers.iter().enumerate().any(|(i, &a)| numbers[i + 1..].len() > a)".to_owned(),
        });
        benchmarks
    }

    #[test]
    fn names_comments_and_solutions_are_found() {
        let benchmarks = benchmarks();
        assert!(benchmarks.touch("pub fn has_close_elements(n: &[f32]) -> bool { todo() }"));
        assert!(benchmarks.touch("/// any two numbers are closer to each other than the limit"));
        assert!(benchmarks.touch(
            "numbers\n    .iter()\n    .enumerate()\n    .any(|(i, &a)| numbers[i + 1..].len() > b)"
        ));
        assert!(!benchmarks.touch("/// two numbers are closer to each other"));
        assert!(!benchmarks.touch("let n = has_close_elements(&numbers);"));
    }

    #[test]
    fn a_line_that_is_no_problem_is_named() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("problems.jsonl");
        std::fs::write(&path, "{\"prompt\": \"a\"}\n\nnot json\n").expect("the folder is writable");
        let error = Benchmarks::read(&[path]).expect_err("the third line is not JSON");
        assert!(error.to_string().contains("problems.jsonl, line 3"), "{error}");
    }
}
