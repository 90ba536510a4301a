//! What happens with every checkpoint set besides being saved: the run's page is written anew, and the set
//! is sent to the Hub if that was asked for.
//!
//! Neither can stop a training: what goes wrong is a note. Sending happens on a thread of its own, set by
//! set; what it sends and how is `sigil_adapter::push`. Next: `progress.rs`.

use std::{
    path::{Path, PathBuf},
    sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel},
    thread::JoinHandle,
    time::{Duration, Instant},
};

use sigil_adapter::{
    AdapterError,
    push::{HubTarget, Upload, of_folder, push},
    run_report,
};
use sigil_config::HubSettings;
use sigil_qlora::{
    Reporter, Stop,
    evaluate::{Comparison, Evaluation},
};
use sigil_run::{MetricsRow, RunView};

use crate::{exit::Failure, progress::Progress, talk::Talk};

/// Files of more bytes are a commit of their own.
const COMMIT_BYTES: u64 = 256 << 20;
/// How long sending may go on after Ctrl-C.
const PATIENCE: Duration = Duration::from_secs(5);
/// Requests at most for one answer.
const ATTEMPTS: usize = 5;

/// Writes the run's page into its folder.
pub(crate) fn write_page(run: &Path, talk: &Talk) {
    let written = RunView::open(run)
        .map_err(AdapterError::from)
        .and_then(|view| run_report::page(&view))
        .and_then(|page| Ok(sigil_run::atomic_write(run.join(run_report::FILE), page.as_bytes())?));
    if let Err(error) = written {
        talk.note(format!("the run's page was not written: {error}"));
    }
}

/// Shows a run and publishes its sets.
pub(crate) struct Publisher {
    progress: Progress,
    run: PathBuf,
    talk: Talk,
    uploads: Option<Uploads>,
}

impl Publisher {
    /// Of the run in this folder.
    pub(crate) fn new(
        progress: Progress,
        run: &Path,
        talk: &Talk,
        uploads: Option<Uploads>,
    ) -> Self {
        Self { progress, run: run.to_owned(), talk: talk.clone(), uploads }
    }

    /// Ends the showing and gives what still sends.
    pub(crate) fn finish(self) -> Option<Uploads> {
        self.uploads
    }
}

impl Reporter for Publisher {
    fn note(&mut self, message: &str) {
        self.progress.note(message);
    }

    fn begin(&mut self, step: u64, total_steps: u64) {
        self.progress.begin(step, total_steps);
    }

    fn step(&mut self, row: &MetricsRow, logged: bool) {
        self.progress.step(row, logged);
        if logged && let Some(uploads) = &self.uploads {
            while let Ok(said) = uploads.said.try_recv() {
                self.progress.note(&said);
            }
        }
    }

    fn evaluated(&mut self, step: u64, evaluation: &Evaluation, since: Option<Comparison>) {
        self.progress.evaluated(step, evaluation, since);
    }

    fn saved(&mut self, step: u64, path: &Path) {
        self.progress.saved(step, path);
        write_page(&self.run, &self.talk);
        if let Some(sets) = self.uploads.as_ref().and_then(|uploads| uploads.sets.as_ref()) {
            // The thread ends only when this side does.
            let _sent = sets.send(path.to_owned());
        }
    }
}

/// Sends sets as they land.
pub(crate) struct Uploads {
    repo: String,
    sets: Option<Sender<PathBuf>>,
    said: Receiver<String>,
    thread: JoinHandle<()>,
}

impl Uploads {
    /// Makes the repository, so that a wrong name or token is told before anything is trained, and waits
    /// for sets.
    pub(crate) fn start(repo: &str, private: bool, hub: &HubSettings) -> Result<Self, Failure> {
        if hub.offline {
            let hint = "set `hub.offline = false`, or leave --hub-repo out";
            let message = "`hub.offline` forbids to talk to the Hub, and --hub-repo asks for it";
            return Err(Failure::new(3, message, Some(hint.to_owned())));
        }
        let target = HubTarget {
            endpoint: hub.endpoint.clone(),
            token: hub.token.as_ref().map(|token| token.reveal().to_owned()),
            repo: repo.to_owned(),
            revision: "main".to_owned(),
            private,
            attempts: ATTEMPTS,
        };
        push(&target, &[], COMMIT_BYTES, None, &mut |_| {})
            .map_err(|error| Failure::new(11, &error, error.hint()))?;
        let (sets, landed) = channel::<PathBuf>();
        let (say, said) = channel();
        let thread = std::thread::spawn(move || {
            while let Ok(set) = landed.recv() {
                let name = set.file_name().unwrap_or_default().to_string_lossy().into_owned();
                let done = send(&target, &set, &name);
                // Nobody listens any more when the program ends.
                let _told = say.send(match done {
                    Ok(bytes) => format!("{name} is on the Hub ({} MB sent)", bytes >> 20),
                    Err(error) if !set.exists() => {
                        format!("{name} was removed before it was on the Hub: {error}")
                    }
                    Err(error) => format!("{name} is not on the Hub: {error}"),
                });
            }
        });
        Ok(Self { repo: repo.to_owned(), sets: Some(sets), said, thread })
    }

    /// Waits until every set is there, or, after Ctrl-C, for a moment.
    pub(crate) fn finish(mut self, run: &Path, stop: &Stop, talk: &Talk) {
        self.sets = None;
        let mut asked_at = None;
        let mut has_told = false;
        loop {
            match self.said.recv_timeout(Duration::from_millis(100)) {
                Ok(said) => talk.note(said),
                Err(RecvTimeoutError::Disconnected) => break,
                Err(RecvTimeoutError::Timeout) if !has_told => {
                    has_told = true;
                    talk.say("sending the last checkpoint sets (Ctrl-C ends that)");
                }
                Err(RecvTimeoutError::Timeout) => {}
            }
            let since = stop.asked().then(|| *asked_at.get_or_insert_with(Instant::now));
            if since.is_some_and(|since| since.elapsed() > PATIENCE) {
                talk.say(&format!(
                    "not all sets are on the Hub; to go on:\n  sigil-adapter push {} --all-sets \
                     --repo {}",
                    run.display(),
                    self.repo
                ));
                return;
            }
        }
        if self.thread.join().is_err() {
            talk.note(
                "sending ended with a bug; `sigil-adapter push --all-sets` sends what is missing",
            );
        }
    }
}

/// Sends a set into its folder, and to the top of the repository.
fn send(target: &HubTarget, set: &Path, name: &str) -> Result<u64, AdapterError> {
    let mut uploads: Vec<Upload> = of_folder(set, &format!("checkpoints/{name}/"), false)?;
    uploads.extend(of_folder(set, "", false)?);
    Ok(push(target, &uploads, COMMIT_BYTES, None, &mut |_| {})?.bytes)
}
