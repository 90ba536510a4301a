//! `[dataset]`: where the training rows come from and which of them are kept.
//!
//! Opens no dataset: names are text here, and sigil-data gives them meaning.
//! Read next: `evaluation.rs` (what is held out), `sequence.rs` (what rows become).

use std::collections::BTreeMap;
use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Where the training rows come from and which of them are kept.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct DatasetSettings {
    /// Sources in order: a Hub dataset id (`owner/name`, or `owner/name/folder` for a part of it),
    /// `local:PATH` (JSONL), `parquet:PATH`, a file, folder or pattern of files, or `registry:PATH`
    /// (the crates of a Cargo.lock as they lie in the machine's cargo registry). One source may be
    /// written as a plain string.
    #[schemars(length(min = 1), extend("type" = ["array", "string"]))]
    pub names: Vec<String>,
    /// Split of a Hub dataset to train on.
    #[schemars(length(min = 1))]
    pub split: String,
    /// Branch, tag or commit of Hub datasets, by source name. Not named: `main`.
    pub revisions: BTreeMap<String, String>,
    /// Which columns hold what; a column that is not named is found by its usual names.
    pub columns: ColumnSettings,
    /// Keep the filtered rows on disk and in memory (true), or stream them from their sources in
    /// little memory, starting at once (false). Either way the same shuffle gives the same rows.
    pub use_cache: bool,
    /// Folder of the dataset cache; `~/` is expanded. Not set: the user's cache folder.
    pub cache_dir: Option<PathBuf>,
    /// Drop code shorter than this, in characters.
    #[schemars(range(min = 1))]
    pub min_length: usize,
    /// Drop code longer than this, in characters.
    #[schemars(range(min = 1))]
    pub max_length: usize,
    /// Drop test files; what happens to tests in other files, `dataset.test_code` says.
    pub exclude_tests: bool,
    /// With `dataset.exclude_tests`: drop files with tests in them, or cut the tests out.
    pub test_code: TestCode,
    /// Drop files in example folders.
    pub exclude_examples: bool,
    /// Drop benchmarks.
    pub exclude_benches: bool,
    /// Keep only idiomatic code (a requirement, in spite of the name).
    pub prefer_idiomatic: bool,
    /// Keep only code with doc comments (a requirement, in spite of the name).
    pub prefer_documented: bool,
    /// How many idiomatic marks are wanted for each mark of low quality.
    #[schemars(extend("exclusiveMinimum" = 0.0))]
    pub idiomatic_quality_ratio: f64,
    /// Keep only rows whose data or crate names one of these licences (SPDX, such as `MIT`); rows
    /// without a named licence are dropped then. Empty: any licence.
    #[schemars(extend("type" = ["array", "string"]))]
    pub licences: Vec<String>,
    /// Take at most this many rows of one crate or repository, chosen by a hash of what they say, so
    /// that large ones do not drown the others. Not set: all.
    #[schemars(range(min = 1))]
    pub max_rows_per_group: Option<usize>,
    /// Seed of the row order. Not set: rows stay in the order of their source.
    pub shuffle_seed: Option<u64>,
    /// How rows are shuffled, if there is a `shuffle_seed`.
    pub shuffle: ShuffleMode,
    /// Rows in the buffer of a buffered shuffle.
    #[schemars(range(min = 1))]
    pub shuffle_buffer: usize,
    /// How several sources are mixed.
    pub interleave_mode: InterleaveMode,
    /// When a mixture of several sources ends.
    pub interleave_stop: InterleaveStop,
    /// Drop rows that nearly repeat an earlier one, of any source (equal ones are always dropped).
    pub near_duplicates: bool,
    /// Compare rows with at most this many earlier ones. Not set: with all of them.
    #[schemars(range(min = 1))]
    pub compared_rows: Option<usize>,
    /// Benchmark files (JSON Lines with `canonical_solution`): rows that hold one of their tasks are
    /// dropped, whatever their layout, comments and names.
    #[schemars(extend("type" = ["array", "string"]))]
    pub benchmarks: Vec<String>,
    /// Largest share of rows that may be unreadable; they are counted and kept aside.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub max_bad_fraction: f64,
    /// Most bytes that a compressed file (.gz, .zst) may expand to, so that a small file cannot fill
    /// the machine.
    #[schemars(range(min = 1))]
    pub max_expanded_bytes: u64,
    /// Warn when a smaller share of the rows passes every rule.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub min_pass_rate: f64,
    /// Weight of each source for `interleave_mode = "weighted"`; a source that is not named weighs
    /// 1.
    #[schemars(extend("additionalProperties" = {"type": "number", "minimum": 0.0}))]
    pub dataset_weights: BTreeMap<String, f64>,
    /// How often rows of a task type are repeated (1 = once, 0 = never, 2.5 = twice, and half of
    /// them a third time).
    #[schemars(extend("additionalProperties" = {"type": "number", "minimum": 0.0}))]
    pub task_weights: BTreeMap<String, f64>,
}

impl Default for DatasetSettings {
    fn default() -> Self {
        Self {
            names: vec!["ammarnasr/the-stack-rust-clean".to_owned()],
            split: "train".to_owned(),
            revisions: BTreeMap::new(),
            columns: ColumnSettings::default(),
            use_cache: true,
            cache_dir: None,
            min_length: 64,
            max_length: 200_000,
            exclude_tests: true,
            test_code: TestCode::Reject,
            exclude_examples: false,
            exclude_benches: true,
            prefer_idiomatic: false,
            prefer_documented: false,
            idiomatic_quality_ratio: 2.0,
            licences: Vec::new(),
            max_rows_per_group: None,
            shuffle_seed: None,
            shuffle: ShuffleMode::Auto,
            shuffle_buffer: 10_000,
            interleave_mode: InterleaveMode::Sequential,
            interleave_stop: InterleaveStop::FirstExhausted,
            near_duplicates: true,
            compared_rows: None,
            benchmarks: Vec::new(),
            max_bad_fraction: 0.001,
            max_expanded_bytes: 64 << 30,
            min_pass_rate: 0.05,
            dataset_weights: BTreeMap::new(),
            task_weights: BTreeMap::new(),
        }
    }
}

/// Names of the columns (or JSON keys) that hold each part of a row.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ColumnSettings {
    /// Code or text without a prompt. Not set: `content`, `text` or `code`.
    pub text: Option<String>,
    /// The prompt, on which no loss is taken. Not set: `prompt`.
    pub prompt: Option<String>,
    /// The answer to the prompt. Not set: `gen`, `completion` or `response`.
    pub completion: Option<String>,
    /// A list of turns. Not set: `messages` or `conversations`.
    pub messages: Option<String>,
    /// Path of the file in its repository, for the path rules. Not set: `path`.
    pub path: Option<String>,
}

/// How several sources are mixed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum InterleaveMode {
    /// One source after the other.
    Sequential,
    /// One row of each in turn.
    RoundRobin,
    /// Drawn by `dataset.dataset_weights`.
    Weighted,
}

/// When a mixture of several sources ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum InterleaveStop {
    /// As soon as one source has no further row.
    FirstExhausted,
    /// When every row of every source has come at least once; shorter sources start again.
    AllExhausted,
    /// When every row of every source has come exactly once.
    AllExhaustedWithoutReplacement,
}

/// What happens to tests beside other code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum TestCode {
    /// The whole file is dropped.
    Reject,
    /// Test modules and functions are cut out, the rest is kept.
    Strip,
    /// The file is kept as it is.
    Keep,
}

/// How rows are shuffled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ShuffleMode {
    /// `full` with the cache, `buffer` without.
    Auto,
    /// All rows at once; needs `dataset.use_cache`.
    Full,
    /// Inside a rolling buffer of `dataset.shuffle_buffer` rows.
    Buffer,
}
