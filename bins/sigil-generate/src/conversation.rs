//! A conversation as data: turns, what undo and retry take away, and the row that training reads.

use serde_json::json;
use sigil_data::chat::{Role, Turn};

/// Turns of a person and the model, one after the other.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Conversation {
    turns: Vec<Turn>,
}

impl Conversation {
    /// All turns, oldest first.
    pub(crate) fn turns(&self) -> &[Turn] {
        &self.turns
    }

    /// Adds what the person says.
    pub(crate) fn ask(&mut self, content: String) {
        self.turns.push(Turn::new(Role::User, content));
    }

    /// Adds what the model says.
    pub(crate) fn answer(&mut self, content: String) {
        self.turns.push(Turn::new(Role::Assistant, content));
    }

    /// Takes back the last question with its answer; false if there is none.
    pub(crate) fn undo(&mut self) -> bool {
        let asked = self.turns.iter().rposition(|turn| turn.role == Role::User);
        asked.map(|at| self.turns.truncate(at)).is_some()
    }

    /// Takes back the last answer, to be given again; false if there is none.
    pub(crate) fn take_back_answer(&mut self) -> bool {
        let answered = self.turns.last().is_some_and(|turn| turn.role == Role::Assistant);
        answered && self.turns.pop().is_some()
    }

    /// The line of a training file: `{"messages": [..]}`, as sigil-train and others read chats.
    pub(crate) fn training_row(&self) -> String {
        let messages: Vec<_> = self
            .turns
            .iter()
            .map(|turn| json!({ "role": turn.role.name(), "content": turn.content }))
            .collect();
        format!("{}\n", json!({ "messages": messages }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn turns_are_taken_back_in_pairs() {
        let mut talk = Conversation::default();
        assert!(!talk.undo() && !talk.take_back_answer());
        talk.ask("a".to_owned());
        talk.answer("b".to_owned());
        talk.ask("c".to_owned());
        talk.answer("d".to_owned());
        assert!(talk.take_back_answer());
        assert!(!talk.take_back_answer(), "the question stays");
        assert!(talk.undo());
        assert_eq!(talk.turns().len(), 2);
        assert_eq!(
            talk.training_row(),
            "{\"messages\":[{\"content\":\"a\",\"role\":\"user\"},{\"content\":\"b\",\"role\":\"assistant\"}]}\n"
        );
    }
}
