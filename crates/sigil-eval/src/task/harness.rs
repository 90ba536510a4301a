//! Writes the program that tests a sample from outside.
//!
//! The sample is a crate of its own. The harness is another one: it holds the benchmark's tests, the
//! benchmark's imports, and a function of the signature that the benchmark asks for, which calls the
//! sample's. So no macro, type or trait of the sample reaches the assertions, and a wrong type does not
//! compile. What passed is told on a private descriptor together with a secret: see `report.rs.txt`, the
//! part of every harness that does so. Why this cannot be forged is in `docs/concepts/judge.md`.
//!
//! Tests that need the sample's own types run inside its crate, and are marked as forgeable. Next:
//! `../judge/test_stage.rs`.

use serde::{Deserialize, Serialize};

use super::benchmark::Task;
use crate::source::{ItemKind, Signature, Token, TokenKind, items, tokens};

/// Where the tests are compiled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Placement {
    /// In the harness: the sample cannot reach them.
    Outside,
    /// In the harness, but about the sample's own types, as in a Cargo project: such a type can say that
    /// it equals everything.
    Imported,
    /// In the sample's crate: it can shadow what they use.
    Inside,
}

/// How tests are written in the benchmark.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HarnessKind {
    /// A module of `#[test]` functions.
    Module,
    /// A `main` that asserts.
    Main,
}

/// What tests a sample.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Harness {
    /// Where the tests are.
    pub placement: Placement,
    /// How they were written.
    pub kind: HarnessKind,
    /// What is put behind the sample's text, in its crate.
    pub appended: String,
    /// The harness's own crate; the sample is its `sample`.
    pub main: String,
    /// The names of the tests, in the order of the report.
    pub tests: Vec<String>,
}

/// The module of the sample's crate through which the harness calls.
pub(crate) const ENTRY_MODULE: &str = "sigil_entry";

const REPORT: &str = include_str!("report.rs.txt");

/// The harness of a task; `None` if its tests have none that can be found.
pub fn harness(task: &Task) -> Option<Harness> {
    let (kind, tests) = match Rewritten::modules(&task.test) {
        found if !found.calls.is_empty() => (HarnessKind::Module, found),
        _ => (HarnessKind::Main, Rewritten::main(&task.test)?),
    };
    let names = tests.calls.iter().map(|call| call.path.clone()).collect();
    let (placement, appended, head, prefix) = match (&task.project, outside(task)) {
        (Some(name), _) => {
            let head = format!("extern crate sample as {name};\n{}", tests.text);
            (Placement::Imported, String::new(), head, "crate::")
        }
        (None, Some((appended, head))) => {
            (Placement::Outside, appended, format!("{head}\n{}", tests.text), "crate::")
        }
        (None, None) => {
            // A `main` among the tests would meet the sample's own.
            (Placement::Inside, format!("\n{}\n", tests.text), String::new(), "::sample::")
        }
    };
    let mut main =
        format!("#![allow(warnings)]\n{head}\n{REPORT}\nfn main() {{\n    sigil_report::run(&[\n");
    for call in &tests.calls {
        let (path, panics) = (&call.path, call.should_panic);
        main.push_str(&format!(
            "        ({panics}, || sigil_report::Good::good({prefix}{path}())),\n"
        ));
    }
    main.push_str("    ]);\n}\n");
    Some(Harness { placement, kind, appended, main, tests: names })
}

/// What goes behind the sample and what goes before the tests; `None` if the tests or the signature
/// need types that the sample itself defines.
fn outside(task: &Task) -> Option<(String, String)> {
    let (text, prompt_items) = (&task.prompt, items(&task.prompt));
    let entry = prompt_items.iter().find(|item| {
        item.kind == ItemKind::Function && item.name.as_deref() == Some(&task.entry_point)
    })?;
    let signature = Signature::parse(&text[entry.body.clone()])?;
    // The canonical solution continues the prompt or repeats it; either way its other items are
    // what the tests may use beside the function asked for.
    let canonical = super::program::program(task, &task.canonical_solution).text;
    let canonical_items = items(&canonical);
    let types = canonical_items.iter().filter(|item| {
        matches!(item.kind, ItemKind::Struct | ItemKind::Enum | ItemKind::Trait | ItemKind::Value)
    });
    let words: Vec<&str> = signature.parameters.iter().map(String::as_str).collect();
    let said = format!("{} {} {}", signature.generics, words.join(" "), signature.output);
    for item in types {
        let name = item.name.as_deref().unwrap_or_default();
        if mentions(&said, name) || mentions(&task.test, name) {
            return None;
        }
    }
    let mut head = String::new();
    for item in &canonical_items {
        let entry = item.name.as_deref() == Some(&task.entry_point);
        let helper = item.kind == ItemKind::Function && !entry && item.complete;
        let helper = helper && mentions(&task.test, item.name.as_deref().unwrap_or_default());
        if item.kind == ItemKind::Use || helper {
            head.push_str(&canonical[item.body.clone()]);
            head.push('\n');
        }
    }
    let name = &signature.name;
    let path = format!("super::{name}");
    let appended =
        format!("\npub mod {ENTRY_MODULE} {{ use super::*; {} }}\n", signature.forwarder(&path));
    head.push_str(&signature.forwarder(&format!("::sample::{ENTRY_MODULE}::{name}")));
    head.push('\n');
    Some((appended, head))
}

/// Whether the code of `text` has this name in it.
fn mentions(text: &str, name: &str) -> bool {
    !name.is_empty()
        && tokens(text)
            .iter()
            .any(|token| token.kind == TokenKind::Word && token.text(text) == name)
}

/// Tests that can be called.
struct Rewritten {
    text: String,
    calls: Vec<Call>,
}

struct Call {
    path: String,
    should_panic: bool,
}

impl Rewritten {
    /// Makes the test functions and the modules around them public, and takes their attributes away.
    fn modules(text: &str) -> Self {
        let all: Vec<Token> =
            tokens(text).into_iter().filter(|token| !token.is_comment()).collect();
        let word = |index: usize| all.get(index).map_or("", |token| token.text(text));
        // Replacements, in order: a range and what comes in its place.
        let mut edits: Vec<(std::ops::Range<usize>, &str)> = Vec::new();
        let mut calls = Vec::new();
        // Modules that are open, and at which depth.
        let (mut modules, mut depth): (Vec<(&str, usize)>, usize) = (Vec::new(), 0);
        let (mut is_test, mut should_panic) = (false, false);
        let mut index = 0;
        while index < all.len() {
            match all[index].kind {
                TokenKind::Punct('#') if word(index + 1) == "[" => {
                    let close = closing(&all, index + 1);
                    let name = word(index + 2);
                    let whole = all[index].span.start..all[close].span.end;
                    match name {
                        "test" => is_test = true,
                        "should_panic" => should_panic = true,
                        "cfg" if word(index + 4) == "test" => {}
                        "ignore" => {}
                        _ => {
                            index = close + 1;
                            continue;
                        }
                    }
                    edits.push((whole, ""));
                    index = close + 1;
                    continue;
                }
                TokenKind::Open(_) => depth += 1,
                TokenKind::Close(_) => {
                    depth = depth.saturating_sub(1);
                    if modules.last().is_some_and(|(_, opened)| *opened == depth) {
                        modules.pop();
                    }
                }
                TokenKind::Word if word(index) == "mod" && word(index + 2) == "{" => {
                    if index == 0 || word(index - 1) != "pub" {
                        edits.push((all[index].span.start..all[index].span.start, "pub "));
                    }
                    modules.push((word(index + 1), depth));
                }
                TokenKind::Word if word(index) == "fn" && is_test => {
                    if index == 0 || !matches!(word(index - 1), "pub" | ")") {
                        edits.push((all[index].span.start..all[index].span.start, "pub "));
                    }
                    let mut path: Vec<&str> = modules.iter().map(|(name, _)| *name).collect();
                    path.push(word(index + 1));
                    calls.push(Call { path: path.join("::"), should_panic });
                    (is_test, should_panic) = (false, false);
                }
                _ => {}
            }
            index += 1;
        }
        let mut rewritten = String::with_capacity(text.len() + 64);
        let mut at = 0;
        for (range, instead) in edits {
            rewritten.push_str(&text[at..range.start]);
            rewritten.push_str(instead);
            at = range.end;
        }
        rewritten.push_str(&text[at..]);
        Self { text: rewritten, calls }
    }

    /// A `main` that asserts becomes a function called `sigil_main`. A brace before everything closes
    /// the function asked for, which `program.rs` has closed already.
    fn main(text: &str) -> Option<Self> {
        let text = text.trim_start();
        let text = text.strip_prefix('}').unwrap_or(text);
        let main = items(text).into_iter().find(|item| {
            item.kind == ItemKind::Function && item.name.as_deref() == Some("main") && item.complete
        })?;
        let at = main.body.start + text[main.body.clone()].find("main")?;
        let keyword = main.body.start;
        let visible = text[keyword..].starts_with("pub");
        let rewritten = format!(
            "{}{}{}sigil_main{}",
            &text[..keyword],
            if visible { "" } else { "pub " },
            &text[keyword..at],
            &text[at + "main".len()..]
        );
        let calls = vec![Call { path: "sigil_main".to_owned(), should_panic: false }];
        Some(Self { text: rewritten, calls })
    }
}

/// The index of the bracket that closes the one at `open`, or the last token.
fn closing(all: &[Token], open: usize) -> usize {
    let mut depth = 0usize;
    for (index, token) in all.iter().enumerate().skip(open) {
        match token.kind {
            TokenKind::Open(_) => depth += 1,
            TokenKind::Close(_) => {
                depth -= 1;
                if depth == 0 {
                    return index;
                }
            }
            _ => {}
        }
    }
    all.len() - 1
}

#[cfg(test)]
mod tests {
    use super::*;

    fn task(prompt: &str, canonical: &str, test: &str) -> Task {
        Task {
            id: "t".into(),
            prompt: prompt.into(),
            entry_point: "f".into(),
            canonical_solution: canonical.into(),
            test: test.into(),
            edition: "2021".into(),
            stop_tokens: Vec::new(),
            externs: Default::default(),
            project: None,
        }
    }

    #[test]
    fn tests_stay_outside_and_their_attributes_go() {
        let test = "#[cfg(test)]\nmod tests { use super::*; #[test] fn a() { assert!(f(1)); }\n#[test]\n#[should_panic(expected = \"x\")] fn b() { f(2); } }";
        let made =
            harness(&task("fn f(x: u8) -> bool {", "true }", test)).expect("there are tests");
        assert_eq!(made.placement, Placement::Outside);
        assert_eq!(made.tests, ["tests::a", "tests::b"]);
        assert!(made.main.contains("pub mod tests { use super::*;  pub fn a()"), "{}", made.main);
        assert!(made.main.contains("(true, || sigil_report::Good::good(crate::tests::b()))"));
        assert!(made.appended.contains("super::f(p0)"), "{}", made.appended);
        assert!(!made.appended.contains("assert"));
    }

    #[test]
    fn helpers_that_tests_call_come_from_the_benchmark() {
        let test = "mod tests { use super::*; #[test] fn a() { assert!(f(g())) } }";
        let made =
            harness(&task("fn f(x: u8) -> bool {", "true }\nfn g() -> u8 { 1 }\nfn h() {}", test));
        let main = made.expect("there are tests").main;
        assert!(main.contains("fn g() -> u8 { 1 }") && !main.contains("fn h()"), "{main}");
    }

    #[test]
    fn tests_of_the_samples_own_types_go_inside() {
        let test = "mod tests { use super::*; #[test] fn a() { assert_eq!(f(), R::A) } }";
        let made = harness(&task(
            "fn f() -> R {",
            "R::A }\n#[derive(PartialEq, Debug)] pub enum R { A }",
            test,
        ))
        .expect("there are tests");
        assert_eq!(made.placement, Placement::Inside);
        assert!(made.appended.contains("assert_eq!"));
        assert!(made.main.contains("::sample::tests::a()"));
    }

    #[test]
    fn a_main_that_asserts_is_one_test() {
        let made = harness(&task(
            "fn f(x: u8) -> u8 {\n",
            "x }",
            "}\n\nfn main() { let candidate = f; assert_eq!(candidate(1), 1); }",
        ))
        .expect("there is a main");
        assert_eq!((made.kind, made.placement), (HarnessKind::Main, Placement::Outside));
        assert!(made.main.contains("pub fn sigil_main()"), "{}", made.main);
    }

    #[test]
    fn no_tests_is_no_harness() {
        assert_eq!(
            harness(&task("fn f() {", "}", "#[cfg(test)]\nmod tests { use super::*;")),
            None
        );
        assert_eq!(harness(&task("fn f() {", "}", "// #[test] fn a() {}")), None);
    }
}
