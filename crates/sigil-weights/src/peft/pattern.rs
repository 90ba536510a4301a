//! Regular expressions as PEFT uses them: Python's `re`, anchored.
//!
//! The engine backtracks, since Python's syntax has look-around and people use it to exclude
//! layers; its step limit turns a runaway expression into an error.

use fancy_regex::Regex;

use super::PeftError;

/// A compiled expression that remembers where it came from.
pub(super) struct Pattern {
    key: &'static str,
    written: String,
    regex: Regex,
}

impl Pattern {
    /// `re.fullmatch(written, name)`.
    pub(super) fn whole(key: &'static str, written: &str) -> Result<Self, PeftError> {
        Self::compile(key, written, &format!(r"\A(?:{written})\z"))
    }

    /// `re.match(rf"(.*\.)?({written})$", name)`.
    pub(super) fn last_parts(key: &'static str, written: &str) -> Result<Self, PeftError> {
        Self::compile(key, written, &format!(r"\A(?:.*\.)?(?:{written})\z"))
    }

    /// The layer's number after a list called `written`, or after any list if none is given.
    pub(super) fn layer_number(written: Option<&str>) -> Result<Self, PeftError> {
        let text = match written {
            None => r"\A.*?\.[^.]*\.(?P<layer>\d+)\.".to_owned(),
            Some(list) => format!(r"\A(?:.*?\.)?(?:{list})\.(?P<layer>\d+)\."),
        };
        Self::compile("layers_pattern", written.unwrap_or_default(), &text)
    }

    fn compile(key: &'static str, written: &str, text: &str) -> Result<Self, PeftError> {
        // Checked by itself first, so that an unbalanced parenthesis cannot pair with ours.
        for text in [written, text] {
            if let Err(error) = Regex::new(text) {
                let (pattern, what) = (written.to_owned(), error.to_string());
                return Err(PeftError::Pattern { key, pattern, what });
            }
        }
        let regex = Regex::new(text).expect("it was just compiled");
        Ok(Self { key, written: written.to_owned(), regex })
    }

    pub(super) fn matches(&self, name: &str) -> Result<bool, PeftError> {
        self.regex.is_match(name).map_err(|error| self.failed(&error))
    }

    /// The captured layer number, if the expression matches and the number is one.
    pub(super) fn layer(&self, name: &str) -> Result<Option<usize>, PeftError> {
        let found = self.regex.captures(name).map_err(|error| self.failed(&error))?;
        let layer = found.as_ref().and_then(|captures| captures.name("layer"));
        Ok(layer.and_then(|layer| layer.as_str().parse().ok()))
    }

    fn failed(&self, error: &fancy_regex::Error) -> PeftError {
        let (pattern, what) = (self.written.clone(), error.to_string());
        PeftError::Pattern { key: self.key, pattern, what }
    }
}
