//! When a sample ends.
//!
//! Stop texts are looked for in the text, not among the tokens: a text can be cut into tokens in
//! many ways. Only the end of the sample is decoded for that, as far as a new token can matter.

/// What ends a sample besides its length.
#[derive(Clone, Copy, Default)]
pub struct Stop<'a> {
    /// Tokens that end the text, such as end-of-text and end-of-turn.
    pub tokens: &'a [u32],
    /// Texts that end it; an empty one is ignored.
    pub texts: &'a [String],
    /// From tokens to text; needed for `texts`.
    pub decode: Option<&'a (dyn Fn(&[u32]) -> String + Sync)>,
}

/// Why a sample ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FinishReason {
    /// The model ended it: a stop token, which is not among the sample's tokens.
    StopToken,
    /// A stop text appeared; the last tokens hold it.
    StopText,
    /// It has as many tokens as it may have.
    MaxTokens,
    /// The context is full.
    ContextFull,
}

impl FinishReason {
    /// The name in files.
    pub fn name(self) -> &'static str {
        match self {
            Self::StopToken => "stop",
            Self::StopText => "stop_text",
            Self::MaxTokens => "length",
            Self::ContextFull => "context",
        }
    }
}

impl Stop<'_> {
    /// Whether the newest of `tokens` completed a stop text.
    pub(super) fn is_met_by(&self, tokens: &[u32]) -> bool {
        let Some(decode) = self.decode else { return false };
        let Some(longest) = self.texts.iter().map(String::len).max().filter(|&bytes| bytes > 0)
        else {
            return false;
        };
        // A token has at least a byte, but a few may share a character.
        let window = &tokens[tokens.len().saturating_sub(longest + 8)..];
        self.first_in(&decode(window)).is_some()
    }

    /// The text before the first stop text.
    pub fn cut<'t>(&self, text: &'t str) -> &'t str {
        self.first_in(text).map_or(text, |at| &text[..at])
    }

    fn first_in(&self, text: &str) -> Option<usize> {
        self.texts.iter().filter(|stop| !stop.is_empty()).filter_map(|stop| text.find(stop)).min()
    }
}

impl std::fmt::Debug for Stop<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Stop")
            .field("tokens", &self.tokens)
            .field("texts", &self.texts)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_earliest_stop_text_cuts() {
        let texts = ["```".to_owned(), String::new(), "fn".to_owned()];
        let stop = Stop { texts: &texts, ..Stop::default() };
        assert_eq!(stop.cut("let a;\n```\nfn"), "let a;\n");
        assert_eq!(stop.cut("nothing"), "nothing");
    }

    #[test]
    fn a_stop_text_is_found_across_tokens_and_in_the_middle_of_one() {
        let decode = |tokens: &[u32]| -> String {
            tokens.iter().map(|&token| ["a`", "``b", "c"][token as usize]).collect()
        };
        let texts = ["```".to_owned()];
        let stop = Stop { texts: &texts, decode: Some(&decode), ..Stop::default() };
        assert!(!stop.is_met_by(&[2, 2, 0]));
        assert!(stop.is_met_by(&[2, 2, 0, 1]));
        let many = [vec![0, 1], vec![2; 40]].concat();
        assert!(!stop.is_met_by(&many), "long past ones were reported when they came");
    }
}
