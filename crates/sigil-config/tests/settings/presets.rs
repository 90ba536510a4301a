//! Every preset loads, names the schema in its first line, and what is generated is current.
//!
//! `UPDATE_EXPECT=1 cargo test -p sigil-config` rewrites schema and reference after a change of settings.

use std::path::Path;

use expect_test::expect_file;
use sigil_config::{
    Layers, Settings, json_schema_text, preset_names, preset_text, reference_markdown,
};

#[test]
fn every_preset_loads_without_notes() {
    for name in preset_names() {
        let loaded = match Layers::new().preset(name).load() {
            Ok(loaded) => loaded,
            Err(errors) => panic!("{name}:\n{errors}"),
        };
        assert_eq!(loaded.notes, [], "{name}");
    }
}

#[test]
fn every_preset_names_the_schema_first() {
    for name in preset_names() {
        let text = preset_text(name).expect("the name comes from the list");
        let first = text.lines().next();
        assert_eq!(first, Some("#:schema ./sigil.schema.json"), "{name}");
    }
}

#[test]
fn every_file_in_configs_is_a_preset() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../configs");
    let mut files: Vec<String> = std::fs::read_dir(folder)
        .expect("configs/ is part of the repository")
        .map(|entry| entry.expect("a readable folder").file_name())
        .filter_map(|name| Some(name.to_str()?.strip_suffix(".toml")?.to_owned()))
        // Settings of other programs: crates/sigil-expert, crates/sigil-sweep.
        .filter(|name| !name.starts_with("expert-") && !name.starts_with("sweep-"))
        .collect();
    files.sort();
    assert_eq!(files, preset_names().collect::<Vec<_>>());
}

#[test]
fn the_committed_schema_is_current() {
    expect_file!["../../../../configs/sigil.schema.json"].assert_eq(&json_schema_text());
}

#[test]
fn the_committed_reference_is_current() {
    expect_file!["../../../../configs/README.md"].assert_eq(&reference_markdown());
}

#[test]
fn every_field_of_the_schema_is_described() {
    fn visit(path: &str, schema: &serde_json::Value) {
        let Some(fields) = schema["properties"].as_object() else {
            return;
        };
        for (name, field) in fields {
            let path = format!("{path}.{name}");
            assert!(field["description"].is_string(), "{path}");
            visit(&path, field);
        }
    }
    visit("", &sigil_config::json_schema());
}

#[test]
fn the_phases_have_the_predecessors_values() {
    for (preset, file) in [
        ("llama-3.1-8b-phase1", "llama8b-phase1.yml"),
        ("llama-3.1-8b-phase2", "llama8b-phase2.yml"),
    ] {
        let path = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("../../tests/fixtures/predecessor-configs")
            .join(file);
        let text = std::fs::read_to_string(&path).expect("the fixture is part of the repository");
        let settings = |layers: Layers| -> Settings {
            let loaded = layers.load();
            loaded.unwrap_or_else(|errors| panic!("{errors}")).settings
        };
        assert_eq!(
            settings(Layers::new().preset(preset)),
            settings(Layers::new().file(file, text)),
            "{preset}"
        );
    }
}
