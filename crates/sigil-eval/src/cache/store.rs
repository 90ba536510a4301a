//! The cache's file, what of it is in memory, and the promise that no key is worked on twice at once.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs::{DirBuilder, File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::EvalError;

const FILE: &str = "results.log";
const KEY_DIGITS: usize = 64;
const CHECKSUM_DIGITS: usize = 16;

/// Results by key.
pub struct ResultCache {
    folder: Option<PathBuf>,
    state: Mutex<State>,
    finished: Condvar,
}

#[derive(Default)]
struct State {
    /// Results as JSON.
    known: HashMap<String, String>,
    /// Keys that somebody works on.
    in_flight: BTreeSet<String>,
    file: Option<File>,
}

/// What a cache holds.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct CacheSummary {
    /// Results by kind.
    pub results: BTreeMap<String, usize>,
    /// Lines that are damaged or stand there twice.
    pub useless_lines: usize,
    /// The size of the file in bytes.
    pub bytes: u64,
}

impl ResultCache {
    /// A cache that is forgotten with this value.
    pub fn in_memory() -> Self {
        Self { folder: None, state: Mutex::default(), finished: Condvar::new() }
    }

    /// Opens the cache in a folder, which is made with mode 0700 if it is not there.
    ///
    /// # Errors
    /// If the folder belongs to another user, or others may enter it, or it is a link.
    pub fn open(folder: &Path) -> Result<Self, EvalError> {
        let bad = |problem: String| EvalError::Cache { folder: folder.to_owned(), problem };
        if let Err(error) = DirBuilder::new().recursive(true).mode(0o700).create(folder) {
            return Err(bad(format!("cannot be made: {error}")));
        }
        let found =
            folder.symlink_metadata().map_err(|error| bad(format!("cannot be read: {error}")))?;
        if !found.is_dir() {
            return Err(bad("is not a folder".to_owned()));
        }
        if found.uid() != rustix::process::geteuid().as_raw() {
            return Err(bad(format!("belongs to user {}", found.uid())));
        }
        if found.mode() & 0o077 != 0 {
            return Err(bad(format!(
                "can be used by others: its mode is {:o}",
                found.mode() & 0o777
            )));
        }
        let path = folder.join(FILE);
        let text = match std::fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Vec::new(),
            Err(source) => return Err(EvalError::Read { path, source }),
        };
        let mut state = State::default();
        for (key, _, body) in lines(&text).flatten() {
            state.known.insert(key.to_owned(), body.to_owned());
        }
        let file = OpenOptions::new()
            .append(true)
            .create(true)
            .mode(0o600)
            .open(&path)
            .map_err(|source| EvalError::Write { path: path.clone(), source })?;
        state.file = Some(file);
        // A line that was cut off must not swallow the next one.
        if text.last().is_some_and(|last| *last != b'\n') {
            let file = state.file.as_mut().expect("it was just put there");
            file.write_all(b"\n").map_err(|source| EvalError::Write { path, source })?;
        }
        Ok(Self {
            folder: Some(folder.to_owned()),
            state: Mutex::new(state),
            finished: Condvar::new(),
        })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A result, if it is known and still has its layout.
    pub fn get<T: DeserializeOwned>(&self, key: &str) -> Option<T> {
        serde_json::from_str(self.state().known.get(key)?).ok()
    }

    /// Keeps a result.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn put<T: Serialize>(&self, key: &str, kind: &str, value: &T) -> Result<(), EvalError> {
        let body = serde_json::to_string(value).expect("results are plain data");
        let mut state = self.state();
        if let Some(file) = &mut state.file {
            let line = format!("{key} {} {kind} {body}\n", checksum(key, kind, &body));
            // One call, so that lines of several processes do not mix.
            let path = self.folder.as_deref().unwrap_or(Path::new("")).join(FILE);
            file.write_all(line.as_bytes()).map_err(|source| EvalError::Write { path, source })?;
        }
        state.known.insert(key.to_owned(), body);
        Ok(())
    }

    /// The result of a key: the known one, or that of `work`, which says whether it is final and may be
    /// kept. No two threads work on one key at once. Also says whether it was known.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn single_flight<T: Serialize + DeserializeOwned>(
        &self,
        key: &str,
        kind: &str,
        work: impl FnOnce() -> Option<(T, bool)>,
    ) -> Result<Option<(T, bool)>, EvalError> {
        let mut state = self.state();
        loop {
            if let Some(known) =
                state.known.get(key).and_then(|body| serde_json::from_str(body).ok())
            {
                return Ok(Some((known, true)));
            }
            if !state.in_flight.contains(key) {
                break;
            }
            state = self.finished.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        state.in_flight.insert(key.to_owned());
        drop(state);
        let flight = Flight { cache: self, key };
        let Some((value, is_final)) = work() else { return Ok(None) };
        if is_final {
            self.put(key, kind, &value)?;
        }
        drop(flight);
        Ok(Some((value, false)))
    }

    /// What a cache's folder holds.
    ///
    /// # Errors
    /// If its file cannot be read.
    pub fn summary(folder: &Path) -> Result<CacheSummary, EvalError> {
        let path = folder.join(FILE);
        let bytes = std::fs::read(&path).map_err(|source| EvalError::Read { path, source })?;
        let (mut summary, mut seen) = (CacheSummary::default(), BTreeMap::new());
        for line in lines(&bytes) {
            match line {
                Some((key, kind, _)) => {
                    if seen.insert(key, kind).is_some() {
                        summary.useless_lines += 1;
                    }
                }
                None => summary.useless_lines += 1,
            }
        }
        for kind in seen.values() {
            *summary.results.entry((*kind).to_owned()).or_default() += 1;
        }
        summary.bytes = bytes.len() as u64;
        Ok(summary)
    }

    /// Rewrites a cache's file without useless lines, and with the newest `keep` results only. No other
    /// process may be using it. Gives the number of lines left.
    ///
    /// # Errors
    /// If its file cannot be read or written.
    pub fn prune(folder: &Path, keep: usize) -> Result<usize, EvalError> {
        let path = folder.join(FILE);
        let bytes = std::fs::read(&path)
            .map_err(|source| EvalError::Read { path: path.clone(), source })?;
        let all: Vec<_> = lines(&bytes).flatten().collect();
        let (mut seen, mut kept) = (BTreeSet::new(), Vec::new());
        for (key, kind, body) in all.into_iter().rev() {
            if kept.len() < keep && seen.insert(key) {
                kept.push((key, kind, body));
            }
        }
        let mut text = String::new();
        for (key, kind, body) in kept.iter().rev() {
            text.push_str(&format!("{key} {} {kind} {body}\n", checksum(key, kind, body)));
        }
        sigil_run::atomic_write(&path, text.as_bytes())?;
        Ok(kept.len())
    }
}

/// Wakes whoever waits for the key, even if the work panics.
struct Flight<'a> {
    cache: &'a ResultCache,
    key: &'a str,
}

impl Drop for Flight<'_> {
    fn drop(&mut self) {
        self.cache.state().in_flight.remove(self.key);
        self.cache.finished.notify_all();
    }
}

/// The lines of a file as key, kind and body; `None` for one that is damaged.
fn lines(bytes: &[u8]) -> impl Iterator<Item = Option<(&str, &str, &str)>> {
    bytes.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()).map(|line| {
        let line = std::str::from_utf8(line).ok()?;
        let mut parts = line.splitn(4, ' ');
        let (key, sum, kind, body) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
        (key.len() == KEY_DIGITS && sum == checksum(key, kind, body)).then_some((key, kind, body))
    })
}

fn checksum(key: &str, kind: &str, body: &str) -> String {
    let mut hasher = blake3::Hasher::new();
    for part in [key, kind, body] {
        hasher.update(part.as_bytes());
        hasher.update(b" ");
    }
    hasher.finalize().to_hex()[..CHECKSUM_DIGITS].to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cache::Key;
    use proptest::prelude::*;
    use std::os::unix::fs::PermissionsExt;
    use std::sync::atomic::{AtomicUsize, Ordering};

    fn key(text: &str) -> String {
        Key::new("t").part(text).finish()
    }

    #[test]
    fn results_survive_and_damaged_lines_do_not() {
        let folder = tempfile::tempdir().expect("a folder can be made");
        let place = folder.path().join("cache");
        let cache = ResultCache::open(&place).expect("it is made");
        cache.put(&key("a"), "t", &1).expect("it is written");
        cache.put(&key("b"), "t", &2).expect("it is written");
        drop(cache);
        let path = place.join(FILE);
        let mut bytes = std::fs::read(&path).expect("it is there");
        let end = bytes.len();
        bytes[end - 2] = b'9';
        bytes.extend(b"cut off");
        std::fs::write(&path, &bytes).expect("it can be written");
        let cache = ResultCache::open(&place).expect("it opens");
        assert_eq!(cache.get::<u32>(&key("a")), Some(1));
        assert_eq!(cache.get::<u32>(&key("b")), None);
        cache.put(&key("b"), "t", &3).expect("it is written");
        drop(cache);
        let summary = ResultCache::summary(&place).expect("it can be read");
        assert_eq!((summary.results["t"], summary.useless_lines), (2, 2));
        assert_eq!(ResultCache::prune(&place, 1).expect("it can be pruned"), 1);
        let cache = ResultCache::open(&place).expect("it opens");
        assert_eq!((cache.get::<u32>(&key("a")), cache.get(&key("b"))), (None, Some(3)));
    }

    #[test]
    fn a_folder_that_others_can_use_is_refused() {
        let folder = tempfile::tempdir().expect("a folder can be made");
        let place = folder.path().join("cache");
        drop(ResultCache::open(&place).expect("it is made"));
        let mode = place.metadata().expect("it is there").mode() & 0o777;
        assert_eq!(mode, 0o700);
        std::fs::set_permissions(&place, std::fs::Permissions::from_mode(0o755))
            .expect("it is ours");
        let error = ResultCache::open(&place).err().expect("others can enter");
        assert!(error.to_string().contains("755"), "{error}");
        let link = folder.path().join("link");
        std::os::unix::fs::symlink(&place, &link).expect("a link can be made");
        assert!(ResultCache::open(&link).is_err());
    }

    #[test]
    fn no_key_is_worked_on_twice() {
        let cache = ResultCache::in_memory();
        let (ran, key) = (AtomicUsize::new(0), key("x"));
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    let found = cache.single_flight(&key, "t", || {
                        std::thread::yield_now();
                        Some((ran.fetch_add(1, Ordering::Relaxed), true))
                    });
                    assert_eq!(found.expect("nothing is written").map(|(value, _)| value), Some(0));
                });
            }
        });
        assert_eq!(ran.load(Ordering::Relaxed), 1);
    }

    #[test]
    fn what_is_not_final_is_worked_on_again() {
        let cache = ResultCache::in_memory();
        for round in 0..2 {
            let found = cache.single_flight(&key("x"), "t", || Some((round, false)));
            assert_eq!(found.expect("nothing is written"), Some((round, false)));
        }
    }

    proptest! {
        #[test]
        fn any_file_can_be_opened(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            prop_assert!(lines(&bytes).flatten().next().is_none());
        }
    }
}
