//! A model's chat template.
//!
//! Is: compiled once, rendered with a budget of steps, with the environment that transformers gives
//! its templates (`trim_blocks`, `lstrip_blocks`, `raise_exception`, Python's string methods).
//! A template comes from a model folder, so it is alleged to be harmless: it reaches no file and no
//! clock, and cannot run for ever. Is not: encoding. Next: `spans.rs`.

use std::fmt;

use minijinja::syntax::SyntaxConfig;
use minijinja::value::{Serde, Value as Jinja};
use minijinja::{Environment, ErrorKind, context};
use serde_json::Value;

use super::{ChatError, Turn, functions};

/// Steps of the template engine for one conversation.
const FUEL: u64 = 5_000_000;
/// Largest template.
const MAX_BYTES: usize = 1 << 20;
const NAME: &str = "chat";

/// Renders conversations.
pub struct ChatTemplate {
    environment: Environment<'static>,
    bos: Option<String>,
    eos: Option<String>,
}

impl fmt::Debug for ChatTemplate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ChatTemplate")
            .field("bos", &self.bos)
            .field("eos", &self.eos)
            .finish_non_exhaustive()
    }
}

impl ChatTemplate {
    /// Compiles a template; `bos` and `eos` are what it knows as `bos_token` and `eos_token`.
    ///
    /// # Errors
    /// A template that is not valid Jinja.
    pub fn new(source: &str, bos: Option<&str>, eos: Option<&str>) -> Result<Self, ChatError> {
        let syntax = |reason: String| ChatError::Syntax { reason };
        if source.len() > MAX_BYTES {
            return Err(syntax(format!("it has more than {MAX_BYTES} bytes")));
        }
        let mut environment = Environment::new();
        let white_space = SyntaxConfig::builder()
            .trim_blocks(true)
            .lstrip_blocks(true)
            .build()
            .map_err(|error| syntax(told(&error)))?;
        environment.set_syntax(white_space);
        environment.set_fuel(Some(FUEL));
        functions::register(&mut environment);
        environment
            .add_template_owned(NAME, without_generation_tags(source))
            .map_err(|error| syntax(told(&error)))?;
        let owned = |text: Option<&str>| text.map(str::to_owned);
        Ok(Self { environment, bos: owned(bos), eos: owned(eos) })
    }

    /// Renders a conversation; with `add_generation_prompt`, up to where the model goes on.
    ///
    /// # Errors
    /// A conversation that the template refuses, or a template that does not end.
    pub fn render(&self, turns: &[Turn], add_generation_prompt: bool) -> Result<String, ChatError> {
        let messages: Vec<Value> = turns.iter().map(Turn::message).collect();
        let template = self.environment.get_template(NAME).expect("it was added by `new`");
        // What the model does not have is undefined, as it is in Python; `None` would be printed.
        let known = |token: &Option<String>| token.as_deref().map_or(Jinja::UNDEFINED, Jinja::from);
        let none = || Jinja::from(());
        let values = context! {
            messages => Jinja::from(Serde(&messages)),
            tools => none(),
            documents => none(),
            add_generation_prompt => add_generation_prompt,
            bos_token => known(&self.bos),
            eos_token => known(&self.eos),
        };
        template.render(values).map_err(|error| match error.kind() {
            ErrorKind::OutOfFuel => ChatError::TooLong { fuel: FUEL },
            _ => ChatError::Refused { reason: told(&error) },
        })
    }
}

/// Replaces the tags `{% generation %}` and `{% endgeneration %}` by ones that change nothing:
/// which turns are learned is found without them.
fn without_generation_tags(source: &str) -> String {
    let mut text = String::with_capacity(source.len());
    let mut rest = source;
    while let Some(start) = rest.find("{%") {
        let (before, tag) = rest.split_at(start);
        text.push_str(before);
        let Some(end) = tag.find("%}") else {
            rest = tag;
            break;
        };
        let (tag, after) = tag.split_at(end + 2);
        match tag.trim_matches(['{', '}', '%', '-', '+']).trim() {
            "generation" => text.push_str(&tag.replace("generation", "if true")),
            "endgeneration" => text.push_str(&tag.replace("endgeneration", "endif")),
            _ => text.push_str(tag),
        }
        rest = after;
    }
    text.push_str(rest);
    text
}

fn told(error: &minijinja::Error) -> String {
    let place = error.line().map(|line| format!(" (line {line})")).unwrap_or_default();
    match error.detail() {
        Some(detail) => format!("{detail}{place}"),
        None => format!("{}{place}", error.kind()),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::Role;
    use super::*;

    fn turns() -> Vec<Turn> {
        vec![Turn::new(Role::User, " hi "), Turn::new(Role::Assistant, "fn main() {}")]
    }

    fn render(source: &str) -> Result<String, ChatError> {
        ChatTemplate::new(source, Some("<s>"), None)?.render(&turns(), true)
    }

    #[test]
    fn python_methods_and_marks_of_assistant_turns_are_known() {
        let source = "{{ bos_token }}{% for m in messages %}{%- generation -%}\n\
                      {{ m.content.strip() }}{% endgeneration %}|{% endfor %}\
                      {% if tools is not none %}tools{% endif %}{{ eos_token }}";
        assert_eq!(render(source).expect("renders"), "<s>hi|fn main() {}|");
    }

    #[test]
    fn bad_templates_are_sentences() {
        assert!(matches!(render("{% for %}"), Err(ChatError::Syntax { .. })));
        let refused = render("{{ raise_exception('no system role') }}").expect_err("raises");
        assert!(refused.to_string().contains("no system role"), "{refused}");
        let endless = "{% for a in range(99999) %}{% for b in range(99999) %}{{ b }}{% endfor %}\
                       {% endfor %}";
        assert_eq!(render(endless), Err(ChatError::TooLong { fuel: FUEL }));
        assert!(ChatTemplate::new(&"x".repeat(MAX_BYTES + 1), None, None).is_err());
    }

    proptest! {
        #[test]
        fn foreign_templates_never_panic(source in "([{][{%]|[%}][}]|[a-z_. |'\"]{1,8}|for|if){0,12}") {
            drop(render(&source));
        }
    }
}
