//! An adapter to the two files of its folder, the same bytes for the same adapter.
//!
//! The configuration holds the keys that PEFT releases of the last years all know, so that none
//! of them warns; newer keys are written only where they say something. It hands out bytes: the run
//! crate places them.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::adapter::{A, B, PREFIX};
use super::{
    Adapter, AdapterConfig, CONFIG_FILE, ModuleSet, PeftError, TENSOR_FILE, TargetModules,
};
use crate::tensor_files::{TensorToWrite, write_safetensors};

impl Adapter {
    /// Makes the files of an adapter folder as `(file name, bytes)`; tensors are f32.
    ///
    /// # Errors
    /// A pair's matrices do not have the sizes it states.
    pub fn to_files(&self) -> Result<Vec<(String, Vec<u8>)>, PeftError> {
        let mut tensors = Vec::with_capacity(2 * self.modules.len());
        for (module, pair) in &self.modules {
            let name = |ending| format!("{PREFIX}{module}{ending}");
            let (rank, columns, rows) = (pair.rank, pair.in_features, pair.out_features);
            tensors.push(TensorToWrite::f32(name(A), &[rank, columns], &pair.a));
            tensors.push(TensorToWrite::f32(name(B), &[rows, rank], &pair.b));
        }
        // Readers in PyTorch look for this mark.
        let metadata = BTreeMap::from([("format".to_owned(), "pt".to_owned())]);
        let tensors = write_safetensors(&tensors, &metadata)?;
        Ok(vec![
            (CONFIG_FILE.to_owned(), self.config.to_json().into_bytes()),
            (TENSOR_FILE.to_owned(), tensors),
        ])
    }
}

impl AdapterConfig {
    /// Writes the text of an `adapter_config.json`, ending in a newline.
    #[must_use]
    pub fn to_json(&self) -> String {
        let mut map = Map::new();
        let mut put = |key: &str, value: Value| map.insert(key.to_owned(), value);
        put("auto_mapping", Value::Null);
        put("base_model_name_or_path", json!(self.base_model_name_or_path));
        put("bias", json!("none"));
        put("fan_in_fan_out", json!(false));
        put("inference_mode", json!(true));
        put("init_lora_weights", json!(true));
        put(
            "layers_pattern",
            match self.layers_pattern.as_slice() {
                [] => Value::Null,
                list => json!(list),
            },
        );
        put("layers_to_transform", json!(self.layers_to_transform));
        put("lora_alpha", number(self.alpha));
        put("lora_dropout", json!(self.dropout));
        put("modules_to_save", Value::Null);
        put("peft_type", json!("LORA"));
        put("r", json!(self.rank));
        put("revision", json!(self.revision));
        put(
            "target_modules",
            match &self.target_modules {
                TargetModules::Names(names) => json!(names),
                TargetModules::Pattern(pattern) => json!(pattern),
                TargetModules::AllLinear => json!("all-linear"),
            },
        );
        put("task_type", json!(self.task_type));
        put("use_dora", json!(false));
        put("use_rslora", json!(self.use_rslora));
        match &self.exclude_modules {
            None => {}
            Some(ModuleSet::Names(names)) => drop(put("exclude_modules", json!(names))),
            Some(ModuleSet::Pattern(pattern)) => drop(put("exclude_modules", json!(pattern))),
        }
        let mut members: Vec<(String, String)> =
            map.iter().map(|(key, value)| (key.clone(), value.to_string())).collect();
        let ranks = self.rank_pattern.iter().map(|(text, rank)| (text, json!(rank)));
        let alphas = self.alpha_pattern.iter().map(|(text, alpha)| (text, number(*alpha)));
        members.push(("rank_pattern".to_owned(), in_order(ranks)));
        members.push(("alpha_pattern".to_owned(), in_order(alphas)));
        members.sort();
        let lines = members.iter().map(|(key, value)| format!("  {}: {value}", json!(key)));
        format!("{{\n{}\n}}\n", lines.collect::<Vec<_>>().join(",\n"))
    }
}

/// PEFT documents whole alphas, and older releases check for them.
fn number(alpha: f64) -> Value {
    if alpha.fract() == 0.0 && alpha.abs() < 9e15 { json!(alpha as i64) } else { json!(alpha) }
}

/// An object whose members keep their order, which decides which pattern wins.
fn in_order<'a>(entries: impl Iterator<Item = (&'a String, Value)>) -> String {
    let members = entries.map(|(text, value)| format!("{}: {value}", json!(text)));
    format!("{{{}}}", members.collect::<Vec<_>>().join(", "))
}
