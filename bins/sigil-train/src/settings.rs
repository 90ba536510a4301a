//! Loads the settings from their layers, and `--print-config`.

use std::process::ExitCode;

use sigil_config::{Layers, Loaded};
use sigil_places::{Places, variables};

use crate::{cli::Arguments, exit::Failure};

/// The preset of a run without a file or preset.
const DEFAULT_PRESET: &str = "quickstart";

/// Loads and checks all layers.
pub(crate) fn load(arguments: &Arguments, places: &Places) -> Result<Loaded, Failure> {
    let mut layers = Layers::new();
    if let Some(path) = &arguments.config {
        let text = std::fs::read_to_string(path).map_err(|error| {
            let hint = "presets are given with --preset; the files lie in configs/".to_owned();
            Failure::new(3, format!("cannot read `{}`: {error}", path.display()), Some(hint))
        })?;
        layers = layers.file(path, text);
    } else {
        layers = layers.preset(arguments.preset.as_deref().unwrap_or(DEFAULT_PRESET));
    }
    layers = layers.env(variables()).set(arguments.set.iter().map(String::as_str));
    if let Some(home) = &places.home {
        layers = layers.home(home);
    }
    Ok(layers.load()?)
}

/// `--print-config`.
pub(crate) fn print(arguments: &Arguments) -> Result<ExitCode, Failure> {
    let loaded = load(arguments, &Places::find())?;
    loaded.notes.iter().for_each(|note| eprintln!("note: {note}"));
    if arguments.json {
        let json = serde_json::to_string_pretty(&loaded.settings)
            .map_err(|error| Failure::new(1, error, None))?;
        println!("{json}");
    } else {
        print!("{}", loaded.print_config());
    }
    Ok(ExitCode::SUCCESS)
}
