//! Datasets from the Hub.
//!
//! Is: the choice of a split's files, their download in ranges, so that what arrived before a break
//! is kept, and the check of size and SHA-256; in the cache layout of Python's `huggingface_hub`.
//! Is not: reading (`sources`). Next: `split_files.rs` for the choice, `client.rs` for HTTP.

use std::fs::{self, File, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};

use super::client::{DatasetClient, RemoteFile};
use super::fetch::{check_name, sha256_of};
use super::split_files::choose;
use super::{HubError, HubSettings};

/// Bytes of one request: small enough to lose little, large enough to be fast.
const RANGE_BYTES: u64 = 8 << 20;
/// Requests that may fail in a row before a download ends.
const FAILURES: usize = 3;

/// Says which dataset is wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DatasetRequest {
    /// `owner/name`.
    pub repo: String,
    /// Folder inside the repository; empty for all of it.
    pub folder: String,
    /// Branch, tag or commit.
    pub revision: String,
    /// `train`, `test` and so on.
    pub split: String,
}

/// Files of a split on this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FetchedDataset {
    /// Commit that the revision meant.
    pub commit: String,
    /// Files in the order of their names.
    pub files: Vec<PathBuf>,
}

/// Tells how far a download is: file, bytes that are there, bytes of the whole file.
pub type FetchProgress<'a> = dyn FnMut(&str, u64, u64) + 'a;

/// Fetches the files of a split; files that are in the cache are not fetched again.
///
/// # Errors
/// Every refusal of the hub as its own case; a split without files; a file that keeps arriving
/// damaged; offline, a dataset that is not in the cache.
pub fn fetch_dataset(
    settings: &HubSettings,
    request: &DatasetRequest,
    progress: &mut FetchProgress<'_>,
) -> Result<FetchedDataset, HubError> {
    check_name(&request.repo)?;
    let cache = Cache::new(settings, request);
    if settings.offline {
        return cache.offline();
    }
    let client = DatasetClient::new(settings, &request.repo, &request.revision)?;
    let commit = client.commit()?;
    let prefix = folder_prefix(&request.folder);
    let all: Vec<RemoteFile> = client
        .list(&commit)?
        .into_iter()
        .filter(|file| file.name.starts_with(&prefix) && is_plain(&file.name))
        .collect();
    let names: Vec<&str> = all.iter().map(|file| file.name.as_str()).collect();
    let chosen = choose(&names, &request.split);
    if chosen.is_empty() {
        return Err(cache.no_split(&names));
    }
    let mut files = Vec::with_capacity(chosen.len());
    for name in chosen {
        let Some(file) = all.iter().find(|file| file.name == name) else { continue };
        files.push(cache.fetch(&client, &commit, file, progress)?);
    }
    cache.write_ref(&commit)?;
    Ok(FetchedDataset { commit, files })
}

fn folder_prefix(folder: &str) -> String {
    match folder.trim_matches('/') {
        "" => String::new(),
        folder => format!("{folder}/"),
    }
}

/// Names become paths, so nothing that could leave the folder is let in.
fn is_plain(name: &str) -> bool {
    !name.starts_with('/')
        && !name.contains('\\')
        && name.split('/').all(|part| !part.is_empty() && !part.starts_with('.'))
}

/// The dataset's folder in the cache.
struct Cache<'a> {
    folder: PathBuf,
    cache_folder: &'a Path,
    request: &'a DatasetRequest,
}

impl<'a> Cache<'a> {
    fn new(settings: &'a HubSettings, request: &'a DatasetRequest) -> Self {
        let name = format!("datasets--{}", request.repo.replace('/', "--"));
        let folder = settings.cache_folder.join(name);
        Self { folder, cache_folder: &settings.cache_folder, request }
    }

    fn failed(&self, path: &Path) -> impl Fn(std::io::Error) -> HubError {
        let path = path.to_owned();
        move |source| HubError::Cache { path: path.clone(), source }
    }

    fn no_split(&self, names: &[&str]) -> HubError {
        let some: Vec<&str> = names.iter().copied().take(12).collect();
        HubError::NoSplit {
            repo: self.request.repo.clone(),
            split: self.request.split.clone(),
            found: if some.is_empty() { "no file".to_owned() } else { some.join(", ") },
        }
    }

    /// Finds the snapshot that an earlier fetch left.
    fn offline(&self) -> Result<FetchedDataset, HubError> {
        let revision = &self.request.revision;
        let named = fs::read_to_string(self.folder.join("refs").join(revision.replace('/', "--")));
        let commit = named.map_or_else(|_| revision.clone(), |text| text.trim().to_owned());
        let snapshot = self.folder.join("snapshots").join(&commit);
        let mut names = Vec::new();
        list(&snapshot, "", &mut names);
        names.sort();
        let prefix = folder_prefix(&self.request.folder);
        names.retain(|name| name.starts_with(&prefix));
        if names.is_empty() {
            return Err(HubError::NotCached {
                repo: self.request.repo.clone(),
                revision: revision.clone(),
                cache: self.cache_folder.to_owned(),
            });
        }
        let views: Vec<&str> = names.iter().map(String::as_str).collect();
        let chosen = choose(&views, &self.request.split);
        if chosen.is_empty() {
            return Err(self.no_split(&views));
        }
        Ok(FetchedDataset {
            commit,
            files: chosen.iter().map(|name| snapshot.join(name)).collect(),
        })
    }

    fn write_ref(&self, commit: &str) -> Result<(), HubError> {
        let path = self.folder.join("refs").join(self.request.revision.replace('/', "--"));
        let folder = path.parent().unwrap_or(&self.folder);
        fs::create_dir_all(folder).map_err(self.failed(folder))?;
        fs::write(&path, commit).map_err(self.failed(&path))
    }

    /// Brings one file into the snapshot.
    fn fetch(
        &self,
        client: &DatasetClient<'_>,
        commit: &str,
        file: &RemoteFile,
        progress: &mut FetchProgress<'_>,
    ) -> Result<PathBuf, HubError> {
        let path = self.folder.join("snapshots").join(commit).join(&file.name);
        if fs::metadata(&path).is_ok_and(|data| data.len() == file.size) {
            return Ok(path);
        }
        let etag = client.etag(commit, &file.name);
        let blob_name = etag.clone().unwrap_or_else(|| file.id.clone());
        let blob = self.folder.join("blobs").join(&blob_name);
        let folder = blob.parent().unwrap_or(&self.folder);
        fs::create_dir_all(folder).map_err(self.failed(folder))?;
        if !fs::metadata(&blob).is_ok_and(|data| data.len() == file.size) {
            let part = folder.join(format!("{blob_name}.incomplete"));
            self.download(client, commit, file, &part, progress)?;
            if let Some(sha256) = etag.filter(|etag| etag.len() == 64) {
                let found = sha256_of(&part).map_err(self.failed(&part))?;
                if found != sha256.to_ascii_lowercase() {
                    fs::remove_file(&part).map_err(self.failed(&part))?;
                    let reason = format!("SHA-256 {found} instead of {sha256}");
                    return Err(HubError::Damaged { path: part, reason });
                }
            }
            // A second name appears at once and whole, or not at all.
            match fs::hard_link(&part, &blob) {
                Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => {
                    return Err(self.failed(&blob)(error));
                }
                _ => fs::remove_file(&part).map_err(self.failed(&part))?,
            }
        }
        let folder = path.parent().unwrap_or(&self.folder);
        fs::create_dir_all(folder).map_err(self.failed(folder))?;
        if fs::symlink_metadata(&path).is_ok() {
            fs::remove_file(&path).map_err(self.failed(&path))?;
        }
        fs::hard_link(&blob, &path).map_err(self.failed(&path))?;
        Ok(path)
    }

    /// Downloads what is missing of a file.
    fn download(
        &self,
        client: &DatasetClient<'_>,
        commit: &str,
        file: &RemoteFile,
        part: &Path,
        progress: &mut FetchProgress<'_>,
    ) -> Result<(), HubError> {
        let failed = self.failed(part);
        let mut out: File =
            OpenOptions::new().create(true).append(true).open(part).map_err(&failed)?;
        let mut there = out.metadata().map_err(&failed)?.len();
        if there > file.size {
            out.set_len(0).map_err(&failed)?;
            there = 0;
        }
        let mut failures = 0;
        while there < file.size {
            progress(&file.name, there, file.size);
            let end = file.size.min(there + RANGE_BYTES);
            let outcome = client.range(commit, &file.name, there..end).and_then(|bytes| {
                match bytes.len() as u64 {
                    length if length == end - there => Ok(bytes),
                    // A server without ranges sends everything.
                    length if length == file.size => {
                        Ok(bytes[there as usize..end as usize].to_vec())
                    }
                    length => Err(HubError::Damaged {
                        path: part.to_owned(),
                        reason: format!("{length} bytes instead of {}", end - there),
                    }),
                }
            });
            match outcome {
                Ok(bytes) => {
                    out.write_all(&bytes).map_err(&failed)?;
                    there = end;
                    failures = 0;
                }
                Err(error) if error.is_worth_a_retry() && failures < FAILURES => failures += 1,
                Err(error) => return Err(error),
            }
        }
        progress(&file.name, file.size, file.size);
        Ok(())
    }
}

fn list(folder: &Path, prefix: &str, names: &mut Vec<String>) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let name = format!("{prefix}{}", entry.file_name().to_string_lossy());
        if entry.path().is_dir() {
            list(&entry.path(), &format!("{name}/"), names);
        } else {
            names.push(name);
        }
    }
}
