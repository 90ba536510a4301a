//! Real Rust code as token ids, for the stage `learn`: gathered where the program is packed, carried
//! in one compressed file, read by both sides.
//!
//! Files of the cargo registry's crates in an order that depends on their names only; generated
//! bindings would be half of them, so a file may not be long and a crate not have many. Not a corpus:
//! no licence is read, because nothing that is trained on it leaves the machine with the card.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use flate2::{Compression, read::GzDecoder, write::GzEncoder};
use miette::{Context, IntoDiagnostic, miette};
use tokenizers::Tokenizer;

/// The carried file, beside the program.
pub(crate) const PACKED: &str = "code-tokens.gz";
/// End of text, between files.
const END: u16 = 0;
/// Longest file that is taken, in bytes, and most files of a crate.
const LONGEST: u64 = 48 << 10;
const MOST_OF_A_CRATE: usize = 24;

/// Ids of the files under `folder`, at most `most` of them; whole crates follow one another.
///
/// # Errors
/// The tokenizer cannot be read, or there is no Rust code.
pub(crate) fn gather(folder: &Path, tokenizer: &Path, most: usize) -> miette::Result<Vec<u16>> {
    let tokenizer = Tokenizer::from_file(tokenizer)
        .map_err(|error| miette!("{}: {error}", tokenizer.display()))?;
    let mut files = vec![];
    collect(folder, &mut files);
    let digest = |path: &Path| *blake3::hash(path.as_os_str().as_encoded_bytes()).as_bytes();
    let mut crates: BTreeMap<[u8; 32], Vec<([u8; 32], PathBuf)>> = BTreeMap::new();
    for file in files {
        let inside = file.strip_prefix(folder).unwrap_or(&file);
        // The registry keeps its crates in a folder of the index.
        let name: PathBuf = inside.components().take(2).collect();
        let place = (digest(inside), file.clone());
        crates.entry(digest(&name)).or_default().push(place);
    }
    let mut ids = vec![];
    for files in crates.values_mut() {
        files.sort();
        for (_, file) in files.iter().take(MOST_OF_A_CRATE) {
            let Ok(text) = std::fs::read_to_string(file) else { continue };
            let encoding = tokenizer
                .encode_fast(text, false)
                .map_err(|error| miette!("{}: {error}", file.display()))?;
            for &id in encoding.get_ids() {
                ids.push(
                    u16::try_from(id).map_err(|_| miette!("token {id} has more than 16 bits"))?,
                );
            }
            ids.push(END);
            if ids.len() >= most {
                ids.truncate(most);
                return Ok(ids);
            }
        }
    }
    if ids.is_empty() {
        return Err(miette!(help = "give `--code FOLDER`", "no Rust code in {}", folder.display()));
    }
    Ok(ids)
}

/// Rust files below `folder` that are not too long; what cannot be read is left out.
fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    let Ok(entries) = std::fs::read_dir(folder) else { return };
    for entry in entries.flatten() {
        let Ok(kind) = entry.file_type() else { continue };
        let path = entry.path();
        if kind.is_dir() {
            collect(&path, files);
        } else if kind.is_file() && path.extension().is_some_and(|ending| ending == "rs") {
            let fits = entry.metadata().is_ok_and(|metadata| metadata.len() <= LONGEST);
            files.extend(fits.then_some(path));
        }
    }
}

/// Writes the ids, little-endian and compressed; returns the bytes of the file.
///
/// # Errors
/// The file cannot be written.
pub(crate) fn write(ids: &[u16], path: &Path) -> miette::Result<u64> {
    let bytes: Vec<u8> = ids.iter().flat_map(|id| id.to_le_bytes()).collect();
    let written = || -> std::io::Result<u64> {
        let mut encoder = GzEncoder::new(File::create(path)?, Compression::best());
        encoder.write_all(&bytes)?;
        encoder.finish()?.metadata().map(|metadata| metadata.len())
    };
    written().into_diagnostic().wrap_err_with(|| format!("writing {}", path.display()))
}

/// Reads what [`write()`] wrote.
///
/// # Errors
/// The file cannot be read or is cut.
pub(crate) fn read(path: &Path) -> miette::Result<Vec<u16>> {
    let read = || -> std::io::Result<Vec<u8>> {
        let mut bytes = vec![];
        GzDecoder::new(File::open(path)?).read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    let bytes = read().into_diagnostic().wrap_err_with(|| format!("reading {}", path.display()))?;
    Ok(bytes.chunks_exact(2).map(|pair| u16::from_le_bytes([pair[0], pair[1]])).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn code_of_this_workspace_is_gathered_and_comes_back() -> miette::Result<()> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let tokenizer = root.join("configs/sigil-base/tokenizer.json");
        let ids = gather(&root.join("crates"), &tokenizer, 20_000)?;
        assert_eq!(ids.len(), 20_000);
        assert!(ids.iter().all(|&id| id < 4096) && ids.contains(&END));
        assert_eq!(ids, gather(&root.join("crates"), &tokenizer, 20_000)?);
        let folder = tempfile::tempdir().into_diagnostic()?;
        let path = folder.path().join(PACKED);
        let bytes = write(&ids, &path)?;
        assert!(bytes < 40_000, "{bytes}");
        assert_eq!(read(&path)?, ids);
        Ok(())
    }

    #[test]
    fn a_folder_without_code_is_named() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let tokenizer =
            Path::new(env!("CARGO_MANIFEST_DIR")).join("../configs/sigil-base/tokenizer.json");
        let error = gather(folder.path(), &tokenizer, 10).expect_err("nothing is there");
        assert!(error.to_string().contains("no Rust code"), "{error}");
    }
}
