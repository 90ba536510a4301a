//! Starts the program in a folder of its own.

use std::{
    fs,
    io::Write as _,
    path::Path,
    process::{Command, Output, Stdio},
};

use serde_json::Value;

/// A folder to generate in.
pub(crate) struct Workplace {
    folder: tempfile::TempDir,
}

impl Workplace {
    pub(crate) fn new() -> Self {
        Self { folder: tempfile::tempdir().expect("a temporary folder") }
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Writes a file and returns its name.
    pub(crate) fn file(&self, name: &str, text: &str) -> String {
        fs::write(self.path().join(name), text).expect("written");
        name.to_owned()
    }

    /// The program on the CPU; nothing of the caller's environment reaches it.
    pub(crate) fn program(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_sigil-generate"));
        command.current_dir(self.path()).env_clear().env("HOME", self.path());
        command.args(arguments).args(["--device", "cpu"]);
        command
    }

    /// Runs it to its end.
    pub(crate) fn run(&self, arguments: &[&str]) -> (String, String, Option<i32>) {
        outcome(&self.program(arguments).output().expect("starts"))
    }

    /// Runs it to its end with lines to read.
    pub(crate) fn run_with_input(
        &self,
        arguments: &[&str],
        input: &str,
    ) -> (String, String, Option<i32>) {
        let mut command = self.program(arguments);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("starts");
        let mut stdin = child.stdin.take().expect("its input is a pipe");
        stdin.write_all(input.as_bytes()).expect("it reads");
        drop(stdin);
        outcome(&child.wait_with_output().expect("ends"))
    }

    /// The rows of a file, sorted by prompt and number.
    pub(crate) fn rows(&self, name: &str) -> Vec<Value> {
        let text = fs::read_to_string(self.path().join(name)).expect("the file is there");
        sorted(&text)
    }
}

/// Rows of JSONL, sorted by prompt and number.
pub(crate) fn sorted(text: &str) -> Vec<Value> {
    let rows = text.lines().map(|line| serde_json::from_str::<Value>(line).expect("a row is JSON"));
    let mut rows: Vec<Value> = rows.collect();
    rows.sort_by_key(|row| (row["id"].to_string(), row["sample"].as_u64()));
    rows
}

/// stdout, stderr and exit code.
pub(crate) fn outcome(output: &Output) -> (String, String, Option<i32>) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (text(&output.stdout), text(&output.stderr), output.status.code())
}
