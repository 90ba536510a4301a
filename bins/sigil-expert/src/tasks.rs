//! `tasks`: what rounds are shown on, and what a base is trained on before.

use std::path::Path;
use std::process::{Command, ExitCode};

use sigil_data::Tokenizer;
use sigil_eval::score::to_lines;
use sigil_expert::rounds::Program;
use sigil_expert::tasks::{MadeTask, Split, evaluation_sets, solved_rows, task_set};
use sigil_places::built_in_base;

use crate::cli::{SplitName, Tasks, TasksVerb};
use crate::exit::Failure;
use crate::places;

/// Runs `tasks`.
pub(crate) fn run(arguments: &Tasks) -> Result<ExitCode, Failure> {
    match &arguments.verb {
        TasksVerb::Train { tokens, out, tokenizer, seed } => {
            train(*tokens, out, tokenizer.as_deref(), *seed)
        }
        TasksVerb::Write { split, count, seed, out } => {
            let split = match split {
                SplitName::Seen => Split::Seen,
                SplitName::Practice => Split::Practice,
                SplitName::Development => Split::Development,
                SplitName::HeldOut => Split::HeldOut,
            };
            let tasks = task_set(split, *count, *seed);
            write(out, &tasks)?;
            eprintln!("{}: {} tasks", out.display(), tasks.len());
            Ok(ExitCode::SUCCESS)
        }
        TasksVerb::Check { count, out } => check(*count, out),
    }
}

fn write<T: serde::Serialize>(path: &Path, rows: &[T]) -> Result<(), Failure> {
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        std::fs::create_dir_all(folder).map_err(|error| {
            Failure::new(1, format!("cannot make `{}`: {error}", folder.display()))
        })?;
    }
    sigil_run::atomic_write(path, to_lines(rows).as_bytes()).map_err(|error| Failure::new(1, error))
}

fn train(
    tokens: usize,
    out: &Path,
    tokenizer: Option<&Path>,
    seed: u64,
) -> Result<ExitCode, Failure> {
    let base = match tokenizer {
        Some(folder) => folder.to_owned(),
        None => built_in_base().ok_or_else(|| {
            Failure::new(5, "there is no configs/sigil-base to count tokens with")
        })?,
    };
    let tokenizer = Tokenizer::load(&base).map_err(|error| Failure::new(5, error))?;
    let (mut counted, mut failed) = (0, None);
    let rows = solved_rows(seed, &evaluation_sets().concat(), &mut |task: &MadeTask| {
        if counted >= tokens {
            return true;
        }
        match tokenizer.encode(&task.solved()) {
            // The token that ends the text is one as well.
            Ok(ids) => counted += ids.len() + 1,
            Err(error) => failed = Some(Failure::new(5, error)),
        }
        failed.is_some()
    });
    if let Some(failure) = failed {
        return Err(failure);
    }
    let lines: Vec<_> =
        rows.iter().map(|task| serde_json::json!({"text": task.solved()})).collect();
    write(out, &lines)?;
    eprintln!("{}: {} rows, {counted} tokens", out.display(), rows.len());
    Ok(ExitCode::SUCCESS)
}

fn check(count: usize, out: &Path) -> Result<ExitCode, Failure> {
    let mut tasks: Vec<MadeTask> = evaluation_sets().concat();
    for split in [Split::Seen, Split::Practice] {
        tasks.extend(task_set(split, count, 1));
    }
    let path = out.join("tasks.jsonl");
    write(&path, &tasks)?;
    let program = places::program(Program::Eval)?;
    let status = Command::new(&program)
        .arg("check")
        .arg(&path)
        .arg("--cache")
        .arg(out.join("verdicts"))
        .status()
        .map_err(|error| Failure::new(1, format!("`{}`: {error}", program.display())))?;
    Ok(status
        .code()
        .and_then(|code| u8::try_from(code).ok())
        .map_or(ExitCode::FAILURE, ExitCode::from))
}
