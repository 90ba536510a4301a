//! What follows from the merged values: which of two exclusive settings counts, defaults that
//! depend on other settings, and `~/` in paths.
//!
//! Read next: `rules.rs`, which runs on the result.

use std::path::{Path, PathBuf};

use crate::loaded::Book;
use crate::note::{Note, NoteKind};
use crate::problem::Problem;
use crate::settings::{Settings, TrainSettings};
use crate::source::Rank;

/// Resolves everything, in place.
pub(crate) fn resolve(
    settings: &mut Settings,
    book: &mut Book,
    home: Option<&Path>,
    notes: &mut Vec<Note>,
    problems: &mut Vec<Problem>,
) {
    let train = &mut settings.train;
    let both = (train.num_steps.is_some(), train.epochs.is_some());
    match exclusive(book, both, ["train.num_steps", "train.epochs"], notes, problems) {
        Winner::First => train.epochs = None,
        Winner::Second => train.num_steps = None,
        Winner::Neither => {
            train.num_steps = Some(TrainSettings::DEFAULT_NUM_STEPS);
            book.forget("train.num_steps");
        }
    }
    let both = (train.warmup_steps.is_some(), train.warmup_ratio.is_some());
    let keys = ["train.warmup_steps", "train.warmup_ratio"];
    match exclusive(book, both, keys, notes, problems) {
        Winner::First => train.warmup_ratio = None,
        Winner::Second => train.warmup_steps = None,
        Winner::Neither => {
            train.warmup_steps = Some(TrainSettings::DEFAULT_WARMUP_STEPS);
            book.forget("train.warmup_steps");
        }
    }
    derive_defaults(train, book);
    for path in [&mut settings.run.output_dir]
        .into_iter()
        .chain(&mut settings.run.logging_dir)
        .chain(&mut settings.run.log_file)
        .chain(&mut settings.dataset.cache_dir)
        .chain(&mut settings.hub.cache_dir)
    {
        expand_path(path, home);
    }
    expand_text(&mut settings.model.name, home);
    for text in settings.model.load_from.iter_mut() {
        expand_text(text, home);
    }
    let sources = settings.dataset.names.iter_mut();
    for text in sources.chain(&mut settings.evaluation.names) {
        expand_text(text, home);
    }
}

enum Winner {
    First,
    Second,
    Neither,
}

/// Decides between two settings that exclude each other: the later layer wins, and both in one
/// layer are a mistake.
fn exclusive(
    book: &mut Book,
    is_some: (bool, bool),
    keys: [&'static str; 2],
    notes: &mut Vec<Note>,
    problems: &mut Vec<Problem>,
) -> Winner {
    let ranks = keys.map(|key| book.rank(key));
    match is_some {
        (false, false) => return Winner::Neither,
        (true, false) => return Winner::First,
        (false, true) => return Winner::Second,
        (true, true) => {}
    }
    if ranks[0] == ranks[1] {
        let message = format!("`{}` and `{}` exclude each other", keys[0], keys[1]);
        problems.extend(book.rule(
            &[keys[1], keys[0]],
            message,
            Some("remove one of the two".to_owned()),
        ));
        return Winner::First;
    }
    let (winner, loser) = if ranks[0] > ranks[1] { (0, 1) } else { (1, 0) };
    if ranks[loser] != Rank::Default {
        notes.push(Note {
            kind: NoteKind::Overridden,
            key: keys[loser].to_owned(),
            message: format!("`{}` counts instead of `{}`", keys[winner], keys[loser]),
            origin: book.origin(keys[winner]),
        });
    }
    book.forget(keys[loser]);
    if winner == 0 { Winner::First } else { Winner::Second }
}

/// Fits defaults to short runs: a default must not contradict what the user asked for.
fn derive_defaults(train: &mut TrainSettings, book: &mut Book) {
    let warmup_is_default =
        !book.is_set("train.warmup_steps") && !book.is_set("train.warmup_ratio");
    match train.num_steps {
        Some(steps) => {
            if warmup_is_default && steps / 10 < TrainSettings::DEFAULT_WARMUP_STEPS {
                train.warmup_steps = Some(steps / 10);
                book.derive("train.warmup_steps", "train.num_steps");
            }
            if !book.is_set("train.save_every") && train.save_every > steps {
                train.save_every = steps;
                book.derive("train.save_every", "train.num_steps");
            }
        }
        // The number of steps is known only with the data: the same share as 250 of 12000, rounded.
        None if warmup_is_default => {
            train.warmup_steps = None;
            train.warmup_ratio = Some(0.02);
            book.forget("train.warmup_steps");
            book.derive("train.warmup_ratio", "train.epochs");
        }
        None => {}
    }
}

fn expand_path(path: &mut PathBuf, home: Option<&Path>) {
    if let (Some(home), Ok(rest)) = (home, path.strip_prefix("~")) {
        *path = home.join(rest);
    }
}

/// Expands `~/` at the start of a name or behind its prefix (`local:~/rows.jsonl`).
fn expand_text(text: &mut String, home: Option<&Path>) {
    let Some(home) = home else { return };
    let (prefix, path) = match text.split_once(':') {
        Some((prefix, path)) if path.starts_with("~/") => (format!("{prefix}:"), path),
        _ => (String::new(), text.as_str()),
    };
    if let Some(rest) = path.strip_prefix("~/") {
        *text = format!("{prefix}{}", home.join(rest).display());
    }
}
