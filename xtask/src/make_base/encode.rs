//! Turns rows into one file of token ids.
//!
//! The file is 16-bit little-endian ids, each document ended by `<|endoftext|>` (id 0), with no
//! header; a JSON file of the same name says how many there are and what they were made from.
//! Every document is decoded again and compared with its text. Not here: packing into blocks,
//! which training does.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

use rayon::prelude::*;
use serde::Serialize;
use tokenizers::Tokenizer;

use super::error::Error;
use super::texts::Row;
use super::tokenizer::{ASSISTANT, END, END_OF_TEXT, USER};

const DOCUMENTS_AT_ONCE: usize = 1024;

/// What a token file holds.
#[derive(Debug, Serialize)]
pub(super) struct TokenFile {
    /// `u16-le`.
    pub(super) format: &'static str,
    /// Ids in the file, document ends included.
    pub(super) tokens: u64,
    pub(super) documents: u64,
    /// Bytes of text that the ids stand for.
    pub(super) text_bytes: u64,
    /// Text bytes per id, document ends not counted.
    pub(super) bytes_per_token: f64,
    pub(super) vocab_size: usize,
    pub(super) end_of_text_id: u32,
    /// BLAKE3 of the file.
    pub(super) digest: String,
    /// BLAKE3 of tokenizer.json.
    pub(super) tokenizer_digest: String,
    /// BLAKE3 of the corpus list and of the lock file.
    pub(super) corpus_digest: String,
}

/// What went into a token file.
pub(super) struct Origin<'a> {
    pub(super) tokenizer: &'a Tokenizer,
    pub(super) tokenizer_digest: String,
    pub(super) corpus_digest: String,
}

/// Encodes rows into `path` (ids) and `path` with the extension `json`.
///
/// # Errors
/// A file that cannot be written; a text that does not come back from its ids as it was.
pub(super) fn encode(path: &Path, rows: &[Row], origin: &Origin<'_>) -> Result<TokenFile, Error> {
    let end_of_text = special(origin.tokenizer, END_OF_TEXT)?;
    let file = File::create(path).map_err(Error::file("create", path))?;
    let mut writer = BufWriter::with_capacity(1 << 20, file);
    let mut hasher = blake3::Hasher::new();
    let (mut tokens, mut text_bytes) = (0u64, 0u64);
    for (part, chunk) in rows.chunks(DOCUMENTS_AT_ONCE).enumerate() {
        let encoded: Vec<Result<Vec<u8>, Error>> = chunk
            .par_iter()
            .enumerate()
            .map(|(index, row)| {
                let mut ids = row_ids(origin.tokenizer, row).map_err(|error| match error {
                    Error::RoundTrip { .. } => Error::RoundTrip {
                        document: format!("row {}", part * DOCUMENTS_AT_ONCE + index + 1),
                    },
                    other => other,
                })?;
                ids.push(end_of_text);
                Ok(ids.iter().flat_map(|id| id.to_le_bytes()).collect())
            })
            .collect();
        for bytes in encoded {
            let bytes = bytes?;
            tokens += bytes.len() as u64 / 2;
            hasher.update(&bytes);
            writer.write_all(&bytes).map_err(Error::file("write", path))?;
        }
        text_bytes += chunk.iter().map(|row| row.len_bytes() as u64).sum::<u64>();
    }
    writer.flush().map_err(Error::file("write", path))?;
    let documents = rows.len() as u64;
    let summary = TokenFile {
        format: "u16-le",
        tokens,
        documents,
        text_bytes,
        bytes_per_token: text_bytes as f64 / (tokens - documents).max(1) as f64,
        vocab_size: origin.tokenizer.get_vocab_size(true),
        end_of_text_id: u32::from(end_of_text),
        digest: hasher.finalize().to_hex().to_string(),
        tokenizer_digest: origin.tokenizer_digest.clone(),
        corpus_digest: origin.corpus_digest.clone(),
    };
    let beside = path.with_extension("json");
    let text = serde_json::to_string_pretty(&summary).expect("numbers and strings are JSON");
    std::fs::write(&beside, text + "\n").map_err(Error::file("write", &beside))?;
    Ok(summary)
}

fn special(tokenizer: &Tokenizer, token: &str) -> Result<u16, Error> {
    let id = tokenizer.token_to_id(token).and_then(|id| u16::try_from(id).ok());
    id.ok_or_else(|| Error::Tokenizer { what: format!("no 16-bit id for {token}") })
}

fn row_ids(tokenizer: &Tokenizer, row: &Row) -> Result<Vec<u16>, Error> {
    match row {
        Row::Text(text) => text_ids(tokenizer, text),
        Row::Exchange { prompt, completion } => {
            let mut ids = vec![special(tokenizer, USER)?];
            ids.extend(text_ids(tokenizer, prompt)?);
            ids.extend([special(tokenizer, END)?, special(tokenizer, ASSISTANT)?]);
            ids.extend(text_ids(tokenizer, completion)?);
            ids.push(special(tokenizer, END)?);
            Ok(ids)
        }
    }
}

fn text_ids(tokenizer: &Tokenizer, text: &str) -> Result<Vec<u16>, Error> {
    let failed = |error: tokenizers::Error| Error::Tokenizer { what: error.to_string() };
    let encoding = tokenizer.encode_fast(text, false).map_err(failed)?;
    let back = tokenizer.decode(encoding.get_ids(), false).map_err(failed)?;
    if back != text {
        return Err(Error::RoundTrip { document: String::new() });
    }
    let narrow = |id: &u32| {
        u16::try_from(*id).map_err(|_| Error::Vocabulary { size: tokenizer.get_vocab_size(true) })
    };
    encoding.get_ids().iter().map(narrow).collect()
}

#[cfg(test)]
mod tests {
    use super::super::tokenizer;
    use super::*;

    #[test]
    fn documents_are_ended_and_exchanges_framed() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("tokens.bin");
        let text = include_str!("encode.rs");
        let trained = tokenizer::train([text].into_iter(), 400).expect("ordinary text");
        let origin = Origin {
            tokenizer: &trained,
            tokenizer_digest: "t".to_owned(),
            corpus_digest: "c".to_owned(),
        };
        let rows = [
            Row::Text(text.to_owned()),
            Row::Exchange { prompt: "add <|end|>".to_owned(), completion: "fn".to_owned() },
        ];
        let summary = encode(&path, &rows, &origin).expect("the folder is writable");

        let bytes = std::fs::read(&path).expect("it was written");
        assert_eq!(summary.digest, blake3::hash(&bytes).to_hex().to_string());
        let ids: Vec<u32> =
            bytes.chunks_exact(2).map(|b| u32::from(u16::from_le_bytes([b[0], b[1]]))).collect();
        assert_eq!(ids.len() as u64, summary.tokens);
        let documents: Vec<&[u32]> = ids.split_inclusive(|id| *id == 0).collect();
        assert_eq!(documents.len(), 2);
        let first = trained.decode(&documents[0][..documents[0].len() - 1], false).expect("ids");
        assert_eq!(first, text);
        let second = trained.decode(documents[1], false).expect("ids");
        assert_eq!(second, "<|user|>add <|end|><|end|><|assistant|>fn<|end|><|endoftext|>");
        assert_eq!(documents[1].iter().filter(|id| **id == 3).count(), 2);
    }
}
