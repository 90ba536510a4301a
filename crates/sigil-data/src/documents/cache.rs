//! Tokenize once, reuse as long as nothing that matters changed.
//!
//! Is: the naming of cache files by everything their content depends on, and the fall-back to
//! building when a file is absent or damaged. Is not: atomic file placing, which the caller gives
//! as a function. Next: `cache_file.rs` for the bytes.

use std::io;
use std::path::{Path, PathBuf};

use super::{DocumentError, DocumentSet, DocumentSettings, build_documents, cache_file};
use crate::Digest;
use crate::ledger::Ledger;
use crate::rows::{Row, rows_digest};
use crate::tokenizer::Tokenizer;

/// Changes whenever the same rows and settings would give other documents than before.
const CODE_VERSION: u32 = 1;

/// Puts bytes at a path so that the file is whole or absent after a crash.
pub type PlaceFile<'a> = dyn Fn(&Path, &[u8]) -> io::Result<()> + 'a;

/// Says where token caches live and how files are placed there.
pub struct TokenCache<'a> {
    /// Folder of the files; made if absent.
    pub folder: PathBuf,
    /// Writes one file.
    pub place_file: &'a PlaceFile<'a>,
}

/// Says how the documents were obtained.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CacheOutcome {
    /// Read from the cache.
    Reused,
    /// Built and written to the cache.
    Built,
    /// Built because the file was there but damaged; it was replaced.
    Rebuilt,
}

/// Returns the documents of `rows`, from the cache where it has them.
///
/// The ledger receives the same account either way. A cache that cannot be written is a note, not
/// a failure.
///
/// # Errors
/// Those of [`build_documents`].
pub fn tokenize_cached(
    rows: &[Row],
    tokenizer: &Tokenizer,
    settings: &DocumentSettings,
    cache: &TokenCache<'_>,
    ledger: &mut Ledger,
) -> Result<(DocumentSet, CacheOutcome), DocumentError> {
    let key = cache_key(rows, tokenizer, settings);
    let path = cache.folder.join(format!("{key}.tokens"));
    let damage = match std::fs::read(&path) {
        Ok(bytes) => match cache_file::decode(key, &bytes) {
            Ok((documents, saved)) => {
                ledger.merge(&saved);
                return Ok((documents, CacheOutcome::Reused));
            }
            Err(reason) => Some(reason),
        },
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => Some(error.to_string()),
    };
    let mut account = Ledger::new();
    let documents = build_documents(rows, tokenizer, settings, &mut account)?;
    let bytes = cache_file::encode(key, &documents, &account);
    let placed =
        std::fs::create_dir_all(&cache.folder).and_then(|()| (cache.place_file)(&path, &bytes));
    ledger.merge(&account);
    if let Some(reason) = &damage {
        ledger.note(format!("token cache `{}` was rebuilt: {reason}", path.display()));
    }
    if let Err(error) = placed {
        ledger.note(format!("token cache `{}` was not written: {error}", path.display()));
    }
    let outcome = if damage.is_some() { CacheOutcome::Rebuilt } else { CacheOutcome::Built };
    Ok((documents, outcome))
}

fn cache_key(rows: &[Row], tokenizer: &Tokenizer, settings: &DocumentSettings) -> Digest {
    let settings = serde_json::to_vec(settings).expect("plain settings are JSON");
    Digest::of_fields([
        CODE_VERSION.to_le_bytes().as_slice(),
        rows_digest(rows).as_bytes(),
        tokenizer.digest().as_bytes(),
        settings.as_slice(),
    ])
}
