//! Which rows pass: limits, paths, and the verdict of the filter.
//!
//! Is: the one place where rows are judged by their own content, before any comparison with other
//! rows. Is not: the filter's rules, which are `sigil-filter`'s. Next: `path_rules.rs`.

use std::fmt;

use sigil_filter::{Filter, Session};

use super::ReadSettings;
use super::columns::Fitted;
use crate::ledger::Reason;
use crate::rows::Row;

/// The filter of a reading, if there is one.
#[derive(Clone, Default)]
pub struct FilterStage(pub Option<Filter>);

impl FilterStage {
    /// Makes a parser and buffers for one thread.
    pub(super) fn session(&self) -> Option<Session> {
        self.0.as_ref().map(Filter::session)
    }
}

impl fmt::Debug for FilterStage {
    /// Names the rules, their settings and their version: this text is part of cache keys.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "FilterStage({:?})", self.0.as_ref().map(Filter::digest))
    }
}

impl PartialEq for FilterStage {
    fn eq(&self, other: &Self) -> bool {
        self.0.as_ref().map(Filter::digest) == other.0.as_ref().map(Filter::digest)
    }
}

impl ReadSettings {
    /// Applies task weights, and says why a row is dropped.
    pub(super) fn judge(
        &self,
        fitted: &mut Fitted,
        session: Option<&mut Session>,
    ) -> Option<Reason> {
        let Fitted { row, path, licences } = fitted;
        if let Some(task) = &row.task_type {
            row.weight *= self.task_weights.get(task.as_ref()).copied().unwrap_or(1.0);
        }
        if let Some(reason) = self.reject(row, path.as_deref()) {
            return Some(reason);
        }
        match filtered(row, path.as_deref(), licences, session?) {
            Filtered::Whole => None,
            // What is left of it has to pass the limits as well.
            Filtered::Cut => self.reject(row, None),
            Filtered::Dropped(reason) => Some(reason),
        }
    }

    fn reject(&self, row: &Row, path: Option<&str>) -> Option<Reason> {
        if let Some(reason) = path.and_then(|path| self.paths.reject(path)) {
            return Some(reason);
        }
        // Written so that a weight that is not a number is dropped as well.
        if !(row.weight > 0.0 && row.weight.is_finite()) {
            return Some(Reason::ZeroWeight);
        }
        if row.text.trim().is_empty() {
            return Some(Reason::Empty);
        }
        let chars = row.text.chars().count();
        if chars < self.min_chars {
            return Some(Reason::TooShort);
        }
        if chars > self.max_chars {
            return Some(Reason::TooLong);
        }
        None
    }
}

/// What the filter did to a row.
enum Filtered {
    Whole,
    Cut,
    Dropped(Reason),
}

/// Asks the filter about a row's code, and cuts out what it asks to be cut out.
fn filtered(
    row: &mut Row,
    path: Option<&str>,
    licences: &[String],
    session: &mut Session,
) -> Filtered {
    let is_instruction = row.prompt.is_some() || !row.turns.is_empty();
    let fenced = if is_instruction { fenced_code(&row.text) } else { None };
    let code = fenced.as_deref().unwrap_or(&row.text);
    let licences: Vec<&str> = licences.iter().map(String::as_str).collect();
    let judged = sigil_filter::Row::new(code.as_bytes())
        .with_path(path.unwrap_or(""))
        .with_licences(&licences);
    let verdict = session.decide(&judged);
    if let Some(rule) = verdict.reason() {
        let known = Reason::try_from(rule.to_owned());
        return Filtered::Dropped(known.unwrap_or(Reason::Filter(rule.into())));
    }
    // Inside an answer nothing is cut out: its words may speak of it.
    if !is_instruction && !verdict.edits.is_empty() {
        let text = verdict.kept_text(code.as_bytes()).map(std::borrow::Cow::into_owned);
        row.text = text.unwrap_or_default();
        return Filtered::Cut;
    }
    Filtered::Whole
}

/// Joins the fenced blocks of an answer; `None` when there is none, and the answer is all code.
fn fenced_code(text: &str) -> Option<String> {
    let mut code = String::new();
    let mut inside = false;
    let mut found = false;
    for line in text.lines() {
        if line.trim_start().starts_with("```") {
            inside = !inside;
            found = true;
        } else if inside {
            code.push_str(line);
            code.push('\n');
        }
    }
    (found && !code.is_empty()).then_some(code)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_code_of_an_answer_is_what_its_fences_hold() {
        let answer = "Here:\n```rust\nfn a() {}\n```\nand\n  ```\nfn b() {}\n  ```\n";
        assert_eq!(fenced_code(answer).as_deref(), Some("fn a() {}\nfn b() {}\n"));
        assert_eq!(fenced_code("fn a() {}"), None);
    }
}
