//! Evaluates one checkpoint set: samples, verdicts, numbers, each file written whole.
//!
//! The folder of a set's evaluation (`evaluations/step-…`) is complete when `metrics.json` is there;
//! what is there before belongs to an evaluation that goes on. Samples are continued, never made twice.
//! Which set and when: `watch.rs`.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use sigil_eval::score::{Metrics, Protocol, to_lines};
use sigil_eval::task::Task;
use sigil_run::{CheckpointSet, RunView};

use crate::assess::{Assessor, samples};
use crate::exit::Failure;
use crate::generation::{Count, Question, tasks_and_questions, write_questions};
use crate::generator::Generator;
use crate::humaneval::name_of;
use crate::stop::Stop;
use crate::watch::{Watch, say};

/// What is kept of a set's evaluation: `metrics.json`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Evaluation {
    /// The set's name.
    pub(crate) set: String,
    /// Its step.
    pub(crate) step: u64,
    /// Its commit number: a set of the same step made later is another set.
    pub(crate) sequence: u64,
    /// The generator's digest of the model.
    pub(crate) model: String,
    /// What it says to `--version`.
    pub(crate) generator: String,
    /// How the samples were made.
    pub(crate) sampling: Value,
    /// The numbers.
    pub(crate) metrics: Metrics,
}

impl Evaluation {
    /// Reads `metrics.json`; `None` if there is none that this version understands.
    pub(crate) fn read(folder: &Path) -> Option<Self> {
        serde_json::from_slice(&std::fs::read(folder.join("metrics.json")).ok()?).ok()
    }

    /// The numbers in a line for people.
    pub(crate) fn sentence(&self) -> String {
        let mut text = self.set.clone();
        for (name, rate) in
            [("pass", "pass_rate"), ("compile", "compile_rate"), ("lint-free", "clippy_pass_rate")]
        {
            if let Some(estimate) = self.metrics.rates.get(rate) {
                text.push_str(&format!("  {name} {:.1} %", estimate.value * 100.0));
            }
        }
        text
    }
}

/// What came of a set.
pub(crate) enum Found {
    /// It is judged.
    Evaluation {
        /// What was found.
        evaluation: Box<Evaluation>,
        /// The time that the generator took.
        generating: Duration,
    },
    /// The training has removed it meanwhile.
    Gone,
}

/// Whether a set has been judged; also by another watcher before.
pub(crate) fn is_done(evaluations: &Path, set: &CheckpointSet) -> bool {
    Evaluation::read(&evaluations.join(set.name()))
        .is_some_and(|found| found.sequence == set.manifest().sequence)
}

/// Evaluates sets, all in the same way.
pub(crate) struct Evaluator<'a> {
    arguments: &'a Watch,
    folder: PathBuf,
    generator: Generator,
    assessor: Assessor<'a>,
    tasks: Vec<Task>,
    questions: Option<Vec<Question>>,
    excluded: BTreeSet<String>,
    instruction: Option<String>,
    settings: Value,
    stop: Stop,
    /// Whether a watcher has been at work here before.
    pub(crate) goes_on: bool,
}

impl<'a> Evaluator<'a> {
    /// Gets everything ready that does not depend on the set.
    pub(crate) fn open(arguments: &'a Watch, folder: &Path, stop: &Stop) -> Result<Self, Failure> {
        let generator = Generator::find()?;
        let instruction = arguments.generation.instruction()?;
        let assessor = Assessor::open(&arguments.judge, stop)?;
        let mut excluded = BTreeSet::new();
        let (mut tasks, mut questions) = (Vec::new(), None);
        if let Some(path) = &arguments.tasks {
            let (all, mut asked) =
                tasks_and_questions(path, arguments.limit, instruction.as_deref())?;
            if !arguments.all_tasks {
                excluded = assessor.untrusted(&all)?;
            }
            asked.retain(|question| !excluded.contains(&question.id));
            tasks = all;
            tasks.retain(|task| !excluded.contains(&task.id));
            if tasks.is_empty() {
                let message = "no task is left: the benchmark's own solutions do not pass here";
                let hint = "see why with `sigil-eval check`; --all-tasks keeps them";
                return Err(Failure::new(4, message, Some(hint.to_owned())));
            }
            questions = Some(asked);
        }
        let settings = settings(arguments, questions.as_deref());
        let goes_on = agree(folder, &settings)?;
        if let Some(questions) = &questions {
            write_questions(&folder.join("prompts.jsonl"), questions)?;
        }
        Ok(Self {
            arguments,
            folder: folder.to_owned(),
            generator,
            assessor,
            tasks,
            questions,
            excluded,
            instruction,
            settings,
            stop: stop.clone(),
            goes_on,
        })
    }

    /// Evaluates a set; its files lie in the folder of its name afterwards.
    pub(crate) fn evaluate(&self, view: &RunView, set: &CheckpointSet) -> Result<Found, Failure> {
        let is_gone = || {
            let now = view.set(set.step());
            now.map_or(true, |now| now.manifest().sequence != set.manifest().sequence)
        };
        let folder = self.folder.join(set.name());
        self.begin(&folder, set)?;
        let path = folder.join("samples.jsonl");
        self.wait_for_an_orphan(&path)?;
        say(self.arguments, &format!("{}: generating", set.name()));
        let start = Instant::now();
        let made = match self.generator.run(
            &self.generator_arguments(set, &path),
            self.arguments.judge.quiet,
            &self.stop,
        ) {
            // Read whole by the generator before it began.
            Ok(made) => made,
            Err(failure) if !failure.is_interruption() && is_gone() => return Ok(Found::Gone),
            Err(failure) => return Err(failure),
        };
        let generating = start.elapsed();
        let samples = samples(&path, self.questions.as_deref(), self.arguments.n)?;
        let results = self.assessor.judge(&samples, &self.tasks)?;
        let benchmark = self.arguments.tasks.as_deref().map(name_of);
        let protocol = Protocol {
            benchmark: benchmark.unwrap_or_else(|| self.arguments.prompts.clone()),
            seed: Some(self.arguments.seed),
            temperature: Some(self.arguments.generation.temperature),
            prompt: self.instruction.clone(),
            k: self.arguments.k.clone(),
            excluded_tasks: self.excluded.clone(),
            ..Protocol::default()
        };
        let evaluation = Evaluation {
            set: set.name().to_owned(),
            step: set.step(),
            sequence: set.manifest().sequence,
            model: made.model,
            generator: self.generator.version.clone(),
            sampling: self.settings.clone(),
            metrics: self.assessor.metrics(&results, protocol)?,
        };
        let json = serde_json::to_string_pretty(&evaluation).expect("numbers and texts serialize");
        write(&folder.join("results.jsonl"), &to_lines(&results))?;
        // The last: with it the evaluation is complete.
        write(&folder.join("metrics.json"), &format!("{json}\n"))?;
        Ok(Found::Evaluation { evaluation: Box::new(evaluation), generating })
    }

    /// Makes the folder, and empties it of what an earlier set of that step has left.
    fn begin(&self, folder: &Path, set: &CheckpointSet) -> Result<(), Failure> {
        let failed = |error: std::io::Error| {
            Failure::new(1, format!("cannot prepare `{}`: {error}", folder.display()), None)
        };
        std::fs::create_dir_all(folder).map_err(failed)?;
        let mark = folder.join("set.json");
        let text = format!("{}\n", json!({ "sequence": set.manifest().sequence }));
        if std::fs::read(&mark).is_ok_and(|found| found == text.as_bytes()) {
            return Ok(());
        }
        for name in ["metrics.json", "results.jsonl", "samples.jsonl"] {
            match std::fs::remove_file(folder.join(name)) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                    return Err(failed(error));
                }
                _ => {}
            }
        }
        write(&mark, &text)
    }

    /// A generator whose watcher was killed ends its set by itself; its samples are taken over.
    fn wait_for_an_orphan(&self, path: &Path) -> Result<(), Failure> {
        let mut told = false;
        while !self.stop.asked() {
            // Not there yet, or not readable: the generator will say so.
            let Ok(file) = File::open(path) else { return Ok(()) };
            match file.try_lock_shared() {
                Err(TryLockError::WouldBlock) => {}
                _ => return Ok(()),
            }
            if !told {
                say(self.arguments, "waiting for a generator that a watcher before has started");
                told = true;
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        Err(Failure::new(130, "interrupted", None))
    }

    fn generator_arguments(&self, set: &CheckpointSet, output: &Path) -> Vec<OsString> {
        let mut all: Vec<OsString> = vec!["--run".into(), self.arguments.run.clone().into()];
        all.extend(["--set".into(), set.step().to_string().into()]);
        if let Some(model) = &self.arguments.model {
            all.extend(["--model".into(), model.into()]);
        }
        let count = Count {
            n: self.arguments.n,
            seed: self.arguments.seed,
            device: &self.arguments.device,
        };
        let own = self.folder.join("prompts.jsonl");
        let prompts = match &self.questions {
            Some(_) => own.as_path(),
            None => Path::new(&self.arguments.prompts),
        };
        all.extend(self.arguments.generation.arguments(&count, prompts, output));
        all
    }
}

/// Everything that decides a set's numbers besides the set.
fn settings(arguments: &Watch, questions: Option<&[Question]>) -> Value {
    let digest = |bytes: &[u8]| -> String {
        Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
    };
    let file = |path: &Path| std::fs::read(path).ok().map(|bytes| digest(&bytes));
    let generation = &arguments.generation;
    let judge = &arguments.judge;
    json!({
        "tasks": arguments.tasks.as_deref().map(name_of),
        "tasks_sha256": arguments.tasks.as_deref().and_then(file),
        "prompts": questions.is_none().then_some(&arguments.prompts),
        "prompts_sha256": match questions {
            Some(questions) => Some(digest(to_lines(questions).as_bytes())),
            None => file(Path::new(&arguments.prompts)),
        },
        "model": arguments.model, "n": arguments.n, "k": arguments.k, "seed": arguments.seed,
        "temperature": generation.temperature, "top_p": generation.top_p,
        "max_new_tokens": generation.max_new_tokens, "stop": generation.stops(),
        "chat_template": generation.chat_template, "precision": generation.precision,
        "lints": judge.lints, "allow_unsafe": judge.allow_unsafe, "no_tests": judge.no_tests,
        "edition": judge.edition,
    })
}

/// Compares the settings with those of the watcher before, or keeps them for the next one. True if
/// there was one before.
fn agree(folder: &Path, settings: &Value) -> Result<bool, Failure> {
    let path = folder.join("watch.json");
    let text = format!("{settings:#}\n");
    match std::fs::read(&path) {
        Ok(found) if found == text.as_bytes() => Ok(true),
        Ok(found) => {
            let found: Value = serde_json::from_slice(&found).unwrap_or_default();
            let differ = settings.as_object().into_iter().flatten();
            let differ: Vec<&str> = differ
                .filter(|(key, value)| found.get(key.as_str()) != Some(*value))
                .map(|(key, _)| key.as_str())
                .collect();
            let message = format!(
                "the sets of this run were judged with other settings ({}): their numbers could \
                 not be compared",
                differ.join(", ")
            );
            let hint =
                format!("use those of `{}`, or remove `{}`", path.display(), folder.display());
            Err(Failure::new(6, message, Some(hint)))
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            write(&path, &text)?;
            Ok(false)
        }
        Err(error) => {
            Err(Failure::new(1, format!("cannot read `{}`: {error}", path.display()), None))
        }
    }
}

fn write(path: &Path, text: &str) -> Result<(), Failure> {
    sigil_run::atomic_write(path, text.as_bytes()).map_err(|error| Failure::new(1, error, None))
}
