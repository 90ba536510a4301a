//! Opens a `.crate` file in memory: checks its SHA-256, then reads its manifest and `.rs` files.
//!
//! Nothing is unpacked to disk and nothing in a crate is run. Which files are worth keeping is
//! decided in `clean.rs`.

use std::fmt::Write as _;
use std::io::Read;
use std::path::Path;

use flate2::read::GzDecoder;
use sha2::{Digest, Sha256};

use super::error::Error;

/// No crate on a registry is allowed to be larger than a fraction of this, packed.
const PACKED_LIMIT_BYTES: u64 = 64 << 20;
/// A guard against archives that unpack without end.
const UNPACKED_LIMIT_BYTES: u64 = 1 << 30;
const ENTRIES_LIMIT: usize = 100_000;
/// Larger files are tables or generated; they are listed without their content.
pub(super) const FILE_LIMIT_BYTES: u64 = 100_000;

/// A crate as its archive has it.
#[derive(Debug)]
pub(super) struct Crate {
    /// The normalized Cargo.toml that the registry serves.
    pub(super) manifest: String,
    /// The `.rs` files, sorted by path.
    pub(super) sources: Vec<Source>,
}

/// One `.rs` file of a crate.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Source {
    /// Path inside the crate, with `/` between its parts.
    pub(super) path: String,
    /// Unchecked bytes; `None` where the file is larger than [`FILE_LIMIT_BYTES`].
    pub(super) bytes: Option<Vec<u8>>,
}

/// Reads the crate at `path`, which has to have the given SHA-256 (lower-case hexadecimal).
///
/// # Errors
/// A file that cannot be read, another checksum, an archive that is damaged or over the limits.
pub(super) fn open(path: &Path, sha256: &str) -> Result<Crate, Error> {
    let size = std::fs::metadata(path).map_err(Error::file("read", path))?.len();
    if size > PACKED_LIMIT_BYTES {
        return Err(damaged(path, format!("{size} bytes is more than a crate may have")));
    }
    let packed = std::fs::read(path).map_err(Error::file("read", path))?;
    let found = hexadecimal(&Sha256::digest(&packed));
    if found != sha256 {
        return Err(Error::Checksum { path: path.to_owned(), expected: sha256.to_owned(), found });
    }
    unpack(&packed).map_err(|what| damaged(path, what))
}

fn damaged(path: &Path, what: String) -> Error {
    Error::Archive { path: path.to_owned(), what }
}

fn hexadecimal(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        write!(text, "{byte:02x}").expect("a string takes every write");
    }
    text
}

fn unpack(packed: &[u8]) -> Result<Crate, String> {
    let mut archive = tar::Archive::new(GzDecoder::new(packed).take(UNPACKED_LIMIT_BYTES));
    let mut manifest = None;
    let mut sources = Vec::new();
    for (index, entry) in archive.entries().map_err(|e| e.to_string())?.enumerate() {
        if index >= ENTRIES_LIMIT {
            return Err(format!("more than {ENTRIES_LIMIT} entries"));
        }
        let mut entry = entry.map_err(|e| e.to_string())?;
        if !entry.header().entry_type().is_file() {
            continue;
        }
        let full = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
        // Every entry lies in one folder, NAME-VERSION.
        let Some((_, inner)) = full.split_once('/') else { continue };
        if inner == "Cargo.toml" {
            let mut text = String::new();
            entry
                .take(FILE_LIMIT_BYTES * 10)
                .read_to_string(&mut text)
                .map_err(|e| e.to_string())?;
            manifest = Some(text);
        } else if inner.ends_with(".rs") {
            let bytes = if entry.size() > FILE_LIMIT_BYTES {
                None
            } else {
                let mut bytes = Vec::new();
                entry.read_to_end(&mut bytes).map_err(|e| e.to_string())?;
                Some(bytes)
            };
            sources.push(Source { path: inner.to_owned(), bytes });
        }
    }
    sources.sort_by(|a, b| a.path.cmp(&b.path));
    let manifest = manifest.ok_or_else(|| "no Cargo.toml".to_owned())?;
    Ok(Crate { manifest, sources })
}

#[cfg(test)]
pub(super) mod tests {
    use flate2::Compression;
    use flate2::write::GzEncoder;
    use proptest::prelude::*;

    use super::*;

    /// Packs files as a registry does.
    pub(in super::super) fn pack(files: &[(&str, &[u8])]) -> Vec<u8> {
        let encoder = GzEncoder::new(Vec::new(), Compression::fast());
        let mut builder = tar::Builder::new(encoder);
        for (path, bytes) in files {
            let mut header = tar::Header::new_gnu();
            header.set_size(bytes.len() as u64);
            header.set_mode(0o644);
            builder.append_data(&mut header, path, *bytes).expect("memory takes every write");
        }
        let encoder = builder.into_inner().expect("memory takes every write");
        encoder.finish().expect("memory takes every write")
    }

    /// The checksum that a lock file would hold.
    pub(in super::super) fn sha256(packed: &[u8]) -> String {
        hexadecimal(&Sha256::digest(packed))
    }

    #[test]
    fn sources_come_sorted_and_large_ones_empty() {
        let large = vec![b'a'; FILE_LIMIT_BYTES as usize + 1];
        let packed = pack(&[
            ("it-1.0.0/src/z.rs", b"fn z() {}"),
            ("it-1.0.0/Cargo.toml", b"[package]"),
            ("it-1.0.0/README.md", b"# It"),
            ("it-1.0.0/src/a.rs", &large),
        ]);
        let opened = unpack(&packed).expect("a whole crate");
        assert_eq!(opened.manifest, "[package]");
        assert_eq!(
            opened.sources,
            [
                Source { path: "src/a.rs".into(), bytes: None },
                Source { path: "src/z.rs".into(), bytes: Some(b"fn z() {}".to_vec()) },
            ]
        );
    }

    #[test]
    fn another_checksum_is_refused() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("it-1.0.0.crate");
        let packed = pack(&[("it-1.0.0/Cargo.toml", b"[package]")]);
        std::fs::write(&path, &packed).expect("the folder is writable");
        assert!(open(&path, &sha256(&packed)).is_ok());
        let error = open(&path, &sha256(b"another")).expect_err("not its checksum");
        assert!(matches!(error, Error::Checksum { .. }), "{error}");
    }

    proptest! {
        #[test]
        fn damaged_archives_are_refused(cut in 0usize..200, flip in 0usize..200) {
            let packed = pack(&[("it-1.0.0/Cargo.toml", b"[package]"), ("it-1.0.0/a.rs", b"fn")]);
            let mut damaged = packed.clone();
            let at = flip % damaged.len();
            damaged[at] ^= 0x41;
            // Whatever it says, it says it without a panic.
            let _ = unpack(&damaged);
            prop_assert!(unpack(&packed[..cut.min(packed.len() / 2)]).is_err());
        }
    }
}
