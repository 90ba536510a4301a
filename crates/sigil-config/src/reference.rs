//! The reference of all settings as Markdown, from the same schema as the checks.
//!
//! Read next: `shape.rs`, whose tree this prints; the result is `configs/README.md`.

use std::fmt::Write as _;

use crate::legacy::{self, Fate};
use crate::origin::join;
use crate::presets;
use crate::settings::Settings;
use crate::shape::{self, Kind, Shape};

const INTRODUCTION: &str = "\
# Presets and settings

Each `.toml` file here is a preset: copy one and change it, or name it on the command line. Layers
come in this order, the later one wins: built-in defaults, a preset or a file (TOML or YAML),
environment variables (`SIGIL_TRAIN__LEARNING_RATE=5e-5`), arguments
(`--set train.learning_rate=5e-5`). `--print-config` shows every effective value and where it came
from. Editors that know the `#:schema` line check and complete while you type.

This page is generated from the settings' own descriptions; a test keeps it current.
";

/// Returns the reference of all settings as Markdown.
pub fn reference_markdown() -> String {
    let mut page = INTRODUCTION.to_owned();
    page.push_str("\n## Presets\n\n");
    for name in presets::preset_names() {
        let text = presets::preset_text(name).unwrap_or_default();
        let comment: Vec<&str> =
            text.lines().skip(1).map_while(|line| line.strip_prefix("# ")).collect();
        let _ = writeln!(page, "- [`{name}`]({name}.toml): {}", comment.join(" "));
    }
    let defaults = toml::Value::try_from(Settings::default())
        .expect("settings hold only values that TOML can express");
    section(&mut page, &mut Vec::new(), shape::settings(), &defaults);
    old_keys(&mut page);
    page
}

fn section(page: &mut String, path: &mut Vec<String>, shape: &Shape, defaults: &toml::Value) {
    let Kind::Section(fields) = &shape.kind else {
        return;
    };
    if !path.is_empty() {
        let _ = writeln!(page, "\n## `[{}]`\n\n{}\n", join(path), one_line(&shape.text));
        page.push_str("| setting | takes | default | meaning |\n|---|---|---|---|\n");
    }
    let is_section = |shape: &Shape| matches!(shape.kind, Kind::Section(_));
    for (name, field) in fields.iter().filter(|(_, field)| !is_section(field)) {
        let default = match defaults.get(name) {
            // Has a default in code, but none that is useful: it has to be set.
            Some(_) if path.as_slice() == ["model"] && name == "name" => "has to be set".to_owned(),
            Some(default) => format!("`{default}`"),
            None => "not set".to_owned(),
        };
        let _ = writeln!(
            page,
            "| `{name}` | {} | {default} | {} |",
            field.expectation(),
            one_line(&field.text)
        );
    }
    let empty = toml::Value::Table(toml::Table::new());
    for (name, field) in fields.iter().filter(|(_, field)| is_section(field)) {
        path.push(name.clone());
        section(page, path, field, defaults.get(name).unwrap_or(&empty));
        path.pop();
    }
}

fn old_keys(page: &mut String) {
    page.push_str(
        "\n## Keys of other tools\n\nThe predecessor's files load unchanged; these keys of it, of \
         transformers and of PEFT\nare understood, and what becomes of them is said when a file is \
         loaded.\n\n| key | here |\n|---|---|\n",
    );
    for (key, fate) in legacy::KEYS {
        let here = match fate {
            Fate::Renamed(to) => format!("`{to}`"),
            Fate::Switch { to, on, off } => {
                format!("`{to}`: `true` is `\"{on}\"`, `false` is `\"{off}\"`")
            }
            Fate::NoMeaning { because, .. } => format!("no meaning: {because}"),
            Fate::Only { accepted, because, .. } => {
                format!("only {}: {because}", shape::list(accepted))
            }
        };
        let _ = writeln!(page, "| `{key}` | {here} |");
    }
}

/// Joins the lines of a doc comment and keeps its bars from ending a cell.
fn one_line(text: &str) -> String {
    text.replace('\n', " ").replace('|', "\\|")
}
