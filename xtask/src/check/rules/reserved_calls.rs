//! Some calls belong to one crate, or to binaries only; tests may do as they need.
//!
//! The search is by text in code (comments, literals and tests are blanked), so an alias such as
//! `use std::fs::rename as move_file` is found where it is imported.

use std::collections::BTreeSet;

use crate::check::Finding;
use crate::check::rust_source::RustSource;
use crate::check::tree::Tree;

const RULE: &str = "reserved-calls";

/// Calls, the folders where they are refused, the folders excepted from that, and why.
struct Reserved {
    calls: &'static [&'static str],
    within: &'static [&'static str],
    except: &'static [&'static str],
    why: &'static str,
}

const RESERVED: [Reserved; 4] = [
    Reserved {
        calls: &[
            "fs::rename",
            "renameat",
            ".persist(",
            "persist_noclobber(",
            ".sync_all(",
            ".sync_data(",
            "fsync(",
            "fdatasync(",
            "syncfs(",
        ],
        within: &["crates/", "bins/"],
        except: &["crates/sigil-run/"],
        why: "only sigil-run renames and fsyncs: use its atomic files",
    },
    Reserved {
        calls: &["Command::new", "process::Command", "fork(", "posix_spawn", "execve(", "execvp("],
        within: &["crates/"],
        except: &["crates/sigil-sandbox/"],
        why: "only sigil-sandbox starts processes",
    },
    Reserved {
        calls: &["println!", "print!", "eprintln!", "eprint!", "dbg!", "io::stdout", "io::stderr"],
        within: &["crates/"],
        except: &[],
        why: "only binaries print: return the text or an event",
    },
    Reserved {
        calls: &[
            "env::var",
            "env::vars",
            "env::var_os",
            "env::vars_os",
            "env::args",
            "env::args_os",
            "env::set_var",
            "env::remove_var",
            "env::home_dir",
            "env::temp_dir",
            "process::exit",
            "process::abort",
        ],
        within: &["crates/"],
        except: &["crates/sigil-places/"],
        why: "only binaries and sigil-places read the environment, only binaries exit: take the value \
              as an argument",
    },
];

/// Reports reserved calls in code that ships.
pub(crate) fn check(tree: &Tree) -> Vec<Finding> {
    let sources: Vec<(&str, RustSource)> = tree
        .rust()
        .filter(|(path, _)| path.contains("/src/"))
        .map(|(path, text)| (path, RustSource::read(text)))
        .collect();
    let tests: BTreeSet<String> =
        sources.iter().flat_map(|(path, source)| test_places(path, source)).collect();
    let mut findings = Vec::new();
    for (path, source) in &sources {
        let starts = |places: &[&str]| places.iter().any(|place| path.starts_with(place));
        if tests.iter().any(|place| path == place || path.starts_with(&format!("{place}/"))) {
            continue;
        }
        for reserved in RESERVED.iter().filter(|r| starts(r.within) && !starts(r.except)) {
            let mut lines = BTreeSet::new();
            for call in reserved.calls {
                for line in source.lines_with(call) {
                    if lines.insert(line) {
                        let message = format!("`{call}`: {}", reserved.why);
                        findings.push(Finding::line(RULE, path, line, message));
                    }
                }
            }
        }
    }
    findings
}

/// Gives the files and folders of the modules that a source declares for tests only.
fn test_places(path: &str, source: &RustSource) -> Vec<String> {
    let (folder, file) = path.rsplit_once('/').unwrap_or(("", path));
    let below = match file {
        "lib.rs" | "main.rs" | "mod.rs" => folder.to_owned(),
        _ => path.trim_end_matches(".rs").to_owned(),
    };
    let modules = source.test_modules().iter();
    modules.flat_map(|name| [format!("{below}/{name}.rs"), format!("{below}/{name}")]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places(texts: &[(&str, &str)]) -> Vec<String> {
        let tree = Tree::from_texts(texts.iter().copied());
        check(&tree).iter().map(|f| format!("{}:{}", f.path, f.line.unwrap_or(0))).collect()
    }

    #[test]
    fn each_family_of_calls_is_found_in_a_library() {
        let text =
            "use std::fs;\nfs::rename(a, b);\nCommand::new(c);\neprintln!();\nstd::env::var(d);\n";
        let path = "crates/sigil-data/src/cache.rs";
        assert_eq!(places(&[(path, text)]), [2, 3, 4, 5].map(|line| format!("{path}:{line}")));
    }

    #[test]
    fn owners_binaries_and_tests_are_excepted() {
        let none: [String; 0] = [];
        let text = "file.sync_all()?;";
        assert_eq!(places(&[("crates/sigil-run/src/storage.rs", text)]), none);
        assert_eq!(places(&[("bins/sigil-train/src/main.rs", "println!(); env::var(a);")]), none);
        assert_eq!(places(&[("crates/sigil-data/tests/cache.rs", text)]), none);
        let tests = [
            ("crates/sigil-data/src/cache.rs", "#[cfg(test)]\nmod faults;\n"),
            ("crates/sigil-data/src/cache/faults.rs", text),
        ];
        assert_eq!(places(&tests), none);
    }

    #[test]
    fn a_binary_may_not_rename() {
        assert_eq!(places(&[("bins/sigil-train/src/main.rs", "fs::rename(a, b);")]).len(), 1);
    }
}
