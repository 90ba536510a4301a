//! `tasks`: what rounds are shown on, and what a base is trained on before.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::{Command, ExitCode};

use sigil_data::Tokenizer;
use sigil_eval::score::to_lines;
use sigil_expert::rounds::Program;
use sigil_expert::tasks::{
    MadeTask, Split, decontaminate, each_composition, evaluation_sets, solved_rows, task_set,
};
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
        TasksVerb::Check { count, all, mutants, survivors, out } => {
            let survivors = survivors.as_deref();
            check(&Check { count: *count, all: *all, mutants: *mutants, survivors, out })
        }
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

/// What is checked.
struct Check<'a> {
    count: usize,
    all: bool,
    mutants: bool,
    survivors: Option<&'a Path>,
    out: &'a Path,
}

fn check(check: &Check<'_>) -> Result<ExitCode, Failure> {
    let evaluation = evaluation_sets().concat();
    let mut tasks = evaluation.clone();
    for split in [Split::Seen, Split::Practice] {
        tasks.extend(task_set(split, check.count, 1));
    }
    if check.all {
        let (each, idle) = each_composition(1);
        eprintln!("{} compositions make a task; {idle} have a step without effect", each.len());
        tasks.extend(each);
    }
    let apart = is_apart(&tasks, &evaluation);
    let path = check.out.join("tasks.jsonl");
    write(&path, &tasks)?;
    let program = places::program(Program::Eval)?;
    let mut command = Command::new(&program);
    command.arg("check").arg(&path).arg("--cache").arg(check.out.join("verdicts"));
    if check.mutants {
        command.arg("--mutants").arg("--mutant-results").arg(check.out.join("mutants.jsonl"));
    }
    if let Some(survivors) = check.survivors {
        command.arg("--survivors").arg(survivors);
    }
    let status = command
        .status()
        .map_err(|error| Failure::new(1, format!("`{}`: {error}", program.display())))?;
    let code = status.code().and_then(|code| u8::try_from(code).ok());
    Ok(match code {
        Some(0) if !apart => ExitCode::from(10),
        Some(code) => ExitCode::from(code),
        None => ExitCode::FAILURE,
    })
}

/// Whether what is trained on shares nothing with evaluations, told on stderr.
fn is_apart(tasks: &[MadeTask], evaluation: &[MadeTask]) -> bool {
    let trained: Vec<MadeTask> =
        tasks.iter().filter(|task| !task.split.is_evaluation()).cloned().collect();
    let of = |tasks: &[MadeTask], what: fn(&MadeTask) -> &String| -> BTreeSet<String> {
        tasks.iter().map(|task| what(task).clone()).collect()
    };
    let mut apart = true;
    for (name, what) in [
        ("compositions", (|task| &task.composition) as fn(&MadeTask) -> &String),
        ("function names", |task| &task.entry_point),
    ] {
        let shared = of(&trained, what).intersection(&of(evaluation, what)).count();
        eprintln!("{name} shared with evaluations: {shared}");
        apart &= shared == 0;
    }
    let count = trained.len();
    let clean = decontaminate(trained, evaluation);
    let left = decontaminate(clean.tasks, evaluation).dropped.len();
    eprintln!(
        "of {count} tasks of the other sides, {} hold an evaluation task and are left out of rounds \
         and of pre-training; {left} of the rest do",
        clean.dropped.len()
    );
    apart && left == 0
}
