//! `sigil-data preview`: rows as the model sees them.

use std::fmt::Write as _;
use std::io::{IsTerminal as _, Write as _, stdout};

use serde_json::json;
use sigil_data::recipe::document_settings;
use sigil_data::{RowEncoder, Tokenizer};
use sigil_places::no_color;

use crate::cli::Preview;
use crate::failure::Failure;
use crate::{places, rows};

const LEARNED: &str = "\x1b[32m";
const SPECIAL: &str = "\x1b[35m";
const PLAIN: &str = "\x1b[0m";

/// Shows the first rows: learned stretches between `⟦` and `⟧`, and green on a terminal.
pub(crate) fn run(arguments: &Preview) -> Result<(), Failure> {
    let settings = places::settings(&arguments.data)?;
    let tokenizer = Tokenizer::load(&arguments.tokenizer)?;
    let documents = document_settings(&settings);
    let encoder = RowEncoder::new(&tokenizer, &documents)?;
    let colour = stdout().is_terminal() && !no_color() && !arguments.json;
    let mut shown = 0;
    let mut out = stdout().lock();
    let ledger = rows::for_each(&settings, |row| {
        if shown == arguments.rows {
            return Ok(false);
        }
        shown += 1;
        let encoded = encoder.encode(row)?;
        let learned = |index: usize| !encoded.given.iter().any(|given| given.contains(&index));
        let count = (0..encoded.tokens.len()).filter(|&index| learned(index)).count();
        if arguments.json {
            let line = json!({
                "place": row.origin.to_string(),
                "tokens": encoded.tokens,
                "given": encoded.given.iter().map(|g| [g.start, g.end]).collect::<Vec<_>>(),
                "learned": count,
            });
            writeln!(out, "{line}")?;
            return Ok(true);
        }
        writeln!(
            out,
            "── {} ({} tokens, {count} learned, weight {})",
            visible(&row.origin.to_string()),
            encoded.tokens.len(),
            row.weight
        )?;
        let most = encoded.tokens.len().min(arguments.tokens);
        let text = marked(&tokenizer, &encoded.tokens[..most], &learned, colour)?;
        let more = encoded.tokens.len() - most;
        let more = if more > 0 { format!(" … {more} more tokens") } else { String::new() };
        writeln!(out, "{text}{more}\n")?;
        Ok(true)
    })?;
    ledger.notes().iter().for_each(|note| eprintln!("note: {note}"));
    Ok(())
}

/// Joins tokens; stretches of one kind are decoded together, so that no character is cut.
fn marked(
    tokenizer: &Tokenizer,
    tokens: &[u32],
    learned: &dyn Fn(usize) -> bool,
    colour: bool,
) -> Result<String, Failure> {
    let kind = |index: usize| (learned(index), tokenizer.is_special(tokens[index]));
    let mut text = String::new();
    let mut start = 0;
    let mut inside = false;
    while start < tokens.len() {
        let (is_learned, special) = kind(start);
        let same = (start..tokens.len()).take_while(|&index| kind(index) == (is_learned, special));
        let end = start + same.count();
        if is_learned != inside {
            text.push(if is_learned { '⟦' } else { '⟧' });
            inside = is_learned;
        }
        let decoded = visible(&tokenizer.decode(&tokens[start..end], false)?);
        match (colour, special, is_learned) {
            (true, true, _) => write!(text, "{SPECIAL}{decoded}{PLAIN}"),
            (true, false, true) => write!(text, "{LEARNED}{decoded}{PLAIN}"),
            _ => write!(text, "{decoded}"),
        }
        .map_err(|error| Failure::new(1, error, None))?;
        start = end;
    }
    if inside {
        text.push('⟧');
    }
    Ok(text)
}

/// Shows control characters instead of sending them to the terminal.
fn visible(text: &str) -> String {
    text.chars()
        .map(|c| match c {
            '\n' | '\t' => c,
            '\u{0}'..='\u{1f}' => char::from_u32(0x2400 + c as u32).unwrap_or('␦'),
            '\u{7f}'..='\u{9f}' => '␦',
            other => other,
        })
        .collect()
}
