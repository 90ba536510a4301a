//! `--tui`: the run as a whole screen, drawn from what the loop reports.
//!
//! `state.rs` is what is known, `draw.rs` how it looks, `screen.rs` the terminal and its keys. Nothing here
//! can hold up or end a training: the screen has a thread of its own, and where there is no terminal, or
//! `q` closed the screen, the run is told in lines as without `--tui`.

mod curve;
mod draw;
mod screen;
mod state;

use std::{
    io::IsTerminal as _,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    thread::JoinHandle,
};

use sigil_qlora::Stop;
use sigil_run::{MetricsRow, RunView};

pub(crate) use screen::give_back;
use state::State;

/// What is planned of a run before it begins.
#[derive(Clone, Debug, Default)]
pub(crate) struct Planned {
    /// The run's folder.
    pub(crate) run: PathBuf,
    /// The base model's name.
    pub(crate) model: String,
    /// Bytes that the plan counts, see `--plan`.
    pub(crate) memory_bytes: Option<u64>,
}

/// A screen that shows a run. Clones show the same one.
#[derive(Clone, Debug)]
pub(crate) struct Live {
    state: Arc<Mutex<State>>,
    thread: Arc<Mutex<Option<JoinHandle<()>>>>,
}

impl Live {
    /// Takes the terminal, or says why that is not possible.
    pub(crate) fn start(planned: Planned, stop: Stop) -> Result<Self, String> {
        if !std::io::stdin().is_terminal() || !std::io::stderr().is_terminal() {
            return Err("stdin and stderr are no terminal".to_owned());
        }
        let state = Arc::new(Mutex::new(State::new(planned)));
        let thread = screen::start(Arc::clone(&state), stop).map_err(|error| error.to_string())?;
        Ok(Self { state, thread: Arc::new(Mutex::new(Some(thread))) })
    }

    /// Whether the screen is still there; `q` closes it.
    pub(crate) fn is_open(&self) -> bool {
        self.state().is_open
    }

    /// Says a line; false if the screen is gone and it must be said elsewhere.
    pub(crate) fn say(&self, text: &str) -> bool {
        let mut state = self.state();
        if state.is_open {
            text.lines().for_each(|line| state.say(line));
        }
        state.is_open
    }

    /// The loop begins, perhaps amid a run: what it did before is read from its folder.
    pub(crate) fn begin(&self, step: u64, total_steps: u64) {
        let run = self.state().planned.run.clone();
        let before = match step {
            0 => Vec::new(),
            _ => RunView::open(&run).and_then(|view| view.metrics()).map_or_else(
                |_| Vec::new(),
                |metrics| metrics.rows.into_iter().filter(|row| row.step <= step).collect(),
            ),
        };
        let mut state = self.state();
        before.iter().for_each(|row| state.take(row));
        state.begin(step, total_steps);
    }

    /// A step was taken.
    pub(crate) fn step(&self, row: &MetricsRow) {
        self.state().take(row);
    }

    /// The held-out documents were scored.
    pub(crate) fn evaluated(&self, step: u64, loss: f64) {
        self.state().evaluated(step, loss);
    }

    /// A checkpoint set was saved.
    pub(crate) fn saved(&self, step: u64, path: &Path) {
        self.state().saved(step, path);
    }

    /// Gives the terminal back, and everything that was said while it was taken.
    pub(crate) fn close(&self) -> Vec<String> {
        self.state().is_open = false;
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(thread) = thread {
            // If it panicked, the hook has told of it and the terminal is given back below.
            let _told = thread.join();
        }
        give_back();
        std::mem::take(&mut self.state().said)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use sigil_run::{RunFolder, RunIdentity};

    use super::*;

    #[test]
    fn a_run_that_goes_on_is_shown_from_its_first_step() -> Result<(), Box<dyn std::error::Error>> {
        let folder = tempfile::tempdir()?;
        let identity =
            RunIdentity { created_by: "a test".to_owned(), seed: 1, config_digest: "d".to_owned() };
        let _run = RunFolder::create_or_open(folder.path(), &identity)?;
        let rows: String = (1..=9)
            .map(|step| format!("{{\"step\":{step},\"loss\":{}.5}}\n", 10 - step))
            .chain(["{\"step\":0,\"eval_loss\":9.75}\n".to_owned()])
            .collect();
        std::fs::write(folder.path().join("metrics.jsonl"), rows)?;
        let planned = Planned { run: folder.path().to_owned(), ..Planned::default() };
        let state = Arc::new(Mutex::new(State::new(planned)));
        let live = Live { state, thread: Arc::default() };
        // Steps after the set that it goes on from are taken again.
        live.begin(4, 20);
        let state = live.state();
        assert_eq!(state.loss.points(), [(1.0, 9.5), (2.0, 8.5), (3.0, 7.5), (4.0, 6.5)]);
        assert_eq!(state.eval_loss.points(), [(0.0, 9.75)]);
        assert_eq!((state.step, state.total_steps), (4, 20));
        Ok(())
    }
}
