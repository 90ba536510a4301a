//! `sigil-data batches`: what each step of a run trains on, from its start or from a position.

use std::io::{Write as _, stdout};
use std::path::Path;
use std::sync::Arc;

use serde_json::{Value, json};
use sigil_data::recipe::{batch_plan, document_settings, prepare_rows};
use sigil_data::{Batch, BatchStream, Cursor, Digest, Tokenizer};

use crate::cli::Batches;
use crate::failure::Failure;
use crate::{places, progress};

/// Prints a line for each step as soon as it is there.
pub(crate) fn run(arguments: &Batches) -> Result<(), Failure> {
    let settings = places::settings(&arguments.data)?;
    let from = arguments.from.as_deref().map(position).transpose()?;
    let tokenizer = Arc::new(Tokenizer::load(&arguments.tokenizer)?);
    let data_places = places::data_places(&settings)?;
    let place = |path: &Path, bytes: &[u8]| {
        sigil_run::atomic_write(path, bytes).map_err(std::io::Error::other)
    };
    let rows = prepare_rows(&settings, &data_places, &place, &mut progress::downloads())?;
    let documents = document_settings(&settings);
    let mut stream =
        BatchStream::of_rows(rows.supply, tokenizer, documents, batch_plan(&settings))?;
    if let Some(cursor) = &from {
        stream.seek(cursor)?;
    }
    let mut out = stdout().lock();
    for number in 1..=arguments.steps {
        let step = stream.next_step()?;
        let line = match arguments.json {
            true => as_json(&step, number, &stream, arguments.rows).to_string(),
            false => as_text(&step, number, &stream, arguments.rows),
        };
        match writeln!(out, "{line}").and_then(|()| out.flush()) {
            // The reader of a pipe has seen enough.
            Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => break,
            outcome => outcome?,
        }
    }
    let mut ledger = rows.ledger;
    ledger.merge(&stream.ledger());
    ledger.notes().iter().for_each(|note| eprintln!("note: {note}"));
    Ok(())
}

/// Reads a position: one that `--json` wrote, or the state of a checkpoint set, which holds one.
fn position(path: &Path) -> Result<Cursor, Failure> {
    let shown = path.display();
    let text = std::fs::read_to_string(path)
        .map_err(|error| Failure::new(1, format!("cannot read `{shown}`: {error}"), None))?;
    let wrong = |error: serde_json::Error| {
        let hint = "a position is what `--json` writes as `position`, or trainer_state.json";
        Failure::new(2, format!("`{shown}` holds no position: {error}"), Some(hint))
    };
    let mut value: Value = serde_json::from_str(&text).map_err(wrong)?;
    for name in ["position", "cursor"] {
        if let Some(inner) = value.get_mut(name) {
            value = inner.take();
            break;
        }
    }
    serde_json::from_value(value).map_err(wrong)
}

fn digest(step: &[Batch]) -> Digest {
    let digests: Vec<Digest> = step.iter().map(Batch::digest).collect();
    Digest::of_fields(digests.iter().map(|digest| digest.as_bytes().as_slice()))
}

fn sum(step: &[Batch], count: impl Fn(&Batch) -> usize) -> usize {
    step.iter().map(count).sum()
}

fn places_of(step: &[Batch]) -> impl Iterator<Item = String> {
    step.iter().flat_map(|batch| &batch.rows).map(ToString::to_string)
}

fn as_json(step: &[Batch], number: u64, stream: &BatchStream, rows: bool) -> Value {
    let mut line = json!({
        "step": number,
        "micro_batches": step.len(),
        "documents": sum(step, Batch::document_count),
        "tokens": sum(step, Batch::token_count),
        "learned": sum(step, Batch::target_count),
        "digest": digest(step),
        "position": stream.cursor(),
    });
    if rows {
        line["rows"] = places_of(step).collect();
    }
    line
}

fn as_text(step: &[Batch], number: u64, stream: &BatchStream, rows: bool) -> String {
    let digest = digest(step).to_string();
    let mut text = format!(
        "step {number}, epoch {}: {} documents, {} tokens, {} learned, {}",
        stream.cursor().epoch,
        sum(step, Batch::document_count),
        sum(step, Batch::token_count),
        sum(step, Batch::target_count),
        digest.get(..16).unwrap_or(&digest),
    );
    if rows {
        // A name of the data may hold anything, and a terminal obeys control characters.
        let plain = |c: char| if c.is_control() { '\u{fffd}' } else { c };
        for place in places_of(step) {
            text.push_str("\n  ");
            text.extend(place.chars().map(plain));
        }
    }
    text
}
