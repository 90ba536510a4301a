//! How path rules read paths: by segment, so that `tests/a.rs` and `/x/tests/a.rs` are alike.

/// The folders of a path, without its last segment. Both slashes separate.
fn folders(path: &str) -> impl Iterator<Item = &str> {
    let end = path.rfind(['/', '\\']).unwrap_or(0);
    path[..end].split(['/', '\\']).filter(|segment| !segment.is_empty())
}

/// Whether a folder of the path has one of the names, in any case.
pub(super) fn has_folder<S: AsRef<str>>(path: Option<&str>, names: &[S]) -> bool {
    path.is_some_and(|path| {
        folders(path)
            .any(|folder| names.iter().any(|name| folder.eq_ignore_ascii_case(name.as_ref())))
    })
}

/// The last segment of a path.
pub(super) fn file_name(path: Option<&str>) -> &str {
    path.and_then(|path| path.rsplit(['/', '\\']).next()).unwrap_or("")
}

/// Whether the path is that of a program, an example or a build script, which may print.
pub(super) fn is_program(path: Option<&str>) -> bool {
    has_folder(path, &["bin", "bins", "example", "examples"])
        || matches!(file_name(path), "main.rs" | "build.rs")
}

/// A list of names as a setting.
pub(super) fn names(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn relative_absolute_and_windows_paths_are_alike() {
        for path in ["tests/a.rs", "/x/tests/a.rs", "x\\Tests\\a.rs", "./tests/a/b.rs"] {
            assert!(has_folder(Some(path), &["tests"]), "{path}");
        }
        for path in ["tests.rs", "src/tests.rs", "mytests/a.rs", "tests"] {
            assert!(!has_folder(Some(path), &["tests"]), "{path}");
        }
    }
}
