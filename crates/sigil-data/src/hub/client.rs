//! The one file that knows the `hf-hub` crate.
//!
//! Is: listing, downloading into the shared cache, and the translation of errors. Is not: the
//! choice or the checking of files (`fetch.rs`). Next: `fetch.rs`.

use std::path::PathBuf;

use hf_hub::repository::RepoTreeEntry;
use hf_hub::{HFClient, HFClientSync, HFError, HFRepositorySync, RepoTypeDataset};

use super::{HubError, HubSettings};

/// A token that cannot be written into a header. Given no token at all, hf-hub 1.0 would look for
/// one in the environment and in the home folder; with this one it sends none.
const NO_TOKEN: &str = "\n";

/// A file of a repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct RemoteFile {
    pub(super) name: String,
    pub(super) size: u64,
    /// The hub's id of the content.
    pub(super) id: String,
}

/// A connection for one repository.
pub(super) struct Client<'a> {
    client: HFClientSync,
    settings: &'a HubSettings,
    repo: &'a str,
    revision: &'a str,
}

impl<'a> Client<'a> {
    pub(super) fn new(
        settings: &'a HubSettings,
        repo: &'a str,
        revision: &'a str,
    ) -> Result<Self, HubError> {
        let client = connect(settings, repo)?;
        Ok(Self { client, settings, repo, revision })
    }

    fn model(&self) -> HFRepositorySync<hf_hub::RepoTypeModel> {
        let (owner, name) = hf_hub::split_id(self.repo);
        self.client.model(owner, name)
    }

    /// Lists the files at the top of the repository.
    pub(super) fn list(&self) -> Result<Vec<RemoteFile>, HubError> {
        let entries = self
            .model()
            .list_tree()
            .revision(self.revision)
            .send()
            .map_err(|error| self.translate(&error))?;
        let file = |entry| match entry {
            RepoTreeEntry::File { path, size, oid, .. } => {
                Some(RemoteFile { name: path, size, id: oid })
            }
            _ => None,
        };
        Ok(entries.into_iter().filter_map(file).collect())
    }

    /// Downloads the named files into the cache and returns the folder of the snapshot.
    pub(super) fn download(&self, names: Vec<String>) -> Result<PathBuf, HubError> {
        self.model()
            .snapshot_download()
            .revision(self.revision)
            .allow_patterns(names)
            .max_workers(4)
            .send()
            .map_err(|error| self.translate(&error))
    }

    /// Returns the folder of the snapshot as it lies in the cache.
    pub(super) fn cached(&self) -> Result<PathBuf, HubError> {
        self.model()
            .snapshot_download()
            .revision(self.revision)
            .local_files_only(true)
            .send()
            .map_err(|error| self.translate(&error))
    }

    fn translate(&self, error: &HFError) -> HubError {
        translate(self.settings, self.repo, self.revision, error)
    }
}

/// A connection for one dataset.
pub(super) struct DatasetClient<'a> {
    dataset: HFRepositorySync<RepoTypeDataset>,
    settings: &'a HubSettings,
    repo: &'a str,
    revision: &'a str,
}

impl<'a> DatasetClient<'a> {
    pub(super) fn new(
        settings: &'a HubSettings,
        repo: &'a str,
        revision: &'a str,
    ) -> Result<Self, HubError> {
        let (owner, name) = hf_hub::split_id(repo);
        let dataset = connect(settings, repo)?.dataset(owner, name);
        Ok(Self { dataset, settings, repo, revision })
    }

    /// Asks which commit the revision means.
    pub(super) fn commit(&self) -> Result<String, HubError> {
        let info = self
            .dataset
            .info()
            .revision(self.revision)
            .send()
            .map_err(|error| self.translate(&error))?;
        let hexadecimal =
            |sha: &String| sha.len() >= 7 && sha.chars().all(|c| c.is_ascii_hexdigit());
        info.sha.filter(hexadecimal).ok_or_else(|| HubError::Other {
            repo: self.repo.to_owned(),
            reason: "the hub names no commit".to_owned(),
        })
    }

    /// Lists all files of a commit.
    pub(super) fn list(&self, commit: &str) -> Result<Vec<RemoteFile>, HubError> {
        let entries = self
            .dataset
            .list_tree()
            .revision(commit)
            .recursive(true)
            .send()
            .map_err(|error| self.translate(&error))?;
        let file = |entry| match entry {
            RepoTreeEntry::File { path, size, oid, lfs, .. } => {
                let size = lfs.and_then(|lfs| lfs.size).unwrap_or(size);
                Some(RemoteFile { name: path, size, id: plain(&oid)? })
            }
            _ => None,
        };
        Ok(entries.into_iter().filter_map(file).collect())
    }

    /// Asks for the name of a file's content: its SHA-256 where the hub stores it by that.
    pub(super) fn etag(&self, commit: &str, name: &str) -> Option<String> {
        let metadata =
            self.dataset.get_file_metadata().filepath(name).revision(commit).send().ok()?;
        plain(&metadata.etag)
    }

    /// Downloads some bytes of a file.
    pub(super) fn range(
        &self,
        commit: &str,
        name: &str,
        range: std::ops::Range<u64>,
    ) -> Result<Vec<u8>, HubError> {
        self.dataset
            .download_file_to_bytes()
            .filename(name)
            .revision(commit)
            .range(range)
            .send()
            .map(|bytes| bytes.to_vec())
            .map_err(|error| self.translate(&error))
    }

    fn translate(&self, error: &HFError) -> HubError {
        translate(self.settings, self.repo, self.revision, error)
    }
}

/// Lets through what can be the name of a file.
fn plain(name: &str) -> Option<String> {
    let good = !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-');
    good.then(|| name.to_owned())
}

fn connect(settings: &HubSettings, repo: &str) -> Result<HFClientSync, HubError> {
    let built = HFClient::builder()
        .endpoint(&settings.endpoint)
        .token(settings.token.as_deref().unwrap_or(NO_TOKEN))
        .cache_dir(&settings.cache_folder)
        .user_agent(concat!("sigil/", env!("CARGO_PKG_VERSION")))
        .retry_max_attempts(settings.attempts)
        .build_sync();
    built.map_err(|error| HubError::Other { repo: repo.to_owned(), reason: error.to_string() })
}

fn translate(settings: &HubSettings, repo: &str, revision: &str, error: &HFError) -> HubError {
    let repo = repo.to_owned();
    let revision = revision.to_owned();
    match error {
        HFError::AuthRequired { .. } => HubError::Unauthorized { repo },
        HFError::Forbidden { .. } => HubError::Forbidden { repo },
        HFError::RepoNotFound { .. }
        | HFError::RevisionNotFound { .. }
        | HFError::EntryNotFound { .. } => HubError::NotFound { repo, revision },
        HFError::RateLimited { retry_after, .. } => {
            HubError::RateLimited { wait_secs: retry_after.map(|wait| wait.as_secs()) }
        }
        HFError::LocalEntryNotFound { .. } => {
            HubError::NotCached { repo, revision, cache: settings.cache_folder.clone() }
        }
        HFError::Http { context } => match context.status.as_u16() {
            401 => HubError::Unauthorized { repo },
            403 => HubError::Forbidden { repo },
            404 => HubError::NotFound { repo, revision },
            429 => HubError::RateLimited { wait_secs: None },
            status => HubError::Status { repo, status },
        },
        HFError::Request { source, .. } => {
            HubError::Connection { endpoint: settings.endpoint.clone(), reason: root_of(source) }
        }
        HFError::Io(source) => HubError::Cache {
            path: settings.cache_folder.clone(),
            source: std::io::Error::new(source.kind(), source.to_string()),
        },
        other => HubError::Other { repo, reason: other.to_string() },
    }
}

/// Returns the innermost cause: "connection refused" says more than "error sending request".
fn root_of(error: &dyn std::error::Error) -> String {
    let mut inner = error;
    while let Some(source) = inner.source() {
        inner = source;
    }
    inner.to_string()
}
