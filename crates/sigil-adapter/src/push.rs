//! Folders to the Hub: what is there already is left alone, what is not goes up in few commits.
//!
//! A file is the same if its git object is the same: the blob's SHA-1, or that of the pointer which stands
//! for a large file. So a push that was cut goes on where it was, and one that has nothing to do makes no
//! commit. Files above a limit are a commit each and come first; all others are the last commit together,
//! so that configuration and card arrive when the weights are there. The token goes into a header and
//! nowhere else. Next: `files.rs`.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use hf_hub::progress::{Progress, ProgressEvent, ProgressHandler, UploadEvent};
use hf_hub::repository::{AddSource, CommitOperation, RepoTreeEntry};
use hf_hub::{HFClient, HFClientSync, HFError, HFRepositorySync, RepoTypeModel};
use sha1::{Digest as _, Sha1};
use sha2::{Digest as _, Sha256};
use sigil_run::CheckpointSet;

use crate::AdapterError;
use crate::files;

/// A token that cannot be written into a header. Given no token at all, hf-hub 1.0 would look for one in
/// the environment and in the home folder.
const NO_TOKEN: &str = "\n";

/// Where to.
#[derive(Clone)]
pub struct HubTarget {
    /// Address of the Hub.
    pub endpoint: String,
    /// Access token with the right to write.
    pub token: Option<String>,
    /// `owner/name`.
    pub repo: String,
    /// Branch.
    pub revision: String,
    /// Whether a repository that is made now is private.
    pub private: bool,
    /// Requests at most for one answer.
    pub attempts: usize,
}

impl std::fmt::Debug for HubTarget {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { endpoint, repo, revision, private, .. } = self;
        write!(formatter, "HubTarget({endpoint}, {repo}, {revision}, private {private}, token ***)")
    }
}

/// A file and its name in the repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Upload {
    /// The file.
    pub path: PathBuf,
    /// Its name there, `/` between folders.
    pub name: String,
    /// Its length.
    pub bytes: u64,
    /// Whether it stays at home if any file of this name is there.
    pub yields: bool,
}

/// What happens, for a program to show.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PushEvent {
    /// The files were compared.
    Compared {
        /// Files that go up.
        files: usize,
        /// Their bytes.
        bytes: u64,
        /// Files that are there already.
        same: usize,
    },
    /// A commit was made.
    Committed {
        /// Its number, from 1.
        number: usize,
        /// Number of all commits.
        of: usize,
        /// Files in it.
        files: Vec<String>,
    },
}

/// What a push did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pushed {
    /// Files that went up.
    pub files: usize,
    /// Their bytes.
    pub bytes: u64,
    /// Files that were there already.
    pub same: usize,
    /// Address of the repository.
    pub url: String,
}

/// The files of a folder that others have a use for: neither state of an optimizer nor pickles.
///
/// # Errors
/// The folder cannot be read.
pub fn of_folder(
    folder: &Path,
    prefix: &str,
    with_state: bool,
) -> Result<Vec<Upload>, AdapterError> {
    let listed = files::list(folder)?.into_iter();
    Ok(listed
        .filter(|file| with_state && !is_pickle(&file.name) || !is_state(&file.name))
        .map(|file| Upload {
            path: folder.join(&file.name),
            name: format!("{prefix}{}", file.name),
            bytes: file.bytes,
            yields: false,
        })
        .collect())
}

/// Several sets, each in a folder of its own, and the first one at the top besides.
///
/// # Errors
/// A set cannot be read.
pub fn of_sets(sets: &[CheckpointSet], with_state: bool) -> Result<Vec<Upload>, AdapterError> {
    let mut uploads = match sets.first() {
        Some(newest) => of_folder(newest.folder(), "", with_state)?,
        None => Vec::new(),
    };
    for set in sets {
        let prefix = format!("checkpoints/{}/", set.name());
        uploads.extend(of_folder(set.folder(), &prefix, with_state)?);
    }
    Ok(uploads)
}

fn is_pickle(name: &str) -> bool {
    [".bin", ".pt", ".pth", ".pkl"].iter().any(|ending| name.ends_with(ending))
}

fn is_state(name: &str) -> bool {
    is_pickle(name)
        || matches!(name, "optimizer.safetensors" | "trainer_state.json" | "manifest.json")
}

/// Brings files to the Hub; the repository is made if it is not there.
///
/// `sent` hears the bytes sent so far and all bytes of the commit in hand, from another thread.
///
/// # Errors
/// [`AdapterError::Hub`], or a file that cannot be read. What was committed before stays there.
pub fn push(
    target: &HubTarget,
    uploads: &[Upload],
    commit_bytes: u64,
    sent: Option<Arc<dyn Fn(u64, u64) + Send + Sync>>,
    events: &mut dyn FnMut(PushEvent),
) -> Result<Pushed, AdapterError> {
    let failed = |error: HFError| translate(target, &error);
    let client = connect(target)?;
    client
        .create_repository()
        .repo_id(&target.repo)
        .repo_type(RepoTypeModel)
        .private(target.private)
        .exist_ok(true)
        .send()
        .map_err(failed)?;
    let (owner, name) = hf_hub::split_id(&target.repo);
    let repository = client.model(owner, name);
    let there = objects(&repository, target)?;
    let mut missing = Vec::new();
    for upload in uploads {
        let same = match there.get(&upload.name) {
            Some(_) if upload.yields => true,
            Some(oid) => is_same(oid, &upload.path)?,
            None => false,
        };
        if !same {
            missing.push(upload);
        }
    }
    let same = uploads.len() - missing.len();
    let bytes = missing.iter().map(|upload| upload.bytes).sum();
    events(PushEvent::Compared { files: missing.len(), bytes, same });
    let (large, small): (Vec<&Upload>, Vec<&Upload>) =
        missing.iter().partition(|upload| upload.bytes > commit_bytes);
    let mut commits: Vec<Vec<&Upload>> = large.into_iter().map(|upload| vec![upload]).collect();
    if !small.is_empty() {
        commits.push(small);
    }
    let of = commits.len();
    for (index, commit) in commits.into_iter().enumerate() {
        let number = index + 1;
        let operations = commit.iter().map(|upload| CommitOperation::Add {
            path_in_repo: upload.name.clone(),
            source: AddSource::File(upload.path.clone()),
        });
        let message = match commit.as_slice() {
            [one] => format!("Upload {} ({number} of {of})", one.name),
            several => format!("Upload {} files ({number} of {of})", several.len()),
        };
        let progress = sent.clone().map(|sent| Progress::new(Sent(sent)));
        repository
            .create_commit()
            .operations(operations.collect())
            .commit_message(message)
            .revision(target.revision.clone())
            .maybe_progress(progress)
            .send()
            .map_err(failed)?;
        let files = commit.iter().map(|upload| upload.name.clone()).collect();
        events(PushEvent::Committed { number, of, files });
    }
    let url = format!("{}/{}", target.endpoint.trim_end_matches('/'), target.repo);
    Ok(Pushed { files: missing.len(), bytes, same, url })
}

/// Passes on how far an upload is.
struct Sent(Arc<dyn Fn(u64, u64) + Send + Sync>);

impl ProgressHandler for Sent {
    fn on_progress(&self, event: &ProgressEvent) {
        if let ProgressEvent::Upload(UploadEvent::Progress {
            bytes_completed, total_bytes, ..
        }) = event
        {
            (self.0)(*bytes_completed, *total_bytes);
        }
    }
}

fn connect(target: &HubTarget) -> Result<HFClientSync, AdapterError> {
    let (_, name) = hf_hub::split_id(&target.repo);
    if target.repo.matches('/').count() != 1 || name.is_empty() || target.repo.starts_with('/') {
        return Err(AdapterError::Hub {
            repo: target.repo.clone(),
            reason: "this is no name of a repository".to_owned(),
            hint: Some("it is owner/name"),
        });
    }
    HFClient::builder()
        .endpoint(&target.endpoint)
        .token(target.token.as_deref().unwrap_or(NO_TOKEN))
        .user_agent(concat!("sigil/", env!("CARGO_PKG_VERSION")))
        .retry_max_attempts(target.attempts)
        .cache_enabled(false)
        .build_sync()
        .map_err(|error| translate(target, &error))
}

/// Names of files that are there, and their git objects.
fn objects(
    repository: &HFRepositorySync<RepoTypeModel>,
    target: &HubTarget,
) -> Result<BTreeMap<String, String>, AdapterError> {
    let listed = repository.list_tree().revision(target.revision.clone()).recursive(true).send();
    let entries = match listed {
        Ok(entries) => entries,
        // A repository without a commit has no branch yet.
        Err(HFError::RevisionNotFound { .. } | HFError::EntryNotFound { .. }) => Vec::new(),
        Err(error) => return Err(translate(target, &error)),
    };
    let file = |entry| match entry {
        RepoTreeEntry::File { path, oid, .. } => Some((path, oid)),
        _ => None,
    };
    Ok(entries.into_iter().filter_map(file).collect())
}

/// Whether a file is the git object `oid`, as itself or as the pointer of a large file.
fn is_same(oid: &str, path: &Path) -> Result<bool, AdapterError> {
    let mut file = File::open(path).map_err(AdapterError::read(path))?;
    let length = file.metadata().map_err(AdapterError::read(path))?.len();
    let mut blob = Sha1::new();
    blob.update(format!("blob {length}\0"));
    let mut content = Sha256::new();
    let mut buffer = vec![0; 1 << 18];
    loop {
        let count = file.read(&mut buffer).map_err(AdapterError::read(path))?;
        if count == 0 {
            break;
        }
        blob.update(&buffer[..count]);
        content.update(&buffer[..count]);
    }
    Ok(oid == hexadecimal(&blob.finalize()) || oid == pointer_oid(&content.finalize(), length))
}

/// The git object of the pointer that stands for a large file (`git-lfs/git-lfs`, `docs/spec.md`).
fn pointer_oid(sha256: &[u8], length: u64) -> String {
    let pointer = format!(
        "version https://git-lfs.github.com/spec/v1\noid sha256:{}\nsize {length}\n",
        hexadecimal(sha256)
    );
    let mut blob = Sha1::new();
    blob.update(format!("blob {}\0{pointer}", pointer.len()));
    hexadecimal(&blob.finalize())
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn translate(target: &HubTarget, error: &HFError) -> AdapterError {
    let (reason, hint): (String, Option<&'static str>) = match error {
        HFError::AuthRequired { .. } => (
            "it wants an access token".to_owned(),
            Some("set HF_TOKEN to a token with the right to write"),
        ),
        HFError::Forbidden { .. } => (
            "this access token may not write there".to_owned(),
            Some("use a token with the right to write to this owner's repositories"),
        ),
        HFError::RepoNotFound { .. } | HFError::RevisionNotFound { .. } => (
            format!("there is no branch `{}` that this token may see", target.revision),
            Some("check the name and the token"),
        ),
        HFError::RateLimited { .. } => {
            ("it takes no more requests for now".to_owned(), Some("push again later: it goes on"))
        }
        HFError::Io(source) => (source.to_string(), None),
        other => {
            // What the connection says lies some errors deep.
            let mut reason = other.to_string();
            let mut source = std::error::Error::source(other);
            while let Some(deeper) = source {
                let text = deeper.to_string();
                if !reason.contains(&text) {
                    reason = format!("{reason}: {text}");
                }
                source = deeper.source();
            }
            (reason, Some("push again: what is there is not sent a second time"))
        }
    };
    // Whatever a server answers, the token is not repeated.
    let reason = match target.token.as_deref().filter(|token| !token.is_empty()) {
        Some(token) => reason.replace(token, "***"),
        None => reason,
    };
    AdapterError::Hub { repo: target.repo.clone(), reason, hint }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn objects_are_named_as_git_names_them() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("a");
        std::fs::write(&path, "hello\n").expect("written");
        // `printf 'hello\n' | git hash-object --stdin`
        assert!(is_same("ce013625030ba8dba906f756967f9e9ca394464a", &path).expect("read"));
        // The pointer of the same content, hashed by git.
        let sha256 = Sha256::digest("hello\n");
        let oid = pointer_oid(&sha256, 6);
        assert!(is_same(&oid, &path).expect("read"));
        assert!(!is_same("ce013625030ba8dba906f756967f9e9ca394464b", &path).expect("read"));
    }

    #[test]
    fn states_and_pickles_stay_at_home() {
        let folder = tempfile::tempdir().expect("a folder");
        for name in [
            "adapter_model.safetensors",
            "README.md",
            "optimizer.safetensors",
            "trainer_state.json",
            "training_args.bin",
            ".hidden",
        ] {
            std::fs::write(folder.path().join(name), name).expect("written");
        }
        let names = |with_state| -> Vec<String> {
            let uploads = of_folder(folder.path(), "x/", with_state).expect("listed");
            uploads.into_iter().map(|upload| upload.name).collect()
        };
        assert_eq!(names(false), ["x/README.md", "x/adapter_model.safetensors"]);
        let with_state = [
            "x/README.md",
            "x/adapter_model.safetensors",
            "x/optimizer.safetensors",
            "x/trainer_state.json",
        ];
        assert_eq!(names(true), with_state);
    }

    #[test]
    fn a_token_is_in_no_message() {
        let target = HubTarget {
            endpoint: "http://127.0.0.1:1".to_owned(),
            token: Some("hf_secret".to_owned()),
            repo: "me/model".to_owned(),
            revision: "main".to_owned(),
            private: false,
            attempts: 1,
        };
        assert!(!format!("{target:?}").contains("hf_secret"));
        let error = translate(&target, &HFError::Other("bad header hf_secret".to_owned()));
        assert!(!error.to_string().contains("hf_secret"), "{error}");
        let error = push(&target, &[], 1, None, &mut |_| {}).expect_err("nobody listens there");
        assert!(matches!(error, AdapterError::Hub { .. }), "{error}");
    }
}
