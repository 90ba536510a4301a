//! Names of sources: text to what it means, and what it finds in a small folder.
#![no_main]

use std::path::Path;

use libfuzzer_sys::fuzz_target;
use sigil_data::{OpenSource, ReadSettings, SourceSpec};

fuzz_target!(|text: &str| {
    let spec = SourceSpec::from(text);
    assert_eq!(SourceSpec::from(spec.to_string().as_str()), spec);
    if let Some((repo, folder)) = spec.hub_name(Path::new("/nonexistent")) {
        assert_eq!(repo.split('/').count(), 2);
        assert!(!format!("{repo}/{folder}").split('/').any(|part| part.starts_with('.')));
    }
    // Patterns that leave the folder would list the machine.
    if text.contains("..") || text.contains(['/', '\0']) {
        return;
    }
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    for name in ["a.jsonl", "b.parquet", "c.rs"] {
        std::fs::write(folder.path().join(name), b"{}").expect("room for a small file");
    }
    if let Ok(source) = OpenSource::open(&spec, &ReadSettings::new(folder.path())) {
        assert!(source.fingerprint().iter().all(|(path, ..)| path.starts_with(folder.path())));
    }
});
