//! Starts the program in a folder of its own, with a small dataset and a short run.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
    time::Duration,
};

/// A folder with data to train on.
pub(crate) struct Workplace {
    folder: tempfile::TempDir,
}

impl Workplace {
    /// Copies some of this repository's own sources to train on.
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../crates/sigil-run/src");
        for (i, part) in ["one", "two", "three", "four"].into_iter().enumerate() {
            let target = folder.path().join("data").join(part);
            fs::create_dir_all(&target).expect("a folder");
            let mut files: Vec<PathBuf> = fs::read_dir(&sources)
                .expect("sources are there")
                .filter_map(|entry| Some(entry.ok()?.path()))
                .filter(|path| path.extension().is_some_and(|suffix| suffix == "rs"))
                .collect();
            files.sort();
            for path in files.iter().skip(i * 3).take(3) {
                let name = path.file_name().expect("a file has a name");
                fs::copy(path, target.join(name)).expect("copied");
            }
        }
        Self { folder }
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Writes a file and returns its name.
    pub(crate) fn file(&self, name: &str, text: &str) -> String {
        fs::write(self.path().join(name), text).expect("written");
        name.to_owned()
    }

    /// The program without arguments; nothing of the caller's settings reaches it.
    pub(crate) fn bare(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_sigil-train"));
        command
            .current_dir(self.path())
            .env_clear()
            .env("HOME", self.path())
            .env("CARGO_HOME", self.path().join("cargo"));
        command
    }

    /// A short run into `out`: six steps of two short sequences.
    pub(crate) fn short(&self, out: &str) -> Command {
        let mut command = self.bare();
        for setting in [
            "dataset.names=[\"data\"]",
            "dataset.min_length=10",
            "sequence.max_length=48",
            "evaluation.groups=[]",
            "evaluation.fraction=0.25",
            "evaluation.max_rows=2",
            "evaluation.every_steps=3",
            "train.micro_batch_size=2",
            "train.num_steps=6",
            "train.warmup_steps=1",
            "train.logging_steps=2",
            "train.save_every=2",
            "lora.dropout=0.1",
            "run.device=cpu",
        ] {
            command.args(["--set", setting]);
        }
        command.args(["--set", &format!("run.output_dir={out}")]);
        command
    }
}

/// stdout, stderr and exit code.
pub(crate) fn outcome(output: &Output) -> (String, String, Option<i32>) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (text(&output.stdout), text(&output.stderr), output.status.code())
}

/// Asks for a minute whether it is `done`.
pub(crate) fn wait_for(what: &str, mut done: impl FnMut() -> bool) {
    for _ in 0..1200 {
        if done() {
            return;
        }
        std::thread::park_timeout(Duration::from_millis(50));
    }
    panic!("waited in vain for {what}");
}
