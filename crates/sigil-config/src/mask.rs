//! Keeps secrets out of quoted lines and messages.
//!
//! A line is quoted to show where a mistake is, and the mistake may be in the line that holds a
//! token, even under a misspelt key. Masking too much is harmless here, too little is not.
//! Read next: `excerpt.rs`, which quotes lines.

/// Words in a key whose value is never shown.
const SECRET_WORDS: [&str; 5] = ["token", "tokn", "secret", "password", "api_key"];

/// Returns whether a key's value must not be shown.
pub(crate) fn is_secret(key: &str) -> bool {
    let key = key.to_ascii_lowercase();
    // `hub` holds the only secret there is; any unknown key of it may be that secret misspelt.
    SECRET_WORDS.iter().any(|word| key.contains(word))
}

/// Replaces what may be secret in a line by as many asterisks, so that columns stay.
pub(crate) fn line(text: &str) -> String {
    let characters: Vec<char> = text.chars().collect();
    let mut shown = characters.clone();
    let separator = characters.iter().position(|c| matches!(c, '=' | ':'));
    if is_secret(text) {
        for c in shown.iter_mut().skip(separator.map_or(0, |at| at + 1)) {
            if !c.is_whitespace() {
                *c = '*';
            }
        }
    }
    hide_hub_tokens(&characters, &mut shown);
    shown.into_iter().collect()
}

/// Makes a message safe to print: no Hub token, no control character but line ends.
pub(crate) fn message(text: &str) -> String {
    let characters: Vec<char> = text.chars().collect();
    let mut shown = characters.clone();
    hide_hub_tokens(&characters, &mut shown);
    shown.into_iter().map(|c| if c.is_control() && c != '\n' { ' ' } else { c }).collect()
}

/// Hides Hub tokens anywhere: `hf_` and what follows it.
fn hide_hub_tokens(characters: &[char], shown: &mut [char]) {
    let mut at = 0;
    while at + 3 < characters.len() {
        if characters[at..at + 3] == ['h', 'f', '_'] {
            at += 3;
            let mut end = at;
            while end < characters.len() && characters[end].is_ascii_alphanumeric() {
                end += 1;
            }
            if end - at >= 6 {
                shown[at..end].fill('*');
            }
            at = end;
        } else {
            at += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_of_secret_keys_are_hidden() {
        assert_eq!(line("token = \"abc def\""), "token = **** ****");
        assert_eq!(line("  tokn: abc"), "  tokn: ***");
        assert_eq!(line("learning_rate = 1"), "learning_rate = 1");
    }

    #[test]
    fn hub_tokens_are_hidden_anywhere() {
        assert_eq!(line("name = hf_abcdefgh # x"), "name = hf_******** # x");
        assert_eq!(line("model = \"hf_x\""), "model = \"hf_x\"");
        assert_eq!(line("hf_"), "hf_");
    }
}
