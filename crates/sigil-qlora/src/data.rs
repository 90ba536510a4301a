//! Settings to training and evaluation documents.
//!
//! Read, split off what is held out, remove duplicates, tokenize. Everything dropped is counted in
//! the ledger. What these settings ask for and this version cannot do is refused by name.

use std::path::PathBuf;

use sigil_config::{EvaluationSettings, HoldOutBy, Settings};
use sigil_data::{
    CacheOutcome, ColumnNames, Digest, DocumentSet, DocumentSettings, HeldOut, Ledger, LongRows,
    PathRules, ReadSettings, Row, RowSplit, SourceSpec, SplitRows, TokenCache, Tokenizer,
    build_documents, limit_groups, read_sources, remove_duplicates, remove_near_held_out,
    split_rows, tokenize_cached,
};

use crate::TrainError;

/// Places on this machine that the library may not look up itself.
#[derive(Clone, Debug)]
pub struct DataPlaces {
    /// Folder that relative paths start from.
    pub base_folder: PathBuf,
    /// Cargo's home folder, for `registry:` sources.
    pub cargo_home: Option<PathBuf>,
    /// Folder of tokenized rows.
    pub cache_folder: PathBuf,
}

/// What a run trains and is scored on.
#[derive(Debug)]
pub struct PreparedData {
    /// Training documents.
    pub train: DocumentSet,
    /// Held-out documents, if anything is held out.
    pub evaluation: Option<DocumentSet>,
    /// What was read, kept and dropped, and why.
    pub ledger: Ledger,
    /// Whether the tokens came from the cache.
    pub cache: CacheOutcome,
    /// Groups (crates, repositories) that are held out.
    pub held_out_groups: Vec<String>,
}

/// Reads and tokenizes what the settings name.
///
/// # Errors
/// A source that cannot be read, a setting that cannot be honoured, nothing left to train on.
pub fn prepare(
    settings: &Settings,
    places: &DataPlaces,
    tokenizer: &Tokenizer,
) -> Result<PreparedData, TrainError> {
    refuse_unsupported(settings)?;
    let mut ledger = Ledger::new();
    let read = read_settings(settings, places);
    let rows = read_sources(&specs(&settings.dataset.names), &read, &mut ledger)?;
    let rows = match settings.dataset.max_rows_per_group {
        Some(most) => limit_groups(rows, most, &mut ledger),
        None => rows,
    };
    let rows = remove_duplicates(rows, true, &mut ledger);
    let evaluation = &settings.evaluation;
    let SplitRows { train, evaluation: mut held_out, .. } =
        split_rows(rows, &held_out(evaluation))?;
    if !evaluation.names.is_empty() {
        let extra = read_sources(&specs(&evaluation.names), &read, &mut ledger)?;
        held_out.extend(extra);
    }
    if let Some(most) = evaluation.max_rows {
        held_out = sample(held_out, most, evaluation.seed);
    }
    let train = remove_near_held_out(train, &held_out, &mut ledger);
    let mut held_out_groups: Vec<String> =
        held_out.iter().map(|row| row.group.to_string()).collect();
    held_out_groups.sort();
    held_out_groups.dedup();

    let documents = document_settings(settings);
    let place = |path: &std::path::Path, bytes: &[u8]| {
        sigil_run::atomic_write(path, bytes).map_err(std::io::Error::other)
    };
    let (train, cache) = if settings.dataset.use_cache {
        let cache = TokenCache { folder: places.cache_folder.clone(), place_file: &place };
        tokenize_cached(&train, tokenizer, &documents, &cache, &mut ledger)?
    } else {
        (build_documents(&train, tokenizer, &documents, &mut ledger)?, CacheOutcome::Built)
    };
    let evaluation = if held_out.is_empty() {
        None
    } else {
        Some(build_documents(&once(held_out), tokenizer, &documents, &mut Ledger::new())?)
    };
    Ok(PreparedData { train, evaluation, ledger, cache, held_out_groups })
}

/// At most `most` rows, drawn by a hash of their place, in their old order.
fn sample(rows: Vec<Row>, most: usize, seed: u64) -> Vec<Row> {
    let key = |row: &Row| {
        let place = row.origin.to_string();
        Digest::of_fields([&seed.to_le_bytes()[..], place.as_bytes()]).to_u64()
    };
    let mut keys: Vec<u64> = rows.iter().map(key).collect();
    keys.sort_unstable();
    let Some(&limit) = keys.get(most) else { return rows };
    rows.into_iter().filter(|row| key(row) < limit).collect()
}

/// Held-out rows count once each, whatever their weight.
fn once(rows: Vec<Row>) -> Vec<Row> {
    rows.into_iter().map(|row| Row { weight: 1.0, split: RowSplit::Evaluation, ..row }).collect()
}

fn specs(names: &[String]) -> Vec<SourceSpec> {
    names.iter().map(|name| SourceSpec::from(name.as_str())).collect()
}

fn read_settings(settings: &Settings, places: &DataPlaces) -> ReadSettings {
    let dataset = &settings.dataset;
    let mut read = ReadSettings::new(places.base_folder.clone());
    read.cargo_home = places.cargo_home.clone();
    read.min_chars = dataset.min_length;
    read.max_chars = dataset.max_length;
    read.paths = PathRules {
        exclude_tests: dataset.exclude_tests,
        exclude_examples: dataset.exclude_examples,
        exclude_benches: dataset.exclude_benches,
    };
    read.columns = ColumnNames {
        prompt: dataset.columns.prompt.clone(),
        text: dataset.columns.completion.clone().or_else(|| dataset.columns.text.clone()),
    };
    let weights = dataset.task_weights.iter();
    read.task_weights = weights.map(|(task, weight)| (task.clone(), *weight as f32)).collect();
    read
}

fn held_out(evaluation: &EvaluationSettings) -> HeldOut {
    HeldOut {
        groups: evaluation.groups.clone(),
        fraction: evaluation.fraction,
        seed: evaluation.seed,
    }
}

fn document_settings(settings: &Settings) -> DocumentSettings {
    let mut documents = DocumentSettings::new(settings.sequence.max_length);
    documents.long_rows = LongRows::Split;
    documents.train_on_prompt = !settings.train.completion_only_loss;
    documents
}

/// Settings that load but cannot be honoured by this version's data pipeline.
fn refuse_unsupported(settings: &Settings) -> Result<(), TrainError> {
    let dataset = &settings.dataset;
    let refuse =
        |key, reason: &str| Err(TrainError::Unsupported { key, reason: reason.to_owned() });
    if dataset.prefer_idiomatic || dataset.prefer_documented {
        let key = if dataset.prefer_idiomatic {
            "dataset.prefer_idiomatic"
        } else {
            "dataset.prefer_documented"
        };
        return refuse(
            key,
            "the syntax-tree filter is not part of this version; set it to false, or filter the \
             rows before",
        );
    }
    if dataset.names.len() > 1
        && dataset.interleave_mode != sigil_config::InterleaveMode::Sequential
    {
        return refuse(
            "dataset.interleave_mode",
            "several sources are read one after the other in this version; set it to \
             \"sequential\" (training shuffles all rows in any case)",
        );
    }
    if settings.evaluation.hold_out_by == HoldOutBy::Row && settings.evaluation.fraction > 0.0 {
        return refuse(
            "evaluation.hold_out_by",
            "this version holds out whole groups (crates, files); set it to \"group\"",
        );
    }
    Ok(())
}
