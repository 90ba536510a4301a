//! One turn of a conversation.
//!
//! Is: role, text and whatever else the data says about the turn. Is not: a whole row (`rows.rs`).
//! Next: `template.rs`.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// Names who speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Instructions before the conversation.
    System,
    /// The person.
    User,
    /// The model: the only turns that are learned.
    Assistant,
    /// The answer of a tool.
    Tool,
}

impl Role {
    /// Reads the names that datasets use: those of OpenAI and of ShareGPT.
    pub fn parse(name: &str) -> Option<Self> {
        Some(match name {
            "system" | "developer" => Self::System,
            "user" | "human" | "prompter" => Self::User,
            "assistant" | "gpt" | "model" | "bot" | "chatgpt" => Self::Assistant,
            "tool" | "function" | "observation" | "ipython" => Self::Tool,
            _ => return None,
        })
    }

    /// Returns the name that templates know.
    pub fn name(self) -> &'static str {
        match self {
            Self::System => "system",
            Self::User => "user",
            Self::Assistant => "assistant",
            Self::Tool => "tool",
        }
    }
}

/// Holds one turn.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Turn {
    /// Who speaks.
    pub role: Role,
    /// What is said.
    pub content: String,
    /// Whether an assistant's turn is learned; others never are.
    #[serde(default = "yes")]
    pub learned: bool,
    /// Further fields for the template, such as `name` or `tool_calls`.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub other: Map<String, Value>,
}

fn yes() -> bool {
    true
}

impl Turn {
    /// Returns a turn without further fields.
    pub fn new(role: Role, content: impl Into<String>) -> Self {
        Self { role, content: content.into(), learned: true, other: Map::new() }
    }

    /// Says whether the turn's text is learned.
    pub fn is_learned(&self) -> bool {
        self.role == Role::Assistant && self.learned
    }

    /// Returns the turn as templates see it.
    pub(super) fn message(&self) -> Value {
        let mut message = self.other.clone();
        message.insert("role".to_owned(), Value::from(self.role.name()));
        message.insert("content".to_owned(), Value::from(self.content.as_str()));
        Value::Object(message)
    }
}
