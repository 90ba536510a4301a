//! What a path is: a run with its sets, an adapter folder, a model folder, a GGUF file.
//!
//! Looks at names only; contents are checked by whoever reads them. Next: `inspect.rs`.

use std::path::{Path, PathBuf};

use sigil_run::{CheckpointSet, DamagedSet, RunView};
use sigil_weights::peft;

use crate::AdapterError;

/// What was found at a path.
#[derive(Debug)]
pub enum Subject {
    /// A run folder, and the set that was asked for.
    Run {
        /// The run.
        view: RunView,
        /// The set; none when the run has none yet.
        set: Option<CheckpointSet>,
        /// Newer sets that are damaged.
        damaged: Vec<DamagedSet>,
    },
    /// A PEFT adapter folder.
    Adapter(PathBuf),
    /// A folder with `config.json`.
    Model(PathBuf),
    /// A GGUF file.
    Gguf(PathBuf),
}

impl Subject {
    /// Tells what lies at `path`; of a run, takes the set `which` (`newest`, `best`, a step).
    ///
    /// # Errors
    /// Nothing known is there, or the run has no such set.
    pub fn find(path: &Path, which: &str) -> Result<Self, AdapterError> {
        if path.join("run.json").is_file() {
            let view = RunView::open(path)?;
            let (set, damaged) = set_of(&view, which)?;
            return Ok(Self::Run { view, set, damaged });
        }
        if path.join(peft::CONFIG_FILE).is_file() {
            return Ok(Self::Adapter(path.to_owned()));
        }
        if path.join("config.json").is_file() {
            return Ok(Self::Model(path.to_owned()));
        }
        if path.is_file() && path.extension().is_some_and(|ending| ending == "gguf") {
            return Ok(Self::Gguf(path.to_owned()));
        }
        if !path.exists() {
            let source = std::io::ErrorKind::NotFound.into();
            return Err(AdapterError::Read { path: path.to_owned(), source });
        }
        Err(AdapterError::Unknown { path: path.to_owned() })
    }

    /// The folder with the weights: of a run, its set's.
    #[must_use]
    pub fn weights_folder(&self) -> Option<&Path> {
        match self {
            Self::Run { set, .. } => set.as_ref().map(CheckpointSet::folder),
            Self::Adapter(path) | Self::Model(path) => Some(path),
            Self::Gguf(_) => None,
        }
    }

    /// Whether the weights are an adapter's.
    #[must_use]
    pub fn is_adapter(&self) -> bool {
        self.weights_folder().is_some_and(|folder| folder.join(peft::CONFIG_FILE).is_file())
    }

    /// What it is, for messages.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Run { .. } => "a run",
            Self::Adapter(_) => "an adapter",
            Self::Model(_) => "a model",
            Self::Gguf(_) => "a GGUF file",
        }
    }
}

fn set_of(
    view: &RunView,
    which: &str,
) -> Result<(Option<CheckpointSet>, Vec<DamagedSet>), AdapterError> {
    match which {
        "newest" => {
            let newest = view.newest_whole_set()?;
            Ok((newest.set, newest.damaged))
        }
        "best" => match view.best()? {
            Some(best) => Ok((Some(whole(view, best.step)?), Vec::new())),
            None => {
                Err(AdapterError::NoSet { which: which.to_owned(), path: view.path().to_owned() })
            }
        },
        step => {
            let number = step.strip_prefix("step-").unwrap_or(step).parse().map_err(|_| {
                AdapterError::NoSet { which: which.to_owned(), path: view.path().to_owned() }
            })?;
            Ok((Some(whole(view, number)?), Vec::new()))
        }
    }
}

fn whole(view: &RunView, step: u64) -> Result<CheckpointSet, AdapterError> {
    let set = view.set(step)?;
    set.verify().map_err(|damage| sigil_run::RunError::DamagedSet {
        path: set.folder().to_owned(),
        damage,
    })?;
    Ok(set)
}
