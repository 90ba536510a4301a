//! Which stretches of a rendered conversation are turns, and which of them are learned.
//!
//! Is: the conversation rendered a second time with marks in place of the turns' texts; the text
//! around the marks is the template's. That it adds up to the first rendering is checked, so a
//! template that rewrites its turns is an error and never a wrong mask. Is not: a list of known
//! templates. Next: `documents/encode.rs`.

use super::{ChatError, ChatTemplate, Role, Turn};

/// Holds a rendered conversation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rendered {
    /// The parts; end to end they are the rendered text.
    pub parts: Vec<Part>,
}

/// One stretch of a rendered conversation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Part {
    /// Written by the template: special tokens in it are special.
    Template(String),
    /// A turn's text: special tokens in it are ordinary text.
    Content {
        /// The text.
        text: String,
        /// Whether it is learned.
        learned: bool,
    },
}

impl Part {
    /// Returns the text.
    pub fn text(&self) -> &str {
        match self {
            Self::Template(text) | Self::Content { text, .. } => text,
        }
    }
}

impl Rendered {
    /// Returns the whole text.
    pub fn text(&self) -> String {
        self.parts.iter().map(Part::text).collect()
    }
}

/// Marks around the number of a turn; private-use characters that code does not have.
const OPEN: char = '\u{F8D1}';
const CLOSE: char = '\u{F8D2}';

impl ChatTemplate {
    /// Renders a conversation and finds its turns in the text.
    ///
    /// # Errors
    /// Those of [`ChatTemplate::render`], and a template that rewrites its turns.
    pub fn render_parts(
        &self,
        turns: &[Turn],
        add_generation_prompt: bool,
    ) -> Result<Rendered, ChatError> {
        let text = self.render(turns, add_generation_prompt)?;
        let marked: Vec<Turn> = turns
            .iter()
            .enumerate()
            .map(|(index, turn)| match turn.content.trim() {
                // An empty turn is one that a template may leave out.
                "" => turn.clone(),
                _ => Turn { content: format!("{OPEN}{index}{CLOSE}"), ..turn.clone() },
            })
            .collect();
        let marked = self.render(&marked, add_generation_prompt)?;
        parts(&text, &marked, turns).ok_or(ChatError::Rewritten)
    }

    /// Checks with a short conversation that the template can be learned from, and returns the
    /// text that a model goes on from after one user turn.
    ///
    /// # Errors
    /// A template that fails on one question and its answer.
    pub fn check(&self) -> Result<String, ChatError> {
        let turns =
            [Turn::new(Role::User, "fn add"), Turn::new(Role::Assistant, "fn add() -> u8 { 1 }")];
        let rendered = self.render_parts(&turns, false)?;
        let learned = |part: &Part| matches!(part, Part::Content { learned: true, .. });
        if !rendered.parts.iter().any(learned) {
            return Err(ChatError::Rewritten);
        }
        self.render(&turns[..1], true)
    }
}

/// Splits `text` at the marks of `marked`. A template may trim a turn's text on either side.
fn parts(text: &str, marked: &str, turns: &[Turn]) -> Option<Rendered> {
    let mut parts = Vec::new();
    let (mut text, mut marked) = (text, marked);
    loop {
        let Some((before, after)) = marked.split_once(OPEN) else {
            if text != marked {
                return None;
            }
            push_template(&mut parts, text);
            return Some(Rendered { parts });
        };
        let (number, after) = after.split_once(CLOSE)?;
        let turn = turns.get(number.parse::<usize>().ok()?)?;
        let rest = text.strip_prefix(before)?;
        push_template(&mut parts, before);
        // What follows the turn, up to the next mark, decides how much of it was trimmed.
        let next = after.split(OPEN).next().unwrap_or_default();
        let whole = turn.content.as_str();
        let forms = [whole, whole.trim_end(), whole.trim_start(), whole.trim()];
        let content = forms.into_iter().find(|form| {
            rest.strip_prefix(*form).is_some_and(|rest| match after.contains(OPEN) {
                true => rest.starts_with(next),
                false => rest == next,
            })
        })?;
        parts.push(Part::Content { text: content.to_owned(), learned: turn.is_learned() });
        text = &rest[content.len()..];
        marked = after;
    }
}

fn push_template(parts: &mut Vec<Part>, text: &str) {
    if !text.is_empty() {
        parts.push(Part::Template(text.to_owned()));
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const CHATML: &str = "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content | trim }}\
                          <|im_end|>\n{% endfor %}";

    #[test]
    fn turns_are_found_and_only_the_assistants_are_learned() {
        let template = ChatTemplate::new(CHATML, None, None).expect("valid");
        let turns = [
            Turn::new(Role::User, " add "),
            Turn::new(Role::Assistant, "a\n"),
            Turn { learned: false, ..Turn::new(Role::Assistant, "b") },
        ];
        let rendered = template.render_parts(&turns, false).expect("the turns are there");
        assert_eq!(rendered.text(), template.render(&turns, false).expect("renders"));
        let contents: Vec<(&str, bool)> = rendered
            .parts
            .iter()
            .filter_map(|part| match part {
                Part::Content { text, learned } => Some((text.as_str(), *learned)),
                Part::Template(_) => None,
            })
            .collect();
        assert_eq!(contents, [("add", false), ("a", true), ("b", false)]);
    }

    #[test]
    fn rewritten_turns_are_an_error() {
        let source = "{% for m in messages %}{{ m.content | upper }}{% endfor %}";
        let template = ChatTemplate::new(source, None, None).expect("valid");
        assert_eq!(template.check(), Err(ChatError::Rewritten));
        let silent = ChatTemplate::new("nothing", None, None).expect("valid");
        assert_eq!(silent.check(), Err(ChatError::Rewritten));
    }

    proptest! {
        #[test]
        fn the_parts_are_the_text(contents in prop::collection::vec("[ a-c<|>\\n]{0,8}", 1..6)) {
            let template = ChatTemplate::new(CHATML, None, None).expect("valid");
            let role = |index: usize| if index.is_multiple_of(2) { Role::User } else { Role::Assistant };
            let turns: Vec<Turn> = contents
                .iter()
                .enumerate()
                .map(|(index, content)| Turn::new(role(index), content.as_str()))
                .collect();
            let rendered = template.render_parts(&turns, false).expect("the turns are there");
            prop_assert_eq!(rendered.text(), template.render(&turns, false).expect("renders"));
        }
    }
}
