//! Wrong solutions, made of right ones by one small change: a benchmark whose tests let them pass tests
//! little.
//!
//! Changes are made to tokens inside function bodies: an operator, a method, a constant, a statement left
//! away, an early return of the default value. A change may by chance mean the same; survivors are for a person
//! to read. Next: `program.rs`.

use super::benchmark::Task;
use super::changed_results::changed_results;
use super::program::program;
use crate::source::{ItemKind, Signature, Token, TokenKind, items, tokens};

/// A changed solution.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mutant {
    /// `operator`, `call`, `constant`, `statement`, `early_return`, or `result` where these are too few.
    pub kind: &'static str,
    /// Where in the text, in bytes.
    pub at: usize,
    /// What was changed, as `a => b`.
    pub change: String,
    /// The whole program.
    pub text: String,
}

/// How many mutants of one kind are made of one solution.
const MOST_OF_A_KIND: usize = 2;

/// With fewer mutants than this a solution's result is changed too.
const LEAST: usize = 3;

/// The mutants of a task's own solution, in the order of their kinds.
pub fn mutants(task: &Task) -> Vec<Mutant> {
    if task.canonical_solution.trim().is_empty() {
        return Vec::new();
    }
    let text = program(task, &task.canonical_solution).text;
    let all: Vec<Token> = tokens(&text).into_iter().filter(|token| !token.is_comment()).collect();
    let bodies = bodies(&text, &all, &task.entry_point);
    let mut made = Vec::new();
    for (kind, find) in KINDS {
        let mut found: Vec<Edit> =
            bodies.iter().flat_map(|(open, close)| find(&text, &all, *open, *close)).collect();
        // The first and the last are the least alike.
        if found.len() > MOST_OF_A_KIND {
            let last = found.pop().expect("there are more than two");
            found.truncate(MOST_OF_A_KIND - 1);
            found.push(last);
        }
        made.extend(found.into_iter().map(|edit| {
            let mut changed = text.clone();
            changed.replace_range(edit.span.clone(), &edit.instead);
            let short = |text: &str| text.chars().take(40).collect::<String>();
            let change = format!("{} => {}", short(&text[edit.span.clone()]), short(&edit.instead));
            Mutant { kind, at: edit.span.start, change, text: changed }
        }));
    }
    let missing = LEAST.saturating_sub(made.len());
    made.extend(results(&text, &all, task).into_iter().take(missing));
    made
}

/// The solution with other results of the function asked for.
fn results(text: &str, all: &[Token], task: &Task) -> Vec<Mutant> {
    let entry = items(text).into_iter().find(|item| {
        item.kind == ItemKind::Function && item.name.as_deref() == Some(&task.entry_point)
    });
    let Some((entry, signature)) =
        entry.and_then(|item| Signature::parse(&text[item.body.clone()]).map(|s| (item, s)))
    else {
        return Vec::new();
    };
    // The one asked for is the first.
    let Some((open, close)) = bodies(text, all, &task.entry_point).into_iter().next() else {
        return Vec::new();
    };
    let body = all[open].span.end..all[close].span.start;
    if body.start > body.end || !entry.body.contains(&body.start) {
        return Vec::new();
    }
    let output = signature.output.trim().strip_prefix("->").unwrap_or_default();
    let output = output.split(" where ").next().unwrap_or_default().trim();
    changed_results(text, body.clone(), output)
        .into_iter()
        .map(|(change, text)| Mutant { kind: "result", at: body.start, change, text })
        .collect()
}

/// A change of a text.
struct Edit {
    span: std::ops::Range<usize>,
    instead: String,
}

type Find = fn(&str, &[Token], usize, usize) -> Vec<Edit>;

const KINDS: [(&str, Find); 5] = [
    ("operator", operators),
    ("call", calls),
    ("constant", constants),
    ("statement", statements),
    ("early_return", early_returns),
];

/// The braces of the bodies of functions, the one asked for first, as indices of tokens.
fn bodies(text: &str, all: &[Token], entry: &str) -> Vec<(usize, usize)> {
    let mut functions: Vec<_> = items(text)
        .into_iter()
        .filter(|item| item.kind == ItemKind::Function && item.complete)
        .collect();
    functions.sort_by_key(|item| item.name.as_deref() != Some(entry));
    functions
        .iter()
        .filter_map(|item| {
            let inside = |token: &&Token| {
                token.span.start >= item.body.start && token.span.end <= item.body.end
            };
            let first = all.iter().position(|token| inside(&token))?;
            let close = all.iter().rposition(|token| inside(&token))?;
            let mut depth = 0i32;
            for (index, token) in all.iter().enumerate().take(close).skip(first) {
                match token.kind {
                    TokenKind::Open(b'{') if depth == 0 => return Some((index, close)),
                    TokenKind::Open(_) => depth += 1,
                    TokenKind::Close(_) => depth -= 1,
                    _ => {}
                }
            }
            None
        })
        .collect()
}

fn operators(text: &str, all: &[Token], open: usize, close: usize) -> Vec<Edit> {
    const PAIRS: [(&str, &str); 12] = [
        ("==", "!="),
        ("!=", "=="),
        ("<=", ">"),
        (">=", "<"),
        ("&&", "||"),
        ("||", "&&"),
        ("+=", "-="),
        ("-=", "+="),
        ("+", "-"),
        ("-", "+"),
        ("*", "+"),
        ("%", "+"),
    ];
    let mut edits = Vec::new();
    let mut index = open + 1;
    while index < close {
        let at = all[index].span.start;
        let value_before = match all[index - 1].kind {
            TokenKind::Word => !matches!(
                all[index - 1].text(text),
                "return"
                    | "in"
                    | "if"
                    | "match"
                    | "while"
                    | "as"
                    | "mut"
                    | "let"
                    | "else"
                    | "move"
                    | "break"
            ),
            TokenKind::Literal | TokenKind::Close(b')' | b']') => true,
            _ => false,
        };
        let arrow = text[at..].starts_with("->") || text[at..].starts_with("=>");
        if matches!(all[index].kind, TokenKind::Punct(_)) && value_before && !arrow {
            let pair = PAIRS.iter().find(|(old, _)| text[at..].starts_with(old));
            let spaced = |sign: &str| text[..at].ends_with(' ') && text[at..].starts_with(sign);
            let found = match pair {
                Some((old, new)) => Some((*old, *new)),
                // Without spaces it may be generic.
                None if spaced("< ") => Some(("<", ">=")),
                None if spaced("> ") => Some((">", "<=")),
                None => None,
            };
            if let Some((old, new)) = found {
                edits.push(Edit { span: at..at + old.len(), instead: new.to_owned() });
                index += old.len();
                continue;
            }
        }
        index += 1;
    }
    edits
}

fn calls(text: &str, all: &[Token], open: usize, close: usize) -> Vec<Edit> {
    const PAIRS: [(&str, &str); 20] = [
        ("min", "max"),
        ("max", "min"),
        ("any", "all"),
        ("all", "any"),
        ("first", "last"),
        ("last", "first"),
        ("sum", "product"),
        ("product", "sum"),
        ("filter", "skip_while"),
        ("contains", "starts_with"),
        ("starts_with", "ends_with"),
        ("ends_with", "starts_with"),
        ("to_lowercase", "to_uppercase"),
        ("to_uppercase", "to_lowercase"),
        ("to_ascii_lowercase", "to_ascii_uppercase"),
        ("to_ascii_uppercase", "to_ascii_lowercase"),
        ("floor", "ceil"),
        ("ceil", "floor"),
        ("take", "skip"),
        ("skip", "take"),
    ];
    (open + 1..close)
        .filter(|index| all[index - 1].text(text) == "." && all[*index].kind == TokenKind::Word)
        .filter_map(|index| {
            let old = all[index].text(text);
            let (_, new) = PAIRS.iter().find(|(name, _)| *name == old)?;
            Some(Edit { span: all[index].span.clone(), instead: (*new).to_owned() })
        })
        .collect()
}

fn constants(text: &str, all: &[Token], open: usize, close: usize) -> Vec<Edit> {
    let mut edits = Vec::new();
    for token in &all[open..close] {
        let old = token.text(text);
        let span = token.span.clone();
        match token.kind {
            TokenKind::Word if old == "true" => edits.push(Edit { span, instead: "false".into() }),
            TokenKind::Word if old == "false" => edits.push(Edit { span, instead: "true".into() }),
            TokenKind::Literal
                if old.starts_with('"') && old.len() > 2 && !old.contains(['{', '\\']) =>
            {
                let inner = &old[1..old.len() - 1];
                edits.push(Edit { span: span.clone(), instead: "\"\"".into() });
                let reversed: String = inner.chars().rev().collect();
                if reversed != inner {
                    edits.push(Edit { span, instead: format!("\"{reversed}\"") });
                }
            }
            TokenKind::Literal if old.starts_with(|c: char| c.is_ascii_digit()) => {
                let digits: String = old.chars().take_while(char::is_ascii_digit).collect();
                let plain =
                    !old.starts_with("0x") && !old.starts_with("0b") && !old.starts_with("0o");
                if let (true, Ok(number)) = (plain, digits.parse::<u64>()) {
                    let rest = &old[digits.len()..];
                    edits.push(Edit {
                        span,
                        instead: format!("{}{rest}", number.saturating_add(1)),
                    });
                }
            }
            _ => {}
        }
    }
    edits
}

fn statements(text: &str, all: &[Token], open: usize, close: usize) -> Vec<Edit> {
    let mut edits = Vec::new();
    let mut start = open + 1;
    let mut index = open + 1;
    while index < close {
        match all[index].kind {
            TokenKind::Open(b'{') => start = index + 1,
            TokenKind::Close(b'}') => start = index + 1,
            TokenKind::Open(_) => {
                // What is in other brackets is part of a statement.
                let mut depth = 0;
                while index < close {
                    match all[index].kind {
                        TokenKind::Open(_) => depth += 1,
                        TokenKind::Close(_) => depth -= 1,
                        _ => {}
                    }
                    if depth == 0 {
                        break;
                    }
                    index += 1;
                }
            }
            TokenKind::Punct(';') => {
                let first = all[start].text(text);
                if start < index
                    && !matches!(first, "let" | "use" | "return" | "break" | "continue" | "const")
                {
                    let span = all[start].span.start..all[index].span.end;
                    edits.push(Edit { span, instead: String::new() });
                }
                start = index + 1;
            }
            _ => {}
        }
        index += 1;
    }
    edits
}

fn early_returns(_: &str, all: &[Token], open: usize, close: usize) -> Vec<Edit> {
    if close <= open + 1 {
        return Vec::new();
    }
    let at = all[open].span.end;
    vec![Edit { span: at..at, instead: " if true { return Default::default(); } ".into() }]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn task(prompt: &str, canonical_solution: &str) -> Task {
        Task {
            id: "t".into(),
            prompt: prompt.into(),
            entry_point: "f".into(),
            canonical_solution: canonical_solution.into(),
            test: String::new(),
            edition: "2021".into(),
            stop_tokens: Vec::new(),
            externs: Default::default(),
            project: None,
        }
    }

    #[test]
    fn a_text_that_reads_the_same_backwards_is_not_turned() {
        let made = mutants(&task("fn f() -> String {", " \"a\".to_string() + \"ab\" }"));
        let turned = made.iter().filter(|mutant| mutant.kind == "constant");
        let changes: Vec<&str> = turned.map(|mutant| mutant.change.as_str()).collect();
        assert!(changes.contains(&"\"ab\" => \"ba\""), "{changes:?}");
        assert!(!changes.contains(&"\"a\" => \"a\""), "{changes:?}");
    }

    #[test]
    fn each_kind_is_made() {
        let task = task(
            "fn f(v: &mut Vec<i32>) -> bool {",
            " let a = 1; v.push(a); for x in v.iter() { if *x <= 3 && a < 4 { return true; } } false }",
        );
        let made: Vec<(&str, String)> =
            mutants(&task).into_iter().map(|mutant| (mutant.kind, mutant.change)).collect();
        let made: Vec<(&str, &str)> =
            made.iter().map(|(kind, change)| (*kind, change.as_str())).collect();
        assert_eq!(
            made,
            [
                ("operator", "<= => >"),
                ("operator", "< => >="),
                ("constant", "1 => 2"),
                ("constant", "false => true"),
                ("statement", "v.push(a); => "),
                ("early_return", " =>  if true { return Default::default(); } "),
            ]
        );
    }
}
