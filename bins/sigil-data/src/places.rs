//! The settings of a command, and where its data is looked for.

use std::env;

use sigil_config::{Layers, Settings};
use sigil_data::recipe::DataPlaces;
use sigil_places::{Places, variables};

use crate::cli::Data;
use crate::failure::Failure;

/// Where sources are looked for.
pub(crate) fn data_places(settings: &Settings) -> Result<DataPlaces, Failure> {
    let places = Places::find();
    Ok(DataPlaces {
        base_folder: env::current_dir()?,
        cache_folder: settings.dataset.cache_dir.clone().unwrap_or_else(|| places.row_cache()),
        cargo_home: places.cargo_home,
        hub_cache: places.hub_cache,
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
    let mut set = data.set.clone();
    // No model is loaded here, so none has to be named.
    if data.config.is_none() && data.preset.is_none() {
        set.insert(0, format!("model.name={}", sigil_config::BUILT_IN_BASE));
    }
    layers = layers.env(variables()).set(set);
    if let Some(home) = Places::find().home {
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
