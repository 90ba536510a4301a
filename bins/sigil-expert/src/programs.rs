//! Runs the programs of this project, one at a time, and passes on what should stop them.
//!
//! A program is started in a process group of its own, so that Ctrl-C reaches it once, from here, and it
//! ends its step and saves. It ends with this program, whatever ends this one: see `guard.rs`. No sample
//! is ever started here: that is the sandbox's, inside `sigil-eval`.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use sigil_expert::ExpertError;
use sigil_expert::rounds::{Job, Program, Runner};

use crate::exit::Failure;
use crate::{claim, places};

/// How often a running program is looked at.
const LOOK: Duration = Duration::from_millis(50);

/// The programs, found before anything starts.
pub(crate) struct Programs {
    paths: BTreeMap<&'static str, PathBuf>,
    /// This program, through which the others are started.
    own: PathBuf,
    /// The run's folder, taken until this and every program has ended.
    claim: File,
    /// How often somebody asked to stop.
    asked: Arc<AtomicUsize>,
    started: Instant,
}

impl Programs {
    /// Finds them all, and takes the run's folder.
    pub(crate) fn find(folder: &Path) -> Result<Self, Failure> {
        let mut paths = BTreeMap::new();
        for program in Program::ALL {
            paths.insert(program.name(), places::program(program)?);
        }
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
        let claim = claim::take(folder, || asked.load(Ordering::Relaxed) > 0)?;
        Ok(Self { paths, own: places::own()?, claim, asked, started: Instant::now() })
    }

    fn tell(&self, stage: &str, what: &str) {
        let seconds = self.started.elapsed().as_secs();
        eprintln!("[{:>3}:{:02}] {stage}: {what}", seconds / 60, seconds % 60);
    }
}

impl Runner for Programs {
    fn begin(&mut self, stage: &str) -> Result<(), ExpertError> {
        if self.asked.load(Ordering::Relaxed) > 0 {
            return Err(ExpertError::Interrupted { stage: stage.to_owned() });
        }
        self.tell(stage, "begins");
        Ok(())
    }

    fn ended(&mut self, stage: &str, note: &str) {
        self.tell(stage, note);
    }

    fn run(&mut self, stage: &str, job: &Job) -> Result<(), ExpertError> {
        let program = job.program().name();
        let failed = |how: String| ExpertError::Program {
            stage: stage.to_owned(),
            program: program.to_owned(),
            how,
            advice: None,
        };
        let claim = self
            .claim
            .try_clone()
            .map_err(|error| failed(format!("cannot be started: {error}")))?;
        let mut command = Command::new(&self.own);
        for name in places::setting_variables() {
            command.env_remove(name);
        }
        let mut child = command
            .arg("guarded")
            .arg(std::process::id().to_string())
            .arg(&self.paths[program])
            .args(job.arguments())
            .stdin(claim)
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .process_group(0)
            .spawn()
            .map_err(|error| failed(format!("cannot be started: {error}")))?;
        let errors = child.stderr.take();
        // What it says is shown when it fails: three programs' progress would be too much.
        let said = std::thread::spawn(move || {
            let mut text = Vec::new();
            if let Some(mut errors) = errors {
                let _ended = errors.read_to_end(&mut text);
            }
            String::from_utf8_lossy(&text).into_owned()
        });
        let mut passed_on = 0;
        let status = loop {
            let asked = self.asked.load(Ordering::Relaxed);
            if asked > passed_on {
                passed_on = asked;
                eprintln!("{program} ends what it has in hand");
                let _gone = kill_process(Pid::from_child(&child), Signal::INT);
            }
            match child.try_wait() {
                Ok(Some(status)) => break status,
                Ok(None) => std::thread::sleep(LOOK),
                Err(error) => return Err(failed(error.to_string())),
            }
        };
        let said = said.join().unwrap_or_default();
        if status.success() && passed_on == 0 {
            return Ok(());
        }
        if passed_on > 0 {
            return Err(ExpertError::Interrupted { stage: stage.to_owned() });
        }
        let how = match status.code() {
            Some(code) => format!("ended with code {code}"),
            None => format!("was ended by {status}"),
        };
        Err(ExpertError::Program {
            stage: stage.to_owned(),
            program: program.to_owned(),
            how: format!("{how}: {}", reason(&said)),
            advice: advice(&said),
        })
    }
}

/// What a program said when it failed: its `error:` line, or else the last one.
fn reason(said: &str) -> String {
    let lines = || said.lines().map(str::trim).filter(|line| !line.is_empty());
    let told = lines().filter_map(|line| line.strip_prefix("error: ")).next_back();
    told.or_else(|| lines().next_back()).unwrap_or("it said nothing").to_owned()
}

/// The hint that it gave.
fn advice(said: &str) -> Option<String> {
    let mut hints = said.lines().filter_map(|line| line.trim().strip_prefix("hint: "));
    hints.next_back().map(str::to_owned)
}
