//! The cleaned texts on disk: one JSON object a line.
//!
//! `train.jsonl` is in the order of training, `held_out.jsonl` comes from crates that training
//! never sees. Extra data (generated programming tasks, say) is read from files in the same form:
//! rows with `text`, or with `prompt` and `completion`. Next: `encode.rs`.

use std::fs::File;
use std::io::{BufRead, BufReader, BufWriter, Write};
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::error::Error;

/// One file of a crate, cleaned.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Text {
    /// Crate name and version.
    pub(super) package: String,
    /// Path inside the crate.
    pub(super) path: String,
    /// SPDX expression.
    pub(super) licence: String,
    pub(super) text: String,
}

/// A row as it is read: what the base learns from it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Row {
    /// A text to continue.
    Text(String),
    /// A question and its answer, framed by the chat tokens.
    Exchange { prompt: String, completion: String },
}

impl Row {
    /// The bytes of text in the row.
    pub(super) fn len_bytes(&self) -> usize {
        match self {
            Self::Text(text) => text.len(),
            Self::Exchange { prompt, completion } => prompt.len() + completion.len(),
        }
    }
}

#[derive(Deserialize)]
struct RawRow {
    text: Option<String>,
    prompt: Option<String>,
    completion: Option<String>,
}

/// Writes texts as rows.
///
/// # Errors
/// A file that cannot be written.
pub(super) fn write(path: &Path, texts: &[Text]) -> Result<(), Error> {
    let file = File::create(path).map_err(Error::file("create", path))?;
    let mut writer = BufWriter::with_capacity(1 << 20, file);
    for text in texts {
        serde_json::to_writer(&mut writer, text)
            .map_err(|error| Error::file("write", path)(error.into()))?;
        writer.write_all(b"\n").map_err(Error::file("write", path))?;
    }
    writer.flush().map_err(Error::file("write", path))
}

/// Reads rows.
///
/// # Errors
/// A file that cannot be read; a line that is not a row.
pub(super) fn read(path: &Path) -> Result<Vec<Row>, Error> {
    let wrong = |line: usize, what: String| Error::Line { path: path.to_owned(), line, what };
    let file = File::open(path).map_err(Error::file("open", path))?;
    let mut rows = Vec::new();
    for (index, line) in BufReader::with_capacity(1 << 20, file).lines().enumerate() {
        let line = line.map_err(Error::file("read", path))?;
        if line.trim().is_empty() {
            continue;
        }
        let raw: RawRow =
            serde_json::from_str(&line).map_err(|error| wrong(index + 1, error.to_string()))?;
        rows.push(match (raw.text, raw.prompt, raw.completion) {
            (Some(text), None, None) => Row::Text(text),
            (None, Some(prompt), Some(completion)) => Row::Exchange { prompt, completion },
            _ => {
                let what = "a row has either `text` or `prompt` and `completion`".to_owned();
                return Err(wrong(index + 1, what));
            }
        });
    }
    Ok(rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_come_back_and_others_are_named() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("rows.jsonl");
        let text = Text {
            package: "it-1.0.0".into(),
            path: "src/lib.rs".into(),
            licence: "MIT".into(),
            text: "fn main() {}\n".into(),
        };
        write(&path, &[text]).expect("the folder is writable");
        assert_eq!(read(&path).expect("rows"), [Row::Text("fn main() {}\n".into())]);

        std::fs::write(&path, "{\"prompt\":\"a\",\"completion\":\"b\"}\n{\"prompt\":\"a\"}\n")
            .expect("the folder is writable");
        let error = read(&path).expect_err("the second row has no completion");
        assert!(error.to_string().contains("line 2"), "{error}");
    }
}
