//! What a stage asks of a program of this project, as the arguments it is called with.

use std::ffi::OsString;
use std::path::PathBuf;

use crate::ExpertError;
use crate::settings::{GenerateSettings, JudgeSettings};

/// A program of this project.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Program {
    /// Makes samples.
    Generate,
    /// Judges them.
    Eval,
    /// Trains on them.
    Train,
}

impl Program {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Generate, Self::Eval, Self::Train];

    /// The name of its file.
    pub fn name(self) -> &'static str {
        match self {
            Self::Generate => "sigil-generate",
            Self::Eval => "sigil-eval",
            Self::Train => "sigil-train",
        }
    }
}

/// One call of a program.
#[derive(Clone, Debug, PartialEq)]
pub enum Job {
    /// Samples for prompts; continues the file of samples that is there.
    Generate {
        /// How.
        settings: GenerateSettings,
        /// Run folder of the adapter; none for the base.
        adapter: Option<PathBuf>,
        /// JSON Lines of prompts.
        prompts: PathBuf,
        /// JSON Lines of samples, appended to.
        samples: PathBuf,
        /// Samples of each prompt.
        count: u32,
        /// The seed of all of them.
        seed: u64,
    },
    /// Verdicts on answers.
    Judge {
        /// How.
        settings: JudgeSettings,
        /// JSON Lines of answers.
        answers: PathBuf,
        /// The tasks with their tests.
        tasks: PathBuf,
        /// Folder of the results.
        out: PathBuf,
        /// Folder of known verdicts.
        cache: PathBuf,
    },
    /// Training on rows.
    Train {
        /// The settings file.
        config: PathBuf,
        /// The run folder.
        run: PathBuf,
        /// Whether there is a checkpoint set to go on from.
        resume: bool,
    },
}

impl Job {
    /// The program that does it.
    pub fn program(&self) -> Program {
        match self {
            Self::Generate { .. } => Program::Generate,
            Self::Judge { .. } => Program::Eval,
            Self::Train { .. } => Program::Train,
        }
    }

    /// What it is called with.
    pub fn arguments(&self) -> Vec<OsString> {
        let mut arguments = Arguments(Vec::new());
        match self {
            Self::Generate { settings, adapter, prompts, samples, count, seed } => {
                arguments.pair("--model", &settings.model);
                if let Some(run) = adapter {
                    arguments.pair("--run", run);
                }
                arguments.pair("--prompts", prompts);
                arguments.pair("--output", samples);
                arguments.pair("-n", count.to_string());
                arguments.pair("--seed", seed.to_string());
                arguments.pair("--temperature", settings.temperature.to_string());
                arguments.pair("--top-p", settings.top_p.to_string());
                arguments.pair("--max-new-tokens", settings.max_new_tokens.to_string());
                arguments.pair("--batch", settings.batch.to_string());
            }
            Self::Judge { settings, answers, tasks, out, cache } => {
                arguments.0.push(answers.into());
                arguments.pair("--tasks", tasks);
                arguments.pair("--out", out);
                arguments.pair("--cache", cache);
                arguments.0.push("--all-tasks".into());
                if let Some(workers) = settings.workers {
                    arguments.pair("--workers", workers.to_string());
                }
                if let Some(folder) = &settings.dependencies {
                    arguments.pair("--deps", folder);
                }
            }
            Self::Train { config, resume, .. } => {
                arguments.pair("--config", config);
                if *resume {
                    arguments.0.push("--resume".into());
                }
            }
        }
        arguments.0
    }
}

struct Arguments(Vec<OsString>);

impl Arguments {
    fn pair(&mut self, name: &str, value: impl Into<OsString>) {
        self.0.extend([name.into(), value.into()]);
    }
}

/// Does what this crate leaves to programs, and hears what is being done.
pub trait Runner {
    /// A stage begins.
    ///
    /// # Errors
    /// To stop before it.
    fn begin(&mut self, stage: &str) -> Result<(), ExpertError>;

    /// A stage was done before, or has just ended.
    fn ended(&mut self, stage: &str, note: &str);

    /// Runs a program to its end.
    ///
    /// # Errors
    /// [`ExpertError::Program`] if it failed, [`ExpertError::Interrupted`] if it was asked to stop.
    fn run(&mut self, stage: &str, job: &Job) -> Result<(), ExpertError>;
}
