//! Where things lie on this machine: the only file here that reads the environment.

use std::env;
use std::path::{Path, PathBuf};

use sigil_data::HubSettings;

/// The Hub as the environment describes it.
pub(crate) struct Places {
    /// For downloads.
    pub(crate) hub: HubSettings,
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
        let mut hub =
            HubSettings::new(folder("HF_HUB_CACHE").unwrap_or_else(|| hub_home.join("hub")));
        if let Some(endpoint) = text("HF_ENDPOINT") {
            hub.endpoint = endpoint;
        }
        // Where the Hub's own tools keep it after a login.
        let file = folder("HF_TOKEN_PATH").unwrap_or_else(|| hub_home.join("token"));
        let stored = || std::fs::read_to_string(file).ok().map(|text| text.trim().to_owned());
        hub.token = text("HF_TOKEN").or_else(stored).filter(|token| !token.is_empty());
        hub.offline = text("HF_HUB_OFFLINE").is_some_and(|value| value != "0");
        Self { hub }
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

/// True when colours are unwanted.
pub(crate) fn no_color() -> bool {
    env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty())
}
