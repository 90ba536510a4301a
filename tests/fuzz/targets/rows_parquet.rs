//! Rows as parquet.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sigil_data::{Ledger, ReadSettings, SourceSpec, read_sources};

fuzz_target!(|bytes: &[u8]| {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    std::fs::write(folder.path().join("rows.parquet"), bytes).expect("room for a small file");
    let settings = ReadSettings::new(folder.path());
    drop(read_sources(&[SourceSpec::from("rows.parquet")], &settings, &mut Ledger::new()));
});
