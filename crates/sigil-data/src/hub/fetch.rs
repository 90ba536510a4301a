//! Which files a base model needs, and whether they arrived whole.
//!
//! Is: the choice of files, a check of every size and of the hash of every new weight file, and a
//! second attempt after damage. Is not: HTTP (`client.rs`). Next: `client.rs`.

use std::collections::BTreeSet;
use std::fs;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use serde_json::Value;
use sha2::{Digest as _, Sha256};

use super::HubError;
use super::client::{Client, RemoteFile};

/// Attempts at a whole snapshot; files that arrived are not fetched again.
const SNAPSHOT_ATTEMPTS: usize = 3;

/// Says which hub is used and how. Nothing is read from the environment but the system's proxy.
#[derive(Clone, PartialEq, Eq)]
pub struct HubSettings {
    /// Address of the hub or mirror, `https://huggingface.co` by default.
    pub endpoint: String,
    /// Access token; never printed.
    pub token: Option<String>,
    /// Cache folder (`~/.cache/huggingface/hub` of the Python library can be shared).
    pub cache_folder: PathBuf,
    /// Whether only the cache is used.
    pub offline: bool,
    /// Retries of one request, with growing pauses.
    pub attempts: usize,
}

impl HubSettings {
    /// Returns settings for the public hub without a token.
    pub fn new(cache_folder: impl Into<PathBuf>) -> Self {
        Self {
            endpoint: "https://huggingface.co".to_owned(),
            token: None,
            cache_folder: cache_folder.into(),
            offline: false,
            attempts: 5,
        }
    }
}

impl std::fmt::Debug for HubSettings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("HubSettings")
            .field("endpoint", &self.endpoint)
            .field("token", &self.token.as_ref().map(|_| "(set)"))
            .field("cache_folder", &self.cache_folder)
            .field("offline", &self.offline)
            .field("attempts", &self.attempts)
            .finish()
    }
}

/// Fetches a base model (config, tokenizer, safetensors) and returns its folder in the cache.
///
/// # Errors
/// Every refusal of the hub as its own case; a file whose size or hash is not the hub's, twice in a
/// row; a repository without config or safetensors; offline, a model that is not in the cache.
pub fn fetch_model(
    settings: &HubSettings,
    repo: &str,
    revision: &str,
) -> Result<PathBuf, HubError> {
    check_name(repo)?;
    let client = Client::new(settings, repo, revision)?;
    if settings.offline {
        let folder = client.cached()?;
        check_complete(repo, &folder)?;
        return Ok(folder);
    }
    let mut attempt = 1;
    loop {
        match fetch_once(&client, settings, repo) {
            Err(error) if error.is_worth_a_retry() && attempt < SNAPSHOT_ATTEMPTS => attempt += 1,
            outcome => return outcome,
        }
    }
}

fn fetch_once(
    client: &Client<'_>,
    settings: &HubSettings,
    repo: &str,
) -> Result<PathBuf, HubError> {
    let wanted: Vec<RemoteFile> =
        client.list()?.into_iter().filter(|file| is_wanted(&file.name)).collect();
    let has = |test: &dyn Fn(&str) -> bool| wanted.iter().any(|file| test(&file.name));
    for (missing, present) in [
        ("config.json", has(&|name| name == "config.json")),
        (".safetensors weights", has(&|name| name.ends_with(".safetensors"))),
    ] {
        if !present {
            let (repo, missing) = (repo.to_owned(), missing.to_owned());
            return Err(HubError::Incomplete { repo, missing });
        }
    }
    let blobs = settings.cache_folder.join(format!("models--{}", repo.replace('/', "--")));
    let before = names_in(&blobs.join("blobs"));
    let folder = client.download(wanted.iter().map(|file| file.name.clone()).collect())?;
    for file in &wanted {
        check_file(&folder.join(&file.name), file.size, &before)?;
    }
    check_complete(repo, &folder)?;
    Ok(folder)
}

/// Config, tokenizer and weights at the top of the repository. The names become glob patterns and
/// paths, so only plain ones are taken.
fn is_wanted(name: &str) -> bool {
    let plain = name.chars().all(|c| c.is_ascii_alphanumeric() || ['.', '-', '_'].contains(&c));
    let known = name.ends_with(".json")
        || name == "chat_template.jinja"
        || (name.starts_with("model") && name.ends_with(".safetensors"));
    plain && known && !name.starts_with('.')
}

/// Compares a cached file with the hub's size, and a new one with its SHA-256 where the cache names
/// it by that; what does not match is removed.
fn check_file(path: &Path, size: u64, before: &BTreeSet<String>) -> Result<(), HubError> {
    let failed = |source| HubError::Cache { path: path.to_owned(), source };
    let blob = fs::canonicalize(path).map_err(failed)?;
    let found = fs::metadata(&blob).map_err(failed)?.len();
    let name = blob.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let is_sha256 = name.len() == 64 && name.chars().all(|c| c.is_ascii_hexdigit());
    let reason = if found != size {
        format!("{found} bytes instead of {size}")
    } else if is_sha256 && !before.contains(&name) {
        match sha256_of(&blob).map_err(failed)? {
            hash if hash == name.to_ascii_lowercase() => return Ok(()),
            hash => format!("SHA-256 {hash} instead of {name}"),
        }
    } else {
        return Ok(());
    };
    fs::remove_file(&blob).map_err(failed)?;
    if fs::symlink_metadata(path).is_ok() {
        fs::remove_file(path).map_err(failed)?;
    }
    Err(HubError::Damaged { path: path.to_owned(), reason })
}

/// Sees that config and all weight files are there, shards included.
fn check_complete(repo: &str, folder: &Path) -> Result<(), HubError> {
    let mut needed: BTreeSet<String> = BTreeSet::from(["config.json".to_owned()]);
    let index = folder.join("model.safetensors.index.json");
    match fs::read(&index) {
        Ok(bytes) => {
            let index_of = serde_json::from_slice::<Value>(&bytes).map_err(|error| {
                HubError::Damaged { path: index.clone(), reason: error.to_string() }
            })?;
            let shards = index_of.get("weight_map").and_then(Value::as_object);
            let names = shards.into_iter().flatten().filter_map(|(_, shard)| shard.as_str());
            needed.extend(names.map(str::to_owned));
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            needed.insert("model.safetensors".to_owned());
        }
        Err(source) => return Err(HubError::Cache { path: index, source }),
    }
    match needed.into_iter().find(|name| !folder.join(name).exists()) {
        Some(missing) => Err(HubError::Incomplete { repo: repo.to_owned(), missing }),
        None => Ok(()),
    }
}

pub(super) fn check_name(repo: &str) -> Result<(), HubError> {
    let part = |text: &str| {
        !text.is_empty()
            && !text.starts_with('.')
            && text.chars().all(|c| c.is_ascii_alphanumeric() || ['.', '-', '_'].contains(&c))
    };
    let parts: Vec<&str> = repo.split('/').collect();
    if (1..=2).contains(&parts.len()) && parts.into_iter().all(part) {
        Ok(())
    } else {
        Err(HubError::BadName { repo: repo.to_owned() })
    }
}

fn names_in(folder: &Path) -> BTreeSet<String> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect()
}

pub(super) fn sha256_of(path: &Path) -> io::Result<String> {
    let mut hasher = Sha256::new();
    let mut file = fs::File::open(path)?;
    let mut buffer = vec![0; 1 << 20];
    loop {
        match file.read(&mut buffer)? {
            0 => break,
            length => hasher.update(&buffer[..length]),
        }
    }
    Ok(hasher.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
}
