//! From `model.name` to a folder with a model's files, and the files a set takes along.

use std::path::{Path, PathBuf};

use sigil_config::Settings;
use sigil_data::{HubSettings, fetch_model};
use sigil_places::{BUILT_IN_MODELS, Places, built_in_model};

use crate::exit::Failure;

/// Tokenizer files that travel with every checkpoint set.
const TOKENIZER_FILES: [&str; 8] = [
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "chat_template.jinja",
    "added_tokens.json",
    "vocab.json",
    "merges.txt",
    "generation_config.json",
];

/// Finds or fetches the base model.
pub(crate) fn find(settings: &Settings, places: &Places) -> Result<PathBuf, Failure> {
    let name = settings.model.name.as_str();
    if BUILT_IN_MODELS.contains(&name) {
        return built_in_model(name).ok_or_else(|| {
            let message = format!("`{name}`, which comes with sigil, is not beside this program");
            let hint = "run from the repository, or keep the archive's folder together";
            Failure::new(5, message, Some(hint.to_owned()))
        });
    }
    let folder = Path::new(name);
    if folder.is_dir() {
        return Ok(folder.to_owned());
    }
    let looks_like_path = name.starts_with(['.', '/', '~']) || name.matches('/').count() != 1;
    if looks_like_path {
        let hint = "`model.name` is a folder, a Hub id such as Qwen/Qwen2.5-Coder-0.5B, or \
                    `sigil-base`";
        let message = format!("there is no folder `{name}`");
        return Err(Failure::new(5, message, Some(hint.to_owned())));
    }
    let mut hub = HubSettings::new(
        settings.hub.cache_dir.clone().unwrap_or_else(|| places.hub_cache.clone()),
    );
    hub.endpoint.clone_from(&settings.hub.endpoint);
    hub.token = settings.hub.token.as_ref().map(|token| token.reveal().to_owned());
    hub.offline = settings.hub.offline;
    let revision = settings.model.revision.as_deref().unwrap_or("main");
    eprintln!("fetching `{name}` (files that are in the cache are not fetched again)");
    fetch_model(&hub, name, revision)
        .map_err(|error| Failure::new(5, &error, error.hint().map(str::to_owned)))
}

/// The tokenizer's files, to be copied into every set.
pub(crate) fn tokenizer_files(folder: &Path) -> Result<Vec<(String, Vec<u8>)>, Failure> {
    let mut files = vec![];
    for name in TOKENIZER_FILES {
        let path = folder.join(name);
        if path.is_file() {
            let bytes = std::fs::read(&path).map_err(|error| {
                Failure::new(5, format!("cannot read `{}`: {error}", path.display()), None)
            })?;
            files.push((name.to_owned(), bytes));
        }
    }
    Ok(files)
}
