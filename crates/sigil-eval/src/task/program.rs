//! Makes a program of a task's prompt and a model's answer.
//!
//! An answer either continues the prompt or brings the whole function; both may be followed by prose,
//! which is cut. Nothing is mended: what a model left open stays open. Next: `harness.rs`.

use serde::{Deserialize, Serialize};

use super::benchmark::Task;
use super::extract::{code_blocks, code_of, defines};
use crate::source::{ItemKind, items};

/// How an answer was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum How {
    /// It goes on where the prompt ends.
    Continuation,
    /// It has the function asked for itself; what it lacks of the prompt's other items is put before.
    Whole,
    /// It is a program of its own; there is no function asked for.
    Alone,
}

/// A program to judge.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Program {
    /// The text that is compiled.
    pub text: String,
    /// How the answer was read.
    pub how: How,
    /// Bytes of prose after the code that were left away.
    pub cut_bytes: usize,
}

/// The program that an answer to a task makes.
pub fn program(task: &Task, answer: &str) -> Program {
    let code = code_of(answer, &task.entry_point);
    if task.entry_point.is_empty() {
        return alone(answer);
    }
    if defines(code, &task.entry_point) {
        let kept = keep_items(code, 0);
        let text = format!("{}{}", missing_items(task, &code[..kept]), &code[..kept]);
        return Program { text, how: How::Whole, cut_bytes: code.len() - kept };
    }
    // A continuation in a fence goes on like any other.
    let mut text = format!("{}{code}", joined_prompt(&task.prompt, code));
    if task.stop_tokens.iter().any(|stop| stop.trim() == "}") {
        // Such a model stops before the brace that closes the function; the brace is not its text.
        text.push_str("\n}");
    }
    let kept = keep_items(&text, task.prompt.len());
    let cut_bytes = text.len() - kept;
    text.truncate(kept);
    Program { text, how: How::Continuation, cut_bytes }
}

/// The program of an answer to which no task belongs.
pub fn alone(answer: &str) -> Program {
    let code = code_of(answer, "main");
    let kept = if code_blocks(answer).is_empty() { keep_items(code, 0) } else { code.len() };
    Program { text: code[..kept].to_owned(), how: How::Alone, cut_bytes: code.len() - kept }
}

/// A task without those imports of its prompt that begin with one of `crates` that is not `known`.
pub fn without_imports(task: &Task, crates: &[&str], known: impl Fn(&str) -> bool) -> Task {
    let mut task = task.clone();
    for item in items(&task.prompt.clone()).iter().rev().filter(|item| item.kind == ItemKind::Use) {
        let text = &task.prompt[item.body.clone()];
        let first = crate::source::tokens(text).get(1).map(|token| token.text(text).to_owned());
        if first.is_some_and(|name| crates.contains(&name.as_str()) && !known(&name)) {
            task.prompt.replace_range(item.span.clone(), "");
        }
    }
    task
}

/// A prompt that ends in a line of code needs a space before what follows it.
fn joined_prompt(prompt: &str, code: &str) -> String {
    let spaced = prompt.ends_with(char::is_whitespace) || code.starts_with(char::is_whitespace);
    if spaced { prompt.to_owned() } else { format!("{prompt}\n") }
}

/// The end of the last whole item, if all that follows it looks like prose; else the end of the text.
///
/// What follows is prose when its first line begins no item and nothing in it does. Text up to `least`
/// is always kept.
fn keep_items(text: &str, least: usize) -> usize {
    let all = items(text);
    let Some(last) = all
        .iter()
        .rposition(|item| item.kind != ItemKind::Other && item.kind != ItemKind::InnerAttribute)
    else {
        return text.len();
    };
    let all_whole = all[..=last].iter().all(|item| item.complete && item.kind != ItemKind::Other);
    let end = all[last].span.end;
    let rest = &text[end..];
    let words = rest.lines().find(|line| !line.trim().is_empty()).unwrap_or("").trim();
    let prose = words
        .starts_with(|c: char| c.is_alphabetic() || matches!(c, '`' | '*' | '-' | '>'))
        || words.starts_with("# ")
        || words.starts_with("##");
    if all_whole && all.len() > last + 1 && prose && end >= least { end } else { text.len() }
}

/// The items of the prompt besides the function asked for that `code` does not have itself.
fn missing_items(task: &Task, code: &str) -> String {
    let own = items(code);
    let mut missing = String::new();
    for item in items(&task.prompt) {
        let entry =
            item.kind == ItemKind::Function && item.name.as_deref() == Some(&task.entry_point);
        let text = &task.prompt[item.body.clone()];
        let there = match (&item.name, item.kind) {
            (Some(name), _) => {
                own.iter().any(|o| o.kind == item.kind && o.name.as_ref() == Some(name))
            }
            (None, ItemKind::Use) => {
                own.iter()
                    .any(|o| o.kind == ItemKind::Use && same_words(&code[o.body.clone()], text))
                    || imported_names(text).iter().any(|name| {
                        own.iter().any(|o| {
                            let theirs = &code[o.body.clone()];
                            o.name.as_ref() == Some(name)
                                || (o.kind == ItemKind::Use
                                    && imported_names(theirs).contains(name))
                        })
                    })
            }
            _ => own.iter().any(|o| o.kind == item.kind && same_words(&code[o.body.clone()], text)),
        };
        if !entry && !there && item.complete && item.kind != ItemKind::Other {
            missing.push_str(&task.prompt[item.span.clone()]);
            missing.push('\n');
        }
    }
    missing
}

fn same_words(a: &str, b: &str) -> bool {
    a.split_whitespace().eq(b.split_whitespace())
}

/// The names that a `use` brings: the last word of each path in it.
fn imported_names(text: &str) -> Vec<String> {
    let all: Vec<_> =
        crate::source::tokens(text).into_iter().filter(|token| !token.is_comment()).collect();
    let word = |i: usize| all.get(i).map_or("", |token| token.text(text));
    (0..all.len())
        .filter(|i| matches!(word(i + 1), ";" | "," | "}"))
        .filter(|i| all[*i].kind == crate::source::TokenKind::Word && word(*i) != "self")
        .map(|i| word(i).to_owned())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    fn task() -> Task {
        Task {
            id: "t".into(),
            prompt: "use std::collections::{HashMap, HashSet};\nuse std::fmt;\n/// Doc.\nfn f(x: u8) -> u8 {".into(),
            entry_point: "f".into(),
            canonical_solution: String::new(),
            test: String::new(),
            edition: "2021".into(),
            stop_tokens: Vec::new(),
            externs: BTreeMap::new(),
            project: None,
        }
    }

    #[test]
    fn a_continuation_follows_the_prompt() {
        let made = program(&task(), "    x\n}\n");
        assert_eq!(made.text, format!("{}    x\n}}\n", task().prompt));
        assert_eq!((made.how, made.cut_bytes), (How::Continuation, 0));
    }

    #[test]
    fn prose_after_the_code_is_cut_and_helpers_are_kept() {
        let made = program(&task(), " g(x) }\nfn g(x: u8) -> u8 { x }\nThis function returns x.\n");
        assert!(made.text.ends_with("fn g(x: u8) -> u8 { x }"), "{}", made.text);
        assert_eq!(made.cut_bytes, "\nThis function returns x.\n".len());
    }

    #[test]
    fn a_whole_answer_gets_only_the_imports_it_lacks() {
        let made = program(
            &task(),
            "Here:\n```rust\nuse std::collections::HashMap;\nfn f(x: u8) -> u8 { x }\n```\nBye",
        );
        assert_eq!(
            made.text,
            "use std::fmt;\nuse std::collections::HashMap;\nfn f(x: u8) -> u8 { x }\n"
        );
        assert_eq!(made.how, How::Whole);
    }

    #[test]
    fn a_repeated_signature_is_a_whole_answer_with_its_closing_brace() {
        // The predecessor's extraction lost the brace, and nothing compiled.
        let made = program(&task(), "fn f(x: u8) -> u8 {\n    x\n}");
        assert!(made.text.ends_with("fn f(x: u8) -> u8 {\n    x\n}"), "{}", made.text);
    }

    #[test]
    fn a_truncated_answer_stays_open() {
        let made = program(&task(), "    if x > 1 {\n        y");
        assert_eq!(crate::source::refusal(&made.text), Some(crate::source::Refusal::CutOff));
        let made = program(&task(), "fn f(x: u8) -> u8 { \"abc");
        assert_eq!(crate::source::refusal(&made.text), Some(crate::source::Refusal::CutOff));
    }

    #[test]
    fn a_stop_text_that_closes_the_function_is_put_back() {
        let mut task = task();
        task.stop_tokens = vec!["\n}".into()];
        let made = program(&task, "    x");
        assert!(made.text.ends_with("    x\n}"), "{}", made.text);
    }
}
