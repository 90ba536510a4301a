//! The archive: one folder, packed so that equal inputs give equal bytes, and SHA256SUMS beside it.

use std::io::Write;
use std::path::{Path, PathBuf};

use flate2::{Compression, write::GzEncoder};
use sha2::{Digest, Sha256};

/// One file of the archive.
#[derive(Debug)]
pub(crate) struct Entry {
    /// Path inside the archive's folder, `/` between parts.
    pub(crate) path: String,
    /// What it holds.
    pub(crate) bytes: Vec<u8>,
    /// Whether it can be run.
    pub(crate) executable: bool,
}

/// Reads a file, or every file below a folder, as entries of the same path, sorted.
///
/// # Errors
/// The system's answer.
pub(crate) fn entries_of(root: &Path, path: &str) -> std::io::Result<Vec<Entry>> {
    let full = root.join(path);
    if !full.is_dir() {
        return Ok(vec![Entry {
            path: path.to_owned(),
            bytes: std::fs::read(full)?,
            executable: false,
        }]);
    }
    let mut names = Vec::new();
    for entry in std::fs::read_dir(full)? {
        names.push(entry?.file_name().to_string_lossy().into_owned());
    }
    names.sort();
    let mut entries = Vec::new();
    for name in names {
        entries.extend(entries_of(root, &format!("{path}/{name}"))?);
    }
    Ok(entries)
}

/// Packs entries below `folder` as tar and gzip; names, modes and owners come from here alone.
///
/// # Errors
/// The packers' answer, such as for a path that is too long.
pub(crate) fn pack(folder: &str, entries: &[Entry]) -> std::io::Result<Vec<u8>> {
    let mut archive = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::best()));
    for entry in entries {
        let mut header = tar::Header::new_gnu();
        header.set_size(entry.bytes.len() as u64);
        header.set_mode(if entry.executable { 0o755 } else { 0o644 });
        header.set_mtime(0);
        header.set_uid(0);
        header.set_gid(0);
        header.set_cksum();
        let path = format!("{folder}/{}", entry.path);
        archive.append_data(&mut header, path, entry.bytes.as_slice())?;
    }
    archive.into_inner()?.finish()
}

/// Writes the archive and SHA256SUMS, which `sha256sum --check` reads; gives the archive's path.
///
/// # Errors
/// The system's answer.
pub(crate) fn publish(out: &Path, name: &str, archive: &[u8]) -> std::io::Result<PathBuf> {
    std::fs::create_dir_all(out)?;
    let path = out.join(name);
    std::fs::File::create(&path)?.write_all(archive)?;
    let digest = Sha256::digest(archive);
    let hex: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    std::fs::write(out.join("SHA256SUMS"), format!("{hex}  {name}\n"))?;
    Ok(path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    fn entries() -> Vec<Entry> {
        let entry = |path: &str, executable| Entry {
            path: path.to_owned(),
            bytes: path.as_bytes().to_vec(),
            executable,
        };
        vec![entry("bin/sigil-train", true), entry("README.md", false)]
    }

    #[test]
    fn tar_and_sha256sum_read_what_is_published() -> Result<(), Box<dyn std::error::Error>> {
        let root = tempfile::tempdir()?;
        let packed = pack("sigil-1.0.0", &entries())?;
        assert_eq!(packed, pack("sigil-1.0.0", &entries())?, "equal inputs give equal bytes");
        publish(root.path(), "sigil.tar.gz", &packed)?;
        let run = |program: &str, arguments: &[&str]| {
            Command::new(program).args(arguments).current_dir(root.path()).status()
        };
        assert!(run("sha256sum", &["--check", "--quiet", "SHA256SUMS"])?.success());
        assert!(run("tar", &["xzf", "sigil.tar.gz"])?.success());
        assert!(run("test", &["-x", "sigil-1.0.0/bin/sigil-train"])?.success());
        assert!(!run("test", &["-x", "sigil-1.0.0/README.md"])?.success());
        Ok(())
    }

    #[test]
    fn folders_are_read_in_order() -> Result<(), Box<dyn std::error::Error>> {
        let root = tempfile::tempdir()?;
        std::fs::create_dir_all(root.path().join("configs/b"))?;
        std::fs::write(root.path().join("configs/b/z.toml"), "z")?;
        std::fs::write(root.path().join("configs/a.toml"), "a")?;
        let found = entries_of(root.path(), "configs")?;
        let paths: Vec<&str> = found.iter().map(|entry| entry.path.as_str()).collect();
        assert_eq!(paths, ["configs/a.toml", "configs/b/z.toml"]);
        assert!(entries_of(root.path(), "gone").is_err());
        Ok(())
    }
}
