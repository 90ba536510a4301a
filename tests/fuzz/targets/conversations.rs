//! Rows that hold conversations, from a line of JSON to tokens with learned stretches.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use sigil_data::{
    BpeSettings, DocumentSettings, Ledger, ReadSettings, RowEncoder, SourceSpec, Tokenizer,
    read_sources, train_byte_level_bpe,
};

const TEMPLATE: &str = "{% for m in messages %}<|begin|>{{ m.role }}\\n{{ m.content }}<|end|>\\n{% endfor %}";

static TOKENIZER: LazyLock<Tokenizer> = LazyLock::new(|| {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let special = ["<|begin|>", "<|end|>"];
    let json = train_byte_level_bpe(["fn main() {}"], &BpeSettings::new(260, &special));
    let config = format!(r#"{{"eos_token": "<|end|>", "chat_template": "{TEMPLATE}"}}"#);
    for (name, bytes) in [
        ("tokenizer.json", json.expect("the text gives a vocabulary")),
        ("tokenizer_config.json", config.into_bytes()),
    ] {
        std::fs::write(folder.path().join(name), bytes).expect("room for a small file");
    }
    Tokenizer::load(folder.path()).expect("it was written above")
});

fuzz_target!(|bytes: &[u8]| {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    std::fs::write(folder.path().join("rows.jsonl"), bytes).expect("room for a small file");
    let mut settings = ReadSettings::new(folder.path());
    settings.max_bad_fraction = 1.0;
    let rows = read_sources(&[SourceSpec::from("rows.jsonl")], &settings, &mut Ledger::new());
    let Ok(rows) = rows else { return };
    let documents = DocumentSettings::new(64);
    let encoder = RowEncoder::new(&TOKENIZER, &documents).expect("the template teaches an end");
    let template = TOKENIZER.chat().expect("there is one").expect("it is valid");
    for row in rows {
        let Ok(encoded) = encoder.encode(&row) else { continue };
        let mut end = 0;
        for given in &encoded.given {
            assert!(given.start >= end && given.end > given.start, "stretches are apart");
            end = given.end;
        }
        assert!(end <= encoded.tokens.len());
        if !row.turns.is_empty() {
            let text = TOKENIZER.decode(&encoded.tokens, false).expect("tokens have texts");
            assert_eq!(Ok(text), template.render(&row.turns, false));
        }
    }
});
