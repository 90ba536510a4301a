//! What goes to stdout. A reader that closes it early (`head`) is no failure.

use std::io::{ErrorKind, Write as _, stdout};

use serde::Serialize;

use crate::exit::Failure;

/// Writes text to stdout.
pub(crate) fn put(text: &str) -> Result<(), Failure> {
    let mut out = stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            Err(Failure::new(1, format!("cannot write to stdout: {error}")))
        }
        _ => Ok(()),
    }
}

/// Writes a line to stdout.
pub(crate) fn line(text: impl std::fmt::Display) -> Result<(), Failure> {
    put(&format!("{text}\n"))
}

/// Writes a value as JSON, for other programs.
pub(crate) fn json(value: &impl Serialize) -> Result<(), Failure> {
    line(serde_json::to_string_pretty(value).expect("facts serialize"))
}
