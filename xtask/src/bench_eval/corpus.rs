//! The pinned corpus: programs made of HumanEval-X (Apache-2.0, see `tests/fixtures/eval/SOURCES.md`) and
//! a few of our own.
//!
//! Right solutions, wrong ones that compile, broken ones at every stage, and users of crates. Its digest
//! is a constant here, so that (a) and (b), which run it without a sandbox, run what was read by a person.

use std::path::Path;

use sigil_eval::task::{Sample, Task, mutants, read_benchmark};

/// The digest of every sample's stratum, task and text.
const PINNED: &str = "40b63c6ab4201d88fcd61f014118159c";

/// What kind of sample it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Stratum {
    /// Compiles and passes its tests.
    Passing,
    /// Compiles and fails its tests.
    FailingTests,
    /// Does not compile.
    NotCompiling,
    /// Compiles and uses crates of the set; a program without tests.
    Dependencies,
}

impl Stratum {
    /// Every stratum.
    pub(crate) const ALL: [Self; 4] =
        [Self::Passing, Self::FailingTests, Self::NotCompiling, Self::Dependencies];

    /// Its name in the table.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Passing => "passing",
            Self::FailingTests => "failing-tests",
            Self::NotCompiling => "not-compiling",
            Self::Dependencies => "dependencies",
        }
    }
}

/// A sample with its stratum.
pub(crate) struct Entry {
    pub(crate) stratum: Stratum,
    pub(crate) sample: Sample,
}

/// All samples and the tasks of those that have one.
pub(crate) struct Corpus {
    pub(crate) entries: Vec<Entry>,
    pub(crate) tasks: Vec<Task>,
}

/// Tasks whose tests draw random numbers, lie in a comment, or need crates of the set.
const LEFT_OUT: [&str; 7] =
    ["Rust/32", "Rust/38", "Rust/50", "Rust/53", "Rust/91", "Rust/137", "Rust/162"];

/// What breaks a solution: at its beginning, for the stage and class that it names.
const BREAKS: [(&str, &str); 5] = [
    ("parse", " let broken = ; "),
    ("resolve", " let broken = not_defined_anywhere(1); "),
    ("type", " let broken: u8 = \"text\"; "),
    ("borrow", " let one = String::new(); let two = one; drop(one); "),
    ("trait", " let broken: bool = std::cmp::max(0.5f64, 1.5) > 1.0; "),
];

impl Corpus {
    /// The corpus, if it is the pinned one.
    pub(crate) fn pinned(root: &Path) -> Result<Self, String> {
        let path = root.join("tests/fixtures/eval/humaneval-x/humaneval_rust.jsonl");
        let (_, mut tasks) = read_benchmark(&path).map_err(|error| error.to_string())?;
        tasks.retain(|task| !LEFT_OUT.contains(&task.id.as_str()));
        let mut entries = Vec::new();
        let mut add = |stratum, task_id: &str, text: String| {
            let index = entries.len();
            let sample = Sample { index, task_id: task_id.to_owned(), prompt: String::new(), text };
            entries.push(Entry { stratum, sample });
        };
        for (index, task) in tasks.iter().enumerate() {
            add(Stratum::Passing, &task.id, task.canonical_solution.clone());
            // An early return of the default value is the one change that always compiles here.
            if index % 2 == 0 {
                let wrong = mutants(task).into_iter().find(|mutant| mutant.kind == "early_return");
                if let Some(mutant) = wrong {
                    add(Stratum::FailingTests, &task.id, mutant.text);
                }
            } else {
                let (_, broken) = BREAKS[index / 2 % BREAKS.len()];
                add(
                    Stratum::NotCompiling,
                    &task.id,
                    format!("{broken}{}", task.canonical_solution),
                );
            }
        }
        for (name, text) in PROGRAMS {
            add(Stratum::Dependencies, name, (*text).to_owned());
        }
        let corpus = Self { entries, tasks };
        let digest = corpus.digest();
        if digest != PINNED {
            return Err(format!("the corpus has digest {digest}, and {PINNED} is pinned"));
        }
        Ok(corpus)
    }

    fn digest(&self) -> String {
        let mut hasher = blake3::Hasher::new();
        for entry in &self.entries {
            for part in [entry.stratum.name(), &entry.sample.task_id, &entry.sample.text] {
                hasher.update(&(part.len() as u64).to_le_bytes());
                hasher.update(part.as_bytes());
            }
        }
        for task in &self.tasks {
            hasher.update(task.prompt.as_bytes());
            hasher.update(task.test.as_bytes());
        }
        hasher.finalize().to_hex()[..32].to_owned()
    }

    /// Every `step`th sample of each stratum.
    pub(crate) fn thinned(mut self, step: usize) -> Self {
        let mut seen = [0usize; Stratum::ALL.len()];
        self.entries.retain(|entry| {
            let seen = &mut seen[entry.stratum as usize];
            *seen += 1;
            (*seen - 1).is_multiple_of(step)
        });
        self
    }

    /// The samples of a stratum.
    pub(crate) fn of(&self, stratum: Stratum) -> Vec<&Sample> {
        let wanted = |entry: &&Entry| entry.stratum == stratum;
        self.entries.iter().filter(wanted).map(|entry| &entry.sample).collect()
    }

    /// The task of a sample.
    pub(crate) fn task(&self, sample: &Sample) -> Option<&Task> {
        self.tasks.iter().find(|task| task.id == sample.task_id)
    }
}

/// Our own programs that use crates.
const PROGRAMS: &[(&str, &str)] = &[
    ("serde", include_str!("programs/serde.rs.txt")),
    ("regex", include_str!("programs/regex.rs.txt")),
    ("tokio", include_str!("programs/tokio.rs.txt")),
    ("itertools", include_str!("programs/itertools.rs.txt")),
    ("thiserror", include_str!("programs/thiserror.rs.txt")),
    ("rayon", include_str!("programs/rayon.rs.txt")),
];
