//! The program, the fixtures, and runs made of them.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use sigil_run::{RunFolder, RunIdentity};

/// All families with expected numbers.
pub(crate) const FAMILIES: [&str; 6] = ["llama2", "llama3", "mistral", "phi3", "qwen2", "qwen3"];

/// A folder of its own for a test.
pub(crate) struct Workplace(tempfile::TempDir);

impl Workplace {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().expect("a temporary folder"))
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    /// The program; nothing of the caller's settings reaches it.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_sigil-adapter"));
        command.current_dir(self.path()).env_clear().env("HOME", self.path()).args(arguments);
        command
    }

    /// Runs it and gives stdout, stderr and exit code.
    pub(crate) fn run(&self, arguments: &[&str]) -> (String, String, Option<i32>) {
        outcome(&self.command(arguments).output().expect("it starts"))
    }

    /// Runs it, which must end well, and gives stdout.
    pub(crate) fn well(&self, arguments: &[&str]) -> String {
        let (out, err, code) = self.run(arguments);
        assert_eq!(code, Some(0), "{arguments:?}: {err}");
        out
    }

    /// A run with a set for each of these steps, each with a family's adapter.
    pub(crate) fn run_folder(&self, name: &str, family: &str, steps: &[u64]) -> PathBuf {
        let path = self.path().join(name);
        let identity =
            RunIdentity { created_by: "test 1".into(), seed: 7, config_digest: "d".into() };
        let (mut run, _) = RunFolder::create_or_open(&path, &identity).expect("a new run");
        for step in steps {
            let mut set = run.begin_set(*step).expect("a set");
            let adapter = fixture(family, "adapter_after_30_steps");
            for file in ["adapter_config.json", "adapter_model.safetensors"] {
                let bytes = fs::read(adapter.join(file)).expect("the fixture is there");
                set.put(file, &bytes).expect("written");
            }
            set.put("optimizer.safetensors", b"moments").expect("written");
            set.put("trainer_state.json", b"{}").expect("written");
            set.put("README.md", b"---\ntags:\n- \"rust\"\n---\n\n# a run\n").expect("written");
            set.commit(9).expect("committed");
        }
        run.write_file("config.toml", b"[run]\nseed = 7\n").expect("written");
        drop(run);
        let metrics = "{\"step\":0,\"eval_loss\":2.5}\n{\"step\":10,\"loss\":2.25}\n";
        fs::write(path.join("metrics.jsonl"), metrics).expect("written");
        path
    }
}

/// A folder of a family's fixture.
pub(crate) fn fixture(family: &str, part: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../tests/fixtures/parity")
        .join(family)
        .join(part)
}

pub(crate) fn text(path: &Path) -> String {
    path.display().to_string()
}

fn outcome(output: &Output) -> (String, String, Option<i32>) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (text(&output.stdout), text(&output.stderr), output.status.code())
}
