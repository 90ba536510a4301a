//! Builds and lists the crates that samples may use.
//!
//! Cargo runs here, outside of the sandbox, over a manifest that the user vouches for. No sample is
//! near: samples only ever read what comes out.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};

use sigil_eval::judge::{CARGO_LOCK, CARGO_TOML, DependencySet, Toolchain, collect_built};

use crate::bench;
use crate::cli::{Deps, DepsVerb};
use crate::exit::Failure;

/// Runs `deps`.
pub(crate) fn run(arguments: &Deps) -> Result<ExitCode, Failure> {
    match &arguments.verb {
        DepsVerb::Build { folder, manifest, offline } => {
            build(folder, manifest.as_deref(), *offline)?
        }
        DepsVerb::List { folder, json } => list(folder, *json)?,
        DepsVerb::Manifest => print!("{CARGO_TOML}"),
    }
    Ok(ExitCode::SUCCESS)
}

fn failed(action: &str, path: &Path) -> impl FnOnce(std::io::Error) -> Failure {
    let message = format!("cannot {action} `{}`", path.display());
    move |error| Failure::new(1, format!("{message}: {error}"), None)
}

fn build(folder: &Path, manifest: Option<&Path>, offline: bool) -> Result<(), Failure> {
    let toolchain = Toolchain::find(&bench::sysroot(None)?)?;
    let version = bench::version(&toolchain)?;
    let (manifest, lock) = match manifest {
        Some(path) => {
            let lock = path.with_file_name("Cargo.lock");
            let read = |path: &Path| std::fs::read_to_string(path).map_err(failed("read", path));
            (read(path)?, read(&lock)?)
        }
        None => (CARGO_TOML.to_owned(), CARGO_LOCK.to_owned()),
    };
    let direct = direct(&manifest, &lock)?;
    // Making the folder, and not finding it, keeps two builds from mixing.
    if let Some(parent) = folder.parent() {
        std::fs::create_dir_all(parent).map_err(failed("make", parent))?;
    }
    std::fs::create_dir(folder).map_err(failed("make", folder))?;
    let work = folder.join("build");
    std::fs::create_dir(&work).map_err(failed("make", &work))?;
    for (name, text) in [("Cargo.toml", manifest.as_str()), ("Cargo.lock", &lock), ("lib.rs", "")] {
        let path = work.join(name);
        std::fs::write(&path, text).map_err(failed("write", &path))?;
    }
    let mut cargo = Command::new(toolchain.sysroot().join("bin/cargo"));
    cargo
        .args(["build", "--locked", "--message-format=json-render-diagnostics", "--target-dir"])
        .arg("target")
        .current_dir(&work)
        .env("RUSTC", toolchain.sysroot().join("bin/rustc"))
        .env_remove("RUSTFLAGS")
        .env_remove("CARGO_TARGET_DIR")
        .env_remove("CARGO_ENCODED_RUSTFLAGS")
        .stdin(Stdio::null())
        .stderr(Stdio::inherit());
    if offline {
        cargo.arg("--offline");
    }
    let done = cargo.output().map_err(failed("run", Path::new("cargo")))?;
    if !done.status.success() {
        let _ = std::fs::remove_dir_all(folder);
        return Err(Failure::new(5, "cargo could not build the crates", None));
    }
    let messages = String::from_utf8_lossy(&done.stdout);
    collect_built(&messages, &direct, &version, &lock, folder)?;
    std::fs::remove_dir_all(&work).map_err(failed("remove", &work))?;
    list(folder, false)
}

/// Each name that the manifest gives a crate, with "package version" of the lock file.
fn direct(manifest: &str, lock: &str) -> Result<BTreeMap<String, String>, Failure> {
    let bad = |what: &str| Failure::new(4, format!("the manifest of the crates: {what}"), None);
    let manifest: toml::Table =
        manifest.parse().map_err(|error: toml::de::Error| bad(error.message()))?;
    let lock: toml::Table = lock.parse().map_err(|error: toml::de::Error| bad(error.message()))?;
    let own = manifest
        .get("package")
        .and_then(|package| package.get("name"))
        .and_then(toml::Value::as_str)
        .ok_or_else(|| bad("no package name"))?;
    let packages: Vec<&toml::Value> =
        lock.get("package").and_then(toml::Value::as_array).into_iter().flatten().collect();
    let text = |value: &toml::Value, key: &str| {
        value.get(key).and_then(toml::Value::as_str).map(str::to_owned)
    };
    // The lock file names a package with its version only where there are several of that name.
    let locked: Vec<String> = packages
        .iter()
        .find(|package| text(package, "name").as_deref() == Some(own))
        .and_then(|package| package.get("dependencies")?.as_array())
        .into_iter()
        .flatten()
        .filter_map(|dependency| dependency.as_str().map(str::to_owned))
        .collect();
    let dependencies = manifest.get("dependencies").and_then(toml::Value::as_table);
    let mut direct = BTreeMap::new();
    for (name, value) in dependencies.into_iter().flatten() {
        if value.get("path").is_some() || value.get("git").is_some() {
            return Err(bad(&format!("`{name}` does not come from crates.io")));
        }
        let package = text(value, "package").unwrap_or_else(|| name.clone());
        let wanted = value
            .as_str()
            .map(str::to_owned)
            .or_else(|| text(value, "version"))
            .unwrap_or_default();
        let versions: Vec<String> = packages
            .iter()
            .filter(|found| text(found, "name").as_deref() == Some(&package))
            .filter_map(|found| text(found, "version"))
            .filter(|version| {
                locked
                    .iter()
                    .any(|entry| *entry == package || *entry == format!("{package} {version}"))
            })
            .collect();
        // Several direct versions of a package: the one whose beginning is asked for.
        let version = versions
            .iter()
            .find(|version| {
                versions.len() == 1
                    || version.starts_with(wanted.trim_start_matches(['^', '=', '~']))
            })
            .ok_or_else(|| bad(&format!("`{name}` is not in the lock file")))?;
        direct.insert(name.clone(), format!("{package} {version}"));
    }
    Ok(direct)
}

fn list(folder: &Path, json: bool) -> Result<(), Failure> {
    let set = DependencySet::open(folder, None)?;
    if json {
        println!("{}", serde_json::to_string_pretty(set.externs()).expect("it is plain data"));
        return Ok(());
    }
    for (name, found) in set.externs() {
        println!("{name:<14} {}", found.package);
    }
    println!("fingerprint    {}", set.fingerprint());
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_mapped_to_the_versions_of_the_lock_file() {
        let direct = direct(CARGO_TOML, CARGO_LOCK).expect("they are well formed");
        assert!(direct["rand"].starts_with("rand 0.8."), "{direct:?}");
        assert!(direct["rand_0_7"].starts_with("rand 0.7."), "{direct:?}");
        assert_eq!(direct.len(), 13);
    }

    #[test]
    fn crates_from_elsewhere_are_refused() {
        let manifest =
            "[package]\nname = \"x\"\n[dependencies]\na = { git = \"https://example.org\" }\n";
        assert!(direct(manifest, "").is_err());
    }
}
