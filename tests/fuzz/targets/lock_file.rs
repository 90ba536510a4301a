//! A Cargo.lock that names the crates to read.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sigil_data::{Ledger, ReadSettings, SourceSpec, read_sources};

fuzz_target!(|bytes: &[u8]| {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    std::fs::write(folder.path().join("Cargo.lock"), bytes).expect("room for a small file");
    let mut settings = ReadSettings::new(folder.path());
    settings.cargo_home = Some(folder.path().join("cargo"));
    drop(read_sources(&[SourceSpec::from("registry:Cargo.lock")], &settings, &mut Ledger::new()));
});
