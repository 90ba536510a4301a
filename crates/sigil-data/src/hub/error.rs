//! What can go wrong with the Hub. Next: `client.rs`, which makes these of the client's errors.

use std::path::PathBuf;

/// Says why a model or dataset cannot be fetched.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HubError {
    /// The name is not `owner/name`.
    #[error("`{repo}` is not a repository name of the form owner/name")]
    BadName {
        /// As given.
        repo: String,
    },
    /// 401: a token is missing or not valid.
    #[error("the hub refuses `{repo}`: it needs a valid token (401)")]
    Unauthorized {
        /// Repository.
        repo: String,
    },
    /// 403: the token may not read the repository.
    #[error("the hub refuses `{repo}`: this token has no access to it (403)")]
    Forbidden {
        /// Repository.
        repo: String,
    },
    /// 404: repository, revision or file is not there.
    #[error("the hub has no `{repo}` at revision `{revision}` (404)")]
    NotFound {
        /// Repository.
        repo: String,
        /// Branch, tag or commit.
        revision: String,
    },
    /// 429: too many requests.
    #[error("the hub asks to slow down (429){}", wait_text(*.wait_secs))]
    RateLimited {
        /// Seconds after which the hub allows another try, if it said so.
        wait_secs: Option<u64>,
    },
    /// Another answer than success.
    #[error("the hub answered {status} for `{repo}`")]
    Status {
        /// Repository.
        repo: String,
        /// HTTP status.
        status: u16,
    },
    /// No connection, or one that broke.
    #[error("the connection to `{endpoint}` failed: {reason}")]
    Connection {
        /// The hub's address.
        endpoint: String,
        /// What the client said.
        reason: String,
    },
    /// Offline, and the cache does not hold the model.
    #[error("offline, and `{repo}` at `{revision}` is not in the cache `{}`", cache.display())]
    NotCached {
        /// Repository.
        repo: String,
        /// Branch, tag or commit.
        revision: String,
        /// The cache folder.
        cache: PathBuf,
    },
    /// A file in the cache, or as received, is not the one the hub has.
    #[error("`{}` is damaged: {reason}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Size or hash, wanted and found.
        reason: String,
    },
    /// No file of the repository belongs to the split.
    #[error("the dataset `{repo}` has no file of the split `{split}` (files: {found})")]
    NoSplit {
        /// Repository.
        repo: String,
        /// The split.
        split: String,
        /// Some of the files there are.
        found: String,
    },
    /// The repository or the cached copy lacks a file that a model needs.
    #[error("`{repo}` has no {missing}")]
    Incomplete {
        /// Repository.
        repo: String,
        /// The file or kind of file.
        missing: String,
    },
    /// The cache cannot be read or written.
    #[error("cannot use `{}` in the download cache: {source}", path.display())]
    Cache {
        /// File or folder.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// Something else that the client reports.
    #[error("cannot fetch `{repo}`: {reason}")]
    Other {
        /// Repository.
        repo: String,
        /// What the client said.
        reason: String,
    },
}

fn wait_text(wait_secs: Option<u64>) -> String {
    wait_secs.map(|secs| format!("; try again in {secs} s")).unwrap_or_default()
}

impl HubError {
    /// Returns what the user can do about it, if anything.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Unauthorized { .. } | Self::Forbidden { .. } => {
                Some("accept the terms on its page, then give a token with read access (HF_TOKEN)")
            }
            Self::NotFound { .. } | Self::BadName { .. } => {
                Some("a local folder needs a path such as `./model`; private models look absent")
            }
            Self::RateLimited { .. } => Some("wait, or give a token: limits are higher with one"),
            Self::Connection { .. } => Some(
                "check the network, name a mirror as endpoint (HF_ENDPOINT), or work offline from \
                 a local folder",
            ),
            Self::NotCached { .. } => Some("fetch it once while online"),
            Self::Damaged { .. } => Some("the damaged copy was removed: start again"),
            Self::NoSplit { .. } => {
                Some("set dataset.split, or name a folder: `owner/name/data/rust`")
            }
            Self::Incomplete { .. } => {
                Some("weights must be safetensors; convert pickled .bin weights first")
            }
            _ => None,
        }
    }

    /// Says whether another attempt may succeed.
    pub(super) fn is_worth_a_retry(&self) -> bool {
        matches!(self, Self::Connection { .. } | Self::Damaged { .. })
            || matches!(self, Self::Status { status, .. } if *status >= 500)
    }
}
