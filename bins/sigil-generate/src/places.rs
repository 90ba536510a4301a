//! Where things lie on this machine: the only file here that reads the environment.

use std::{
    env,
    path::{Path, PathBuf},
};

/// Folders and variables that libraries are given.
#[derive(Debug, Clone)]
pub(crate) struct Places {
    /// Cache of models, shared with the Hub's Python library.
    pub(crate) hub_cache: PathBuf,
    /// Address of the Hub, if another.
    pub(crate) hub_endpoint: Option<String>,
    /// Token of the Hub.
    pub(crate) hub_token: Option<String>,
    /// Whether the Hub may not be asked.
    pub(crate) hub_offline: bool,
    /// Where the CUDA toolkit's headers are searched first.
    pub(crate) cuda_path: Option<PathBuf>,
}

impl Places {
    /// Reads the environment.
    pub(crate) fn find() -> Self {
        let folder = |name: &str| env::var_os(name).filter(|v| !v.is_empty()).map(PathBuf::from);
        let text = |name: &str| env::var(name).ok().filter(|value| !value.is_empty());
        let cache_home = folder("XDG_CACHE_HOME")
            .or_else(|| folder("HOME").map(|home| home.join(".cache")))
            .unwrap_or_else(env::temp_dir);
        let hub_home = folder("HF_HOME").unwrap_or_else(|| cache_home.join("huggingface"));
        Self {
            hub_cache: folder("HF_HUB_CACHE").unwrap_or_else(|| hub_home.join("hub")),
            hub_endpoint: text("HF_ENDPOINT"),
            hub_token: text("HF_TOKEN"),
            hub_offline: text("HF_HUB_OFFLINE").is_some_and(|value| value != "0"),
            cuda_path: folder("CUDA_PATH"),
        }
    }
}

/// The small base model: beside an installed program, else in the source tree it was built from.
pub(crate) fn built_in_base() -> Option<PathBuf> {
    let beside = env::current_exe().ok().and_then(|program| {
        let folder = program.parent()?;
        let candidates = [folder.join("sigil-base"), folder.join("../share/sigil/sigil-base")];
        candidates.into_iter().find(|path| path.is_dir())
    });
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../configs/sigil-base");
    beside.or_else(|| source.is_dir().then_some(source))
}

/// The command as it was typed, for messages.
pub(crate) fn command_line() -> String {
    let quote = |argument: String| {
        let plain = |c: char| c.is_ascii_alphanumeric() || "-_=./:,+@%".contains(c);
        if !argument.is_empty() && argument.chars().all(plain) {
            argument
        } else {
            format!("'{}'", argument.replace('\'', r"'\''"))
        }
    };
    let rest = env::args_os().skip(1).map(|argument| argument.to_string_lossy().into_owned());
    std::iter::once("sigil-generate".to_owned())
        .chain(rest.map(quote))
        .collect::<Vec<_>>()
        .join(" ")
}

/// True when colours are unwanted.
pub(crate) fn no_color() -> bool {
    env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty())
}
