//! Starts this project's own generator as a child, and waits for it.
//!
//! `sigil-generate` is resumable and every sample of it follows from a seed, so a child that dies is
//! started again with the same arguments. No model is loaded in this program. The arguments come from
//! `generation.rs`.

use std::ffi::OsString;
use std::io::Read as _;
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde::Deserialize;

use crate::exit::Failure;
use crate::stop::Stop;

/// Name of the program, which lies beside this one.
const PROGRAM: &str = "sigil-generate";
/// How often the child and the user are looked at.
const GLANCE: Duration = Duration::from_millis(50);

/// The generator.
#[derive(Clone, Debug)]
pub(crate) struct Generator {
    program: PathBuf,
    /// What it says to `--version`.
    pub(crate) version: String,
}

/// What the generator says when it has made all samples.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Made {
    /// Digest of the model's files and of how they were held.
    pub(crate) model: String,
    /// Digest of the settings of sampling.
    pub(crate) settings: String,
    /// What it computed on.
    pub(crate) device: String,
    /// Threads of its processor.
    pub(crate) threads: usize,
}

impl Generator {
    /// Finds it beside this program.
    pub(crate) fn find() -> Result<Self, Failure> {
        let hint = "build both with `cargo build --release --workspace`";
        let missing = |what: String| Failure::new(6, what, Some(hint.to_owned()));
        let own = std::env::current_exe()
            .map_err(|error| missing(format!("cannot find this program's own file: {error}")))?;
        let program = own.with_file_name(PROGRAM);
        let told = Command::new(&program).arg("--version").output();
        match told {
            Ok(told) if told.status.success() => {
                let version = String::from_utf8_lossy(&told.stdout).trim().to_owned();
                Ok(Self { program, version })
            }
            _ => Err(missing(format!("cannot run `{}`", program.display()))),
        }
    }

    /// Runs it to its end. When the user stops, it is told to end too, and keeps what it has made.
    pub(crate) fn run(
        &self,
        arguments: &[OsString],
        quiet: bool,
        stop: &Stop,
    ) -> Result<Made, Failure> {
        let failed = |error: std::io::Error| {
            Failure::new(1, format!("cannot run `{}`: {error}", self.program.display()), None)
        };
        let mut child = Command::new(&self.program)
            .args(arguments)
            .arg("--json")
            // Of its own group: Ctrl-C reaches this program alone, which tells the child once.
            .process_group(0)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(if quiet { Stdio::piped() } else { Stdio::inherit() })
            .spawn()
            .map_err(failed)?;
        let told = std::thread::scope(|scope| {
            let mut streams = (child.stdout.take(), child.stderr.take());
            let said = scope.spawn(move || {
                let (mut data, mut words) = (String::new(), String::new());
                if let Some(stream) = &mut streams.0 {
                    let _what_came_counts = stream.read_to_string(&mut data);
                }
                if let Some(stream) = &mut streams.1 {
                    let _what_came_counts = stream.read_to_string(&mut words);
                }
                (data, words)
            });
            let status = wait(&mut child, stop);
            let (data, words) = said.join().unwrap_or_default();
            status.map(|status| (status, data, words))
        });
        let (status, data, words) = told.map_err(failed)?;
        if status.success() {
            return serde_json::from_str(&data).map_err(|error| {
                Failure::new(1, format!("`{PROGRAM}` reported what it should not: {error}"), None)
            });
        }
        if stop.asked() || status.code() == Some(130) {
            let hint = "the same command goes on: the samples made so far are kept";
            return Err(Failure::new(130, "interrupted", Some(hint.to_owned())));
        }
        let words = words.lines().find_map(|line| line.strip_prefix("error: ")).map(str::to_owned);
        let why = words.unwrap_or_else(|| "see above".to_owned());
        Err(Failure::new(6, format!("`{PROGRAM}` failed with {status}: {why}"), None))
    }
}

/// Waits for the child; tells it to end when the user asks.
fn wait(child: &mut Child, stop: &Stop) -> std::io::Result<std::process::ExitStatus> {
    let mut told = false;
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(status);
        }
        if stop.asked() && !told {
            let pid = rustix::process::Pid::from_child(child);
            // It may have ended in this moment.
            let _gone = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
            told = true;
        }
        std::thread::sleep(GLANCE);
    }
}
