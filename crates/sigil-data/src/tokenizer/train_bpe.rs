//! Training of a byte-level BPE vocabulary.
//!
//! Is: the `tokenizers` trainer with a split pattern for source code; the same texts in the same
//! order give the same bytes. Is not: the choice of the corpus (`xtask make-base`).
//! Next: `loaded.rs`.

use tokenizers::models::bpe::{BPE, BpeTrainer};
use tokenizers::pre_tokenizers::byte_level::ByteLevel;
use tokenizers::pre_tokenizers::sequence::Sequence;
use tokenizers::pre_tokenizers::split::{Split, SplitPattern};
use tokenizers::{
    AddedToken, DecoderWrapper, PreTokenizerWrapper, SplitDelimiterBehavior, TokenizerImpl,
};

use super::TokenizerError;

/// Splits source code into pieces that never share a token: a word with the one sign before it
/// (` fn`, `.len`, `_count`), up to three digits, a run of signs, a line break with the
/// indentation after it, other white space. It has no look-around, so it runs in linear time.
pub const CODE_SPLIT_PATTERN: &str =
    r"[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+|\s*[\r\n]+[ \t]*|\s+";

/// Holds the choices of a vocabulary.
#[derive(Debug, Clone)]
pub struct BpeSettings {
    /// Number of tokens, special tokens and the 256 bytes included.
    pub vocabulary_size: usize,
    /// Tokens that never come out of text; they get the ids from 0 in this order.
    pub special_tokens: Vec<String>,
    /// Regular expression of the pieces, [`CODE_SPLIT_PATTERN`] by default.
    pub split_pattern: String,
}

impl BpeSettings {
    /// Returns settings with the split pattern for code.
    pub fn new(vocabulary_size: usize, special_tokens: &[&str]) -> Self {
        Self {
            vocabulary_size,
            special_tokens: special_tokens.iter().map(|&token| token.to_owned()).collect(),
            split_pattern: CODE_SPLIT_PATTERN.to_owned(),
        }
    }
}

/// Trains a byte-level BPE on `texts` and returns the bytes of its `tokenizer.json`.
///
/// No normalizer is used, so decoding gives back every text exactly.
///
/// # Errors
/// A vocabulary too small for the special tokens and the 256 bytes, a bad pattern, or too little
/// text to fill the vocabulary.
pub fn train_byte_level_bpe<I, T>(
    texts: I,
    settings: &BpeSettings,
) -> Result<Vec<u8>, TokenizerError>
where
    I: IntoIterator<Item = T>,
    I::IntoIter: Send,
    T: AsRef<str> + Send,
{
    let failed = |reason: String| TokenizerError::Train { reason };
    let smallest = 256 + settings.special_tokens.len();
    if settings.vocabulary_size < smallest {
        return Err(failed(format!(
            "{} tokens are too few: the bytes and the special tokens alone are {smallest}",
            settings.vocabulary_size
        )));
    }
    let pattern = SplitPattern::Regex(settings.split_pattern.clone());
    let split = Split::new(pattern, SplitDelimiterBehavior::Isolated, false)
        .map_err(|error| failed(format!("the split pattern is not valid: {error}")))?;
    let bytes = ByteLevel::new(false, false, false);
    let mut tokenizer: TokenizerImpl<
        BPE,
        tokenizers::NormalizerWrapper,
        PreTokenizerWrapper,
        tokenizers::PostProcessorWrapper,
        DecoderWrapper,
    > = TokenizerImpl::new(BPE::default());
    tokenizer
        .with_pre_tokenizer(Some(PreTokenizerWrapper::Sequence(Sequence::new(vec![
            PreTokenizerWrapper::Split(split),
            PreTokenizerWrapper::ByteLevel(bytes),
        ]))))
        .with_decoder(Some(DecoderWrapper::ByteLevel(bytes)));
    let mut trainer = BpeTrainer::builder()
        .vocab_size(settings.vocabulary_size)
        .show_progress(false)
        .special_tokens(
            settings.special_tokens.iter().map(|token| AddedToken::from(token, true)).collect(),
        )
        .initial_alphabet(ByteLevel::alphabet().into_iter().collect())
        .build();
    tokenizer.train(&mut trainer, texts.into_iter()).map_err(|error| failed(error.to_string()))?;
    let trained = tokenizer.get_vocab_size(true);
    if trained < settings.vocabulary_size {
        let wanted = settings.vocabulary_size;
        return Err(failed(format!("the texts give only {trained} of {wanted} tokens")));
    }
    tokenizer.to_string(false).map(String::into_bytes).map_err(|error| failed(error.to_string()))
}
