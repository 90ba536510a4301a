//! Opening of plain and compressed files, with a cap on what comes out.
//!
//! Is: the choice of decoder by suffix and the cap against bombs. Is not: a format reader. Next:
//! `json_rows.rs`.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;

use super::SourceError;

/// Returns the file's suffix in lower case, after `.gz` or `.zst` has been taken off.
pub(super) fn inner_suffix(path: &Path) -> String {
    let lower = path.file_name().map(|name| name.to_string_lossy().to_lowercase());
    let lower = lower.unwrap_or_default();
    let inner = lower.strip_suffix(".gz").or(lower.strip_suffix(".zst")).unwrap_or(&lower);
    inner.rsplit_once('.').map(|(_, suffix)| suffix.to_owned()).unwrap_or_default()
}

/// Opens a file for reading by lines; `.gz` and `.zst` are decoded on the way.
///
/// Reading more than `cap_bytes` fails with an error that [`describe`] turns into `TooLarge`.
pub(super) fn open(path: &Path, cap_bytes: u64) -> Result<Box<dyn BufRead + Send>, SourceError> {
    let file = File::open(path).map_err(|error| describe(path, cap_bytes, error))?;
    let lower = path.to_string_lossy().to_lowercase();
    let reader: Box<dyn Read + Send> = if lower.ends_with(".gz") {
        Box::new(flate2::read::MultiGzDecoder::new(BufReader::new(file)))
    } else if lower.ends_with(".zst") {
        let decoder = zstd::stream::read::Decoder::new(file)
            .map_err(|error| describe(path, cap_bytes, error))?;
        Box::new(decoder)
    } else {
        return Ok(Box::new(BufReader::with_capacity(1 << 16, file)));
    };
    Ok(Box::new(BufReader::with_capacity(1 << 16, Capped { reader, left: cap_bytes })))
}

/// Turns a reading error into the one to show.
pub(super) fn describe(path: &Path, cap_bytes: u64, error: io::Error) -> SourceError {
    if error.get_ref().is_some_and(|inner| inner.is::<PastCap>()) {
        SourceError::TooLarge { path: path.to_owned(), cap_bytes }
    } else {
        SourceError::Io { path: path.to_owned(), source: error }
    }
}

struct Capped<R> {
    reader: R,
    left: u64,
}

#[derive(Debug, thiserror::Error)]
#[error("the expanded data passes the cap")]
struct PastCap;

impl<R: Read> Read for Capped<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.reader.read(buffer)?;
        self.left = match self.left.checked_sub(count as u64) {
            Some(left) => left,
            None => return Err(io::Error::other(PastCap)),
        };
        Ok(count)
    }
}
