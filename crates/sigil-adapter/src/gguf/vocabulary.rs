//! `tokenizer.json` as the lists that GGUF has: tokens, types, merges or scores, special tokens.
//!
//! Two kinds are known: byte-level BPE (llama 3, qwen, most of today) and BPE with byte fallback, which is
//! what SentencePiece vocabularies (llama 2, mistral, phi-3) become in that file. llama.cpp splits text
//! before it merges, by rules that it knows by name only: they are recognised by their regular expression,
//! and a text split otherwise is refused unless the user names rules. Next: `export.rs`.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use serde::Deserialize;
use serde_json::Value as Json;
use sigil_weights::DecoderConfig;

use super::Value;
use super::metadata::refused;
use crate::AdapterError;

/// Types of tokens, as llama.cpp numbers them.
const NORMAL: i32 = 1;
const UNKNOWN: i32 = 2;
const CONTROL: i32 = 3;
const USER_DEFINED: i32 = 4;
const UNUSED: i32 = 5;
const BYTE: i32 = 6;

/// Rules of splitting that llama.cpp knows, by their regular expression in `tokenizer.json`.
const SPLITS: [(&str, &str); 3] = [
    (
        r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+",
        "llama-bpe",
    ),
    (
        r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+",
        "qwen2",
    ),
    (
        r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+",
        "tekken",
    ),
];

#[derive(Deserialize)]
struct TokenizerFile {
    #[serde(default)]
    added_tokens: Vec<AddedToken>,
    #[serde(default)]
    normalizer: Json,
    #[serde(default)]
    pre_tokenizer: Json,
    #[serde(default)]
    post_processor: Json,
    model: Model,
}

#[derive(Deserialize)]
struct AddedToken {
    id: usize,
    content: String,
    #[serde(default)]
    special: bool,
}

#[derive(Deserialize)]
struct Model {
    #[serde(rename = "type", default)]
    kind: Option<String>,
    #[serde(default)]
    byte_fallback: bool,
    #[serde(default)]
    unk_token: Option<String>,
    vocab: HashMap<String, usize>,
    merges: Vec<Merge>,
}

/// A merge as older files write it, or as newer ones do.
struct Merge(String, String);

impl<'de> Deserialize<'de> for Merge {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        use serde::de::Error as _;
        match Json::deserialize(deserializer)? {
            Json::String(text) => match text.split_once(' ') {
                Some((left, right)) => Ok(Self(left.to_owned(), right.to_owned())),
                None => Err(D::Error::custom(format!("`{text}` is no merge of two tokens"))),
            },
            Json::Array(parts) => match parts.as_slice() {
                [Json::String(left), Json::String(right)] => Ok(Self(left.clone(), right.clone())),
                _ => Err(D::Error::custom("a merge is not of two tokens")),
            },
            _ => Err(D::Error::custom("a merge is neither a text nor a pair")),
        }
    }
}

/// A vocabulary, its kind known.
pub(super) struct Vocabulary {
    file: TokenizerFile,
    settings: Json,
    chat_template: Option<String>,
}

impl Vocabulary {
    /// Reads the tokenizer files of a folder.
    pub(super) fn read(folder: &Path) -> Result<Self, AdapterError> {
        let path = folder.join("tokenizer.json");
        let bytes = std::fs::read(&path).map_err(AdapterError::read(&path))?;
        let file: TokenizerFile = serde_json::from_slice(&bytes).map_err(|error| {
            AdapterError::Tokenizer { path: path.clone(), what: error.to_string() }
        })?;
        if file.model.kind.as_deref().is_some_and(|kind| kind != "BPE") {
            return Err(refused("its tokenizer is no BPE", None));
        }
        let path = folder.join("tokenizer_config.json");
        let settings = match std::fs::read(&path) {
            Ok(bytes) => serde_json::from_slice(&bytes)
                .map_err(|error| AdapterError::Tokenizer { path, what: error.to_string() })?,
            Err(_) => Json::Null,
        };
        let own = std::fs::read_to_string(folder.join("chat_template.jinja")).ok();
        let chat_template = own.or_else(|| settings["chat_template"].as_str().map(str::to_owned));
        Ok(Self { file, settings, chat_template })
    }

    /// The metadata; `pre` is the user's name for how text is split.
    pub(super) fn metadata(
        &self,
        config: &DecoderConfig,
        pre: Option<&str>,
    ) -> Result<Vec<(String, Value)>, AdapterError> {
        let is_sentence_piece = self.file.model.byte_fallback;
        let size = config.vocab_size;
        let (tokens, types) = self.tokens(size)?;
        let mut out = Vec::new();
        let mut put = |key: &str, value: Value| out.push((format!("tokenizer.{key}"), value));
        let model = if is_sentence_piece { "llama" } else { "gpt2" };
        put("ggml.model", Value::Text(model.to_owned()));
        let split = match pre {
            Some(name) => name,
            None if is_sentence_piece => "default",
            None => self.split()?,
        };
        put("ggml.pre", Value::Text(split.to_owned()));
        if is_sentence_piece {
            put("ggml.scores", Value::F32s(self.scores(&tokens)));
            put("ggml.add_space_prefix", Value::Bool(self.adds_space()));
        } else {
            let merges = self.file.model.merges.iter();
            put("ggml.merges", Value::Texts(merges.map(|m| format!("{} {}", m.0, m.1)).collect()));
        }
        for (key, id) in self.special_tokens(config) {
            if (id as usize) < tokens.len() {
                put(&format!("ggml.{key}_token_id"), Value::U32(id));
            }
        }
        if let Some(adds) = self.adds_bos() {
            put("ggml.add_bos_token", Value::Bool(adds));
        }
        if let Some(adds) = self.settings["add_eos_token"].as_bool() {
            put("ggml.add_eos_token", Value::Bool(adds));
        }
        if let Some(template) = &self.chat_template {
            put("chat_template", Value::Text(template.clone()));
        }
        put("ggml.tokens", Value::Texts(tokens));
        put("ggml.token_type", Value::I32s(types));
        Ok(out)
    }

    /// Texts and types of all rows of the embedding.
    fn tokens(&self, size: usize) -> Result<(Vec<String>, Vec<i32>), AdapterError> {
        let model = &self.file.model;
        let mut texts: Vec<Option<String>> = vec![None; size];
        let mut types = vec![UNUSED; size];
        let added = self.file.added_tokens.iter().map(|token| (&token.content, token.id));
        for (text, id) in model.vocab.iter().map(|(text, id)| (text, *id)).chain(added) {
            let Some(place) = texts.get_mut(id) else {
                let what = format!("token {id} lies beyond the model's vocabulary of {size}");
                return Err(refused(&what, None));
            };
            *place = Some(text.clone());
            types[id] = NORMAL;
            if model.byte_fallback && is_byte(text) {
                types[id] = BYTE;
            }
        }
        for token in &self.file.added_tokens {
            types[token.id] = if token.special { CONTROL } else { USER_DEFINED };
            if !token.special {
                // A user's token is matched in the text itself, where a space is a space.
                texts[token.id] = Some(token.content.replace('\u{2581}', " "));
            }
        }
        if let Some(id) = model.unk_token.as_ref().and_then(|text| model.vocab.get(text)) {
            types[*id] = UNKNOWN;
        }
        let texts = texts.into_iter().enumerate();
        let texts = texts.map(|(id, text)| text.unwrap_or_else(|| format!("[PAD{id}]")));
        Ok((texts.collect(), types))
    }

    /// SentencePiece merges the pair whose result has the highest score; in `tokenizer.json` that order
    /// is the order of the merges. A token's score is minus the place of the first merge that makes it.
    fn scores(&self, tokens: &[String]) -> Vec<f32> {
        let mut ranks: BTreeMap<String, usize> = BTreeMap::new();
        for (rank, merge) in self.file.model.merges.iter().enumerate() {
            ranks.entry(format!("{}{}", merge.0, merge.1)).or_insert(rank);
        }
        tokens.iter().map(|token| ranks.get(token).map_or(0.0, |rank| -(*rank as f32))).collect()
    }

    /// llama.cpp's name for how text is split before it is merged.
    fn split(&self) -> Result<&'static str, AdapterError> {
        let steps = match &self.file.pre_tokenizer["pretokenizers"] {
            Json::Array(steps) => steps.clone(),
            _ => vec![self.file.pre_tokenizer.clone()],
        };
        let mut pattern = None;
        for step in &steps {
            match step["type"].as_str() {
                Some("Split") if pattern.is_none() => {
                    pattern = Some(step["pattern"]["Regex"].as_str().unwrap_or_default());
                }
                Some("ByteLevel")
                    if pattern.is_none() && step["use_regex"] != Json::Bool(false) =>
                {
                    return Ok("gpt-2");
                }
                Some("ByteLevel") => {}
                _ => pattern = Some(""),
            }
        }
        let known = SPLITS.iter().find(|(known, _)| Some(*known) == pattern);
        known.map(|(_, name)| *name).ok_or_else(|| {
            refused(
                "llama.cpp knows no rules that split text as its tokenizer does",
                Some(
                    "name rules with --pre, such as --pre gpt-2; the tokens of a text may then be \
                     others than in training",
                ),
            )
        })
    }

    /// Whether a space is put before a text.
    fn adds_space(&self) -> bool {
        let has = |value: &Json, test: &dyn Fn(&Json) -> bool| -> bool {
            let list =
                ["normalizers", "pretokenizers"].iter().find_map(|key| value[key].as_array());
            list.map_or_else(|| test(value), |list| list.iter().any(test))
        };
        has(&self.file.normalizer, &|step| step["type"] == "Prepend")
            || has(&self.file.pre_tokenizer, &|step| {
                step["type"] == "Metaspace"
                    && step["prepend_scheme"] != "never"
                    && step["add_prefix_space"] != Json::Bool(false)
            })
    }

    /// Whether texts begin with the token of a beginning; none if the files do not say.
    fn adds_bos(&self) -> Option<bool> {
        if let Some(adds) = self.settings["add_bos_token"].as_bool() {
            return Some(adds);
        }
        let processor = &self.file.post_processor;
        let steps = processor["processors"].as_array().cloned();
        let steps = steps.unwrap_or_else(|| vec![processor.clone()]);
        let template = steps.iter().find(|step| step["type"] == "TemplateProcessing")?;
        let first = &template["single"][0]["SpecialToken"]["id"];
        Some(first.as_str().is_some_and(|text| Some(text) == self.special_text("bos").as_deref()))
    }

    fn special_tokens(&self, config: &DecoderConfig) -> Vec<(&'static str, u32)> {
        let id = |kind: &str| {
            let text = self.special_text(kind)?;
            let added = self.file.added_tokens.iter().find(|token| token.content == text);
            let id = added
                .map(|token| token.id)
                .or_else(|| self.file.model.vocab.get(&text).copied())?;
            u32::try_from(id).ok()
        };
        [
            ("bos", id("bos").or(config.bos_token_id)),
            ("eos", id("eos").or(config.eos_token_ids.first().copied())),
            ("unknown", id("unk")),
            ("padding", id("pad").or(config.pad_token_id)),
        ]
        .into_iter()
        .filter_map(|(key, id)| Some((key, id?)))
        .collect()
    }

    /// The text of a special token in `tokenizer_config.json`.
    fn special_text(&self, kind: &str) -> Option<String> {
        let value = &self.settings[format!("{kind}_token")];
        value.as_str().or_else(|| value["content"].as_str()).map(str::to_owned)
    }
}

/// Whether a token is a byte of its own: `<0x0A>`.
fn is_byte(token: &str) -> bool {
    let digits = token.strip_prefix("<0x").and_then(|rest| rest.strip_suffix('>'));
    digits.is_some_and(|digits| digits.len() == 2 && u8::from_str_radix(digits, 16).is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn read(tokenizer: &Json, settings: &Json) -> Vocabulary {
        let folder = tempfile::tempdir().expect("a folder");
        let write = |name: &str, value: &Json| {
            std::fs::write(folder.path().join(name), value.to_string()).expect("written");
        };
        write("tokenizer.json", tokenizer);
        write("tokenizer_config.json", settings);
        Vocabulary::read(folder.path()).expect("it is a tokenizer")
    }

    #[test]
    fn a_sentence_piece_vocabulary_keeps_its_order_of_merges() {
        let tokenizer = json!({
            "added_tokens": [{"id": 1, "content": "<s>", "special": true},
                             {"id": 7, "content": "\u{2581}x", "special": false}],
            "normalizer": {"type": "Sequence", "normalizers": [{"type": "Prepend", "prepend": "\u{2581}"}]},
            "post_processor": {"type": "TemplateProcessing",
                               "single": [{"SpecialToken": {"id": "<s>"}}, {"Sequence": {"id": "A"}}]},
            "model": {"type": "BPE", "byte_fallback": true, "unk_token": "<unk>",
                      "vocab": {"<unk>": 0, "<s>": 1, "<0x0A>": 2, "a": 3, "b": 4, "ab": 5, "abb": 6},
                      "merges": ["a b", ["ab", "b"], ["a", "bb"]]}
        });
        let vocabulary = read(&tokenizer, &json!({"bos_token": {"content": "<s>"}}));
        let (tokens, types) = vocabulary.tokens(9).expect("they fit");
        assert_eq!(tokens[7..], [" x", "[PAD8]"]);
        let wanted = [UNKNOWN, CONTROL, BYTE, NORMAL, NORMAL, NORMAL, NORMAL, USER_DEFINED, UNUSED];
        assert_eq!(types, wanted);
        assert_eq!(vocabulary.scores(&tokens)[3..7], [0.0, 0.0, 0.0, -1.0]);
        assert!(vocabulary.adds_space());
        assert_eq!(vocabulary.adds_bos(), Some(true));
        assert!(vocabulary.tokens(7).is_err(), "a token beyond the embedding");
    }

    #[test]
    fn rules_of_splitting_are_known_by_their_expression_or_refused() {
        let with = |pre: Json| {
            let model = json!({"type": "BPE", "vocab": {"a": 0}, "merges": []});
            read(&json!({"pre_tokenizer": pre, "model": model}), &Json::Null)
        };
        let split = |pattern: &str| {
            json!({"type": "Sequence", "pretokenizers": [
                {"type": "Split", "pattern": {"Regex": pattern}},
                {"type": "ByteLevel", "use_regex": false}]})
        };
        for (pattern, name) in SPLITS {
            assert_eq!(with(split(pattern)).split().expect("known"), name);
        }
        assert_eq!(with(json!({"type": "ByteLevel"})).split().expect("known"), "gpt-2");
        for other in [split("x+"), json!({"type": "Whitespace"}), Json::Null] {
            let error = with(other).split().expect_err("unknown");
            assert!(error.hint().is_some_and(|hint| hint.contains("--pre")), "{error}");
        }
    }
}
