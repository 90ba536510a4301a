//! `model.safetensors.index.json`: which shard holds which tensor.
//!
//! Shard names must be plain file names, so that a foreign index cannot point outside its folder.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Deserialize;

use super::WeightsError;

#[derive(Deserialize)]
struct IndexFile {
    weight_map: BTreeMap<String, String>,
}

/// Parses an index into `tensor → shard file name`.
pub(super) fn parse(text: &[u8], path: &Path) -> Result<BTreeMap<String, String>, WeightsError> {
    let wrong = |what: String| WeightsError::Index { path: path.to_path_buf(), what };
    let index: IndexFile =
        serde_json::from_slice(text).map_err(|error| wrong(error.to_string()))?;
    if index.weight_map.is_empty() {
        return Err(wrong("its weight_map is empty".to_owned()));
    }
    for (tensor, shard) in &index.weight_map {
        let path = Path::new(shard);
        if path.file_name() != Some(path.as_os_str()) || shard.contains(['/', '\\']) {
            return Err(wrong(format!("`{shard}`, given for tensor `{tensor}`, is no file name")));
        }
    }
    Ok(index.weight_map)
}
