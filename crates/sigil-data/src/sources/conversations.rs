//! The forms of rows that hold instructions and conversations.
//!
//! Is: `messages` (OpenAI), `conversations` (ShareGPT), Alpaca, the instruction forms of the
//! sigil pipeline and of Strandset. Is not: rendering; a model's template does that. Next:
//! `columns.rs`, which calls this.

use serde_json::{Map, Value};

use super::columns::{Content, Misfit, bad, kind_of, text_field};
use crate::chat::{Role, Turn};

/// Fields that these forms are made of.
pub(super) const FIELDS: [&str; 15] = [
    "messages",
    "conversations",
    "system",
    "instruction",
    "input",
    "output",
    "history",
    "input_context",
    "input_code",
    "output_json",
    "input_data",
    "output_data",
    "task_category",
    "test",
    "checked_code",
];

/// Finds the first of these forms that the fields have.
pub(super) fn known(fields: &Map<String, Value>) -> Result<Option<Content>, Misfit> {
    for name in ["messages", "conversations"] {
        if let Some(content) = turns(fields, name)? {
            return Ok(Some(content));
        }
    }
    let text = |name: &str| text_field(fields, name);
    // Both halves of a conversational prompt may be lists of turns.
    if fields.get("prompt").is_some_and(Value::is_array) {
        return turns_of_halves(fields).map(Some);
    }
    if let (Some(instruction), Some(output)) = (text("instruction")?, text("output_json")?) {
        let parts = [Some(instruction), text("input_context")?, text("input_code")?];
        return Ok(Some(exchange(text("system")?, &parts, output)));
    }
    if let (Some(input), Some(output)) = (text("input_data")?, text("output_data")?) {
        let task = text("task_category")?.map(|task| format!("Task: {}", task.replace('_', " ")));
        return Ok(Some(exchange(None, &[task, Some(inner(&input))], inner(&output))));
    }
    if let (Some(instruction), Some(output)) = (text("instruction")?, text("output")?) {
        let mut content = exchange(text("system")?, &[Some(instruction), text("input")?], output);
        add_history(fields, &mut content)?;
        return Ok(Some(content));
    }
    Ok(None)
}

/// Reads a list of turns.
pub(super) fn turns(fields: &Map<String, Value>, name: &str) -> Result<Option<Content>, Misfit> {
    let list = match fields.get(name) {
        None | Some(Value::Null) => return Ok(None),
        Some(Value::Array(list)) => list,
        Some(other) => {
            return Err(bad(name, format!("is {}, not a list of turns", kind_of(other))));
        }
    };
    let mut turns = turns_of(name, list)?;
    if let Some(system) = text_field(fields, "system")?.filter(|text| !text.is_empty())
        && turns.first().is_none_or(|turn| turn.role != Role::System)
    {
        turns.insert(0, Turn::new(Role::System, system));
    }
    if !turns.iter().any(Turn::is_learned) {
        return Err(bad(name, "has no assistant turn to learn from".to_owned()));
    }
    Ok(Some(of_turns(turns)))
}

fn turns_of_halves(fields: &Map<String, Value>) -> Result<Content, Misfit> {
    let mut turns = Vec::new();
    for name in ["prompt", "completion"] {
        match fields.get(name) {
            Some(Value::Array(list)) => turns.extend(turns_of(name, list)?),
            Some(Value::String(text)) => turns.push(Turn::new(Role::Assistant, text.as_str())),
            _ => return Err(bad(name, "is missing beside a list of turns".to_owned())),
        }
    }
    Ok(of_turns(turns))
}

fn turns_of(name: &str, list: &[Value]) -> Result<Vec<Turn>, Misfit> {
    (1..).zip(list).map(|(number, value)| turn(name, number, value)).collect()
}

fn turn(name: &str, number: usize, value: &Value) -> Result<Turn, Misfit> {
    let problem = |text: String| bad(name, format!("turn {number} {text}"));
    let Value::Object(object) = value else {
        return Err(problem(format!("is {}, not an object", kind_of(value))));
    };
    let mut other = object.clone();
    // A column of structs has every key in every turn; what is null is absent.
    other.retain(|_, value| !value.is_null());
    let role = ["role", "from"].iter().find_map(|key| other.remove(*key));
    let content = ["content", "value"].iter().find_map(|key| other.remove(*key));
    let role = match &role {
        Some(Value::String(role)) => Role::parse(role)
            .ok_or_else(|| problem(format!("has the role `{role}`, which is not known")))?,
        _ => return Err(problem("has no `role` or `from`".to_owned())),
    };
    let content = match content {
        Some(Value::String(content)) => content,
        Some(Value::Array(parts)) => {
            parts_text(&parts).ok_or_else(|| problem("has parts that are not text".to_owned()))?
        }
        None if other.contains_key("tool_calls") => String::new(),
        _ => return Err(problem("has no text in `content` or `value`".to_owned())),
    };
    let flag = ["train", "weight"].iter().find_map(|key| other.remove(*key));
    let learned = match flag {
        Some(Value::Bool(flag)) => flag,
        Some(value) => value.as_f64().is_none_or(|weight| weight > 0.0),
        None => true,
    };
    Ok(Turn { role, content, learned, other })
}

/// Joins content that is given as a list of `{"type": "text", "text": ..}`.
fn parts_text(parts: &[Value]) -> Option<String> {
    parts
        .iter()
        .map(|part| part.get("text")?.as_str())
        .collect::<Option<Vec<_>>>()
        .map(|t| t.concat())
}

fn of_turns(turns: Vec<Turn>) -> Content {
    let learned = turns.iter().filter(|turn| turn.is_learned());
    let text = learned.map(|turn| turn.content.as_str()).collect::<Vec<_>>().join("\n");
    Content { prompt: None, text, turns }
}

/// Makes a prompt of the parts that are not empty, and an answer.
fn exchange(system: Option<String>, parts: &[Option<String>], answer: String) -> Content {
    let parts: Vec<&str> =
        parts.iter().flatten().map(String::as_str).filter(|part| !part.trim().is_empty()).collect();
    let prompt = parts.join("\n\n");
    let Some(system) = system.filter(|text| !text.trim().is_empty()) else {
        return Content { prompt: Some(prompt), text: answer, turns: Vec::new() };
    };
    let turns = vec![
        Turn::new(Role::System, system),
        Turn::new(Role::User, prompt),
        Turn::new(Role::Assistant, answer),
    ];
    of_turns(turns)
}

/// Puts Alpaca's `history`, a list of `[question, answer]`, before the question; its answers are
/// context and not learned.
fn add_history(fields: &Map<String, Value>, content: &mut Content) -> Result<(), Misfit> {
    let Some(Value::Array(pairs)) = fields.get("history") else { return Ok(()) };
    let mut turns = Vec::new();
    for pair in pairs {
        match pair.as_array().map(Vec::as_slice) {
            Some([Value::String(question), Value::String(answer)]) => {
                turns.push(Turn::new(Role::User, question.as_str()));
                let answer = Turn::new(Role::Assistant, answer.as_str());
                turns.push(Turn { learned: false, ..answer });
            }
            _ => return Err(bad("history", "is not a list of question and answer".to_owned())),
        }
    }
    if turns.is_empty() {
        return Ok(());
    }
    if content.turns.is_empty() {
        let prompt = content.prompt.take().unwrap_or_default();
        turns.push(Turn::new(Role::User, prompt));
        turns.push(Turn::new(Role::Assistant, content.text.as_str()));
    } else {
        let system = usize::from(content.turns[0].role == Role::System);
        let rest = content.turns.split_off(system);
        turns.splice(0..0, content.turns.drain(..));
        turns.extend(rest);
    }
    content.turns = turns;
    Ok(())
}

/// Takes the text out of a JSON object with one text, such as `{"code": "fn a() {}"}`.
fn inner(text: &str) -> String {
    match serde_json::from_str::<Value>(text) {
        Ok(Value::Object(fields)) => match fields.values().collect::<Vec<_>>()[..] {
            [Value::String(only)] => only.clone(),
            _ => text.to_owned(),
        },
        Ok(Value::String(text)) => text,
        _ => text.to_owned(),
    }
}
