//! Judges the run's checkpoint sets as they land: `sigil-eval watch` as a child beside the training.
//!
//! The child finds the run's end by itself and may be killed at any moment. Nothing of it is here but
//! its start and its end; what it does is in docs/guides/judging.md.

use std::{
    fs::File,
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use sigil_qlora::Stop;

use crate::{exit::Failure, talk::Talk};

/// How long a watcher may take to end after Ctrl-C, which reaches it too.
const PATIENCE: Duration = Duration::from_secs(5);

/// A watcher at work.
pub(crate) struct Watcher {
    child: Child,
}

impl Watcher {
    /// Starts one for the run, with a benchmark's file if there is one.
    pub(crate) fn start(run: &Path, tasks: Option<&Path>, talk: &Talk) -> Result<Self, Failure> {
        let failed = |what: String| {
            let hint =
                "build it with `cargo build --release --workspace`, or leave --watch-eval out";
            Failure::new(1, what, Some(hint.to_owned()))
        };
        let own = std::env::current_exe()
            .map_err(|error| failed(format!("cannot find this program's own file: {error}")))?;
        let program = own.with_file_name("sigil-eval");
        let folder = run.join("evaluations");
        let path = folder.join("watch.log");
        let log = std::fs::create_dir_all(&folder)
            .and_then(|()| File::options().create(true).append(true).open(&path))
            .and_then(|log| Ok((log.try_clone()?, log)));
        let (out, log) =
            log.map_err(|error| failed(format!("cannot write `{}`: {error}", path.display())))?;
        let mut command = Command::new(&program);
        command.arg("watch").arg(run);
        if let Some(tasks) = tasks {
            command.arg("--tasks").arg(tasks);
        }
        let child = command
            .stdin(Stdio::null())
            .stdout(Stdio::from(out))
            .stderr(Stdio::from(log))
            .spawn()
            .map_err(|error| failed(format!("cannot run `{}`: {error}", program.display())))?;
        talk.say(&format!("checkpoint sets are judged as they land: {}", path.display()));
        Ok(Self { child })
    }

    /// Waits until it has judged the last set, or, after Ctrl-C, until it has ended.
    pub(crate) fn finish(mut self, stop: &Stop, talk: &Talk) {
        talk.say("waiting for the last checkpoint set to be judged (Ctrl-C ends that)");
        let mut asked_at = None;
        loop {
            match self.child.try_wait() {
                Ok(None) => {}
                Ok(Some(status)) if status.success() || stop.asked() => return,
                Ok(Some(status)) => {
                    talk.note(format!("judging ended with {status}; its log says why"));
                    return;
                }
                Err(error) => {
                    talk.note(format!("cannot wait for the judging of sets: {error}"));
                    return;
                }
            }
            let since = stop.asked().then(|| *asked_at.get_or_insert_with(Instant::now));
            if since.is_some_and(|since| since.elapsed() > PATIENCE) {
                // It goes on where it was when it is started again.
                let _ended_already = self.child.kill();
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}
