//! `[hub]`: where models and datasets are downloaded from.
//!
//! Opens no connection. Read next: `secret.rs`, the type of the token.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::secret::Secret;

/// Where models and datasets are downloaded from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct HubSettings {
    /// Address of the Hub or of a mirror of it.
    #[schemars(extend("pattern" = "^https?://[^@]+$"))]
    pub endpoint: String,
    /// Access token for models and datasets behind a licence gate. Better given as `HF_TOKEN` in
    /// the environment than in a file. Never printed, never stored.
    #[serde(skip_serializing)]
    #[schemars(with = "Option<String>")]
    pub token: Option<Secret>,
    /// Use only what was downloaded before.
    pub offline: bool,
    /// Folder of the download cache; `~/` is expanded. Not set: the user's cache folder.
    pub cache_dir: Option<PathBuf>,
}

impl Default for HubSettings {
    fn default() -> Self {
        Self {
            endpoint: "https://huggingface.co".to_owned(),
            token: None,
            offline: false,
            cache_dir: None,
        }
    }
}
