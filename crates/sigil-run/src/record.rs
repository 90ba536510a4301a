//! `run.json`: what a run is, written once when it begins.
//!
//! Not the state of training (that is in the checkpoint sets) and not the config itself
//! (`config.toml` beside it): only what must not change while the run goes on.

use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::error::RunError;

/// The newest `run.json` format written and understood here.
pub(crate) const FORMAT_VERSION: u32 = 1;

/// What the caller knows about a run when it starts or continues it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunIdentity {
    /// Name and version of the program, such as `sigil-train 0.1.0`.
    pub created_by: String,
    /// The seed that all random streams of the run derive from.
    pub seed: u64,
    /// Digest of the resolved config, to notice that a resumed run has another one.
    pub config_digest: String,
}

/// The contents of `run.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RunRecord {
    /// Version of the folder's layout and of this file.
    pub format_version: u32,
    /// Name and version of the program that began the run.
    pub created_by: String,
    /// The seed the run began with.
    pub seed: u64,
    /// Digest of the config the run began with.
    pub config_digest: String,
}

impl RunRecord {
    pub(crate) fn new(identity: &RunIdentity) -> Self {
        Self {
            format_version: FORMAT_VERSION,
            created_by: identity.created_by.clone(),
            seed: identity.seed,
            config_digest: identity.config_digest.clone(),
        }
    }

    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        let mut bytes =
            serde_json::to_vec_pretty(self).expect("strings and integers always serialize");
        bytes.push(b'\n');
        bytes
    }

    /// Reads the bytes of a `run.json`; `path` is for messages.
    ///
    /// # Errors
    /// [`RunError::NewerFormat`] or [`RunError::DamagedRecord`].
    pub fn parse(bytes: &[u8], path: &Path) -> Result<Self, RunError> {
        // The version first: a newer file may well have fields unknown here.
        #[derive(Deserialize)]
        struct Version {
            format_version: u64,
        }
        let damaged = |error: serde_json::Error| RunError::DamagedRecord {
            path: path.to_owned(),
            reason: error.to_string(),
        };
        let Version { format_version } = serde_json::from_slice(bytes).map_err(damaged)?;
        if format_version > u64::from(FORMAT_VERSION) {
            return Err(RunError::NewerFormat {
                path: path.to_owned(),
                found: format_version,
                supported: FORMAT_VERSION,
            });
        }
        serde_json::from_slice(bytes).map_err(damaged)
    }
}
