//! A tokenizer in memory: encoding, decoding, special ids.
//!
//! Is: the only place that calls the `tokenizers` crate to encode. Is not: a place that adds BOS or
//! EOS (`documents/build.rs` does). Next: `special.rs`.

use std::path::Path;

use rayon::prelude::*;

use super::{TokenizerError, special};
use crate::Digest;
use crate::chat::{ChatError, ChatTemplate};

/// Turns text into token ids and back; cheap to share by reference between threads.
pub struct Tokenizer {
    /// Special tokens in a text are ordinary text: a source file that says `<|endoftext|>` must
    /// not end its document.
    plain: tokenizers::Tokenizer,
    /// The same with special tokens recognised, for the text of chat templates.
    aware: tokenizers::Tokenizer,
    /// Special tokens by their text, the longest first.
    special_texts: Vec<(String, u32)>,
    /// Whether a text that stands alone gets a space in front (as SentencePiece does).
    adds_space: bool,
    special: special::SpecialTokens,
    adds_bos: bool,
    vocabulary_size: usize,
    digest: Digest,
}

impl Tokenizer {
    /// Loads `tokenizer.json` (`path` is that file or the folder that holds it) and what lies
    /// beside it: `tokenizer_config.json`, `generation_config.json`, `config.json`.
    ///
    /// # Errors
    /// A missing or damaged file, or a special token that the vocabulary does not have.
    pub fn load(path: &Path) -> Result<Self, TokenizerError> {
        let file = if path.is_dir() { path.join("tokenizer.json") } else { path.to_owned() };
        let bytes = std::fs::read(&file)
            .map_err(|source| TokenizerError::Read { path: file.clone(), source })?;
        let mut plain = parse(&bytes).map_err(|reason| damaged(&file, reason))?;
        let folder = file.parent().unwrap_or(Path::new("."));
        let special = special::read(folder, &|token| plain.token_to_id(token))?;
        let adds_bos = match (special.add_bos, special.bos) {
            (_, None) => false,
            (Some(wanted), Some(_)) => wanted,
            (None, Some(bos)) => starts_with(&plain, bos),
        };
        let aware = plain.clone();
        plain.set_encode_special_tokens(true);
        let mut special_texts: Vec<(String, u32)> = plain
            .get_added_tokens_decoder()
            .into_iter()
            .filter(|(_, token)| token.special && !token.content.is_empty())
            .map(|(id, token)| (token.content, id))
            .collect();
        special_texts.sort_by(|a, b| b.0.len().cmp(&a.0.len()).then_with(|| a.cmp(b)));
        let adds_space = adds_space(&plain);
        let digest = digest_of(&bytes, &special, adds_bos);
        let vocabulary_size = plain.get_vocab_size(true);
        Ok(Self {
            plain,
            aware,
            special_texts,
            adds_space,
            special,
            adds_bos,
            vocabulary_size,
            digest,
        })
    }

    /// Encodes `text` without adding BOS or EOS; special tokens written in the text are encoded as
    /// ordinary text.
    ///
    /// # Errors
    /// A vocabulary without byte fallback that lacks a character.
    pub fn encode(&self, text: &str) -> Result<Vec<u32>, TokenizerError> {
        let encoding = self.plain.encode_fast(text, false).map_err(|error| {
            TokenizerError::Encode { bytes: text.len(), reason: error.to_string() }
        })?;
        Ok(encoding.get_ids().to_vec())
    }

    /// Encodes `text` as it goes on after other text: without the space that some tokenizers put
    /// in front of a text that stands alone.
    ///
    /// # Errors
    /// Those of [`Tokenizer::encode`].
    pub fn encode_continuation(&self, text: &str) -> Result<Vec<u32>, TokenizerError> {
        continuation(text, self.adds_space, &|text| self.encode(text))
    }

    /// Encodes a text of a chat template, in which special tokens are special; `first` says that
    /// nothing comes before it.
    ///
    /// # Errors
    /// Those of [`Tokenizer::encode`].
    pub fn encode_with_special(&self, text: &str, first: bool) -> Result<Vec<u32>, TokenizerError> {
        let encode = |text: &str| {
            let encoding = self.aware.encode_fast(text, false).map_err(|error| {
                TokenizerError::Encode { bytes: text.len(), reason: error.to_string() }
            })?;
            Ok(encoding.get_ids().to_vec())
        };
        continuation(text, self.adds_space && !first, &encode)
    }

    /// Finds the first special token in a text: where it ends, and its id.
    pub fn first_special(&self, text: &str) -> Option<(usize, u32)> {
        let found = self.special_texts.iter().filter_map(|(token, id)| {
            let start = text.find(token.as_str())?;
            // The longest of those that start together comes first in the list.
            Some((start, std::cmp::Reverse(token.len()), *id))
        });
        let (start, std::cmp::Reverse(length), id) = found.min()?;
        Some((start + length, id))
    }

    /// Says whether an id is a special token.
    pub fn is_special(&self, id: u32) -> bool {
        self.special_texts.iter().any(|(_, special)| *special == id)
    }

    /// Returns the text of a token as the vocabulary has it.
    pub fn token_text(&self, id: u32) -> Option<String> {
        self.plain.id_to_token(id)
    }

    /// Compiles the model's chat template, if it has one.
    pub fn chat(&self) -> Option<Result<ChatTemplate, ChatError>> {
        let source = self.chat_template()?;
        let text = |id: Option<u32>| id.and_then(|id| self.plain.id_to_token(id));
        let (bos, eos) = (text(self.special.bos), text(self.special.eos));
        Some(ChatTemplate::new(source, bos.as_deref(), eos.as_deref()))
    }

    /// Encodes many texts on all cores; the order of the results is the order of `texts`.
    ///
    /// # Errors
    /// The first text (by position) that cannot be encoded.
    pub fn encode_batch<T: AsRef<str> + Sync>(
        &self,
        texts: &[T],
    ) -> Result<Vec<Vec<u32>>, TokenizerError> {
        texts.par_iter().map(|text| self.encode(text.as_ref())).collect()
    }

    /// Decodes ids into text; special tokens are left out when `skip_special` is set.
    ///
    /// # Errors
    /// A decoder that cannot handle the ids.
    pub fn decode(&self, ids: &[u32], skip_special: bool) -> Result<String, TokenizerError> {
        self.plain.decode(ids, skip_special).map_err(|error| TokenizerError::Decode {
            tokens: ids.len(),
            reason: error.to_string(),
        })
    }

    /// Returns the id of the begin-of-text token, if the model has one.
    pub fn bos_id(&self) -> Option<u32> {
        self.special.bos
    }

    /// Returns the id of the end-of-text token, if the model has one.
    pub fn eos_id(&self) -> Option<u32> {
        self.special.eos
    }

    /// Returns the id of the padding token, if the model has one.
    pub fn pad_id(&self) -> Option<u32> {
        self.special.pad
    }

    /// Says whether a text starts with BOS: `add_bos_token` where the config has it, else what the
    /// tokenizer's own post-processor does.
    pub fn adds_bos(&self) -> bool {
        self.adds_bos
    }

    /// Returns the model's chat template as written in `chat_template.jinja` or
    /// `tokenizer_config.json`.
    pub fn chat_template(&self) -> Option<&str> {
        self.special.chat_template.as_deref()
    }

    /// Returns the id of a token by its text, special tokens included.
    pub fn token_to_id(&self, token: &str) -> Option<u32> {
        self.plain.token_to_id(token)
    }

    /// Returns the number of tokens, added ones included; ids are below the model's `vocab_size`.
    pub fn vocabulary_size(&self) -> usize {
        self.vocabulary_size
    }

    /// Returns the digest of `tokenizer.json` and of the special ids that encoding depends on.
    pub fn digest(&self) -> Digest {
        self.digest
    }
}

impl std::fmt::Debug for Tokenizer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tokenizer")
            .field("vocabulary_size", &self.vocabulary_size)
            .field("special", &self.special)
            .field("digest", &self.digest)
            .finish_non_exhaustive()
    }
}

/// Parses `tokenizer.json` and switches off the truncation and padding that a file may carry: both
/// would silently change the data.
fn parse(bytes: &[u8]) -> Result<tokenizers::Tokenizer, String> {
    serde_json::from_slice::<serde::de::IgnoredAny>(bytes).map_err(|error| error.to_string())?;
    // The tokenizers crate panics on some files that are JSON but no tokenizer. Nothing of it is
    // used after a panic.
    let parsed = std::panic::catch_unwind(|| tokenizers::Tokenizer::from_bytes(bytes))
        .map_err(|_| "its parts do not fit together".to_owned())?;
    let mut parsed = parsed.map_err(|error| error.to_string())?;
    parsed.with_padding(None);
    parsed.with_truncation(None).map_err(|error| error.to_string())?;
    Ok(parsed)
}

/// Says whether a text gets a space in front when it stands alone.
fn adds_space(tokenizer: &tokenizers::Tokenizer) -> bool {
    let ids = |text: &str| tokenizer.encode_fast(text, false).map(|e| e.get_ids().to_vec());
    match (ids("a"), ids("\na"), ids("\n")) {
        (Ok(alone), Ok(after), Ok(line)) => {
            after.strip_prefix(line.as_slice()).is_some_and(|rest| rest != alone.as_slice())
        }
        _ => false,
    }
}

/// Encodes `text` behind a line break whose tokens are taken off again, where that is needed.
fn continuation(
    text: &str,
    needed: bool,
    encode: &dyn Fn(&str) -> Result<Vec<u32>, TokenizerError>,
) -> Result<Vec<u32>, TokenizerError> {
    if needed && !text.is_empty() {
        let line = encode("\n")?;
        if let Some(rest) = encode(&format!("\n{text}"))?.strip_prefix(line.as_slice()) {
            return Ok(rest.to_vec());
        }
    }
    encode(text)
}

fn starts_with(tokenizer: &tokenizers::Tokenizer, bos: u32) -> bool {
    tokenizer.encode_fast("a", true).is_ok_and(|encoding| encoding.get_ids().first() == Some(&bos))
}

fn damaged(path: &Path, reason: String) -> TokenizerError {
    TokenizerError::Damaged { path: path.to_owned(), reason }
}

fn digest_of(bytes: &[u8], special: &special::SpecialTokens, adds_bos: bool) -> Digest {
    let ids = format!("{:?} {:?} {:?} {adds_bos}", special.bos, special.eos, special.pad);
    Digest::of_fields([bytes, ids.as_bytes()])
}
