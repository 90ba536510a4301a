//! A base and an adapter as one model: safetensors shards, `config.json`, tokenizer files.
//!
//! Everything is written under a temporary name and appears at once. What is needed on disk is known,
//! and compared with what is free, before the first byte. Whether the result computes what it should is
//! the program's question, which it can ask before the folder appears. Next: `tensors.rs`.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::{Map, Value, json};
use sigil_run::{PendingFolder, free_space};
use sigil_weights::Dtype;
use sigil_weights::tensor_files::{TensorOutline, safetensors_header};

use crate::AdapterError;
use crate::tensors::{MergedTensors, encode};

/// Files that make text into tokens and back, and say how to sample; copied as they are.
pub const COMPANIONS: [&str; 9] = [
    "tokenizer.json",
    "tokenizer.model",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "chat_template.jinja",
    "added_tokens.json",
    "vocab.json",
    "merges.txt",
    "generation_config.json",
];

/// Left free besides, so that the disk is not filled to its last byte.
const SPARE_BYTES: u64 = 16 << 20;

/// How a merged model is written.
#[derive(Debug, Clone, Copy)]
pub struct MergeOptions {
    /// Element type of all floating tensors.
    pub dtype: Dtype,
    /// The most bytes of a shard; a larger tensor is a shard of its own.
    pub shard_bytes: u64,
}

/// The shards of a model.
#[derive(Debug)]
pub struct MergePlan {
    shards: Vec<Vec<TensorOutline>>,
    /// Bytes of all tensors.
    pub bytes: u64,
    /// Number of elements.
    pub parameters: u64,
}

impl MergePlan {
    /// Divides the tensors into shards.
    ///
    /// # Errors
    /// A tensor of the base is not what the architecture says.
    pub fn new(tensors: &MergedTensors<'_>, options: &MergeOptions) -> Result<Self, AdapterError> {
        let mut shards: Vec<Vec<TensorOutline>> = Vec::new();
        let (mut bytes, mut parameters, mut in_shard) = (0, 0, 0);
        for mut outline in tensors.outlines()? {
            if matches!(outline.dtype, Dtype::F32 | Dtype::F16 | Dtype::BF16) {
                outline.dtype = options.dtype;
            }
            let size = outline.bytes();
            if shards.is_empty() || (in_shard > 0 && in_shard + size > options.shard_bytes) {
                shards.push(Vec::new());
                in_shard = 0;
            }
            in_shard += size;
            bytes += size;
            parameters += outline.shape.iter().product::<usize>() as u64;
            if let Some(shard) = shards.last_mut() {
                shard.push(outline);
            }
        }
        Ok(Self { shards, bytes, parameters })
    }

    /// Number of tensors.
    #[must_use]
    pub fn tensor_count(&self) -> usize {
        self.shards.iter().map(Vec::len).sum()
    }

    /// Refuses to begin where the result does not fit.
    ///
    /// # Errors
    /// [`AdapterError::NoSpace`], or the free space is unknown.
    pub fn check_space(&self, target: &Path) -> Result<(), AdapterError> {
        check_space(target, self.bytes)
    }

    /// Writes shards and index; `progress` hears the bytes of every tensor that is done.
    ///
    /// # Errors
    /// A tensor that cannot be read or does not fit the type, or what the system reports.
    pub fn write(
        &self,
        tensors: &MergedTensors<'_>,
        folder: &mut PendingFolder,
        progress: &mut dyn FnMut(u64),
    ) -> Result<(), AdapterError> {
        let count = self.shards.len();
        let mut weight_map = BTreeMap::new();
        let metadata = [("format".to_owned(), "pt".to_owned())].into();
        for (index, shard) in self.shards.iter().enumerate() {
            let name = match count {
                1 => "model.safetensors".to_owned(),
                _ => format!("model-{:05}-of-{count:05}.safetensors", index + 1),
            };
            let mut ordered = shard.clone();
            let header = safetensors_header(&mut ordered, &metadata)?;
            let mut file = folder.file(&name)?;
            file.write_bytes(&header)?;
            for outline in &ordered {
                match tensors.unchanged(&outline.name, outline.dtype) {
                    Some(bytes) => {
                        file.write_bytes(bytes)?;
                        tensors.release(&outline.name);
                    }
                    None => {
                        let values = tensors.values(&outline.name)?;
                        file.write_bytes(&encode(&outline.name, &values, outline.dtype)?)?;
                    }
                }
                weight_map.insert(outline.name.clone(), name.clone());
                progress(outline.bytes());
            }
            file.finish()?;
        }
        if count > 1 {
            let index = json!({
                "metadata": { "total_parameters": self.parameters, "total_size": self.bytes },
                "weight_map": weight_map,
            });
            folder.put("model.safetensors.index.json", pretty(&index).as_bytes())?;
        }
        Ok(())
    }
}

/// Refuses to begin where `needed` bytes do not fit beside `target`.
///
/// # Errors
/// [`AdapterError::NoSpace`], or the free space is unknown.
pub fn check_space(target: &Path, needed: u64) -> Result<(), AdapterError> {
    let mut folder = target.parent().unwrap_or(Path::new("."));
    while !folder.exists() {
        folder = match folder.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        };
    }
    if folder.as_os_str().is_empty() {
        folder = Path::new(".");
    }
    let free = free_space(folder)?;
    if free < needed.saturating_add(SPARE_BYTES) {
        return Err(AdapterError::NoSpace { needed, free, path: folder.to_owned() });
    }
    Ok(())
}

/// The base's `config.json` for unquantized weights of `dtype`; keys that are unknown here stay.
///
/// # Errors
/// The file cannot be read or is no object.
pub fn config_text(base: &Path, dtype: Dtype) -> Result<String, AdapterError> {
    let path = base.join("config.json");
    let bytes = std::fs::read(&path).map_err(AdapterError::read(&path))?;
    let mut map: Map<String, Value> = serde_json::from_slice(&bytes)
        .map_err(|error| AdapterError::read(&path)(std::io::Error::other(error)))?;
    map.remove("quantization_config");
    let name = match dtype {
        Dtype::F32 => "float32",
        Dtype::F16 => "float16",
        _ => "bfloat16",
    };
    for key in ["dtype", "torch_dtype"] {
        map.insert(key.to_owned(), json!(name));
    }
    Ok(pretty(&Value::Object(map)))
}

/// Copies tokenizer and generation files, those of the first folder that has a tokenizer.
///
/// # Errors
/// A file that cannot be read or written.
pub fn copy_companions(
    folders: &[&Path],
    target: &mut PendingFolder,
) -> Result<Vec<&'static str>, AdapterError> {
    let with_tokenizer = folders.iter().find(|folder| folder.join("tokenizer.json").is_file());
    let generation = folders.iter().find(|f| f.join("generation_config.json").is_file());
    let mut copied = Vec::new();
    for name in COMPANIONS {
        let from = if name == "generation_config.json" { generation } else { with_tokenizer };
        let Some(path) = from.map(|folder| folder.join(name)).filter(|path| path.is_file()) else {
            continue;
        };
        let bytes = std::fs::read(&path).map_err(AdapterError::read(&path))?;
        target.put(name, &bytes)?;
        copied.push(name);
    }
    Ok(copied)
}

fn pretty(value: &Value) -> String {
    serde_json::to_string_pretty(value).expect("a value of strings and numbers serializes") + "\n"
}
