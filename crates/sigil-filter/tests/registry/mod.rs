//! Where cargo unpacked the crates that this workspace's `Cargo.lock` pins.
//!
//! The files belong to their authors, so they are not in this repository; `cargo fetch` brings them.

use std::fs;
use std::path::PathBuf;

/// The folders that crates are unpacked in, one for each registry.
pub(crate) fn folders() -> Vec<PathBuf> {
    let home = std::env::var_os("CARGO_HOME").map(PathBuf::from);
    let home = home.or_else(|| std::env::home_dir().map(|home| home.join(".cargo")));
    let sources = home.expect("cargo has a home").join("registry").join("src");
    let entries = fs::read_dir(sources).expect("`cargo fetch` unpacked the dependencies");
    entries.map(|entry| entry.expect("the registry can be read").path()).collect()
}
