//! Prompts: presets, and files in YAML, JSON and JSONL.
//!
//! A file is a list of prompts, or a table with the list under `prompts`; JSONL has one a line. A
//! prompt is a text, or a table with `prompt` (or `text`, or `instruction`) or with `messages`, and an
//! `id` of its own choosing. Whatever is wrong is an error with its place: never are other prompts used instead.

use std::path::Path;

use serde_json::Value;
use sigil_data::chat::{Role, Turn};

use crate::{exit::Failure, yaml};

/// The presets by name.
const PRESETS: [(&str, &str); 1] =
    [("rust-basics", include_str!("../../../configs/prompts/rust-basics.yaml"))];
/// Largest file.
const MOST_BYTES: u64 = 256 << 20;

/// One prompt.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Prompt {
    /// Its name in the file, or its place in the list.
    pub(crate) id: String,
    /// What the model is given; of a conversation, what the user said last.
    pub(crate) text: String,
    /// A conversation, oldest turn first; empty where the prompt is a text.
    pub(crate) turns: Vec<Turn>,
}

impl Prompt {
    fn plain(id: String, text: String) -> Self {
        Self { id, text, turns: Vec::new() }
    }
}

/// Reads the prompts of a preset or a file.
pub(crate) fn read(name: &str) -> Result<Vec<Prompt>, Failure> {
    if let Some((_, text)) = PRESETS.iter().find(|(preset, _)| *preset == name) {
        return parse(Path::new("rust-basics.yaml"), text);
    }
    let path = Path::new(name);
    let failed = |error: &dyn std::fmt::Display| {
        let presets: Vec<&str> = PRESETS.iter().map(|(name, _)| *name).collect();
        Failure::new(4, format!("cannot read the prompts in `{name}`: {error}"))
            .hint(format!("--prompts is a file (.yaml, .json, .jsonl) or {}", presets.join(", ")))
    };
    let bytes = std::fs::metadata(path).map_err(|error| failed(&error))?.len();
    if bytes > MOST_BYTES {
        return Err(failed(&format!("it has {bytes} bytes, more than {MOST_BYTES}")));
    }
    let text = std::fs::read_to_string(path).map_err(|error| failed(&error))?;
    parse(path, &text)
}

/// The prompts of `--prompt`.
pub(crate) fn of_arguments(texts: &[String]) -> Vec<Prompt> {
    let numbered = texts.iter().enumerate();
    numbered.map(|(i, text)| Prompt::plain((i + 1).to_string(), text.clone())).collect()
}

/// Parses a file by the ending of its name.
fn parse(path: &Path, text: &str) -> Result<Vec<Prompt>, Failure> {
    let place = |line: usize| format!("{}:{line}", path.display());
    let syntax =
        |line: usize, reason: String| Failure::new(4, format!("{}: {reason}", place(line)));
    let ending = path.extension().and_then(|ending| ending.to_str()).unwrap_or_default();
    let items: Vec<(usize, Value)> = match ending {
        "jsonl" => {
            let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
            lines
                .map(|(i, line)| {
                    let value = serde_json::from_str(line)
                        .map_err(|error| syntax(i + 1, error.to_string()))?;
                    Ok((i + 1, value))
                })
                .collect::<Result<_, Failure>>()?
        }
        "json" => {
            let value: Value = serde_json::from_str(text)
                .map_err(|error| syntax(error.line(), error.to_string()))?;
            list(value).map(|list| list.into_iter().map(|item| (1, item)).collect()).ok_or_else(
                || syntax(1, "neither a list of prompts nor a table with `prompts`".to_owned()),
            )?
        }
        "yaml" | "yml" => {
            let document = yaml::read(text).map_err(|error| syntax(error.line, error.reason))?;
            document.prompts().ok_or_else(|| {
                syntax(1, "neither a list of prompts nor a table with `prompts`".to_owned())
            })?
        }
        _ => {
            let message = format!("`{}` is no .yaml, .json or .jsonl file", path.display());
            return Err(Failure::new(4, message));
        }
    };
    let mut prompts: Vec<Prompt> = vec![];
    for (i, (line, item)) in items.into_iter().enumerate() {
        let at = if ending == "json" {
            format!("{}, prompt {}", path.display(), i + 1)
        } else {
            place(line)
        };
        let prompt = one(item, i).map_err(|reason| Failure::new(4, format!("{at}: {reason}")))?;
        if prompts.iter().any(|other| other.id == prompt.id) {
            let message = format!("{at}: another prompt has the id `{}` already", prompt.id);
            return Err(Failure::new(4, message));
        }
        prompts.push(prompt);
    }
    if prompts.is_empty() {
        return Err(Failure::new(4, format!("`{}` has no prompts", path.display())));
    }
    Ok(prompts)
}

fn list(value: Value) -> Option<Vec<Value>> {
    match value {
        Value::Array(items) => Some(items),
        Value::Object(mut table) => match table.remove("prompts")? {
            Value::Array(items) => Some(items),
            _ => None,
        },
        _ => None,
    }
}

/// One prompt of a list; `index` names it where it has no id.
fn one(item: Value, index: usize) -> Result<Prompt, String> {
    let unnamed = (index + 1).to_string();
    let (prompt, id) = match item {
        Value::String(text) => (Prompt::plain(unnamed, text), None),
        Value::Object(mut table) => {
            let id = match table.remove("id").or_else(|| table.remove("task_id")) {
                None => None,
                Some(Value::String(id)) => Some(id),
                Some(Value::Number(id)) => Some(id.to_string()),
                Some(_) => return Err("`id` is neither a text nor a number".to_owned()),
            };
            if let Some(messages) = table.remove("messages") {
                return conversation(messages, id.unwrap_or(unnamed));
            }
            let key =
                ["prompt", "text", "instruction"].into_iter().find(|k| table.contains_key(*k));
            let Some(key) = key else {
                let keys: Vec<&str> = table.keys().map(String::as_str).collect();
                return Err(format!(
                    "no `prompt` or `messages` among its keys ({})",
                    keys.join(", ")
                ));
            };
            let Some(Value::String(text)) = table.remove(key) else {
                return Err(format!("`{key}` is no text"));
            };
            // HumanEval-X has the words in `prompt` and the signature to go on from apart.
            let text = match table.remove("declaration") {
                Some(Value::String(signature)) => text + &signature,
                _ => text,
            };
            (Prompt::plain(unnamed, text), id)
        }
        _ => return Err("a prompt is a text or a table with `prompt`".to_owned()),
    };
    if prompt.text.trim().is_empty() {
        return Err("the prompt is empty".to_owned());
    }
    Ok(Prompt { id: id.unwrap_or(prompt.id), ..prompt })
}

/// A prompt of `messages`, as OpenAI's and ShareGPT's files have them; the last is the user's.
fn conversation(messages: Value, id: String) -> Result<Prompt, String> {
    let Value::Array(messages) = messages else {
        return Err("`messages` is no list".to_owned());
    };
    let mut turns = Vec::with_capacity(messages.len());
    for (index, message) in messages.iter().enumerate() {
        let text = |keys: [&str; 2]| keys.into_iter().find_map(|key| message.get(key)?.as_str());
        let at = index + 1;
        let (Some(role), Some(content)) = (text(["role", "from"]), text(["content", "value"]))
        else {
            return Err(format!("message {at} has no `role` and `content`"));
        };
        let role = Role::parse(role).ok_or_else(|| format!("message {at}: no role `{role}`"))?;
        turns.push(Turn::new(role, content));
    }
    match turns.last() {
        Some(last) if last.role != Role::Assistant && !last.content.trim().is_empty() => {
            Ok(Prompt { id, text: last.content.clone(), turns })
        }
        _ => Err("the last message is not one that the model can answer".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(name: &str, text: &str) -> Vec<String> {
        let prompts = parse(Path::new(name), text).expect("it parses");
        prompts.into_iter().map(|prompt| format!("{}={}", prompt.id, prompt.text)).collect()
    }

    #[test]
    fn rows_of_benchmarks_are_prompts() {
        let rows = concat!(
            r#"{"task_id":"Rust/0","prompt":"/* Doubles. */\n","declaration":"fn f(){\n","test":"t"}"#,
            "\n",
            r#"{"task_id":"CodeGen/1","prompt":"fn g() {","entry_point":"g","test":"t"}"#,
            "\n",
        );
        let wanted = ["Rust/0=/* Doubles. */\nfn f(){\n", "CodeGen/1=fn g() {"];
        assert_eq!(texts("tasks.jsonl", rows), wanted);
    }

    #[test]
    fn all_formats_say_the_same() {
        let wanted = ["1=fn a", "b=fn b\n"];
        assert_eq!(texts("p.json", r#"["fn a", {"prompt": "fn b\n", "id": "b"}]"#), wanted);
        assert_eq!(
            texts("p.json", r#"{"prompts": ["fn a", {"text": "fn b\n", "id": "b"}]}"#),
            wanted
        );
        assert_eq!(
            texts("p.jsonl", "\"fn a\"\n\n{\"instruction\": \"fn b\\n\", \"id\": \"b\"}\n"),
            wanted
        );
        assert_eq!(texts("p.yaml", "- fn a\n- id: b\n  prompt: |\n    fn b\n"), wanted);
        assert_eq!(
            texts("p.yml", "prompts:\n  - fn a\n  - {prompt: \"fn b\\n\", id: b}\n"),
            wanted
        );
    }

    #[test]
    fn conversations_are_prompts() {
        let text = r#"{"messages": [{"role": "system", "content": "be short"},
            {"from": "human", "value": "fn a"}], "task_id": 7}"#
            .replace('\n', " ");
        let prompts = parse(Path::new("p.jsonl"), &text).expect("it parses");
        assert_eq!((prompts[0].id.as_str(), prompts[0].text.as_str()), ("7", "fn a"));
        let roles: Vec<Role> = prompts[0].turns.iter().map(|turn| turn.role).collect();
        assert_eq!(roles, [Role::System, Role::User]);
    }

    #[test]
    fn the_preset_has_the_eleven() {
        assert_eq!(read("rust-basics").expect("it parses").len(), 11);
    }

    #[test]
    fn what_is_wrong_is_told_with_its_place() {
        for (name, text, words) in [
            ("p.jsonl", "\"a\"\n{\"prompt\": 3}\n", "p.jsonl:2: `prompt` is no text"),
            ("p.jsonl", "\"a\"\n{\"pro", "p.jsonl:2: EOF"),
            ("p.json", "[\"a\",\n  4]", "p.json, prompt 2: a prompt is"),
            ("p.json", "[\"a\",\n  }", "p.json:2: "),
            ("p.json", "7", "p.json:1: neither"),
            ("p.yaml", "- a\n- snippet: b\n", "p.yaml:2: no `prompt` or `messages` among"),
            ("p.yaml", "- a\n- [b\n", "p.yaml:"),
            ("p.yaml", "- a\n- {id: x, prompt: ' '}\n", "p.yaml:2: the prompt is empty"),
            ("p.yaml", "- {id: x, prompt: a}\n- {id: x, prompt: b}\n", "p.yaml:2: another"),
            ("p.yaml", "", "p.yaml:1: neither"),
            ("p.json", "[]", "has no prompts"),
            ("p.txt", "a", "no .yaml"),
            ("p.json", r#"[{"messages": 3}]"#, "`messages` is no list"),
            ("p.json", r#"[{"messages": [{"role": "user"}]}]"#, "message 1 has no `role` and"),
            ("p.json", r#"[{"messages": [{"role": "x", "content": "a"}]}]"#, "no role `x`"),
            (
                "p.json",
                r#"[{"messages": [{"role": "assistant", "content": "a"}]}]"#,
                "not one that the model can answer",
            ),
        ] {
            let message = format!("{:?}", parse(Path::new(name), text).expect_err("refused"));
            assert!(message.contains(words), "{name} {text:?}: {message}");
        }
    }
}
