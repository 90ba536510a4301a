//! Python packages that are carried to a machine without a network, cut to what its accelerator needs.
//!
//! A wheel of bitsandbytes has a library for every version of CUDA, ROCm and XPU, 130 MB of them; one is
//! loaded. Read `pack.rs` for what else is carried.

use std::path::{Path, PathBuf};
use std::process::Command;

use miette::{Context, IntoDiagnostic};

use super::pack::PackArguments;

/// Has pip install the packages into `folder`, which is emptied first, and removes what would not be
/// loaded; returns the bytes that stay.
///
/// # Errors
/// There is no such Python, pip refuses, or none of a package's libraries is the one to keep.
pub(super) fn install(arguments: &PackArguments, folder: &Path) -> miette::Result<u64> {
    if folder.exists() {
        std::fs::remove_dir_all(folder)
            .into_diagnostic()
            .wrap_err_with(|| format!("emptying {}", folder.display()))?;
    }
    let python = &arguments.python;
    let status = Command::new(python)
        .args(["-m", "pip", "install", "--quiet", "--no-deps", "--no-compile", "--target"])
        .arg(folder)
        .args(&arguments.package)
        .status()
        .into_diagnostic()
        .wrap_err_with(|| format!("running {}", python.display()))?;
    if !status.success() {
        miette::bail!("pip could not install {}", arguments.package.join(", "));
    }
    cut(folder, &arguments.keep)
}

/// Removes the libraries for other accelerators than `keep`; returns the bytes that stay.
fn cut(folder: &Path, keep: &str) -> miette::Result<u64> {
    let (mut stays, mut kept, mut removed) = (0, 0, vec![]);
    for file in files(folder)? {
        match accelerator(&file) {
            Some(name) if name != keep => {
                std::fs::remove_file(&file)
                    .into_diagnostic()
                    .wrap_err_with(|| format!("removing {}", file.display()))?;
                removed.push(name);
                continue;
            }
            Some(_) => kept += 1,
            None => {}
        }
        stays += file.metadata().into_diagnostic()?.len();
    }
    if kept == 0 && !removed.is_empty() {
        removed.sort();
        miette::bail!(
            help = "name one of them with --keep: the CUDA version of PyTorch there",
            "there is no library for {keep}, only for {}",
            removed.join(", ")
        );
    }
    Ok(stays)
}

/// The accelerator of a library that is one of several: `cuda130` of `libbitsandbytes_cuda130.so`.
fn accelerator(file: &Path) -> Option<String> {
    let name = file.file_name()?.to_str()?.strip_prefix("lib")?.strip_suffix(".so")?;
    let (_, kind) = name.rsplit_once('_')?;
    let known = ["cuda", "rocm", "xpu"].iter().any(|prefix| {
        kind.strip_prefix(prefix).is_some_and(|version| {
            !version.is_empty() && version.bytes().all(|b| b.is_ascii_digit())
        })
    });
    known.then(|| kind.to_owned())
}

/// Every file in a folder and the folders below.
fn files(folder: &Path) -> miette::Result<Vec<PathBuf>> {
    let (mut all, mut rest) = (vec![], vec![folder.to_owned()]);
    while let Some(folder) = rest.pop() {
        let entries = std::fs::read_dir(&folder)
            .into_diagnostic()
            .wrap_err_with(|| format!("reading {}", folder.display()))?;
        for entry in entries {
            let entry = entry.into_diagnostic()?;
            match entry.file_type().into_diagnostic()?.is_dir() {
                true => rest.push(entry.path()),
                false => all.push(entry.path()),
            }
        }
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_library_of_a_package_stays() {
        let folder = tempfile::tempdir().expect("a folder");
        let inner = folder.path().join("bitsandbytes");
        std::fs::create_dir(&inner).expect("made");
        let names =
            ["libbitsandbytes_cpu.so", "libbitsandbytes_cuda118.so", "libbitsandbytes_cuda130.so"];
        for name in names.into_iter().chain(["libbitsandbytes_rocm72.so", "nn.py"]) {
            std::fs::write(inner.join(name), "text").expect("written");
        }
        assert!(cut(folder.path(), "cuda130").is_ok_and(|bytes| bytes == 12));
        let mut left: Vec<PathBuf> = files(folder.path()).expect("listed");
        left.sort();
        let wanted = ["libbitsandbytes_cpu.so", "libbitsandbytes_cuda130.so", "nn.py"];
        assert_eq!(left, wanted.map(|name| inner.join(name)));
        std::fs::rename(inner.join("libbitsandbytes_cuda130.so"), inner.join("libx_cuda126.so"))
            .expect("renamed");
        let refused = cut(folder.path(), "cuda130").expect_err("there is none");
        assert!(refused.to_string().contains("only for cuda126"), "{refused}");
    }
}
