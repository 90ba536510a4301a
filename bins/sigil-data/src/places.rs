//! Where things lie on this machine, and the settings: the only file here that reads the
//! environment.

use std::env;
use std::path::PathBuf;

use sigil_config::{Layers, Settings};
use sigil_data::recipe::DataPlaces;

use crate::cli::Data;
use crate::failure::Failure;

fn folder(name: &str) -> Option<PathBuf> {
    env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from)
}

fn cache_home() -> PathBuf {
    folder("XDG_CACHE_HOME")
        .or_else(|| folder("HOME").map(|home| home.join(".cache")))
        .unwrap_or_else(env::temp_dir)
}

/// Folder of the rows that `sigil-train` keeps.
pub(crate) fn row_cache() -> PathBuf {
    cache_home().join("sigil").join("rows")
}

/// Where sources are looked for.
pub(crate) fn data_places(settings: &Settings) -> Result<DataPlaces, Failure> {
    let hub_home = folder("HF_HOME").unwrap_or_else(|| cache_home().join("huggingface"));
    Ok(DataPlaces {
        base_folder: env::current_dir()?,
        cargo_home: folder("CARGO_HOME").or_else(|| folder("HOME").map(|home| home.join(".cargo"))),
        cache_folder: settings.dataset.cache_dir.clone().unwrap_or_else(row_cache),
        hub_cache: folder("HF_HUB_CACHE").unwrap_or_else(|| hub_home.join("hub")),
    })
}

/// Loads the settings; sources of the command line replace those of the file.
pub(crate) fn settings(data: &Data) -> Result<Settings, Failure> {
    let mut layers = Layers::new();
    if let Some(path) = &data.config {
        let text = std::fs::read_to_string(path).map_err(|error| {
            Failure::new(3, format!("cannot read `{}`: {error}", path.display()), None)
        })?;
        layers = layers.file(path, text);
    } else if let Some(preset) = &data.preset {
        layers = layers.preset(preset);
    }
    let variables =
        env::vars_os().filter_map(|(k, v)| Some((k.into_string().ok()?, v.into_string().ok()?)));
    let mut set = data.set.clone();
    // No model is loaded here, so none has to be named.
    if data.config.is_none() && data.preset.is_none() {
        set.insert(0, format!("model.name={}", sigil_config::BUILT_IN_BASE));
    }
    layers = layers.env(variables).set(set);
    if let Some(home) = folder("HOME") {
        layers = layers.home(home);
    }
    let loaded = layers.load()?;
    loaded.notes.iter().for_each(|note| eprintln!("note: {note}"));
    let mut settings = loaded.settings;
    if !data.sources.is_empty() {
        settings.dataset.names.clone_from(&data.sources);
    }
    Ok(settings)
}

/// True when colours are unwanted.
pub(crate) fn no_color() -> bool {
    env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty())
}
