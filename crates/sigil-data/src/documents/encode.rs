//! The tokens of a row, and which of them are given.
//!
//! Is: prompt and completion, conversations through the model's chat template, plain text with
//! optional filling in the middle; BOS once, EOS learned. What is learned is encoded apart from what
//! comes before it, so that generation starts from exactly the tokens of training. Is not: cutting
//! (`build.rs`). Next: `build.rs`, `fim.rs`.

use std::ops::Range;

use super::{ChatUse, DocumentError, DocumentSettings, fim};
use crate::chat::{ChatError, ChatTemplate, Part, Role, Turn};
use crate::ledger::Change;
use crate::rows::Row;
use crate::tokenizer::Tokenizer;

/// Holds the tokens of a row.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Encoded {
    /// Token ids.
    pub tokens: Vec<u32>,
    /// Stretches that are given and not learned, in order and apart.
    pub given: Vec<Range<usize>>,
    /// What was changed in the row.
    pub change: Option<Change>,
}

/// Encodes rows for one model.
#[derive(Debug)]
pub struct RowEncoder<'a> {
    tokenizer: &'a Tokenizer,
    settings: &'a DocumentSettings,
    template: Option<ChatTemplate>,
    fim: Option<fim::FimTokens>,
    bos: Option<u32>,
    eos: Option<u32>,
}

impl<'a> RowEncoder<'a> {
    /// Checks that the tokenizer has what the settings need: EOS, tokens for filling in the middle,
    /// and, if the model has a chat template, one that ends an assistant's turn with a special token.
    ///
    /// # Errors
    /// Whatever is missing.
    pub fn new(
        tokenizer: &'a Tokenizer,
        settings: &'a DocumentSettings,
    ) -> Result<Self, DocumentError> {
        settings.check()?;
        let eos = match (settings.append_eos, tokenizer.eos_id()) {
            (true, None) => return Err(DocumentError::NoEos),
            (true, eos) => eos,
            (false, _) => None,
        };
        let fim = match &settings.fim {
            Some(wanted) if wanted.rate > 0.0 => Some(fim::FimTokens::find(tokenizer)?),
            _ => None,
        };
        let template = tokenizer.chat().transpose()?;
        let bos = tokenizer.bos_id().filter(|_| tokenizer.adds_bos());
        let encoder = Self { tokenizer, settings, template, fim, bos, eos };
        if encoder.template.is_some() && settings.chat != ChatUse::Never {
            encoder.check_stop()?;
        }
        Ok(encoder)
    }

    /// Returns the token that ends an assistant's turn.
    ///
    /// # Errors
    /// No template, or one after whose turns no special token comes.
    pub fn stop_token(&self) -> Result<u32, DocumentError> {
        let template = self.template.as_ref().ok_or(ChatError::NoTemplate)?;
        let turns = [Turn::new(Role::User, "fn a"), Turn::new(Role::Assistant, "fn a() {}")];
        let parts = template.render_parts(&turns, false)?.parts;
        let found = match parts.iter().skip_while(|part| !is_learned(part)).nth(1) {
            Some(after) => self.tokenizer.first_special(after.text()).map(|(_, id)| id),
            // The template leaves the end of the last turn to the caller.
            None => self.eos,
        };
        found.ok_or(ChatError::NoStop.into())
    }

    fn check_stop(&self) -> Result<(), DocumentError> {
        if let Some(template) = &self.template {
            template.check()?;
        }
        let stop = self.stop_token()?;
        let turns = vec![Turn::new(Role::User, "fn a"), Turn::new(Role::Assistant, "fn a() {}")];
        let encoded = self.conversation(&turns, false)?;
        let learned = |index: &usize| !encoded.given.iter().any(|range| range.contains(index));
        let learned_stop =
            (0..encoded.tokens.len()).filter(learned).any(|index| encoded.tokens[index] == stop);
        if learned_stop { Ok(()) } else { Err(ChatError::NoStop.into()) }
    }

    /// Encodes a row.
    ///
    /// # Errors
    /// A row that cannot be encoded or rendered.
    pub fn encode(&self, row: &Row) -> Result<Encoded, DocumentError> {
        let located = |error| match error {
            DocumentError::Chat(source) => {
                DocumentError::Render { row: row.origin.to_string(), source }
            }
            DocumentError::Token(source) => {
                DocumentError::Encode { row: row.origin.to_string(), source }
            }
            other => other,
        };
        let encoded = if !row.turns.is_empty() {
            self.conversation(&row.turns, false)
        } else {
            match &row.prompt {
                Some(prompt) if self.settings.chat == ChatUse::Always => {
                    let turns = [
                        Turn::new(Role::User, prompt.as_str()),
                        Turn::new(Role::Assistant, row.text.as_str()),
                    ];
                    self.conversation(&turns, false)
                }
                Some(prompt) => self.completion(prompt, &row.text),
                None => self.plain(row),
            }
        };
        let mut encoded = encoded.map_err(located)?;
        if self.settings.train_on_prompt {
            encoded.given.clear();
        }
        Ok(encoded)
    }

    /// Encodes a conversation up to where the model goes on: the tokens that training gives it before
    /// a turn that it learns.
    ///
    /// # Errors
    /// No template, or one that refuses the conversation.
    pub fn question(&self, turns: &[Turn]) -> Result<Vec<u32>, DocumentError> {
        Ok(self.conversation(turns, true)?.tokens)
    }

    fn plain(&self, row: &Row) -> Result<Encoded, DocumentError> {
        let mut encoded = Encoded { tokens: self.bos.into_iter().collect(), ..Encoded::default() };
        let wanted = self.settings.fim.as_ref().zip(self.fim.as_ref());
        match wanted.and_then(|(settings, tokens)| settings.split(row).map(|s| (tokens, s))) {
            Some((tokens, split)) => {
                tokens.arrange(&split, self.tokenizer, &mut encoded.tokens)?;
                encoded.change = Some(Change::FillInMiddle);
            }
            None => encoded.tokens.extend(self.tokenizer.encode(&row.text)?),
        }
        encoded.tokens.extend(self.eos);
        Ok(encoded)
    }

    fn completion(&self, prompt: &str, text: &str) -> Result<Encoded, DocumentError> {
        let mut tokens: Vec<u32> = self.bos.into_iter().collect();
        let separator = &self.settings.prompt_separator;
        tokens.extend(self.tokenizer.encode(&format!("{prompt}{separator}"))?);
        let prompt_tokens = tokens.len();
        tokens.extend(self.tokenizer.encode_continuation(text)?);
        tokens.extend(self.eos);
        Ok(Encoded { tokens, given: std::iter::once(0..prompt_tokens).collect(), change: None })
    }

    /// Encodes a whole conversation, or a question: one that the model goes on from.
    fn conversation(&self, turns: &[Turn], question: bool) -> Result<Encoded, DocumentError> {
        let template = self.template.as_ref().ok_or(ChatError::NoTemplate)?;
        let parts = template.render_parts(turns, question)?.parts;
        let mut encoded = Encoded::default();
        // Parts up to the next learned turn, or from a learned turn to its stop token.
        let mut some: Vec<Part> = Vec::new();
        let mut learning = false;
        for part in parts {
            if is_learned(&part) {
                self.add(&mut encoded, &mut some, learning)?;
                learning = true;
            } else if let (true, Part::Template(text)) = (learning, &part)
                && let Some((end, _)) = self.tokenizer.first_special(text)
            {
                some.push(Part::Template(text[..end].to_owned()));
                self.add(&mut encoded, &mut some, true)?;
                learning = false;
                some.push(Part::Template(text[end..].to_owned()));
                continue;
            }
            some.push(part);
        }
        self.add(&mut encoded, &mut some, learning)?;
        if learning && !question {
            // The last turn is open: the template leaves its end to the caller.
            encoded.tokens.extend(self.eos);
        }
        Ok(encoded)
    }

    /// Encodes parts end to end; special tokens in a turn's own text stay ordinary text.
    fn add(
        &self,
        encoded: &mut Encoded,
        parts: &mut Vec<Part>,
        learned: bool,
    ) -> Result<(), DocumentError> {
        let start = encoded.tokens.len();
        let guarded = |part: &Part| matches!(part, Part::Content { text, .. } if self.tokenizer.first_special(text).is_some());
        let first = start == 0;
        if parts.iter().any(guarded) {
            for part in parts.iter() {
                match part {
                    Part::Template(text) => {
                        encoded.tokens.extend(self.tokenizer.encode_with_special(text, first)?);
                    }
                    Part::Content { text, .. } => {
                        encoded.tokens.extend(self.tokenizer.encode_continuation(text)?);
                    }
                }
            }
        } else {
            let text: String = parts.iter().map(Part::text).collect();
            encoded.tokens.extend(self.tokenizer.encode_with_special(&text, first)?);
        }
        let end = encoded.tokens.len();
        if !learned && end > start {
            encoded.given.push(start..end);
        }
        parts.clear();
        Ok(())
    }
}

fn is_learned(part: &Part) -> bool {
    matches!(part, Part::Content { learned: true, .. })
}
