//! Training, loading and encoding.

use std::fs;

use proptest::prelude::*;
use sigil_data::{BpeSettings, Tokenizer, TokenizerError, train_byte_level_bpe};

use crate::fixture::{SPECIAL, rust_texts, tokenizer, tokenizer_folder, tokenizer_json, write_in};

#[test]
fn the_same_texts_give_the_same_vocabulary() {
    let settings = BpeSettings::new(420, &SPECIAL);
    let texts = rust_texts(200);
    let first = train_byte_level_bpe(&texts, &settings).expect("trains");
    for _ in 0..3 {
        assert_eq!(train_byte_level_bpe(&texts, &settings).expect("trains"), first);
    }
}

#[test]
fn special_tokens_have_the_first_ids_and_indentation_is_one_token() -> Result<(), TokenizerError> {
    let tokenizer = tokenizer();
    assert_eq!(tokenizer.vocabulary_size(), 340);
    assert_eq!(tokenizer.token_to_id("<|endoftext|>"), Some(0));
    assert_eq!(
        (tokenizer.eos_id(), tokenizer.pad_id(), tokenizer.bos_id()),
        (Some(0), Some(2), None)
    );
    assert_eq!(tokenizer.encode("\n        ")?.len(), 1);
    assert_eq!(tokenizer.encode("u64")?.len(), 2, "letters and digits never merge");
    Ok(())
}

#[test]
fn a_special_token_written_in_a_source_file_is_text() -> Result<(), TokenizerError> {
    let tokenizer = tokenizer();
    let text = "const END: &str = \"<|endoftext|>\";";
    let ids = tokenizer.encode(text)?;
    assert!(!ids.contains(&0), "the text would end its document");
    assert_eq!(tokenizer.decode(&ids, false)?, text);
    assert_eq!(tokenizer.decode(&[0], false)?, "<|endoftext|>");
    assert_eq!(tokenizer.decode(&[0], true)?, "");
    Ok(())
}

#[test]
fn truncation_and_padding_in_the_file_are_switched_off() -> Result<(), TokenizerError> {
    let folder = tokenizer_folder("{}");
    let mut json: serde_json::Value =
        serde_json::from_slice(tokenizer_json()).expect("tokenizer.json is JSON");
    json["truncation"] = serde_json::json!({
        "direction": "Right", "max_length": 4, "strategy": "LongestFirst", "stride": 0
    });
    json["padding"] = serde_json::json!({
        "strategy": {"Fixed": 64}, "direction": "Right", "pad_to_multiple_of": null,
        "pad_id": 2, "pad_type_id": 0, "pad_token": "<|pad|>"
    });
    write_in(&folder, "tokenizer.json", &json.to_string());
    let loaded = Tokenizer::load(folder.path())?;
    for text in ["fn", &rust_texts(1)[0]] {
        assert_eq!(loaded.encode(text)?, tokenizer().encode(text)?);
    }
    Ok(())
}

#[test]
fn special_ids_come_from_the_files_in_order_of_trust() -> Result<(), TokenizerError> {
    let folder = tokenizer_folder(
        r#"{"bos_token": {"content": "<|begin|>", "special": true}, "add_bos_token": true}"#,
    );
    write_in(&folder, "generation_config.json", r#"{"eos_token_id": [0, 2], "bos_token_id": 2}"#);
    write_in(&folder, "config.json", r#"{"eos_token_id": 7, "pad_token_id": 2}"#);
    let tokenizer = Tokenizer::load(&folder.path().join("tokenizer.json"))?;
    assert_eq!(tokenizer.bos_id(), Some(1), "tokenizer_config.json comes first");
    assert_eq!(tokenizer.eos_id(), Some(0), "generation_config.json comes before config.json");
    assert_eq!(tokenizer.pad_id(), Some(2));
    assert!(tokenizer.adds_bos());
    Ok(())
}

#[test]
fn without_add_bos_token_the_post_processor_decides() -> Result<(), TokenizerError> {
    let folder = tokenizer_folder(r#"{"bos_token": "<|begin|>"}"#);
    assert!(!Tokenizer::load(folder.path())?.adds_bos());
    let mut json: serde_json::Value =
        serde_json::from_slice(tokenizer_json()).expect("tokenizer.json is JSON");
    json["post_processor"] = serde_json::json!({
        "type": "TemplateProcessing",
        "single": [{"SpecialToken": {"id": "<|begin|>", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}],
        "pair": [{"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 1}}],
        "special_tokens": {"<|begin|>": {"id": "<|begin|>", "ids": [1], "tokens": ["<|begin|>"]}}
    });
    write_in(&folder, "tokenizer.json", &json.to_string());
    let tokenizer = Tokenizer::load(folder.path())?;
    assert!(tokenizer.adds_bos());
    assert_ne!(tokenizer.encode("fn")?.first(), Some(&1), "encoding itself adds nothing");
    Ok(())
}

#[test]
fn bad_files_are_sentences() {
    let folder = tokenizer_folder("{}");
    let missing = Tokenizer::load(&folder.path().join("absent")).expect_err("no such file");
    assert!(missing.to_string().starts_with("cannot read the tokenizer file"), "{missing}");
    assert!(missing.hint().is_some());
    for (name, content, expected) in [
        ("tokenizer_config.json", "{", "is not valid JSON"),
        ("tokenizer_config.json", r#"{"eos_token": "</s>"}"#, "eos token `</s>`"),
        ("tokenizer.json", "version https://git-lfs.github.com/spec/v1", "not a usable tokenizer"),
        ("tokenizer.json", r#"{"version": "1.0"}"#, "not a usable tokenizer"),
        ("tokenizer.json", r#"{"version": "1.0", "decoder": {"type": ]}"#, "at line 1 column"),
        ("tokenizer.json", r#"{"version": "1.0", "decoder": {"type": "X"}}"#, "not a usable"),
    ] {
        let saved = fs::read(folder.path().join(name)).expect("the fixture has the file");
        write_in(&folder, name, content);
        let error = Tokenizer::load(folder.path()).expect_err("the file is bad");
        assert!(error.to_string().contains(expected), "{error}");
        fs::write(folder.path().join(name), saved).expect("the file can be restored");
    }
}

#[test]
fn bad_training_settings_are_sentences() {
    let small = train_byte_level_bpe(["fn"], &BpeSettings::new(258, &SPECIAL));
    let error = small.expect_err("258 is below 256 + 3").to_string();
    assert!(error.contains("the special tokens alone are 259"), "{error}");
    let large = train_byte_level_bpe(["fn"], &BpeSettings::new(300, &SPECIAL));
    let error = large.expect_err("two letters make one merge").to_string();
    assert!(error.contains("the texts give only 260 of 300 tokens"), "{error}");
    let mut settings = BpeSettings::new(300, &SPECIAL);
    settings.split_pattern = "(".to_owned();
    let error = train_byte_level_bpe(["fn"], &settings).expect_err("the pattern is open");
    assert!(error.to_string().contains("split pattern"), "{error}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_text_comes_back_exactly(texts in prop::collection::vec("(?s).{0,80}", 0..8)) {
        let tokenizer = tokenizer();
        let ids = tokenizer.encode_batch(&texts).expect("bytes cover every text");
        for (text, ids) in texts.iter().zip(ids) {
            prop_assert_eq!(&tokenizer.decode(&ids, false).expect("decodes"), text);
        }
    }

    #[test]
    fn damaged_tokenizer_files_never_panic(position in 0_usize..40_000, value: u8, cut: bool) {
        let folder = tokenizer_folder("{}");
        let path = folder.path().join("tokenizer.json");
        let mut bytes = fs::read(&path).expect("the fixture has the file");
        let position = position % bytes.len();
        bytes[position] = value;
        if cut {
            bytes.truncate(position);
        }
        fs::write(&path, bytes).expect("the file can be written");
        if let Ok(tokenizer) = Tokenizer::load(folder.path()) {
            drop(tokenizer.encode("fn main() {}"));
        }
    }
}
