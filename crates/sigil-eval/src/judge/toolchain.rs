//! The compiler as the sandbox sees it: which folders of the toolchain and of the system a compile and a
//! test may read.
//!
//! The proxies of rustup are never used; each costs 7 ms. Next: `compile.rs`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use sigil_sandbox::{Job, Mount, Pool, Root, Tier};

use super::dependencies::DependencySet;
use crate::EvalError;

/// A toolchain on this machine.
#[derive(Clone, Debug)]
pub struct Toolchain {
    sysroot: PathBuf,
}

/// What a toolchain says of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ToolchainIdentity {
    /// `rustc -vV`.
    pub rustc: String,
    /// `clippy-driver -V`.
    pub clippy: String,
    /// Each lint of clippy with its group.
    pub lint_groups: BTreeMap<String, String>,
}

impl ToolchainIdentity {
    /// The line `release: ` of `rustc -vV`.
    pub fn release(&self) -> &str {
        self.rustc.lines().find_map(|line| line.strip_prefix("release: ")).unwrap_or("unknown")
    }
}

impl Toolchain {
    /// The toolchain in a folder, as `rustc --print sysroot` names it.
    ///
    /// # Errors
    /// If it lacks the compiler, clippy or the standard library.
    pub fn find(sysroot: &Path) -> Result<Self, EvalError> {
        let lacks = |what, hint| EvalError::Toolchain { sysroot: sysroot.to_owned(), what, hint };
        if !sysroot.join("bin/rustc").is_file() {
            return Err(lacks("bin/rustc", "give the folder that `rustc --print sysroot` prints"));
        }
        if !sysroot.join("bin/clippy-driver").is_file() {
            return Err(lacks("clippy", "install it with `rustup component add clippy`"));
        }
        let found = Self { sysroot: sysroot.to_owned() };
        if found.libraries().is_none() {
            return Err(lacks(
                "standard library",
                "install it with `rustup component add rust-std`",
            ));
        }
        Ok(found)
    }

    /// Its folder.
    pub fn sysroot(&self) -> &Path {
        &self.sysroot
    }

    /// The folder of the standard library's files, and its dynamic library.
    fn libraries(&self) -> Option<(PathBuf, PathBuf)> {
        let folder = self.sysroot.join("lib/rustlib/x86_64-unknown-linux-gnu/lib");
        let mut names: Vec<PathBuf> =
            std::fs::read_dir(&folder).ok()?.flatten().map(|entry| entry.path()).collect();
        names.sort();
        let std = names.into_iter().find(|path| {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            name.starts_with("libstd-") && name.ends_with(".so")
        })?;
        Some((folder, std))
    }

    /// Where the sandbox has the toolchain: the reduced tier cannot move folders.
    pub(crate) fn inside(&self, tier: Tier) -> PathBuf {
        match tier {
            Tier::Full => PathBuf::from("/toolchain"),
            Tier::Reduced => self.sysroot.clone(),
        }
    }

    /// What a compile may read: the system's linker and libraries, the toolchain, the dependencies.
    pub(crate) fn compile_root(&self, tier: Tier, set: Option<&DependencySet>) -> Arc<Root> {
        let mut root = (*Root::system()).clone();
        root.mounts.push(Mount::at(&self.sysroot, self.inside(tier), true));
        if let Some(set) = set {
            // The compiler loads procedural macros from there.
            root.mounts.push(Mount::at(set.folder(), set.inside(tier), true));
        }
        Arc::new(root)
    }

    /// What tests may read: the loader and the libraries that a Rust program needs, and no program.
    pub(crate) fn test_root(&self, tier: Tier) -> Result<(Arc<Root>, PathBuf), EvalError> {
        let lacks = |what| EvalError::Toolchain {
            sysroot: self.sysroot.clone(),
            what,
            hint: "install the system's C library, and its development files for linking",
        };
        let (_, std) = self.libraries().ok_or_else(|| lacks("standard library"))?;
        let mut root = Root::default();
        let loader = PathBuf::from("/lib64/ld-linux-x86-64.so.2");
        let resolved =
            loader.canonicalize().map_err(|_| lacks("loader /lib64/ld-linux-x86-64.so.2"))?;
        root.mounts.push(Mount::at(resolved, &loader, true));
        let folders = [
            "/lib/x86_64-linux-gnu",
            "/usr/lib/x86_64-linux-gnu",
            "/lib64",
            "/usr/lib64",
            "/usr/lib",
        ];
        let library_folder = Path::new("/libraries");
        for name in [
            "libc.so.6",
            "libgcc_s.so.1",
            "libm.so.6",
            "librt.so.1",
            "libpthread.so.0",
            "libdl.so.2",
        ] {
            let found =
                folders.iter().map(|folder| Path::new(folder).join(name)).find(|p| p.exists());
            match found.and_then(|path| path.canonicalize().ok()) {
                Some(path) => {
                    root.mounts.push(Mount::at(path, library_folder.join(name), true));
                }
                None if name == "libc.so.6" || name == "libgcc_s.so.1" => {
                    return Err(lacks("C library"));
                }
                None => {}
            }
        }
        let name = std.file_name().unwrap_or_default().to_owned();
        root.mounts.push(Mount::at(std, library_folder.join(name), true));
        if tier == Tier::Reduced {
            // There the program sees the machine's own paths.
            for mount in &mut root.mounts {
                mount.inside = mount.host.clone();
            }
        }
        Ok((Arc::new(root), loader))
    }

    /// Runs the compiler in the sandbox to learn its version and its lints.
    ///
    /// # Errors
    /// If it does not run there.
    pub fn identify(&self, pool: &Pool) -> Result<ToolchainIdentity, EvalError> {
        let rustc = self.ask(pool, "rustc", "-vV")?;
        let clippy = self.ask(pool, "clippy-driver", "-V")?;
        let help = self.ask(pool, "clippy-driver", "-Whelp")?;
        Ok(ToolchainIdentity { rustc, clippy, lint_groups: lint_groups(&help) })
    }

    fn ask(&self, pool: &Pool, program: &str, question: &str) -> Result<String, EvalError> {
        let tier = pool.report().tier;
        let root = self.compile_root(tier, None);
        let mut job = Job::new(&root, self.inside(tier).join("bin").join(program))
            .arg(question)
            // The loader cannot find the program's own folder without `/proc`.
            .env("LD_LIBRARY_PATH", self.inside(tier).join("lib"));
        // The slot that is prepared here is the one that compiles.
        job.proc = true;
        let outcome = pool.run(&job)?;
        if !outcome.ended.is_success() {
            return Err(EvalError::ToolchainRun(format!(
                "`{program} {question}` ended with {}: {}",
                outcome.ended,
                outcome.stderr.to_text().chars().take(500).collect::<String>()
            )));
        }
        Ok(outcome.stdout.to_text().trim().to_owned())
    }

    /// What tells this toolchain from another without starting it: the sizes and times of its files.
    pub(crate) fn stamp(&self) -> String {
        let mut stamp = format!("{}", self.sysroot.display());
        let mut files =
            vec![self.sysroot.join("bin/rustc"), self.sysroot.join("bin/clippy-driver")];
        let libraries = std::fs::read_dir(self.sysroot.join("lib")).into_iter().flatten().flatten();
        files.extend(libraries.map(|entry| entry.path()));
        files.extend(self.libraries().map(|(_, std)| std));
        files.sort();
        for file in files {
            let Ok(found) = file.metadata() else { continue };
            let modified = found.modified().ok().and_then(|time| {
                time.duration_since(std::time::UNIX_EPOCH).ok().map(|since| since.as_nanos())
            });
            stamp.push_str(&format!("|{}:{}:{modified:?}", file.display(), found.len()));
        }
        stamp
    }
}

/// Reads the groups in the text of `clippy-driver -Whelp`: lines of a group's name and its lints.
fn lint_groups(help: &str) -> BTreeMap<String, String> {
    const GROUPS: [&str; 9] = [
        "correctness",
        "suspicious",
        "style",
        "complexity",
        "perf",
        "pedantic",
        "restriction",
        "nursery",
        "cargo",
    ];
    let mut groups = BTreeMap::new();
    for line in help.lines() {
        let Some((group, lints)) = line.trim().split_once(char::is_whitespace) else { continue };
        let Some(group) = group.strip_prefix("clippy::").filter(|name| GROUPS.contains(name))
        else {
            continue;
        };
        for lint in lints.split(',').filter_map(|lint| lint.trim().strip_prefix("clippy::")) {
            groups.insert(lint.replace('-', "_"), group.to_owned());
        }
    }
    groups
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_are_read_and_all_is_none_of_them() {
        let help = "  clippy::all  clippy::a-b, clippy::c\n  clippy::style  clippy::a-b, clippy::d\n clippy::x warn text\n";
        let groups = lint_groups(help);
        assert_eq!(groups.get("a_b").map(String::as_str), Some("style"));
        assert_eq!(groups.get("c"), None);
    }

    #[test]
    fn a_toolchain_without_clippy_says_how_to_get_it() {
        let folder = tempfile::tempdir().expect("a folder can be made");
        std::fs::create_dir(folder.path().join("bin")).expect("a folder can be made");
        std::fs::write(folder.path().join("bin/rustc"), "").expect("a file can be written");
        let error = Toolchain::find(folder.path()).expect_err("it lacks clippy");
        assert!(error.to_string().ends_with("has no clippy"), "{error}");
        assert!(error.hint().is_some_and(|hint| hint.contains("rustup component add clippy")));
    }
}
