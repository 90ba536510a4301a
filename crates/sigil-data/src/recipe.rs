//! Settings to the rows that are trained on and scored.
//!
//! Is: the translation of `sigil-config`'s words into plans, the fetching of what they name, and the
//! choice between cached and streamed rows. Is not: a rule of its own. Next: `pipeline/plan.rs`.

use std::path::PathBuf;
use std::sync::Arc;

use sigil_config::{
    ChatMode, FimSpanMode, HoldOutBy as HoldOutSetting, InterleaveMode, InterleaveStop,
    LongRowsMode, Settings, ShuffleMode, TestCode,
};

use sigil_filter::rules::{BenchFile, Licence, NoDocumentation, NotIdiomatic, TestFile, TestMode};
use sigil_filter::{Filter, RuleSet, RuleSetError};

use crate::decontaminate::{BenchmarkIndex, read_tasks};
use crate::documents::{ChatUse, DocumentSettings, FimSettings, FimSpans, LongRows};
use crate::hub::{DatasetRequest, FetchProgress, HubError, HubSettings, fetch_dataset};
use crate::ledger::Ledger;
use crate::mixing::{Mixture, RoundRule, Shuffle, Stop};
use crate::pipeline::{
    HoldOutBy, HoldOutRule, PipelineError, PlaceFile, RowCache, RowPlan, RowSupply,
    collect_held_out,
};
use crate::rows::{Row, RowSplit};
use crate::sources::{
    ColumnNames, FilterStage, OpenSource, PathRules, ReadSettings, SourceError, SourceSpec,
};
use crate::{BatchPlan, Digest};

/// Rows of each source that a stream looks through for held-out ones before training starts.
const STREAMED_HELD_OUT_ROWS: u64 = 20_000;

/// Places on this machine that the library may not look up itself.
#[derive(Clone, Debug)]
pub struct DataPlaces {
    /// Folder that relative paths start from.
    pub base_folder: PathBuf,
    /// Cargo's home folder, for `registry:` sources.
    pub cargo_home: Option<PathBuf>,
    /// Folder of filtered rows.
    pub cache_folder: PathBuf,
    /// Cache of Hub downloads.
    pub hub_cache: PathBuf,
}

/// Says why the data of a run cannot be prepared.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RecipeError {
    /// A source cannot be found or read.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// A dataset cannot be fetched.
    #[error(transparent)]
    Hub(#[from] HubError),
    /// The rows cannot be had.
    #[error(transparent)]
    Pipeline(#[from] PipelineError),
    /// The rules of the filter do not fit together.
    #[error(transparent)]
    Rules(#[from] RuleSetError),
}

impl RecipeError {
    /// Returns what the user can do about it, if anything.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Source(error) => error.hint(),
            Self::Hub(error) => error.hint(),
            Self::Pipeline(error) => error.hint(),
            Self::Rules(_) => None,
        }
    }
}

/// The rows of a run.
pub struct PreparedRows {
    /// Rows to train on, epoch after epoch.
    pub supply: RowSupply,
    /// Rows that are scored and never trained on.
    pub held_out: Vec<Row>,
    /// What was read, kept and dropped so far, and why; a streamed supply's own account goes on.
    pub ledger: Ledger,
    /// Whether the rows came from the cache.
    pub reused: bool,
}

/// Finds or fetches what the settings name and reads it, or prepares to stream it.
///
/// `place_file` writes a file of the row cache whole or not at all; `progress` is told of downloads.
///
/// # Errors
/// A source that cannot be had, a setting that cannot be honoured, nothing left to train on.
pub fn prepare_rows(
    settings: &Settings,
    places: &DataPlaces,
    place_file: &PlaceFile<'_>,
    progress: &mut FetchProgress<'_>,
) -> Result<PreparedRows, RecipeError> {
    let evaluation = &settings.evaluation;
    let mut plan = row_plan(settings, places, progress)?;
    if !evaluation.names.is_empty() {
        let sources = open_sources(settings, &evaluation.names, &plan.read, places, progress)?;
        let mut apart = RowPlan::new(sources, (*plan.read).clone());
        // All of it is held out.
        apart.hold_out.fraction = 1.0;
        plan.kept_apart = Arc::new(collect_held_out(&mut apart, None)?.rows);
    }
    let mut ledger = Ledger::new();
    let (supply, mut held_out, reused) = if settings.dataset.use_cache {
        let cache = RowCache { folder: places.cache_folder.clone(), place_file };
        let found = cache.rows(&mut plan)?;
        ledger.merge(&found.ledger);
        let supply = RowSupply::kept(Arc::new(plan.clone()), Arc::new(found.kept));
        (supply, found.held_out.rows, found.reused)
    } else {
        let held_out = match evaluation.fraction > 0.0 || !evaluation.groups.is_empty() {
            true => collect_held_out(&mut plan, Some(STREAMED_HELD_OUT_ROWS))?.rows,
            false => Vec::new(),
        };
        (RowSupply::streamed(Arc::new(plan.clone()), &held_out)?, held_out, false)
    };
    ledger.warn_below(settings.dataset.min_pass_rate);
    held_out.extend(plan.kept_apart.iter().cloned());
    if let Some(most) = evaluation.max_rows {
        held_out = sample(held_out, most, evaluation.seed);
    }
    Ok(PreparedRows { supply, held_out: once(held_out), ledger, reused })
}

/// Turns the settings into the plan of batches.
pub fn batch_plan(settings: &Settings) -> BatchPlan {
    BatchPlan {
        micro_batch_size: settings.train.micro_batch_size,
        accumulation: settings.train.gradient_accumulation,
        max_seq_len: settings.sequence.max_length,
        packing: settings.sequence.pack,
        shuffle: settings.dataset.shuffle_seed.is_some(),
        seed: settings.dataset.shuffle_seed.unwrap_or(settings.run.seed),
    }
}

/// Turns the settings into a plan over opened sources; Hub datasets are fetched.
///
/// # Errors
/// A source that cannot be found or fetched, a benchmark file that cannot be read.
pub fn row_plan(
    settings: &Settings,
    places: &DataPlaces,
    progress: &mut FetchProgress<'_>,
) -> Result<RowPlan, RecipeError> {
    let dataset = &settings.dataset;
    let evaluation = &settings.evaluation;
    let read = read_settings(settings, places)?;
    let sources = open_sources(settings, &dataset.names, &read, places, progress)?;
    let mut plan = RowPlan::new(sources, read);
    let stop = match dataset.interleave_stop {
        InterleaveStop::FirstExhausted => Stop::FirstExhausted,
        InterleaveStop::AllExhausted => Stop::AllExhausted,
        InterleaveStop::AllExhaustedWithoutReplacement => Stop::AllExhaustedWithoutReplacement,
    };
    let seed = dataset.shuffle_seed.unwrap_or(settings.run.seed);
    plan.mixture = match dataset.interleave_mode {
        _ if dataset.names.len() < 2 => Mixture::Sequential,
        InterleaveMode::Sequential => Mixture::Sequential,
        InterleaveMode::RoundRobin => Mixture::RoundRobin { stop, rounds: RoundRule::WholeRounds },
        InterleaveMode::Weighted => {
            let weight = |name: &String| dataset.dataset_weights.get(name).copied().unwrap_or(1.0);
            Mixture::Weighted { weights: dataset.names.iter().map(weight).collect(), stop, seed }
        }
    };
    plan.shuffle = match (dataset.shuffle_seed, dataset.shuffle, dataset.use_cache) {
        (None, ..) => Shuffle::None,
        (Some(seed), ShuffleMode::Full, _) | (Some(seed), ShuffleMode::Auto, true) => {
            Shuffle::Full { seed }
        }
        (Some(seed), ..) => Shuffle::Buffer { rows: dataset.shuffle_buffer, seed },
    };
    plan.seed = seed;
    plan.max_rows_per_group = dataset.max_rows_per_group;
    plan.near_duplicates = dataset.near_duplicates;
    plan.compared_rows = dataset.compared_rows;
    let mut tasks = Vec::new();
    for name in &dataset.benchmarks {
        let read = read_tasks(&places.base_folder.join(name));
        tasks.extend(read.map_err(PipelineError::from)?);
    }
    plan.benchmarks = Arc::new(BenchmarkIndex::new(&tasks));
    plan.hold_out = HoldOutRule {
        fraction: evaluation.fraction,
        seed: evaluation.seed,
        by: match evaluation.hold_out_by {
            HoldOutSetting::Group => HoldOutBy::Group,
            HoldOutSetting::Row => HoldOutBy::Row,
        },
        groups: evaluation.groups.iter().cloned().collect(),
    };
    Ok(plan)
}

/// Finds local sources and fetches those of the Hub.
fn open_sources(
    settings: &Settings,
    names: &[String],
    read: &ReadSettings,
    places: &DataPlaces,
    progress: &mut FetchProgress<'_>,
) -> Result<Vec<OpenSource>, RecipeError> {
    let mut sources = Vec::with_capacity(names.len());
    for name in names {
        let spec = SourceSpec::from(name.as_str());
        let Some((repo, folder)) = spec.hub_name(&places.base_folder) else {
            sources.push(OpenSource::open(&spec, read)?);
            continue;
        };
        let revisions = &settings.dataset.revisions;
        let request = DatasetRequest {
            repo,
            folder,
            revision: revisions.get(name).cloned().unwrap_or_else(|| "main".to_owned()),
            split: settings.dataset.split.clone(),
        };
        let fetched = fetch_dataset(&hub_settings(settings, places), &request, progress)?;
        sources.push(OpenSource::of_files(name, &fetched.files)?);
    }
    Ok(sources)
}

fn hub_settings(settings: &Settings, places: &DataPlaces) -> HubSettings {
    let cache = settings.dataset.cache_dir.clone().or_else(|| settings.hub.cache_dir.clone());
    let mut hub = HubSettings::new(cache.unwrap_or_else(|| places.hub_cache.clone()));
    hub.endpoint.clone_from(&settings.hub.endpoint);
    hub.token = settings.hub.token.as_ref().map(|token| token.reveal().to_owned());
    hub.offline = settings.hub.offline;
    hub
}

/// At most `most` rows, drawn by a hash of what they say, in their old order.
fn sample(rows: Vec<Row>, most: usize, seed: u64) -> Vec<Row> {
    let key = |row: &Row| {
        Digest::of_fields([seed.to_le_bytes().as_slice(), &row.draw_key().to_le_bytes()]).to_u64()
    };
    let keys: Vec<u64> = rows.iter().map(key).collect();
    let mut sorted = keys.clone();
    sorted.sort_unstable();
    let Some(&limit) = sorted.get(most) else { return rows };
    rows.into_iter().zip(keys).filter(|(_, key)| *key < limit).map(|(row, _)| row).collect()
}

/// Held-out rows count once each, whatever their weight.
fn once(rows: Vec<Row>) -> Vec<Row> {
    rows.into_iter().map(|row| Row { weight: 1.0, split: RowSplit::Evaluation, ..row }).collect()
}

fn read_settings(settings: &Settings, places: &DataPlaces) -> Result<ReadSettings, RecipeError> {
    let dataset = &settings.dataset;
    let columns = &dataset.columns;
    let mut read = ReadSettings::new(places.base_folder.clone());
    read.cargo_home = places.cargo_home.clone();
    read.min_chars = dataset.min_length;
    read.max_chars = dataset.max_length;
    read.max_bad_fraction = dataset.max_bad_fraction;
    read.expansion_cap_bytes = dataset.max_expanded_bytes;
    read.paths = PathRules {
        exclude_tests: dataset.exclude_tests,
        exclude_examples: dataset.exclude_examples,
        exclude_benches: dataset.exclude_benches,
    };
    read.columns = ColumnNames {
        prompt: columns.prompt.clone(),
        text: columns.completion.clone().or_else(|| columns.text.clone()),
        messages: columns.messages.clone(),
        path: columns.path.clone(),
    };
    let weights = dataset.task_weights.iter();
    read.task_weights = weights.map(|(task, weight)| (task.clone(), *weight as f32)).collect();
    let rules = rules(settings);
    if rules != RuleSet::none() {
        read.filter = FilterStage(Some(Filter::new(rules)?));
    }
    Ok(read)
}

/// The rules about the code itself; lengths and paths are checked while reading.
fn rules(settings: &Settings) -> RuleSet {
    let dataset = &settings.dataset;
    let mut idiomatic = NotIdiomatic::default();
    idiomatic.quality_ratio = dataset.idiomatic_quality_ratio;
    let mut rules = RuleSet::none();
    let mut tests = TestFile::default();
    tests.mode = match dataset.test_code {
        TestCode::Reject => TestMode::Reject,
        TestCode::Strip => TestMode::Strip,
        TestCode::Keep => TestMode::Keep,
    };
    rules.test_file = dataset.exclude_tests.then_some(tests);
    rules.bench_file = dataset.exclude_benches.then(BenchFile::default);
    if !dataset.licences.is_empty() {
        let mut licence = Licence::default();
        licence.allow.clone_from(&dataset.licences);
        licence.reject_unknown = true;
        rules.licence = Some(licence);
    }
    rules.not_idiomatic = dataset.prefer_idiomatic.then_some(idiomatic);
    rules.no_documentation = dataset.prefer_documented.then(NoDocumentation::default);
    rules
}

/// Turns the settings into those of documents.
pub fn document_settings(settings: &Settings) -> DocumentSettings {
    let sequence = &settings.sequence;
    let mut documents = DocumentSettings::new(sequence.max_length);
    documents.long_rows = match sequence.long_rows {
        LongRowsMode::Split => LongRows::Split,
        LongRowsMode::Truncate => LongRows::Truncate,
    };
    documents.overlap_tokens = sequence.overlap;
    documents.train_on_prompt = !settings.train.completion_only_loss;
    documents.chat = match sequence.chat_template {
        ChatMode::Conversations => ChatUse::Conversations,
        ChatMode::Always => ChatUse::Always,
        ChatMode::Never => ChatUse::Never,
    };
    let seed = settings.dataset.shuffle_seed.unwrap_or(settings.run.seed);
    documents.fim = (sequence.fim_rate > 0.0).then_some(FimSettings {
        rate: sequence.fim_rate,
        spm_rate: sequence.fim_spm_rate,
        spans: match sequence.fim_spans {
            FimSpanMode::Random => FimSpans::Random,
            FimSpanMode::Syntax => FimSpans::Syntax,
        },
        seed,
    });
    documents
}
