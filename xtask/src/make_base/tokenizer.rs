//! Trains the base model's byte-level BPE tokenizer and writes it as transformers reads it.
//!
//! Not the turning of the corpus into ids: `encode.rs`.

use std::path::Path;

use serde_json::json;
use tokenizers::models::TrainerWrapper;
use tokenizers::models::bpe::{BPE, BpeTrainer};
use tokenizers::pre_tokenizers::PreTokenizerWrapper;
use tokenizers::pre_tokenizers::byte_level::ByteLevel;
use tokenizers::pre_tokenizers::sequence::Sequence;
use tokenizers::pre_tokenizers::split::{Split, SplitPattern};
use tokenizers::{AddedToken, SplitDelimiterBehavior, Tokenizer};

use super::error::Error;

/// Ends every document; its id is 0.
pub(super) const END_OF_TEXT: &str = "<|endoftext|>";
pub(super) const USER: &str = "<|user|>";
pub(super) const ASSISTANT: &str = "<|assistant|>";
pub(super) const END: &str = "<|end|>";
const PAD: &str = "<|pad|>";

/// The special tokens; each one's id is its place.
pub(super) const SPECIAL: &[&str] =
    &[END_OF_TEXT, USER, ASSISTANT, END, "<|fim_prefix|>", "<|fim_middle|>", "<|fim_suffix|>", PAD];

/// How text is cut before merging, in this order: line ends with the indentation after them; a
/// word with one space before it and up to three digits after it (`u32`); up to three digits;
/// punctuation with one space before it; white space. No piece needs to look ahead, so every
/// regex engine cuts alike.
const PIECES: &str =
    r"(?:\r?\n)+[ \t]*| ?[\p{L}_]+\p{N}{0,3}| ?\p{N}{1,3}| ?[^\s\p{L}\p{N}_]+|[ \t]+|\s+";

/// Longer tokens are rulers of dashes, not words.
const LONGEST_TOKEN: usize = 32;

/// The chat frame, as transformers renders it.
const CHAT_TEMPLATE: &str = "{% for message in messages %}{% if message['role'] == 'assistant' %}\
<|assistant|>{% else %}<|user|>{% endif %}{{ message['content'] }}<|end|>{% endfor %}\
{% if add_generation_prompt %}<|assistant|>{% endif %}";

fn failed(error: impl std::fmt::Display) -> Error {
    Error::Tokenizer { what: error.to_string() }
}

/// Trains a tokenizer of `vocab_size` tokens, special ones included, on the texts given.
///
/// # Errors
/// A vocabulary over 16 bits, or a failure of the trainer.
pub(super) fn train<'a>(
    texts: impl Iterator<Item = &'a str> + Send,
    vocab_size: usize,
) -> Result<Tokenizer, Error> {
    if vocab_size > usize::from(u16::MAX) + 1 {
        return Err(Error::Vocabulary { size: vocab_size });
    }
    let split =
        Split::new(SplitPattern::Regex(PIECES.to_owned()), SplitDelimiterBehavior::Isolated, false)
            .map_err(failed)?;
    let bytes = ByteLevel::new(false, true, false);
    let mut tokenizer = Tokenizer::new(BPE::default());
    tokenizer.with_pre_tokenizer(Some(PreTokenizerWrapper::Sequence(Sequence::new(vec![
        split.into(),
        bytes.into(),
    ]))));
    tokenizer.with_decoder(Some(bytes));
    let special = SPECIAL.iter().map(|token| AddedToken::from(*token, true)).collect();
    let trainer = BpeTrainer::builder()
        .vocab_size(vocab_size)
        .min_frequency(2)
        .show_progress(false)
        .special_tokens(special)
        .initial_alphabet(ByteLevel::alphabet().into_iter().collect())
        .max_token_length(Some(LONGEST_TOKEN))
        .build();
    let mut trainer = TrainerWrapper::BpeTrainer(trainer);
    tokenizer.train(&mut trainer, texts).map_err(failed)?;
    as_saved(&tokenizer)
}

/// Reads a tokenizer.json, set so that special tokens in ordinary text stay ordinary text.
///
/// # Errors
/// A file that is not a tokenizer.
pub(super) fn load(path: &Path) -> Result<Tokenizer, Error> {
    let bytes = std::fs::read(path).map_err(Error::file("read", path))?;
    let mut tokenizer = Tokenizer::from_bytes(bytes).map_err(failed)?;
    tokenizer.set_encode_special_tokens(true);
    Ok(tokenizer)
}

/// What is used from here on is what the file will hold, not the trainer's state.
fn as_saved(tokenizer: &Tokenizer) -> Result<Tokenizer, Error> {
    let text = tokenizer.to_string(false).map_err(failed)?;
    let mut tokenizer = Tokenizer::from_bytes(text).map_err(failed)?;
    tokenizer.set_encode_special_tokens(true);
    Ok(tokenizer)
}

/// Returns the text of tokenizer.json.
///
/// # Errors
/// A failure of the library's writer.
pub(super) fn to_json(tokenizer: &Tokenizer) -> Result<String, Error> {
    tokenizer.to_string(true).map_err(failed)
}

/// Returns the text of tokenizer_config.json.
pub(super) fn config_json(context_tokens: usize) -> String {
    let config = json!({
        "add_bos_token": false,
        "add_prefix_space": false,
        "additional_special_tokens": SPECIAL[1..SPECIAL.len() - 1],
        "bos_token": null,
        "chat_template": CHAT_TEMPLATE,
        "clean_up_tokenization_spaces": false,
        "eos_token": END_OF_TEXT,
        "model_max_length": context_tokens,
        "pad_token": PAD,
        "tokenizer_class": "PreTrainedTokenizerFast",
        "unk_token": null,
    });
    format!("{config:#}\n")
}

#[cfg(test)]
mod tests {
    use std::sync::LazyLock;

    use proptest::prelude::*;

    use super::*;

    /// This crate's own sources are text enough to train on.
    const TEXTS: &[&str] = &[
        include_str!("tokenizer.rs"),
        include_str!("clean.rs"),
        include_str!("archive.rs"),
        include_str!("select.rs"),
    ];
    static TOKENIZER: LazyLock<Tokenizer> =
        LazyLock::new(|| train(TEXTS.iter().copied(), 700).expect("the texts are ordinary"));

    fn pieces(text: &str) -> Vec<String> {
        let encoding = TOKENIZER.encode_fast(text, false).expect("any text");
        encoding
            .get_ids()
            .iter()
            .map(|id| TOKENIZER.decode(&[*id], false).expect("an id"))
            .collect()
    }

    #[test]
    fn special_tokens_have_the_first_ids() {
        assert_eq!(TOKENIZER.get_vocab_size(true), 700);
        for (id, token) in SPECIAL.iter().enumerate() {
            assert_eq!(TOKENIZER.token_to_id(token), Some(id as u32), "{token}");
        }
    }

    #[test]
    fn training_is_repeatable() {
        let again = train(TEXTS.iter().copied(), 700).expect("the texts are ordinary");
        assert_eq!(to_json(&again).expect("json"), to_json(&TOKENIZER).expect("json"));
    }

    #[test]
    fn indentation_is_one_token() {
        assert_eq!(pieces("\n        let"), ["\n        ", "let"]);
    }

    #[test]
    fn special_tokens_in_text_stay_text() {
        let encoding = TOKENIZER.encode_fast(END_OF_TEXT, false).expect("any text");
        assert!(encoding.get_ids().len() > 1 && !encoding.get_ids().contains(&0));
    }

    #[test]
    fn too_large_a_vocabulary_is_refused() {
        let error = train(TEXTS.iter().copied(), 65_537).expect_err("ids have 16 bits");
        assert!(matches!(error, Error::Vocabulary { size: 65_537 }));
    }

    proptest! {
        #[test]
        fn every_text_comes_back(text in "\\PC{0,40}[ \n\t\r]{0,9}\\PC{0,40}") {
            let encoding = TOKENIZER.encode_fast(text.as_str(), false).expect("any text");
            prop_assert_eq!(TOKENIZER.decode(encoding.get_ids(), false).expect("ids"), text);
        }
    }
}
