//! Which ids mean begin, end and padding, read from the files beside `tokenizer.json`.
//!
//! Is: the reading of `tokenizer_config.json`, `generation_config.json` and `config.json`, in that
//! order of trust. Is not: a guess from token names. Next: `loaded.rs`.

use std::path::Path;

use serde_json::Value;

use super::TokenizerError;

/// Holds the special ids of a model folder.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct SpecialTokens {
    pub(super) bos: Option<u32>,
    pub(super) eos: Option<u32>,
    pub(super) pad: Option<u32>,
    /// `add_bos_token` as written; `None` when the file is silent.
    pub(super) add_bos: Option<bool>,
    pub(super) chat_template: Option<String>,
}

/// Reads the special tokens that the files in `folder` declare; missing files are fine.
pub(super) fn read(
    folder: &Path,
    id_of: &dyn Fn(&str) -> Option<u32>,
) -> Result<SpecialTokens, TokenizerError> {
    let mut special = SpecialTokens::default();
    let path = folder.join("tokenizer_config.json");
    if let Some(config) = read_json(&path)? {
        let named = |role: &'static str| -> Result<Option<u32>, TokenizerError> {
            match token_text(config.get(format!("{role}_token"))) {
                None => Ok(None),
                Some(token) => id_of(&token).map(Some).ok_or(TokenizerError::UnknownSpecial {
                    path: path.clone(),
                    role,
                    token,
                }),
            }
        };
        special.bos = named("bos")?;
        special.eos = named("eos")?;
        special.pad = named("pad")?;
        special.add_bos = config.get("add_bos_token").and_then(Value::as_bool);
        special.chat_template = template_text(config.get("chat_template"));
    }
    // Newer folders keep the template in a file of its own, which then counts.
    let path = folder.join("chat_template.jinja");
    match std::fs::read_to_string(&path) {
        Ok(text) => special.chat_template = Some(text),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
        Err(source) => return Err(TokenizerError::Read { path, source }),
    }
    for name in ["generation_config.json", "config.json"] {
        let Some(config) = read_json(&folder.join(name))? else { continue };
        let numbered = |key: &str| first_id(config.get(key));
        special.bos = special.bos.or_else(|| numbered("bos_token_id"));
        special.eos = special.eos.or_else(|| numbered("eos_token_id"));
        special.pad = special.pad.or_else(|| numbered("pad_token_id"));
    }
    Ok(special)
}

/// A special token is written as `"</s>"` or as `{"content": "</s>", ...}`.
fn token_text(value: Option<&Value>) -> Option<String> {
    match value? {
        Value::String(text) => Some(text.clone()),
        Value::Object(fields) => fields.get("content")?.as_str().map(str::to_owned),
        _ => None,
    }
}

/// A template is written as text, or as a list of named ones, of which `default` is for chats.
fn template_text(value: Option<&Value>) -> Option<String> {
    match value? {
        Value::String(text) => Some(text.clone()),
        Value::Array(named) => {
            let is_default =
                |template: &&Value| template.get("name").and_then(Value::as_str) == Some("default");
            named.iter().find(is_default)?.get("template")?.as_str().map(str::to_owned)
        }
        _ => None,
    }
}

/// An id is written as `2` or, for several stop tokens, as `[2, 7]`: the first one is trained.
fn first_id(value: Option<&Value>) -> Option<u32> {
    let number = match value? {
        Value::Array(ids) => ids.first()?.as_u64()?,
        other => other.as_u64()?,
    };
    u32::try_from(number).ok()
}

fn read_json(path: &Path) -> Result<Option<Value>, TokenizerError> {
    match std::fs::read(path) {
        Ok(bytes) => serde_json::from_slice(&bytes)
            .map(Some)
            .map_err(|source| TokenizerError::DamagedConfig { path: path.to_owned(), source }),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(TokenizerError::Read { path: path.to_owned(), source }),
    }
}
