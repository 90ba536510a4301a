//! Rows from JSON Lines and JSON.
//!
//! Is: one object per line, or one array of objects. Is not: a guess at damaged lines; the first
//! one is an error with file and line. Next: `columns.rs`.

use std::io::{BufRead, Read};
use std::path::Path;

use serde_json::{Map, Value};

use super::SourceError;
use super::expand;
use super::read::{Intake, misfit};
use crate::rows::Origin;

/// Longest line; a file without line breaks must not fill the memory.
const MAX_LINE_BYTES: u64 = 256 << 20;

/// Reads JSON Lines; blank lines are skipped.
pub(super) fn read_lines(path: &Path, intake: &mut Intake<'_>) -> Result<(), SourceError> {
    let cap = intake.settings.expansion_cap_bytes;
    let reader = expand::open(path, cap)?;
    lines(path, cap, reader, intake)
}

fn lines(
    path: &Path,
    cap: u64,
    mut reader: impl BufRead,
    intake: &mut Intake<'_>,
) -> Result<(), SourceError> {
    let file = intake.shown(path);
    let mut buffer = Vec::new();
    for line in 1.. {
        buffer.clear();
        let length = (&mut reader)
            .take(MAX_LINE_BYTES + 1)
            .read_until(b'\n', &mut buffer)
            .map_err(|error| expand::describe(path, cap, error))?;
        if length == 0 {
            break;
        }
        let bad = |reason: String| SourceError::BadJson { path: path.to_owned(), line, reason };
        if length as u64 > MAX_LINE_BYTES {
            return Err(bad(format!("the line has more than {MAX_LINE_BYTES} bytes")));
        }
        let text = match line {
            1 => buffer.strip_prefix("\u{feff}".as_bytes()).unwrap_or(&buffer),
            _ => &buffer,
        };
        // Without the line break, so that the parser counts bytes of this line only.
        let text = text.trim_ascii_end();
        if text.is_empty() {
            continue;
        }
        let fields: Map<String, Value> =
            serde_json::from_slice(text).map_err(|error| bad(line_reason(&error)))?;
        let origin = Origin { source: intake.source.clone(), file: file.clone(), row: line };
        let fitted = intake.settings.columns.fit(&fields, origin);
        intake.take(fitted.map_err(|error| misfit(path, line, error))?);
    }
    Ok(())
}

/// Reads a `.json` file: an array of objects, or JSON Lines under that suffix.
pub(super) fn read_document(path: &Path, intake: &mut Intake<'_>) -> Result<(), SourceError> {
    let cap = intake.settings.expansion_cap_bytes;
    let mut bytes = Vec::new();
    expand::open(path, cap)?
        .read_to_end(&mut bytes)
        .map_err(|error| expand::describe(path, cap, error))?;
    let text = bytes.strip_prefix("\u{feff}".as_bytes()).unwrap_or(&bytes);
    if text.trim_ascii_start().first() != Some(&b'[') {
        return lines(path, cap, text, intake);
    }
    let rows: Vec<Map<String, Value>> =
        serde_json::from_slice(text).map_err(|error| SourceError::BadJson {
            path: path.to_owned(),
            line: error.line() as u64,
            reason: line_reason(&error),
        })?;
    let file = intake.shown(path);
    for (row, fields) in (1..).zip(&rows) {
        let origin = Origin { source: intake.source.clone(), file: file.clone(), row };
        let fitted = intake.settings.columns.fit(fields, origin);
        intake.take(fitted.map_err(|error| misfit(path, row, error))?);
    }
    Ok(())
}

/// Says what the parser said, with the byte of the line instead of the parser's own line number.
fn line_reason(error: &serde_json::Error) -> String {
    let message = error.to_string();
    let place = format!(" at line {} column {}", error.line(), error.column());
    match message.strip_suffix(&place) {
        Some(reason) => format!("{reason} at byte {}", error.column()),
        None => message,
    }
}
