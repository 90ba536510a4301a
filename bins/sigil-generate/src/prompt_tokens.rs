//! From prompts to tokens, and from tokens to text: the one place that a chat template goes through.
//!
//! A text is given to the model as it is, with BOS once where the model's texts begin with it; special
//! tokens that it spells out are ordinary text. A conversation goes through the model's own template,
//! encoded as training encodes it (`sigil_data::RowEncoder`).

use sigil_data::chat::{Role, Turn};
use sigil_data::{DocumentError, DocumentSettings, RowEncoder, Tokenizer};

use crate::{cli::ChatTemplateUse, exit::Failure, prompts::Prompt};

/// How conversations become tokens.
pub(crate) struct PromptSettings {
    documents: DocumentSettings,
    chat: ChatTemplateUse,
}

impl PromptSettings {
    /// Prepares prompts for a model with that many positions.
    pub(crate) fn new(tokenizer: &Tokenizer, positions: usize, chat: ChatTemplateUse) -> Self {
        let mut documents = DocumentSettings::new(positions.max(2));
        documents.append_eos = tokenizer.eos_id().is_some();
        Self { documents, chat }
    }

    /// The encoder of conversations, where the model has a template and it is wanted.
    ///
    /// # Errors
    /// A template that cannot be used.
    pub(crate) fn talk<'a>(
        &'a self,
        tokenizer: &'a Tokenizer,
    ) -> Result<Option<RowEncoder<'a>>, Failure> {
        if self.chat == ChatTemplateUse::Never || tokenizer.chat_template().is_none() {
            return Ok(None);
        }
        Ok(Some(RowEncoder::new(tokenizer, &self.documents)?))
    }

    /// The tokens after which the model answers each prompt, and the one that ends the answers of a
    /// template.
    ///
    /// # Errors
    /// A conversation where no template is there or wanted.
    pub(crate) fn of_prompts(
        &self,
        tokenizer: &Tokenizer,
        prompts: &[Prompt],
    ) -> Result<(Vec<Vec<u32>>, Option<u32>), Failure> {
        let always = self.chat == ChatTemplateUse::Always;
        let asks = |prompt: &Prompt| always || !prompt.turns.is_empty();
        let encoder = match prompts.iter().find(|prompt| asks(prompt)) {
            None => None,
            Some(first) => Some(self.talk(tokenizer)?.ok_or_else(|| {
                let wanted = match self.chat {
                    ChatTemplateUse::Never => "`--chat-template never` is given",
                    _ => "the model has no chat template",
                };
                let message = format!("prompt `{}` is a conversation, but {wanted}", first.id);
                Failure::new(4, message).hint("a plain `prompt` needs no template")
            })?),
        };
        let tokens = prompts.iter().map(|prompt| match &encoder {
            Some(encoder) if !prompt.turns.is_empty() => Ok(encoder.question(&prompt.turns)?),
            Some(encoder) if always => {
                Ok(encoder.question(&[Turn::new(Role::User, prompt.text.as_str())])?)
            }
            _ => of_text(tokenizer, &prompt.text),
        });
        let tokens = tokens.collect::<Result<_, Failure>>()?;
        let stop = encoder.map(|encoder| encoder.stop_token()).transpose()?;
        Ok((tokens, stop))
    }
}

impl From<DocumentError> for Failure {
    fn from(error: DocumentError) -> Self {
        Self::new(5, &error).maybe_hint(error.hint())
    }
}

/// The tokens after which the model goes on with a text.
pub(crate) fn of_text(tokenizer: &Tokenizer, text: &str) -> Result<Vec<u32>, Failure> {
    let mut tokens: Vec<u32> =
        tokenizer.bos_id().filter(|_| tokenizer.adds_bos()).into_iter().collect();
    tokens.extend(tokenizer.encode(text)?);
    if tokens.is_empty() {
        // A text has to begin with something: models that know no BOS see end-of-text between texts.
        tokens.extend(tokenizer.eos_id());
    }
    Ok(tokens)
}

/// The text of a sample.
pub(crate) fn text_of(tokenizer: &Tokenizer, tokens: &[u32]) -> String {
    // Ids come from the model and may be beyond the vocabulary, where there is nothing to show.
    tokenizer.decode(tokens, true).unwrap_or_default()
}

/// The tokens that end a text of this model: its own, that of its template, and those asked for.
pub(crate) fn stop_tokens(
    tokenizer: &Tokenizer,
    of_model: &[u32],
    of_template: Option<u32>,
    wanted: &[String],
) -> Result<Vec<u32>, Failure> {
    let known = tokenizer.eos_id().into_iter().chain(of_model.iter().copied()).chain(of_template);
    let mut tokens: Vec<u32> = known.collect();
    for name in wanted {
        let token = tokenizer.token_to_id(name).ok_or_else(|| {
            Failure::new(3, format!("`--stop-token {name}`: the model has no such token"))
                .hint("use --stop for a text of several tokens")
        })?;
        tokens.push(token);
    }
    tokens.sort_unstable();
    tokens.dedup();
    Ok(tokens)
}
