//! Starts and stops the programs of these tests, and hears what they say.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc::Sender;

/// `sigil-eval` with arguments, in a folder; nothing of the outer environment changes it.
pub(crate) fn sigil_eval(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sigil-eval"));
    command.args(arguments).current_dir(folder);
    for name in ["DEPS", "CACHE", "QUEUE", "QUEUE_CREDENTIALS"] {
        command.env_remove(format!("SIGIL_EVAL_{name}"));
    }
    command.stdin(Stdio::null());
    command
}

/// Runs it to its end.
pub(crate) fn run(folder: &Path, arguments: &[&str]) -> Output {
    sigil_eval(folder, arguments).output().expect("the program was built")
}

/// What a program wrote to stderr.
pub(crate) fn err(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// What a program wrote to stdout.
pub(crate) fn out(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// A running program, killed when it is dropped.
pub(crate) struct Running {
    child: Child,
}

impl Running {
    /// Starts a program and sends each line of its stderr, with `name`, to `lines`.
    pub(crate) fn start(
        mut command: Command,
        name: usize,
        lines: &Sender<(usize, String)>,
    ) -> Self {
        let mut child = command
            .stderr(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .expect("it can be started");
        let stderr = BufReader::new(child.stderr.take().expect("it is piped"));
        let lines = lines.clone();
        std::thread::spawn(move || {
            for line in stderr.lines().map_while(Result::ok) {
                if lines.send((name, line)).is_err() {
                    break;
                }
            }
        });
        Self { child }
    }

    /// Kills it as `kill -9` does, and waits until it is gone.
    pub(crate) fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Sends it and all that it started the signal of Ctrl-C.
    pub(crate) fn interrupt_all(&self) {
        let id = format!("-{}", self.child.id());
        let sent = Command::new("kill").args(["-INT", "--", &id]).status().expect("kill is here");
        assert!(sent.success());
    }

    /// Waits for its end, and gives its exit code.
    pub(crate) fn wait(&mut self) -> Option<i32> {
        self.child.wait().expect("it was started").code()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.kill();
    }
}
