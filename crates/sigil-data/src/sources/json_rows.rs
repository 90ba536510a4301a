//! Rows from JSON Lines and JSON.
//!
//! Is: one object per line, or one array of objects. Is not: a guess at damaged lines: each is a
//! bad row with file, line and byte. Next: `columns.rs`.

use std::io::{BufRead, Read};

use serde_json::{Map, Value};

use super::SourceError;
use super::expand;
use super::reader::{Item, PartRows, Place};

/// Longest line; a file without line breaks must not fill the memory.
const MAX_LINE_BYTES: u64 = 256 << 20;

/// Reads JSON Lines; blank lines are skipped.
pub(super) fn read_lines(place: Place) -> Result<PartRows, SourceError> {
    let reader = expand::open(&place.path, place.settings.expansion_cap_bytes)?;
    Ok(Box::new(Lines { reader, place, line: 0, any: false }))
}

/// Reads a `.json` file: an array of objects, or JSON Lines under that suffix.
pub(super) fn read_document(place: Place) -> Result<PartRows, SourceError> {
    let cap = place.settings.expansion_cap_bytes;
    let mut reader = expand::open(&place.path, cap)?;
    let failed = |error| expand::describe(&place.path, cap, error);
    let start = reader.fill_buf().map_err(failed)?;
    let start = start.strip_prefix("\u{feff}".as_bytes()).unwrap_or(start);
    if start.trim_ascii_start().first() != Some(&b'[') {
        return Ok(Box::new(Lines { reader, place, line: 0, any: false }));
    }
    let mut bytes = Vec::new();
    reader.read_to_end(&mut bytes).map_err(failed)?;
    let text = bytes.strip_prefix("\u{feff}".as_bytes()).unwrap_or(&bytes);
    let rows: Vec<Map<String, Value>> =
        serde_json::from_slice(text).map_err(|error| SourceError::BadJson {
            path: place.path.clone(),
            line: error.line() as u64,
            reason: line_reason(&error),
        })?;
    let fit = move |(row, mut fields): (u64, Map<String, Value>)| {
        Ok(place.fit(&mut fields, row, row == 1))
    };
    Ok(Box::new((1_u64..).zip(rows).map(fit)))
}

struct Lines {
    reader: Box<dyn BufRead + Send>,
    place: Place,
    line: u64,
    any: bool,
}

impl Iterator for Lines {
    type Item = Result<Item, SourceError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.read().transpose()
    }
}

impl Lines {
    fn read(&mut self) -> Result<Option<Item>, SourceError> {
        let path = &self.place.path;
        let cap = self.place.settings.expansion_cap_bytes;
        let mut buffer = Vec::new();
        loop {
            buffer.clear();
            self.line += 1;
            let length = (&mut self.reader)
                .take(MAX_LINE_BYTES + 1)
                .read_until(b'\n', &mut buffer)
                .map_err(|error| expand::describe(path, cap, error))?;
            if length == 0 {
                return Ok(None);
            }
            let line = self.line;
            let bad = |reason: String| SourceError::BadJson { path: path.clone(), line, reason };
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
            let first = !std::mem::replace(&mut self.any, true);
            return Ok(Some(match serde_json::from_slice::<Map<String, Value>>(text) {
                Ok(mut fields) => self.place.fit(&mut fields, line, first),
                Err(error) => self.place.bad(line, bad(line_reason(&error)), text, false),
            }));
        }
    }
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
