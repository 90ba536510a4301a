//! A folder to run `sigil-expert` in, and what it says there.

use std::fs;
use std::path::Path;
use std::process::{Command, Output, Stdio};

/// A folder that goes when it is dropped.
pub(crate) struct Place {
    folder: tempfile::TempDir,
}

impl Place {
    pub(crate) fn new() -> Self {
        Self { folder: tempfile::tempdir().expect("a temporary folder") }
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Writes a file.
    pub(crate) fn write(&self, name: &str, text: &str) {
        fs::write(self.path().join(name), text).expect("written");
    }

    /// Reads a file.
    pub(crate) fn read(&self, name: &str) -> String {
        let path = self.path().join(name);
        fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    }

    /// The rows of a file.
    pub(crate) fn rows(&self, name: &str) -> Vec<serde_json::Value> {
        let rows = self.read(name);
        rows.lines().map(|line| serde_json::from_str(line).expect("a row is JSON")).collect()
    }

    /// The program, called in this folder.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_sigil-expert"));
        command.current_dir(self.path()).args(arguments).stdin(Stdio::null());
        command
    }

    /// Runs it to its end: what it said on stderr, and its exit code.
    pub(crate) fn run(&self, arguments: &[&str]) -> (String, Option<i32>) {
        let output = self.command(arguments).output().expect("it starts");
        (said(&output), output.status.code())
    }

    /// Another program of sigil, as `cargo build --workspace` puts it beside this one.
    pub(crate) fn other(&self, program: &str, arguments: &[&str]) -> Output {
        let path = Path::new(env!("CARGO_BIN_EXE_sigil-expert")).with_file_name(program);
        let mut command = Command::new(&path);
        command.current_dir(self.path()).args(arguments).stdin(Stdio::null());
        command.output().unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    }
}

/// What a program said on stderr.
pub(crate) fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}
