//! What a program can see: read-only folders of this machine at chosen places, and nothing else.
//!
//! `/box`, `/in`, `/tmp` (inside `/box`), `/dev/{null,zero,full,random,urandom}` and, if a job asks,
//! `/proc` are made by the backend and are no part of a root. Next: `job.rs`.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::job::plain_absolute;

/// A read-only file system put together from parts of this machine.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Root {
    /// Files and folders of this machine.
    pub mounts: Vec<Mount>,
    /// Symbolic links.
    pub links: Vec<Link>,
    /// Small files made up for the program, such as `/etc/passwd`.
    pub files: Vec<RootFile>,
}

/// A file or folder of this machine, seen read-only.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Mount {
    /// Where it is on this machine.
    pub host: PathBuf,
    /// Where the program sees it. The reduced tier needs this to be the same path.
    pub inside: PathBuf,
    /// Whether programs below it may be executed.
    pub execute: bool,
}

/// A symbolic link.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Link {
    /// Where the link is.
    pub path: PathBuf,
    /// What it says.
    pub target: PathBuf,
}

/// A made-up file.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct RootFile {
    /// Where it is.
    pub path: PathBuf,
    /// What it holds.
    pub bytes: Vec<u8>,
}

impl Root {
    /// `/usr` of this machine with its usual links (`/lib`, `/bin`, ...) and a made-up `/etc`: enough
    /// for dynamically linked programs and a C compiler.
    pub fn system() -> Arc<Self> {
        let mut root = Self::default();
        root.mounts.push(Mount::new("/usr", true));
        for name in ["bin", "lib", "lib32", "lib64", "sbin"] {
            let path = Path::new("/").join(name);
            match path.symlink_metadata() {
                Ok(found) if found.is_symlink() => {
                    let target = path.read_link().unwrap_or_else(|_| Path::new("usr").join(name));
                    root.links.push(Link { path, target });
                }
                Ok(found) if found.is_dir() => root.mounts.push(Mount::new(path, true)),
                _ => {}
            }
        }
        // Debian's `cc` goes through here.
        for name in ["cc", "c++", "ld"] {
            let path = Path::new("/etc/alternatives").join(name);
            if let Ok(target) = path.read_link() {
                root.links.push(Link { path, target });
            }
        }
        root.files.push(RootFile {
            path: "/etc/passwd".into(),
            bytes: b"user:x:1000:1000::/box:/bin/false\n".to_vec(),
        });
        Arc::new(root)
    }

    /// Adds a mount.
    #[must_use]
    pub fn with(mut self, mount: Mount) -> Self {
        self.mounts.push(mount);
        self
    }

    /// What makes this root impossible, if anything does.
    pub(crate) fn problem(&self) -> Option<String> {
        let inside = self
            .mounts
            .iter()
            .map(|mount| &mount.inside)
            .chain(self.links.iter().map(|link| &link.path))
            .chain(self.files.iter().map(|file| &file.path));
        for path in inside {
            let reserved = ["/box", "/in", "/proc", "/dev", "/tmp"]
                .iter()
                .any(|taken| path.starts_with(taken) || Path::new(taken).starts_with(path));
            // A mount may lie below /tmp on the reduced tier only if it lies there on the machine;
            // inside, /tmp is the program's own.
            if !plain_absolute(path) || reserved {
                return Some(format!("`{}` cannot be a place in a root", path.display()));
            }
        }
        self.mounts
            .iter()
            .find(|mount| !plain_absolute(&mount.host))
            .map(|mount| format!("`{}` is not a plain absolute path", mount.host.display()))
    }
}

impl Mount {
    /// A mount at its own path, which works on every tier.
    pub fn new(path: impl Into<PathBuf>, execute: bool) -> Self {
        let host = path.into();
        Self { inside: host.clone(), host, execute }
    }

    /// A mount elsewhere.
    pub fn at(host: impl Into<PathBuf>, inside: impl Into<PathBuf>, execute: bool) -> Self {
        Self { host: host.into(), inside: inside.into(), execute }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_that_the_backend_makes_are_refused() {
        for place in ["/", "/box", "/box/a", "/proc/x", "/dev", "relative", "/a/../b"] {
            let root = Root::default().with(Mount::at("/usr", place, false));
            assert!(root.problem().is_some(), "{place}");
        }
        assert_eq!(Root::default().with(Mount::at("/usr", "/toolchain", true)).problem(), None);
        assert_eq!(Root::system().problem(), None);
    }
}
