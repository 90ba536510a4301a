//! Settings to batches of training rows and documents to score.
//!
//! Thin: `sigil_data::recipe` reads the rows. Nothing is tokenized here but the held-out rows;
//! training rows are tokenized as the stream of batches needs them. Read next: `assemble.rs`.

use std::path::Path;
use std::sync::Arc;

use sigil_config::Settings;
pub use sigil_data::recipe::DataPlaces;
use sigil_data::recipe::{PreparedRows, document_settings, prepare_rows};
use sigil_data::{BatchStream, DocumentSet, Ledger, Tokenizer, build_documents};

use crate::{TrainError, assemble::batch_plan};

/// What a run trains and is scored on.
#[derive(Debug)]
pub struct PreparedData {
    /// Batches of training rows.
    pub stream: BatchStream,
    /// Rows of an epoch, where that is known.
    pub rows: Option<u64>,
    /// Held-out documents, if anything is held out.
    pub evaluation: Option<DocumentSet>,
    /// What was read, kept and dropped so far, and why; [`BatchStream::ledger`] goes on with it.
    pub ledger: Ledger,
    /// Whether the rows came from the cache.
    pub reused: bool,
    /// Groups (crates, repositories) that are held out.
    pub held_out_groups: Vec<String>,
}

/// Reads what the settings name and prepares the stream of batches. `progress` is told of downloads:
/// file, bytes that are there, bytes of the whole.
///
/// # Errors
/// A source that cannot be read, a setting that cannot be honoured, nothing left to train on.
pub fn prepare(
    settings: &Settings,
    places: &DataPlaces,
    tokenizer: &Arc<Tokenizer>,
    progress: &mut dyn FnMut(&str, u64, u64),
) -> Result<PreparedData, TrainError> {
    let place = |path: &Path, bytes: &[u8]| {
        sigil_run::atomic_write(path, bytes).map_err(std::io::Error::other)
    };
    let PreparedRows { supply, held_out, ledger, reused } =
        prepare_rows(settings, places, &place, progress)?;
    let mut held_out_groups: Vec<String> =
        held_out.iter().map(|row| row.group.to_string()).collect();
    held_out_groups.sort();
    held_out_groups.dedup();
    let documents = document_settings(settings);
    let evaluation = match held_out.is_empty() {
        true => None,
        false => Some(build_documents(&held_out, tokenizer, &documents, &mut Ledger::new())?),
    };
    let rows = supply.rows_per_epoch();
    let stream =
        BatchStream::of_rows(supply, Arc::clone(tokenizer), documents, batch_plan(settings))?;
    Ok(PreparedData { stream, rows, evaluation, ledger, reused, held_out_groups })
}
