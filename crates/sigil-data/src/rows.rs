//! The row: one line of a dataset or one source file, as text.
//!
//! Is: the common form of everything that `sources` reads. Is not: tokens (`documents`). Next:
//! `sources/mod.rs` for where rows come from, `ledger.rs` for what became of them.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::Digest;
use crate::chat::Turn;

/// Holds one row of a dataset.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    /// What the model is given; `None` when the whole text is to be learned.
    pub prompt: Option<String>,
    /// The text to learn: the completion where there is a prompt, all assistant turns where there
    /// is a conversation.
    pub text: String,
    /// The turns of a conversation; empty for other rows.
    pub turns: Vec<Turn>,
    /// Where the row was read.
    pub origin: Origin,
    /// Crate or repository (without version): a held-out split never cuts a group in two.
    pub group: Arc<str>,
    /// How often the row is drawn per epoch, on average; 1 unless the data says otherwise.
    pub weight: f32,
    /// The row's `_task_type`, for task weights.
    pub task_type: Option<Arc<str>>,
    /// The side that the data itself assigns.
    pub split: RowSplit,
    /// The fields whose names begin with `_`, as they were.
    pub extra: Map<String, Value>,
}

/// Says on which side of the evaluation split a row was put by its own data.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RowSplit {
    /// For training, unless its group is held out.
    #[default]
    Train,
    /// `split = "val"`, `"validation"`, `"test"` or `"eval"`: never trained on.
    Evaluation,
}

/// Names the place where a row was read.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Origin {
    /// The source as the config names it.
    pub source: Arc<str>,
    /// File inside the source, with `/` between folders.
    pub file: Arc<str>,
    /// Line (JSONL, from 1) or row (parquet and JSON arrays, from 1); 0 when the row is the file.
    pub row: u64,
}

impl Origin {
    /// Returns the place `row` of `file` in `source`.
    pub fn new(source: impl Into<Arc<str>>, file: impl Into<Arc<str>>, row: u64) -> Self {
        Self { source: source.into(), file: file.into(), row }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.row {
            0 => f.write_str(&self.file),
            row => write!(f, "{}:{row}", self.file),
        }
    }
}

impl Row {
    /// Returns a row of plain text that belongs to `group`.
    pub fn plain(text: impl Into<String>, origin: Origin, group: impl Into<Arc<str>>) -> Self {
        Self {
            prompt: None,
            text: text.into(),
            turns: Vec::new(),
            origin,
            group: group.into(),
            weight: 1.0,
            task_type: None,
            split: RowSplit::Train,
            extra: Map::new(),
        }
    }

    /// Returns everything that is said in the row, to compare it with other rows.
    pub fn whole_text(&self) -> String {
        if !self.turns.is_empty() {
            return self
                .turns
                .iter()
                .map(|turn| turn.content.as_str())
                .collect::<Vec<_>>()
                .join("\n");
        }
        match &self.prompt {
            None => self.text.clone(),
            Some(prompt) => format!("{prompt}\n{}", self.text),
        }
    }

    /// Hashes what the row says and its number in its file, for everything that is drawn row by row. The path
    /// of the file does not count, so data that is moved, or named by another path, is drawn alike.
    pub fn draw_key(&self) -> u64 {
        Digest::of_fields([
            self.prompt.as_deref().unwrap_or_default().as_bytes(),
            &[u8::from(self.prompt.is_some())],
            self.text.as_bytes(),
            &self.turns_bytes(),
            &self.origin.row.to_le_bytes(),
        ])
        .to_u64()
    }

    fn turns_bytes(&self) -> Vec<u8> {
        match self.turns.is_empty() {
            true => Vec::new(),
            false => serde_json::to_vec(&self.turns).expect("turns are plain JSON"),
        }
    }

    /// Hashes everything in the row that training depends on.
    pub fn digest(&self) -> Digest {
        let turns = self.turns_bytes();
        Digest::of_fields([
            self.prompt.as_deref().unwrap_or_default().as_bytes(),
            &[u8::from(self.prompt.is_some())],
            self.text.as_bytes(),
            &turns,
            self.origin.source.as_bytes(),
            self.origin.file.as_bytes(),
            &self.origin.row.to_le_bytes(),
            &self.weight.to_le_bytes(),
        ])
    }
}

/// Hashes everything in `rows` that training depends on, order included.
pub fn rows_digest(rows: &[Row]) -> Digest {
    let mut hasher = blake3::Hasher::new();
    rows.iter().for_each(|row| {
        hasher.update(row.digest().as_bytes());
    });
    Digest::from_bytes(*hasher.finalize().as_bytes())
}
