//! Settings as TOML and as YAML; the messages about them too.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sigil_config::Layers;

fuzz_target!(|text: &str| {
    for name in ["settings.toml", "settings.yml"] {
        match Layers::new().file(name, text).load() {
            Ok(loaded) => drop(loaded.settings.to_toml()),
            Err(errors) => assert!(!errors.to_string().is_empty()),
        }
    }
});
