//! A storage that breaks one operation on purpose: an error, a short write, a full disk, a crash.
//!
//! It works on a real folder, counts every operation, and leaves the folder as the chosen accident
//! would leave it, so that a test can reopen it with [`RealStorage`]. It makes no real fsync: what
//! an fsync protects is modelled in `journal.rs`, which also makes sweeps over hundreds of
//! accidents fast. Not for production use.

use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::journal::Journal;
use super::{Entry, RealStorage, Storage, StorageFile};

/// What survives a crash.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CrashLoss {
    /// The process is killed; the system still writes everything it was given.
    Nothing,
    /// The machine loses power and everything not fsynced is gone.
    AllUnsynced,
    /// The machine loses power and each change not fsynced is lost or kept by a draw from the seed.
    SomeUnsynced {
        /// Seed of the draw.
        seed: u64,
    },
}

/// The accident.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The operation fails with this system error number, later ones work.
    Error(i32),
    /// A write puts down half of its bytes and fails with this error number; any other operation
    /// just fails. Later ones work.
    ShortWrite(i32),
    /// From here on nothing can be created or written (`ENOSPC`, writes cut short); the rest works.
    DiskFull,
    /// The process ends here; a write has put down half of its bytes. Every later operation fails.
    Crash(CrashLoss),
}

/// A [`RealStorage`] with one planned accident.
///
/// ```
/// use sigil_run::storage::{Fault, FaultStorage, Storage as _};
/// let folder = tempfile::tempdir()?;
/// let storage = FaultStorage::new(1, Fault::Error(5));
/// storage.create_dir(&folder.path().join("a"))?;
/// let error = storage.create_dir(&folder.path().join("b")).expect_err("operation 1 fails");
/// assert_eq!(error.raw_os_error(), Some(5));
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct FaultStorage {
    state: Arc<Mutex<State>>,
}

#[derive(Debug)]
struct State {
    plan: Option<(u64, Fault)>,
    operations: Vec<String>,
    hit: Option<String>,
    crashed: bool,
    journal: Journal,
}

/// What an operation may do.
enum Admission {
    Proceed,
    Refuse(io::Error),
    /// Write half, then fail.
    Half(io::Error),
    /// Write half, then the process is gone.
    HalfThenCrash(CrashLoss),
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Needs space.
    Grow,
    Write,
    Other,
}

const ENOSPC: i32 = 28;

impl FaultStorage {
    /// Breaks the operation with this index (the first is 0).
    #[must_use]
    pub fn new(operation: u64, fault: Fault) -> Self {
        Self::with_plan(Some((operation, fault)))
    }

    /// Breaks nothing; used to count the operations of a healthy run.
    #[must_use]
    pub fn healthy() -> Self {
        Self::with_plan(None)
    }

    fn with_plan(plan: Option<(u64, Fault)>) -> Self {
        let state = State {
            plan,
            operations: Vec::new(),
            hit: None,
            crashed: false,
            journal: Journal::default(),
        };
        Self { state: Arc::new(Mutex::new(state)) }
    }

    /// Plans the accident `operations_ahead` operations from now (0 is the next one), after a
    /// healthy start.
    pub fn plan_ahead(&self, operations_ahead: u64, fault: Fault) {
        let mut state = self.state();
        let now = state.operations.len() as u64;
        state.plan = Some((now + operations_ahead, fault));
        state.hit = None;
    }

    /// How many operations were asked for so far.
    #[must_use]
    pub fn operation_count(&self) -> u64 {
        self.state().operations.len() as u64
    }

    /// Every operation so far, in words, for a failing test's message.
    #[must_use]
    pub fn operations(&self) -> Vec<String> {
        self.state().operations.clone()
    }

    /// The operation the accident struck, or `None` when it has not happened (yet).
    #[must_use]
    pub fn hit(&self) -> Option<String> {
        self.state().hit.clone()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn admit(&self, kind: Kind, words: &str, path: &Path) -> Admission {
        let mut state = self.state();
        let index = state.operations.len() as u64;
        let operation = format!("{words} {}", path.display());
        state.operations.push(operation.clone());
        if state.crashed {
            return Admission::Refuse(crashed());
        }
        let Some((at, fault)) = state.plan else { return Admission::Proceed };
        let strikes = match fault {
            Fault::DiskFull => index >= at && kind != Kind::Other,
            _ => index == at,
        };
        if !strikes {
            return Admission::Proceed;
        }
        state.hit.get_or_insert(operation);
        match fault {
            Fault::ShortWrite(number) if kind == Kind::Write => {
                Admission::Half(io::Error::from_raw_os_error(number))
            }
            Fault::DiskFull if kind == Kind::Write => {
                Admission::Half(io::Error::from_raw_os_error(ENOSPC))
            }
            Fault::DiskFull => Admission::Refuse(io::Error::from_raw_os_error(ENOSPC)),
            Fault::Error(number) | Fault::ShortWrite(number) => {
                Admission::Refuse(io::Error::from_raw_os_error(number))
            }
            Fault::Crash(loss) if kind == Kind::Write => Admission::HalfThenCrash(loss),
            Fault::Crash(loss) => {
                state.crash(loss);
                Admission::Refuse(crashed())
            }
        }
    }

    fn check(&self, kind: Kind, words: &str, path: &Path) -> io::Result<()> {
        match self.admit(kind, words, path) {
            Admission::Proceed => Ok(()),
            Admission::Refuse(error) | Admission::Half(error) => Err(error),
            Admission::HalfThenCrash(_) => Err(crashed()),
        }
    }
}

impl State {
    fn crash(&mut self, loss: CrashLoss) {
        self.crashed = true;
        match loss {
            CrashLoss::Nothing => {}
            CrashLoss::AllUnsynced => self.journal.lose(|| true),
            CrashLoss::SomeUnsynced { seed } => {
                let mut bits = seed;
                self.journal.lose(|| {
                    // splitmix64: a different, repeatable draw for every change.
                    bits = bits.wrapping_add(0x9e37_79b9_7f4a_7c15);
                    let mut mixed = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
                    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
                    (mixed >> 32) & 1 == 1
                });
            }
        }
    }
}

fn crashed() -> io::Error {
    io::Error::other("the process has crashed (planned by a test)")
}

impl Storage for FaultStorage {
    fn create_file(&self, path: &Path) -> io::Result<Box<dyn StorageFile>> {
        self.check(Kind::Grow, "create", path)?;
        let existed = RealStorage.exists(path)?;
        let inner = RealStorage.create_file(path)?;
        self.state().journal.created_file(path, existed);
        Ok(Box::new(FaultFile { inner, path: path.to_owned(), storage: self.clone() }))
    }

    fn append_file(&self, path: &Path) -> io::Result<Box<dyn StorageFile>> {
        self.check(Kind::Grow, "open for append", path)?;
        let existed = RealStorage.exists(path)?;
        let inner = RealStorage.append_file(path)?;
        self.state().journal.opened_for_append(path, existed, inner.length_bytes()?);
        Ok(Box::new(FaultFile { inner, path: path.to_owned(), storage: self.clone() }))
    }

    fn create_dir(&self, path: &Path) -> io::Result<()> {
        self.check(Kind::Grow, "create folder", path)?;
        RealStorage.create_dir(path)?;
        self.state().journal.created_dir(path);
        Ok(())
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.check(Kind::Other, &format!("rename {} to", from.display()), to)?;
        let replaced = RealStorage.read(to).ok();
        RealStorage.rename(from, to)?;
        self.state().journal.renamed(from, to, replaced);
        Ok(())
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        self.check(Kind::Other, "remove", path)?;
        let bytes = RealStorage.read(path)?;
        RealStorage.remove_file(path)?;
        self.state().journal.removed_file(path, bytes);
        Ok(())
    }

    fn remove_dir(&self, path: &Path) -> io::Result<()> {
        self.check(Kind::Other, "remove folder", path)?;
        RealStorage.remove_dir(path)?;
        self.state().journal.removed_dir(path);
        Ok(())
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<Entry>> {
        self.check(Kind::Other, "list", dir)?;
        RealStorage.list(dir)
    }

    fn exists(&self, path: &Path) -> io::Result<bool> {
        self.check(Kind::Other, "look for", path)?;
        RealStorage.exists(path)
    }

    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        self.check(Kind::Other, "read", path)?;
        RealStorage.read(path)
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn Read + Send>> {
        self.check(Kind::Other, "open", path)?;
        RealStorage.open(path)
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        self.check(Kind::Other, "sync folder", dir)?;
        self.state().journal.synced_dir(dir);
        Ok(())
    }
}

#[derive(Debug)]
struct FaultFile {
    inner: Box<dyn StorageFile>,
    path: PathBuf,
    storage: FaultStorage,
}

impl StorageFile for FaultFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        let half = &bytes[..bytes.len() / 2];
        match self.storage.admit(Kind::Write, "write", &self.path) {
            Admission::Proceed => self.inner.write(bytes),
            Admission::Refuse(error) => Err(error),
            Admission::Half(error) => {
                self.inner.write(half)?;
                Err(error)
            }
            Admission::HalfThenCrash(loss) => {
                self.inner.write(half)?;
                self.storage.state().crash(loss);
                Err(crashed())
            }
        }
    }

    fn sync(&mut self) -> io::Result<()> {
        self.storage.check(Kind::Other, "sync", &self.path)?;
        let length = self.inner.length_bytes()?;
        self.storage.state().journal.synced_file(&self.path, length);
        Ok(())
    }

    fn truncate(&mut self, length_bytes: u64) -> io::Result<()> {
        self.storage.check(Kind::Other, "truncate", &self.path)?;
        self.inner.truncate(length_bytes)?;
        self.storage.state().journal.truncated(&self.path, length_bytes);
        Ok(())
    }

    fn length_bytes(&self) -> io::Result<u64> {
        self.inner.length_bytes()
    }
}
