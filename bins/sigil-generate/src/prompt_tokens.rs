//! From prompts to tokens, and from tokens to text: the one place that a chat template goes through.
//!
//! A prompt is given to the model as plain text, with BOS once where the model's texts begin with
//! it. Special tokens that a prompt spells out are ordinary text.

use sigil_data::Tokenizer;

use crate::{conversation::Turn, exit::Failure};

/// The tokens after which the model answers a prompt.
pub(crate) fn of_prompt(tokenizer: &Tokenizer, prompt: &str) -> Result<Vec<u32>, Failure> {
    let mut tokens: Vec<u32> =
        tokenizer.bos_id().filter(|_| tokenizer.adds_bos()).into_iter().collect();
    tokens.extend(tokenizer.encode(prompt)?);
    if tokens.is_empty() {
        // A text has to begin with something: models that know no BOS see end-of-text between texts.
        tokens.extend(tokenizer.eos_id());
    }
    Ok(tokens)
}

/// The tokens after which the model goes on with a conversation.
pub(crate) fn of_turns(tokenizer: &Tokenizer, turns: &[Turn]) -> Result<Vec<u32>, Failure> {
    let text: Vec<&str> = turns.iter().map(|turn| turn.content.as_str()).collect();
    of_prompt(tokenizer, &text.join("\n"))
}

/// The text of a sample.
pub(crate) fn text_of(tokenizer: &Tokenizer, tokens: &[u32]) -> String {
    // Ids come from the model and may be beyond the vocabulary, where there is nothing to show.
    tokenizer.decode(tokens, true).unwrap_or_default()
}

/// The tokens that end a text of this model: its own, and those asked for.
pub(crate) fn stop_tokens(
    tokenizer: &Tokenizer,
    of_model: &[u32],
    wanted: &[String],
) -> Result<Vec<u32>, Failure> {
    let mut tokens: Vec<u32> =
        tokenizer.eos_id().into_iter().chain(of_model.iter().copied()).collect();
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
