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
    /// Sources in order: a Hub dataset id, `local:PATH` (JSONL), `parquet:PATH`, a folder of `.rs`
    /// files, or `registry:PATH` (the crates of a Cargo.lock as they lie in the machine's cargo
    /// registry). One source may be written as a plain string.
    #[schemars(length(min = 1), extend("type" = ["array", "string"]))]
    pub names: Vec<String>,
    /// Split of a Hub dataset to train on.
    #[schemars(length(min = 1))]
    pub split: String,
    /// Which columns hold what; a column that is not named is found by its usual names.
    pub columns: ColumnSettings,
    /// Keep tokenized rows on disk and read them from there (true), or stream (false).
    pub use_cache: bool,
    /// Folder of the dataset cache; `~/` is expanded. Not set: the user's cache folder.
    pub cache_dir: Option<PathBuf>,
    /// Drop code shorter than this, in characters.
    #[schemars(range(min = 1))]
    pub min_length: usize,
    /// Drop code longer than this, in characters.
    #[schemars(range(min = 1))]
    pub max_length: usize,
    /// Drop test files and files with test modules.
    pub exclude_tests: bool,
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
    /// Take at most this many rows of one crate or repository, chosen by a hash of their places, so
    /// that large ones do not drown the others. Not set: all.
    #[schemars(range(min = 1))]
    pub max_rows_per_group: Option<usize>,
    /// Seed of the row order. Not set: rows stay in the order of their source.
    pub shuffle_seed: Option<u64>,
    /// How several sources are mixed.
    pub interleave_mode: InterleaveMode,
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
            columns: ColumnSettings::default(),
            use_cache: true,
            cache_dir: None,
            min_length: 64,
            max_length: 200_000,
            exclude_tests: true,
            exclude_examples: false,
            exclude_benches: true,
            prefer_idiomatic: false,
            prefer_documented: false,
            idiomatic_quality_ratio: 2.0,
            max_rows_per_group: None,
            shuffle_seed: None,
            interleave_mode: InterleaveMode::Sequential,
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
    /// Path of the file in its repository, for the path rules. Not set: `path`.
    pub path: Option<String>,
}

/// How several sources are mixed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum InterleaveMode {
    /// One source after the other.
    Sequential,
    /// One row of each in turn, until the first is exhausted.
    RoundRobin,
    /// Drawn by `dataset.dataset_weights`, until the first is exhausted.
    Weighted,
}
