//! Tasks that are Cargo projects: a folder for each, with `Cargo.toml`, `src/lib.rs` and `tests/*.rs`.
//!
//! As Exercism's tracks lay them out, with the solution in `.meta/example.rs` or `.meta/exemplar.rs`; where
//! neither is there, `src/lib.rs` is the solution. Cargo never runs: of the manifest only the names and the
//! edition are read, and a build script is no part of a task. Tests that include other files do not
//! compile, so the self-check leaves such a task out. Next: `harness.rs`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::benchmark::Task;
use super::samples::Sample;
use crate::EvalError;

fn read(path: &Path) -> Result<String, EvalError> {
    std::fs::read_to_string(path)
        .map_err(|source| EvalError::Read { path: path.to_owned(), source })
}

/// The files and folders in a folder, by name.
fn entries(folder: &Path) -> Result<Vec<PathBuf>, EvalError> {
    let failed = |source| EvalError::Read { path: folder.to_owned(), source };
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(failed)? {
        found.push(entry.map_err(failed)?.path());
    }
    found.sort();
    Ok(found)
}

fn name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

/// The tasks of a folder: each folder in it that has a `Cargo.toml`, named after it.
pub(super) fn read_projects(folder: &Path) -> Result<Vec<Task>, EvalError> {
    let mut tasks = Vec::new();
    for path in entries(folder)? {
        if path.join("Cargo.toml").is_file() {
            tasks.push(read_project(&path)?);
        }
    }
    Ok(tasks)
}

fn read_project(folder: &Path) -> Result<Task, EvalError> {
    let manifest_path = folder.join("Cargo.toml");
    let (crate_name, edition) = manifest(&read(&manifest_path)?)
        .map_err(|problem| EvalError::Row { path: manifest_path, line: 1, problem })?;
    let mut test = String::new();
    let tests = folder.join("tests");
    for path in if tests.is_dir() { entries(&tests)? } else { Vec::new() } {
        if path.extension().is_some_and(|end| end == "rs") {
            let stem = path.file_stem().unwrap_or_default().to_string_lossy();
            let module: String =
                stem.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect();
            // Each file is a crate of its own for cargo; here it is a module.
            test.push_str(&format!("mod file_{module} {{\n{}\n}}\n", read(&path)?));
        }
    }
    let solutions = [".meta/example.rs", ".meta/exemplar.rs", "src/lib.rs"];
    let solution = solutions.iter().map(|file| folder.join(file)).find(|path| path.is_file());
    Ok(Task {
        id: name(folder),
        prompt: String::new(),
        entry_point: String::new(),
        canonical_solution: solution.map_or(Ok(String::new()), |path| read(&path))?,
        test,
        edition,
        stop_tokens: Vec::new(),
        externs: BTreeMap::new(),
        project: Some(crate_name),
    })
}

/// The name under which tests use the library, and the edition.
fn manifest(text: &str) -> Result<(String, String), String> {
    let table: toml::Table =
        text.parse().map_err(|error: toml::de::Error| error.message().to_owned())?;
    let package = table.get("package").ok_or("it has no `package`")?;
    let text = |table: Option<&toml::Value>, key: &str| {
        table.and_then(|table| table.get(key)).and_then(toml::Value::as_str).map(str::to_owned)
    };
    let name = text(table.get("lib"), "name").or_else(|| text(Some(package), "name"));
    let name = name.ok_or("its package has no name")?.replace('-', "_");
    let is_name = name.starts_with(|c: char| c == '_' || c.is_ascii_alphabetic())
        && name.chars().all(|c| c == '_' || c.is_ascii_alphanumeric());
    if !is_name {
        return Err(format!("`{name}` is no name of a crate"));
    }
    let edition = text(Some(package), "edition").unwrap_or_else(|| "2015".to_owned());
    if !matches!(edition.as_str(), "2015" | "2018" | "2021" | "2024") {
        return Err(format!("`{edition}` is no edition of Rust"));
    }
    Ok((name, edition))
}

/// Solutions of such tasks: `src/lib.rs` of each folder in `folder`, for the task of the folder's name.
///
/// # Errors
/// If a folder or file cannot be read.
pub fn read_solutions(folder: &Path) -> Result<Vec<Sample>, EvalError> {
    let mut samples = Vec::new();
    for path in entries(folder)? {
        let source = path.join("src/lib.rs");
        if source.is_file() {
            samples.push(Sample {
                index: samples.len(),
                task_id: name(&path),
                prompt: String::new(),
                text: read(&source)?,
            });
        }
    }
    Ok(samples)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_manifest_gives_the_name_that_tests_use_and_the_edition() {
        let check = |text: &str, wanted: Result<(&str, &str), &str>| {
            let wanted = wanted
                .map(|(name, edition)| (name.to_owned(), edition.to_owned()))
                .map_err(str::to_owned);
            assert_eq!(manifest(text), wanted, "{text}");
        };
        check("[package]\nname = \"two-fer\"\nedition = \"2021\"", Ok(("two_fer", "2021")));
        check("[package]\nname = \"a\"\n[lib]\nname = \"b\"", Ok(("b", "2015")));
        check("[package]\nname = \"a; fn\"", Err("`a; fn` is no name of a crate"));
        check("[package]\nname = \"a\"\nedition = \"3\"", Err("`3` is no edition of Rust"));
        check("[workspace]", Err("it has no `package`"));
    }

    proptest! {
        #[test]
        fn no_manifest_makes_it_panic(text in any::<String>()) {
            let _ = manifest(&text);
        }
    }
}
