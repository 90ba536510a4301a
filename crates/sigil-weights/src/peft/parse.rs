//! From the text of `adapter_config.json` to an [`AdapterConfig`].
//!
//! Every key is either read, known to be without effect, or refused unless its value is off (null,
//! false, empty). A key that this program has never heard of is refused in the same way: it may
//! change what the adapter computes. Source: PEFT 0.21.2 `tuners/lora/config.py`.

use std::path::Path;

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::{Map, Value};

use super::{AdapterConfig, ModuleSet, PeftError, TargetModules};

/// Keys that say how an adapter was made or is served, not what it computes.
const WITHOUT_EFFECT: [&str; 9] = [
    "auto_mapping",
    "ensure_weight_tying",
    "inference_mode",
    "loftq_config",
    "megatron_core",
    "peft_version",
    "qalora_group_size",
    "runtime_config",
    "eva_config",
];

/// Keys read below.
const READ: [&str; 17] = [
    "alpha_pattern",
    "base_model_name_or_path",
    "bias",
    "exclude_modules",
    "init_lora_weights",
    "layers_pattern",
    "layers_to_transform",
    "lora_alpha",
    "lora_dropout",
    "peft_type",
    "r",
    "rank_pattern",
    "revision",
    "target_modules",
    "task_type",
    "use_rslora",
    "fan_in_fan_out",
];

/// The largest rank that makes sense; keeps products from overflowing.
const MOST_RANK: u64 = 1 << 16;

impl AdapterConfig {
    /// Parses the bytes of an `adapter_config.json`; `file` is used in messages only.
    ///
    /// # Errors
    /// The text is no JSON object, a key is missing or of the wrong type, or the adapter uses a
    /// feature that is not computed here.
    pub fn parse(text: &[u8], file: &Path) -> Result<Self, PeftError> {
        let json = |what: String| PeftError::Json { path: file.to_path_buf(), what };
        let map: Map<String, Value> =
            serde_json::from_slice(text).map_err(|error| json(error.to_string()))?;
        let keys = Keys { file, map: &map };
        keys.refuse_uncomputed()?;
        let patterns: Patterns =
            serde_json::from_slice(text).map_err(|error| json(error.to_string()))?;
        let mut rank_pattern = Vec::new();
        for (pattern, value) in patterns.rank_pattern.map_or_else(Vec::new, |ordered| ordered.0) {
            rank_pattern.push((pattern, keys.rank("rank_pattern", &value)?));
        }
        let mut alpha_pattern = Vec::new();
        for (pattern, value) in patterns.alpha_pattern.map_or_else(Vec::new, |ordered| ordered.0) {
            alpha_pattern.push((pattern, keys.alpha("alpha_pattern", &value)?));
        }
        let defaults = Self::default();
        let dropout = match keys.value("lora_dropout") {
            None => 0.0,
            Some(value) => match value.as_f64().filter(|dropout| (0.0..1.0).contains(dropout)) {
                Some(dropout) => dropout,
                None => return Err(keys.wrong("lora_dropout", "must be in [0, 1)", value)),
            },
        };
        let config = Self {
            base_model_name_or_path: keys.text("base_model_name_or_path")?,
            revision: keys.text("revision")?,
            task_type: keys.text("task_type")?,
            rank: match keys.value("r") {
                None => defaults.rank,
                Some(value) => keys.rank("r", value)?,
            },
            alpha: match keys.value("lora_alpha") {
                None => defaults.alpha,
                Some(value) => keys.alpha("lora_alpha", value)?,
            },
            dropout,
            use_rslora: keys.flag("use_rslora")?,
            target_modules: keys.target_modules()?,
            exclude_modules: keys.exclude_modules()?,
            layers_to_transform: keys.layers()?,
            layers_pattern: keys.one_or_more_texts("layers_pattern")?.unwrap_or_default(),
            rank_pattern,
            alpha_pattern,
        };
        keys.check_layers(&config)?;
        Ok(config)
    }
}

/// The two patterns again, in the order of the file: of several matches the first one counts.
#[derive(Deserialize)]
struct Patterns {
    rank_pattern: Option<Ordered>,
    alpha_pattern: Option<Ordered>,
}

struct Ordered(Vec<(String, Value)>);

impl<'de> Deserialize<'de> for Ordered {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct InOrder;
        impl<'de> Visitor<'de> for InOrder {
            type Value = Ordered;

            fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                formatter.write_str("an object from patterns to numbers")
            }

            fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Ordered, M::Error> {
                let mut entries: Vec<(String, Value)> = Vec::new();
                while let Some((key, value)) = map.next_entry::<String, Value>()? {
                    // As in Python, a repeated key keeps its first place and takes the last value.
                    match entries.iter_mut().find(|(known, _)| *known == key) {
                        Some(entry) => entry.1 = value,
                        None => entries.push((key, value)),
                    }
                }
                Ok(Ordered(entries))
            }
        }
        deserializer.deserialize_map(InOrder)
    }
}

struct Keys<'a> {
    file: &'a Path,
    map: &'a Map<String, Value>,
}

impl<'a> Keys<'a> {
    fn value(&self, key: &str) -> Option<&'a Value> {
        self.map.get(key).filter(|value| !value.is_null())
    }

    fn wrong(&self, key: &str, rule: &str, found: &Value) -> PeftError {
        self.key_error(key, format!("{rule}, found {found}"))
    }

    fn key_error(&self, key: &str, what: String) -> PeftError {
        PeftError::Key { path: self.file.to_path_buf(), key: key.to_owned(), what }
    }

    fn unsupported(&self, key: &str, value: &Value) -> PeftError {
        let mut value = value.to_string();
        if let Some((end, _)) = value.char_indices().nth(80) {
            value.truncate(end);
            value.push_str("...");
        }
        PeftError::Unsupported { path: self.file.to_path_buf(), key: key.to_owned(), value }
    }

    fn refuse_uncomputed(&self) -> Result<(), PeftError> {
        match self.value("peft_type") {
            Some(Value::String(name)) if name == "LORA" => {}
            Some(other) => return Err(self.unsupported("peft_type", other)),
            None => return Err(self.key_error("peft_type", "is missing".to_owned())),
        }
        for (key, value) in self.map {
            let known = READ.contains(&key.as_str()) || WITHOUT_EFFECT.contains(&key.as_str());
            let off = match value {
                Value::Null | Value::Bool(false) => true,
                Value::Array(list) => list.is_empty(),
                Value::Object(map) => map.is_empty(),
                _ => false,
            };
            if !known && !off {
                return Err(self.unsupported(key, value));
            }
        }
        if let Some(value) = self.value("bias").filter(|value| value.as_str() != Some("none")) {
            return Err(self.unsupported("bias", value));
        }
        if self.flag("fan_in_fan_out")? {
            return Err(self.unsupported("fan_in_fan_out", &Value::Bool(true)));
        }
        // Other initializations change the base's weights, so the adapter fits another base.
        match self.value("init_lora_weights") {
            None | Some(Value::Bool(_)) => Ok(()),
            Some(Value::String(name))
                if matches!(name.as_str(), "gaussian" | "eva" | "orthogonal") =>
            {
                Ok(())
            }
            Some(other) => Err(self.unsupported("init_lora_weights", other)),
        }
    }

    fn rank(&self, key: &str, value: &Value) -> Result<usize, PeftError> {
        let rank = value.as_u64().filter(|rank| (1..=MOST_RANK).contains(rank));
        let rank = rank.and_then(|rank| usize::try_from(rank).ok());
        rank.ok_or_else(|| self.wrong(key, "must be a rank between 1 and 65536", value))
    }

    fn alpha(&self, key: &str, value: &Value) -> Result<f64, PeftError> {
        let alpha = value.as_f64().filter(|alpha| alpha.is_finite() && *alpha > 0.0);
        alpha.ok_or_else(|| self.wrong(key, "must be a number above 0", value))
    }

    fn flag(&self, key: &str) -> Result<bool, PeftError> {
        match self.value(key) {
            None => Ok(false),
            Some(Value::Bool(flag)) => Ok(*flag),
            Some(other) => Err(self.wrong(key, "must be true or false", other)),
        }
    }

    fn text(&self, key: &str) -> Result<Option<String>, PeftError> {
        match self.value(key) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text.clone())),
            Some(other) => Err(self.wrong(key, "must be a string", other)),
        }
    }

    /// A list of strings; its order carries no meaning in PEFT, which keeps sets.
    fn texts(&self, key: &str, value: &Value) -> Result<Vec<String>, PeftError> {
        let list = value.as_array().and_then(|list| {
            list.iter().map(|item| item.as_str().map(str::to_owned)).collect::<Option<Vec<_>>>()
        });
        list.ok_or_else(|| self.wrong(key, "must be a string or a list of strings", value))
    }

    fn one_or_more_texts(&self, key: &str) -> Result<Option<Vec<String>>, PeftError> {
        match self.value(key) {
            None => Ok(None),
            Some(Value::String(text)) if text.is_empty() => Ok(None),
            Some(Value::String(text)) => Ok(Some(vec![text.clone()])),
            Some(other) => self.texts(key, other).map(Some),
        }
    }

    fn target_modules(&self) -> Result<TargetModules, PeftError> {
        const KEY: &str = "target_modules";
        match self.value(KEY) {
            None => Err(self.key_error(KEY, "is missing".to_owned())),
            Some(Value::String(text)) if text.eq_ignore_ascii_case("all-linear") => {
                Ok(TargetModules::AllLinear)
            }
            Some(Value::String(text)) => Ok(TargetModules::Pattern(text.clone())),
            Some(other) => {
                let mut names = self.texts(KEY, other)?;
                names.sort();
                names.dedup();
                Ok(TargetModules::Names(names))
            }
        }
    }

    fn exclude_modules(&self) -> Result<Option<ModuleSet>, PeftError> {
        match self.value("exclude_modules") {
            None => Ok(None),
            Some(Value::String(text)) if text.is_empty() => Ok(None),
            Some(Value::String(text)) => Ok(Some(ModuleSet::Pattern(text.clone()))),
            Some(other) => {
                let names = self.texts("exclude_modules", other)?;
                Ok(Some(ModuleSet::Names(names)).filter(|_| !other_is_empty(other)))
            }
        }
    }

    fn layers(&self) -> Result<Option<Vec<usize>>, PeftError> {
        const KEY: &str = "layers_to_transform";
        let Some(value) = self.value(KEY) else { return Ok(None) };
        let layer = |item: &Value| item.as_u64().and_then(|layer| usize::try_from(layer).ok());
        let layers = match value {
            Value::Array(list) => list.iter().map(layer).collect::<Option<Vec<_>>>(),
            one => layer(one).map(|layer| vec![layer]),
        };
        let layers = layers
            .ok_or_else(|| self.wrong(KEY, "must be a layer's number or a list of them", value))?;
        Ok(Some(layers).filter(|layers| !layers.is_empty()))
    }

    fn check_layers(&self, config: &AdapterConfig) -> Result<(), PeftError> {
        let by_name = matches!(config.target_modules, TargetModules::Names(_));
        let rule = "cannot be combined with a target_modules that is a string".to_owned();
        if !by_name && config.layers_to_transform.is_some() {
            return Err(self.key_error("layers_to_transform", rule));
        }
        if !config.layers_pattern.is_empty() && config.layers_to_transform.is_none() {
            let rule = "needs layers_to_transform beside it".to_owned();
            return Err(self.key_error("layers_pattern", rule));
        }
        Ok(())
    }
}

fn other_is_empty(value: &Value) -> bool {
    value.as_array().is_some_and(Vec::is_empty)
}
