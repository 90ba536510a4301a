//! `cargo xtask make-base extend`: the token file of a second phase, half corpus and half further rows
//! (solved programming tasks), in a folder of its own.
//!
//! `train --from` goes on from the finished base over that file, and `export` writes what comes out.
//! Next: `train.rs`.

use std::path::Path;

use serde::Deserialize;

use super::encode::{self, Origin, TokenFile};
use super::error::Error;
use super::texts::{self, Row};
use super::{shuffle, tokenizer};

/// The seed of which corpus rows come again, and of the order of all rows.
const SEED: u64 = 2;

/// What the extension is told.
pub(super) struct Extension<'a> {
    /// Folder of `prepare`.
    pub(super) work: &'a Path,
    /// JSON Lines of further rows; all of them are taken.
    pub(super) tasks: &'a Path,
    /// Tokens of the corpus that come again.
    pub(super) corpus_tokens: u64,
    /// Where everything of the second phase goes.
    pub(super) out: &'a Path,
}

/// What is read of `tokens.json`.
#[derive(Deserialize)]
struct Counted {
    bytes_per_token: f64,
    corpus_digest: String,
}

/// Writes `tokens.bin` and `held_out.bin` of the second phase and copies the tokenizer.
///
/// # Errors
/// A file that cannot be read or written, a row that is none.
pub(super) fn extend(extension: &Extension<'_>) -> Result<TokenFile, Error> {
    let Extension { work, out, .. } = extension;
    std::fs::create_dir_all(out).map_err(Error::file("create", out))?;
    for name in ["tokenizer.json", "tokenizer_config.json", "held_out.bin", "held_out.json"] {
        let (from, to) = (work.join(name), out.join(name));
        std::fs::copy(&from, &to).map_err(Error::file("copy", &from))?;
    }
    let path = work.join("tokens.json");
    let text = std::fs::read_to_string(&path).map_err(Error::file("read", &path))?;
    let counted: Counted = serde_json::from_str(&text).map_err(|error| Error::Line {
        path: path.clone(),
        line: error.line(),
        what: error.to_string(),
    })?;
    let mut corpus = texts::read(&work.join("texts").join("train.jsonl"))?;
    shuffle::shuffle(&mut corpus, SEED);
    let mut left = (extension.corpus_tokens as f64 * counted.bytes_per_token) as usize;
    let mut rows: Vec<Row> = corpus
        .into_iter()
        .take_while(|row| {
            let wanted = left > 0;
            left = left.saturating_sub(row.len_bytes());
            wanted
        })
        .collect();
    rows.extend(texts::read(extension.tasks)?);
    shuffle::shuffle(&mut rows, SEED);
    let path = work.join("tokenizer.json");
    let tokenizer_text = std::fs::read(&path).map_err(Error::file("read", &path))?;
    let origin = Origin {
        tokenizer: &tokenizer::load(&path)?,
        tokenizer_digest: blake3::hash(&tokenizer_text).to_hex().to_string(),
        corpus_digest: counted.corpus_digest,
    };
    encode::encode(&out.join("tokens.bin"), &rows, &origin)
}
