//! `generation_config.json`: how a checkpoint's makers want it sampled.
//!
//! Optional everywhere: chat models list more end-of-text tokens here than in `config.json`. It
//! does not sample; it only reads. Values that make no sense are errors.

use std::path::Path;

use super::ConfigError;
use super::fields::{self, Fields};

/// Sampling defaults of a checkpoint; every field may be unset.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct GenerationConfig {
    /// Token that begins a text.
    pub bos_token_id: Option<u32>,
    /// Tokens that end a text; may be empty.
    pub eos_token_ids: Vec<u32>,
    /// Token that fills a batch.
    pub pad_token_id: Option<u32>,
    /// Whether to sample instead of taking the likeliest token.
    pub do_sample: Option<bool>,
    /// Softmax temperature, above 0.
    pub temperature: Option<f64>,
    /// Nucleus mass, in (0, 1].
    pub top_p: Option<f64>,
    /// Number of likeliest tokens to sample from; 0 means all.
    pub top_k: Option<usize>,
    /// Divisor of the logits of tokens already present, above 0.
    pub repetition_penalty: Option<f64>,
    /// Longest generation, in tokens.
    pub max_new_tokens: Option<usize>,
}

impl GenerationConfig {
    /// Reads `generation_config.json` from a checkpoint folder; none if there is no such file.
    ///
    /// # Errors
    /// The file is there but unreadable, damaged, or holds values of wrong types or ranges.
    pub fn read(folder: &Path) -> Result<Option<Self>, ConfigError> {
        let file = folder.join("generation_config.json");
        match std::fs::read(&file) {
            Ok(text) => Self::parse(&text, &file).map(Some),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(source) => Err(ConfigError::Read { path: file, source }),
        }
    }

    /// Parses the bytes of a `generation_config.json`; `file` is used in messages only.
    ///
    /// # Errors
    /// As [`GenerationConfig::read`].
    pub fn parse(text: &[u8], file: &Path) -> Result<Self, ConfigError> {
        let map = fields::parse_object(text, file)?;
        let top = Fields::new(file, "", &map);
        let top_p = top.positive("top_p")?;
        if let Some(top_p) = top_p.filter(|top_p| *top_p > 1.0) {
            return Err(top.range("top_p", top_p, "it must be at most 1"));
        }
        let do_sample = match top.value("do_sample") {
            None => None,
            Some(_) => Some(top.flag("do_sample", false)?),
        };
        Ok(Self {
            bos_token_id: top.token_id("bos_token_id")?,
            eos_token_ids: top.token_ids("eos_token_id")?.unwrap_or_default(),
            pad_token_id: top.token_id("pad_token_id")?,
            do_sample,
            temperature: top.number("temperature")?.filter(|temperature| *temperature > 0.0),
            top_p,
            top_k: top.count("top_k")?,
            repetition_penalty: top.positive("repetition_penalty")?,
            max_new_tokens: top.count("max_new_tokens")?,
        })
    }
}
