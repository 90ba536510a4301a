//! `manifest.json`: which files make up a checkpoint set, how long they are and what they hash to.
//!
//! The file seals itself: it ends with a digest of its own contents and must be, byte for byte, what
//! this module would write, so a flipped bit anywhere in it is noticed. It says nothing about what
//! the files mean. Read `set.rs` next.

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::layout;

/// The newest manifest format written and understood here.
pub(crate) const FORMAT_VERSION: u32 = 1;

/// One file of a set.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ManifestFile {
    /// Path inside the set, `/` between folders.
    pub name: String,
    /// Length in bytes.
    pub bytes: u64,
    /// SHA-256 of the contents, 64 lower-case hexadecimal digits, as `sha256sum` prints it.
    pub sha256: String,
}

/// The description of a set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Manifest {
    /// The optimizer step after which the set was made.
    pub step: u64,
    /// Counts the commits of the run: of two sets the one with the larger number is newer, whatever
    /// their steps (a run that resumed from an older set goes through the same steps again).
    pub sequence: u64,
    /// The files, sorted by name.
    pub files: Vec<ManifestFile>,
}

/// Why bytes are not a manifest.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ManifestError {
    /// Not the JSON this version writes.
    #[error("it is not a manifest: {reason}")]
    Malformed {
        /// What the JSON reader says.
        reason: String,
    },
    /// Written by a newer version.
    #[error("it has format version {found}, this version reads up to {FORMAT_VERSION}")]
    NewerFormat {
        /// The version in the file.
        found: u64,
    },
    /// The contents were changed after it was written.
    #[error("its contents do not match the digest at its end")]
    BadDigest,
    /// A file name that no set can have, or one that occurs twice.
    #[error("it lists the file `{name}`, which cannot be")]
    BadFile {
        /// The name.
        name: String,
    },
}

/// As written, without the digest.
#[derive(Serialize)]
struct Body<'a> {
    format_version: u32,
    step: u64,
    sequence: u64,
    files: &'a [ManifestFile],
}

/// As written.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Sealed {
    format_version: u32,
    step: u64,
    sequence: u64,
    files: Vec<ManifestFile>,
    digest: String,
}

impl Manifest {
    /// The bytes of `manifest.json`.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let body = Body {
            format_version: FORMAT_VERSION,
            step: self.step,
            sequence: self.sequence,
            files: &self.files,
        };
        let body = serde_json::to_vec(&body).expect("strings and integers always serialize");
        let sealed = Sealed {
            format_version: FORMAT_VERSION,
            step: self.step,
            sequence: self.sequence,
            files: self.files.clone(),
            digest: hexadecimal(&Sha256::digest(&body)),
        };
        let mut bytes =
            serde_json::to_vec_pretty(&sealed).expect("strings and integers always serialize");
        bytes.push(b'\n');
        bytes
    }

    /// Reads the bytes of a `manifest.json`, trusting none of them.
    ///
    /// # Errors
    /// See [`ManifestError`].
    pub fn parse(bytes: &[u8]) -> Result<Self, ManifestError> {
        #[derive(Deserialize)]
        struct Version {
            format_version: u64,
        }
        let malformed =
            |error: serde_json::Error| ManifestError::Malformed { reason: error.to_string() };
        let Version { format_version } = serde_json::from_slice(bytes).map_err(malformed)?;
        if format_version > u64::from(FORMAT_VERSION) {
            return Err(ManifestError::NewerFormat { found: format_version });
        }
        let sealed: Sealed = serde_json::from_slice(bytes).map_err(malformed)?;
        let manifest = Self { step: sealed.step, sequence: sealed.sequence, files: sealed.files };
        if manifest.to_bytes() != bytes {
            return Err(ManifestError::BadDigest);
        }
        manifest.check_names()?;
        Ok(manifest)
    }

    /// The entry of a file.
    #[must_use]
    pub fn file(&self, name: &str) -> Option<&ManifestFile> {
        self.files.iter().find(|file| file.name == name)
    }

    fn check_names(&self) -> Result<(), ManifestError> {
        let bad = |file: &ManifestFile| ManifestError::BadFile { name: file.name.clone() };
        for file in &self.files {
            if layout::check_file_name(&file.name).is_err() || file.name == layout::MANIFEST {
                return Err(bad(file));
            }
        }
        match self.files.windows(2).find(|pair| pair[0].name >= pair[1].name) {
            Some(pair) => Err(bad(&pair[1])),
            None => Ok(()),
        }
    }
}

/// Lower-case hexadecimal digits of `bytes`.
pub(crate) fn hexadecimal(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digits = bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]);
    digits.map(|digit| char::from(DIGITS[usize::from(digit)])).collect()
}
