//! The crates of a lock file, found in a cargo home made for the test.

use std::fs;

use proptest::prelude::*;
use sha2::{Digest as _, Sha256};
use sigil_data::{Ledger, ReadSettings, Row, SourceError, SourceSpec, read_sources};
use tempfile::TempDir;

use crate::fixture::{write, write_in};

const OWN: &str = "index.crates.io-1949cf8c6b5b557f";
const CRATES_IO: &str = "registry+https://github.com/rust-lang/crates.io-index";

fn locked(name: &str, version: &str, source: &str, checksum: &str) -> String {
    format!(
        "[[package]]\nname = \"{name}\"\nversion = \"{version}\"\nsource = \"{source}\"\n\
         checksum = \"{checksum}\"\n\n"
    )
}

fn read(folder: &TempDir, lock: &str) -> Result<(Vec<Row>, Ledger), SourceError> {
    write_in(folder, "Cargo.lock", lock);
    let settings = ReadSettings {
        cargo_home: Some(folder.path().join("cargo")),
        ..ReadSettings::new(folder.path())
    };
    let mut ledger = Ledger::new();
    let rows = read_sources(&[SourceSpec::from("registry:Cargo.lock")], &settings, &mut ledger)?;
    Ok((rows, ledger))
}

fn unpack(folder: &TempDir, registry: &str, label: &str) {
    let path = folder.path().join("cargo/registry/src").join(registry).join(label);
    write(&path.join("src/lib.rs"), format!("//! {label} of {registry}").as_bytes());
    write(&path.join("README.md"), b"not Rust");
}

fn seen(rows: &[Row]) -> Vec<(&str, &str)> {
    rows.iter().map(|row| (row.origin.file.as_ref(), row.group.as_ref())).collect()
}

#[test]
fn exactly_the_locked_crates_are_read() -> Result<(), SourceError> {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    for label in ["zed-1.0.0", "alpha-0.1.0", "alpha-0.2.0", "alpha-0.3.0", "other-9.9.9"] {
        unpack(&folder, OWN, label);
    }
    let lock = [
        "version = 4\n\n[[package]]\nname = \"mine\"\nversion = \"0.1.0\"\n\n".to_owned(),
        locked("zed", "1.0.0", CRATES_IO, "00"),
        locked("alpha", "0.2.0", CRATES_IO, "00"),
        locked("alpha", "0.1.0", "sparse+https://index.crates.io/", "00"),
        locked("gone", "3.0.0", CRATES_IO, "00"),
        locked("forked", "1.0.0", "git+https://example.com/forked#abc", "00"),
    ]
    .concat();
    let (rows, ledger) = read(&folder, &lock)?;
    assert_eq!(
        seen(&rows),
        [
            ("alpha-0.1.0/src/lib.rs", "alpha"),
            ("alpha-0.2.0/src/lib.rs", "alpha"),
            ("zed-1.0.0/src/lib.rs", "zed"),
        ]
    );
    let note = &ledger.notes()[0];
    assert!(note.contains("1 of 4 crates are not on this machine: gone-3.0.0"), "{note}");
    Ok(())
}

#[test]
fn a_mirror_counts_only_with_the_checksum_of_the_lock_file() -> Result<(), SourceError> {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    unpack(&folder, "mirror.example-0011223344556677", "one-1.0.0");
    unpack(&folder, "mirror.example-0011223344556677", "two-1.0.0");
    let archive = b"the packed crate";
    let cache = folder.path().join("cargo/registry/cache/mirror.example-0011223344556677");
    write(&cache.join("one-1.0.0.crate"), archive);
    write(&cache.join("two-1.0.0.crate"), archive);
    let right: String = Sha256::digest(archive).iter().map(|byte| format!("{byte:02x}")).collect();
    let lock = [
        locked("one", "1.0.0", CRATES_IO, &right),
        locked("two", "1.0.0", CRATES_IO, &"0".repeat(64)),
    ]
    .concat();
    let (rows, ledger) = read(&folder, &lock)?;
    assert_eq!(seen(&rows), [("one-1.0.0/src/lib.rs", "one")]);
    assert!(ledger.notes()[0].contains("two-1.0.0"), "{:?}", ledger.notes());
    Ok(())
}

#[test]
fn a_crate_of_another_registry_is_not_taken_for_one_of_this() {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    unpack(&folder, OWN, "one-1.0.0");
    let source = "registry+https://crates.example.com/index";
    let error = read(&folder, &locked("one", "1.0.0", source, "00"))
        .expect_err("only crates.io has been unpacked");
    assert!(matches!(error, SourceError::NoCrates { wanted: 1, .. }), "{error}");
    assert!(error.hint().is_some());
}

#[test]
fn names_that_leave_the_registry_are_refused() {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    write_in(&folder, "cargo/registry/secret-1.0.0/lib.rs", "fn secret() {}");
    fs::create_dir_all(folder.path().join("cargo/registry/src").join(OWN)).expect("can be made");
    for name in ["../secret", "a/b", ""] {
        let error = read(&folder, &locked(name, "1.0.0", CRATES_IO, "00"))
            .expect_err("the name is no package");
        assert!(matches!(error, SourceError::BadLock { .. }), "{error}");
    }
}

proptest! {
    #[test]
    fn foreign_lock_files_never_panic(
        text in r#"(\[\[package\]\]|name ?= ?"[a-z./-]{0,8}"|source ?= ?"[a-z+:/.]{0,20}"|version = "?[0-9.]{0,5}"?|\n|\PC){0,12}"#,
    ) {
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        drop(read(&folder, &text));
    }
}
