//! Runs `sigil-train`, one run at a time, and passes on what should stop it.
//!
//! It is started in a process group of its own, so that Ctrl-C reaches it once, from here, and it ends its
//! step and saves. What it says goes into a file; the end of that is shown when it fails.

use std::fs::File;
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use sigil_sweep::{Ended, Job, Runner, SweepError};

use crate::exit::Failure;
use crate::places;

/// How often a running program is looked at.
const LOOK: Duration = Duration::from_millis(50);
/// Last lines of a run that failed.
const LAST_LINES: usize = 8;

/// Starts runs.
pub(crate) struct Runs {
    trainer: PathBuf,
    /// How often somebody asked to stop.
    asked: Arc<AtomicUsize>,
    started: Instant,
}

impl Runs {
    /// Finds the program and listens for Ctrl-C.
    pub(crate) fn new() -> Result<Self, Failure> {
        let trainer = places::trainer()?;
        let asked = Arc::new(AtomicUsize::new(0));
        let mut signals = signal_hook::iterator::Signals::new([
            signal_hook::consts::SIGINT,
            signal_hook::consts::SIGTERM,
        ])
        .map_err(|error| Failure::new(1, error))?;
        let count = Arc::clone(&asked);
        std::thread::spawn(move || {
            for _ in signals.forever() {
                count.fetch_add(1, Ordering::Relaxed);
            }
        });
        Ok(Self { trainer, asked, started: Instant::now() })
    }

    fn tell(&self, text: &str) {
        let seconds = self.started.elapsed().as_secs();
        eprintln!("[{:>3}:{:02}] {text}", seconds / 60, seconds % 60);
    }
}

impl Runner for Runs {
    fn begin(&mut self, name: &str, number: usize, of: usize, values: &str) {
        self.tell(&format!("{name} ({number} of {of}): {values}"));
    }

    fn ended(&mut self, name: &str, text: &str) {
        self.tell(&format!("{name}: {text}"));
    }

    fn run(&mut self, job: &Job) -> Result<Ended, SweepError> {
        if self.asked.load(Ordering::Relaxed) > 0 {
            return Ok(Ended::Interrupted);
        }
        let failed = |source| SweepError::Read { path: job.log.clone(), source };
        let log = File::options().create(true).append(true).open(&job.log).map_err(failed)?;
        let before = log.metadata().map_err(failed)?.len() as usize;
        let mut command = Command::new(&self.trainer);
        for name in places::setting_variables() {
            command.env_remove(name);
        }
        let mut child = command
            .args(&job.arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .process_group(0)
            .spawn()
            .map_err(|error| SweepError::Program(error.to_string()))?;
        let mut passed_on = 0;
        let status = loop {
            let asked = self.asked.load(Ordering::Relaxed);
            if asked > passed_on {
                passed_on = asked;
                eprintln!("sigil-train ends its step and saves");
                let _gone = kill_process(Pid::from_child(&child), Signal::INT);
            }
            match child.try_wait() {
                Ok(Some(status)) => break status,
                Ok(None) => std::thread::sleep(LOOK),
                Err(error) => return Err(SweepError::Program(error.to_string())),
            }
        };
        if passed_on > 0 {
            return Ok(Ended::Interrupted);
        }
        if status.success() {
            return Ok(Ended::Well);
        }
        let said = std::fs::read(&job.log).unwrap_or_default();
        let said = String::from_utf8_lossy(said.get(before..).unwrap_or_default()).into_owned();
        let lines: Vec<&str> = said.lines().filter(|line| !line.trim().is_empty()).collect();
        let last = lines[lines.len().saturating_sub(LAST_LINES)..].join("\n");
        Ok(Ended::Failed(format!("{last}\n({status})")))
    }
}
