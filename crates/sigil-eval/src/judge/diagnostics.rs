//! Reads the compiler's JSON messages.
//!
//! The lines come from a process that a sample may influence, so whatever is no message is counted and
//! skipped. Next: `taxonomy.rs` for what the errors mean, `compile.rs` for who decides.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::taxonomy::{ErrorClass, classify, missing_crate};

/// One message of the compiler.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Diagnostic {
    pub(crate) error: bool,
    pub(crate) code: Option<String>,
    pub(crate) message: String,
    /// The line of the first primary place, from 1; 0 without one.
    pub(crate) line: usize,
    pub(crate) machine_applicable: bool,
    pub(crate) rendered: String,
}

#[derive(Deserialize)]
struct RawDiagnostic {
    #[serde(rename = "$message_type", default)]
    message_type: String,
    #[serde(default)]
    message: String,
    code: Option<RawCode>,
    #[serde(default)]
    level: String,
    #[serde(default)]
    spans: Vec<RawSpan>,
    #[serde(default)]
    children: Vec<RawDiagnostic>,
    rendered: Option<String>,
}

#[derive(Deserialize)]
struct RawCode {
    code: String,
}

#[derive(Deserialize)]
struct RawSpan {
    #[serde(default)]
    line_start: usize,
    #[serde(default)]
    is_primary: bool,
    suggestion_applicability: Option<String>,
}

/// Reads a stream of messages; also how many lines were none.
pub(crate) fn parse(stream: &str) -> (Vec<Diagnostic>, u32) {
    let (mut found, mut noise) = (Vec::new(), 0);
    for line in stream.lines().filter(|line| !line.trim().is_empty()) {
        let Ok(raw) = serde_json::from_str::<RawDiagnostic>(line) else {
            noise += 1;
            continue;
        };
        if raw.message_type != "diagnostic" && !raw.message_type.is_empty() {
            continue;
        }
        let error = match raw.level.as_str() {
            level if level.starts_with("error") => true,
            "warning" => false,
            _ => continue,
        };
        // The last lines sum up: "aborting due to 2 previous errors", "3 warnings emitted".
        if raw.code.is_none() && raw.spans.is_empty() && sums_up(&raw.message) {
            continue;
        }
        let spans = raw.spans.iter().chain(raw.children.iter().flat_map(|child| &child.spans));
        let machine_applicable = spans
            .clone()
            .any(|span| span.suggestion_applicability.as_deref() == Some("MachineApplicable"));
        found.push(Diagnostic {
            error,
            code: raw.code.map(|code| code.code),
            message: raw.message,
            line: raw.spans.iter().find(|span| span.is_primary).map_or(0, |span| span.line_start),
            machine_applicable,
            rendered: raw.rendered.unwrap_or_default(),
        });
    }
    (found, noise)
}

fn sums_up(message: &str) -> bool {
    message.starts_with("aborting due to")
        || message.ends_with("warning emitted")
        || message.ends_with("warnings emitted")
}

/// The errors of a text, by class and code.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Errors {
    /// The class of the first error.
    pub class: Option<ErrorClass>,
    /// How many errors there are of each class.
    pub classes: BTreeMap<ErrorClass, u32>,
    /// How many errors there are of each code; those without one under their class's name.
    pub codes: BTreeMap<String, u32>,
    /// Crates that were used and are not in the set.
    pub missing_dependencies: BTreeSet<String>,
}

impl Errors {
    /// Counts errors. `known` are the crates that the sample may use.
    pub(crate) fn of<'a>(errors: impl Iterator<Item = &'a Diagnostic>, known: &[String]) -> Self {
        let mut counted = Self::default();
        for error in errors {
            let code = error.code.as_deref();
            let class = classify(code, &error.message, known);
            counted.class.get_or_insert(class);
            *counted.classes.entry(class).or_default() += 1;
            let name =
                code.map_or_else(|| format!("no_code:{class:?}").to_lowercase(), str::to_owned);
            *counted.codes.entry(name).or_default() += 1;
            counted
                .missing_dependencies
                .extend(code.and_then(|code| missing_crate(code, &error.message, known)));
        }
        counted
    }
}

/// The lints that a text meets.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lints {
    /// Warnings of the compiler itself, by name.
    pub rustc: BTreeMap<String, u32>,
    /// Warnings of clippy, by name without `clippy::`.
    pub clippy: BTreeMap<String, u32>,
    /// Those of clippy by group: `correctness`, `suspicious`, `style`, `complexity`, `perf`, ...
    pub groups: BTreeMap<String, u32>,
    /// How many of all can be mended by a program.
    pub machine_applicable: u32,
}

impl Lints {
    /// Counts warnings, and lints that became errors. `group_of` names a clippy lint's group.
    pub(crate) fn of<'a>(
        found: impl Iterator<Item = &'a Diagnostic>,
        group_of: &BTreeMap<String, String>,
    ) -> Self {
        let mut counted = Self::default();
        for lint in found {
            let Some(code) = &lint.code else { continue };
            match code.strip_prefix("clippy::") {
                Some(name) => {
                    *counted.clippy.entry(name.to_owned()).or_default() += 1;
                    let group = group_of.get(name).map_or("unknown", String::as_str);
                    *counted.groups.entry(group.to_owned()).or_default() += 1;
                }
                None if !lint.error => *counted.rustc.entry(code.clone()).or_default() += 1,
                None => continue,
            }
            counted.machine_applicable += u32::from(lint.machine_applicable);
        }
        counted
    }

    /// All warnings of clippy.
    pub fn clippy_total(&self) -> u32 {
        self.clippy.values().sum()
    }
}

/// The rendered messages of errors, cut at a character after `most` bytes.
pub(crate) fn rendered<'a>(errors: impl Iterator<Item = &'a Diagnostic>, most: usize) -> String {
    let mut text = String::new();
    for error in errors {
        for c in error.rendered.chars() {
            if text.len() + 4 > most {
                text.push('\u{2026}');
                return text;
            }
            match c {
                '\n' | '\t' => text.push(c),
                c if c.is_control() => text.extend(c.escape_default()),
                c => text.push(c),
            }
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn messages_are_counted_and_noise_is_not() {
        let stream = concat!(
            "forged: everything is fine\n",
            r#"{"$message_type":"diagnostic","message":"mismatched types","code":{"code":"E0308","explanation":null},"level":"error","spans":[{"file_name":"s","line_start":3,"is_primary":true,"suggestion_applicability":null}],"children":[],"rendered":"error[E0308]\u001b[0m\n"}"#,
            "\n",
            r#"{"$message_type":"diagnostic","message":"unneeded return","code":{"code":"clippy::needless_return"},"level":"warning","spans":[],"children":[{"message":"","code":null,"level":"help","spans":[{"line_start":1,"is_primary":true,"suggestion_applicability":"MachineApplicable"}],"children":[],"rendered":null}],"rendered":"w"}"#,
            "\n",
            r#"{"$message_type":"diagnostic","message":"aborting due to 1 previous error","code":null,"level":"error","spans":[],"children":[],"rendered":"x"}"#,
            "\n",
        );
        let (found, noise) = parse(stream);
        assert_eq!((found.len(), noise), (2, 1));
        let errors = Errors::of(found.iter().filter(|d| d.error), &[]);
        assert_eq!(errors.class, Some(ErrorClass::Type));
        assert_eq!(errors.codes, BTreeMap::from([("E0308".to_owned(), 1)]));
        let groups = BTreeMap::from([("needless_return".to_owned(), "style".to_owned())]);
        let lints = Lints::of(found.iter(), &groups);
        assert_eq!(lints.groups, BTreeMap::from([("style".to_owned(), 1)]));
        assert_eq!((lints.clippy_total(), lints.machine_applicable), (1, 1));
        assert_eq!(rendered(found.iter().filter(|d| d.error), 99), "error[E0308]\\u{1b}[0m\n");
    }

    proptest! {
        #[test]
        fn any_stream_is_read(stream in "(?s)([{}\\[\\]\",:a-z$_ \n]|\"level\":\"error\"|\"message\":){0,60}") {
            let (found, _) = parse(&stream);
            Errors::of(found.iter(), &[]);
            prop_assert!(rendered(found.iter(), 10).len() <= 16);
        }
    }
}
