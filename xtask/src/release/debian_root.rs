//! A run of the unpacked archive in an empty Debian, without a network.
//!
//! The root is made once by `debootstrap --variant=minbase` and kept: only what the archive brings
//! is new in it. It shows that the programs start on a system without a compiler, CUDA or Rust; it
//! is no sandbox.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// Debian 12, whose C library is 2.36; that 2.34 is enough is shown from the ELF files.
const SUITE: &str = "bookworm";

/// Where the archive's folder lies inside the root.
const PLACE: &str = "opt/sigil";

/// Tools that this needs, and the Debian package of each.
const TOOLS: [(&str, &str); 3] =
    [("debootstrap", "debootstrap"), ("unshare", "util-linux"), ("chroot", "coreutils")];

/// Why the archive could not be tried.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum RootError {
    /// A tool is missing or the user is not root; the archive itself is made.
    #[error("the archive is made but was not tried in an empty Debian: {0}")]
    NotHere(String),
    /// A tool failed.
    #[error("`{command}` failed: {answer}")]
    Tool {
        /// The command line.
        command: String,
        /// The end of what it said.
        answer: String,
    },
    /// A program of the archive failed in the root.
    #[error("in an empty Debian, `{command}` failed: {answer}")]
    Program {
        /// The command line.
        command: String,
        /// The end of what it said.
        answer: String,
    },
    /// A file.
    #[error("cannot use {}", path.display())]
    File {
        /// Which one.
        path: PathBuf,
        /// The system's answer.
        source: std::io::Error,
    },
}

/// Unpacks `archive` in the Debian root at `root` and runs each command line of its programs.
///
/// # Errors
/// [`RootError`]; `NotHere` when this machine cannot try it.
pub(crate) fn try_archive(
    root: &Path,
    archive: &Path,
    commands: &[&[&str]],
) -> Result<(), RootError> {
    check_tools(&TOOLS)?;
    make_root(root)?;
    let place = root.join(PLACE);
    let file = |path: &Path, source| RootError::File { path: path.to_owned(), source };
    if place.exists() {
        std::fs::remove_dir_all(&place).map_err(|source| file(&place, source))?;
    }
    std::fs::create_dir_all(&place).map_err(|source| file(&place, source))?;
    let mut unpack = Command::new("tar");
    unpack.arg("xzf").arg(archive).arg("-C").arg(&place).args(["--strip-components", "1"]);
    tool(unpack)?;
    for command in commands {
        let answer = run_inside(root, command)?;
        if !answer.status.success() {
            let command = command.join(" ");
            return Err(RootError::Program { command, answer: last_words(&answer) });
        }
    }
    Ok(())
}

fn check_tools(tools: &[(&str, &str)]) -> Result<(), RootError> {
    for (tool, package) in tools {
        if Command::new(tool).arg("--version").output().is_err() {
            return Err(RootError::NotHere(format!(
                "`{tool}` is missing; install Debian's package `{package}`"
            )));
        }
    }
    let mut id = Command::new("id");
    let user = id.arg("-u").output().map(|answer| answer.stdout).unwrap_or_default();
    if user.trim_ascii() != b"0" {
        let message = "making its root folder needs the rights of root (use `sudo`)";
        return Err(RootError::NotHere(message.to_owned()));
    }
    Ok(())
}

/// Makes the root unless a whole one is there already.
fn make_root(root: &Path) -> Result<(), RootError> {
    // Written last, so that a root that was cut short is made again.
    let whole = root.join("etc/sigil-root-is-whole");
    if whole.exists() {
        return Ok(());
    }
    let failed = |source| RootError::File { path: root.to_owned(), source };
    if root.exists() {
        std::fs::remove_dir_all(root).map_err(failed)?;
    }
    std::fs::create_dir_all(root).map_err(failed)?;
    let mut debootstrap = Command::new("debootstrap");
    debootstrap.args(["--variant=minbase", SUITE]).arg(root);
    tool(debootstrap)?;
    std::fs::write(&whole, "").map_err(|source| RootError::File { path: whole.clone(), source })
}

/// Runs a program of the archive inside the root: own mounts, processes and an empty network.
fn run_inside(root: &Path, command: &[&str]) -> Result<Output, RootError> {
    const MOUNT_AND_ENTER: &str =
        "mount -t proc proc \"$1/proc\" && root=$1 && shift && exec chroot \"$root\" \"$@\"";
    let (program, arguments) = command.split_first().unwrap_or((&"", &[]));
    let mut inside = Command::new("unshare");
    inside
        .args(["--mount", "--pid", "--net", "--fork", "sh", "-c", MOUNT_AND_ENTER, "sh"])
        .arg(root)
        .arg(format!("/{PLACE}/bin/{program}"))
        .args(arguments)
        .env_clear()
        .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
        .env("HOME", "/tmp")
        .current_dir("/");
    inside.output().map_err(|error| RootError::Tool {
        command: "unshare".to_owned(),
        answer: error.to_string(),
    })
}

fn tool(mut command: Command) -> Result<(), RootError> {
    let line = format!("{command:?}");
    let output = command
        .output()
        .map_err(|error| RootError::Tool { command: line.clone(), answer: error.to_string() })?;
    if output.status.success() {
        return Ok(());
    }
    Err(RootError::Tool { command: line, answer: last_words(&output) })
}

/// Gives the end of what a program said, errors last.
fn last_words(output: &Output) -> String {
    let said = [output.stdout.as_slice(), output.stderr.as_slice()].concat();
    let said = String::from_utf8_lossy(&said).into_owned();
    let lines: Vec<&str> = said.trim().lines().collect();
    let last = lines[lines.len().saturating_sub(8)..].join("\n");
    format!("{}\n{last}", output.status)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_tool_is_a_sentence_that_names_its_package() {
        let error = check_tools(&[("sigil-has-no-such-tool", "its-package")]);
        let error = error.expect_err("there is no such tool").to_string();
        assert!(
            error.contains("the archive is made") && error.contains("`its-package`"),
            "{error}"
        );
    }

    #[test]
    fn a_tool_that_fails_is_quoted() {
        let mut command = Command::new("sh");
        command.args(["-c", "echo first; echo why >&2; exit 3"]);
        let error = tool(command).expect_err("it exits with 3").to_string();
        assert!(error.contains("why") && error.contains('3'), "{error}");
    }

    #[test]
    fn a_root_that_is_whole_is_used_again() -> Result<(), Box<dyn std::error::Error>> {
        let root = tempfile::tempdir()?;
        std::fs::create_dir(root.path().join("etc"))?;
        std::fs::write(root.path().join("etc/sigil-root-is-whole"), "")?;
        std::fs::write(root.path().join("kept"), "")?;
        make_root(root.path())?;
        assert!(root.path().join("kept").exists());
        Ok(())
    }
}
