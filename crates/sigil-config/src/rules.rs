//! Rules between settings, all checked before any model is loaded.
//!
//! One file per subject. A rule stays silent about a setting whose value already has a problem of
//! its own. Read next: any of the files in `rules/`.

mod data;
mod evaluation;
mod idle;
mod lora;
mod train;

use crate::loaded::Book;
use crate::note::Note;
use crate::problem::Problem;
use crate::settings::Settings;

/// Collects the problems of one check.
struct Findings<'a> {
    settings: &'a Settings,
    book: &'a Book,
    problems: &'a mut Vec<Problem>,
}

impl Findings<'_> {
    /// Tells of settings that do not go together, the one to blame first.
    fn rule(&mut self, keys: &[&'static str], message: String, hint: &str) {
        let hint = (!hint.is_empty()).then(|| hint.to_owned());
        self.problems.extend(self.book.rule(keys, message, hint));
    }
}

/// Checks every rule; notes say what a mode leaves without effect.
pub(crate) fn check(
    settings: &Settings,
    book: &Book,
    problems: &mut Vec<Problem>,
    notes: &mut Vec<Note>,
) {
    let mut findings = Findings { settings, book, problems };
    data::check(&mut findings);
    lora::check(&mut findings);
    train::check(&mut findings);
    evaluation::check(&mut findings);
    idle::check(settings, book, notes);
}

/// Checks that local sources and adapters exist.
pub(crate) fn check_paths(settings: &Settings, book: &Book, problems: &mut Vec<Problem>) {
    data::check_paths(&mut Findings { settings, book, problems });
}
