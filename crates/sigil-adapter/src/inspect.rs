//! The facts about a run, an adapter, a model or a GGUF file.
//!
//! Plain data, for JSON and for the text that `render` makes of it. Next: `norms.rs`.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Serialize;
use serde_json::Value;
use sigil_run::{MetricsRow, RunView};
use sigil_weights::peft::{LoraPair, TargetModules, resolve_targets};
use sigil_weights::{Adapter, DecoderConfig, WeightFiles};

use crate::AdapterError;
use crate::files::{self, FileFacts};
use crate::gguf::GgufFile;
use crate::norms::{Update, norm};
use crate::subject::Subject;

mod render;

/// What was found.
#[derive(Debug, Clone, Serialize)]
pub struct Inspection {
    /// The path as it was given.
    pub path: String,
    /// What lies there.
    pub kind: &'static str,
    /// Of a run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub run: Option<RunFacts>,
    /// Of an adapter, or of the adapter in a run's set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub adapter: Option<AdapterFacts>,
    /// Of a model, or of the model in a run's set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<ModelFacts>,
    /// Of a GGUF file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gguf: Option<GgufFacts>,
    /// The files of the folder; of a run, those of its set.
    pub files: Vec<FileFacts>,
    /// Bytes of these together.
    pub total_bytes: u64,
}

/// A run.
#[derive(Debug, Clone, Serialize)]
pub struct RunFacts {
    /// The program that began it.
    pub created_by: String,
    /// Its seed.
    pub seed: u64,
    /// Digest of its settings.
    pub config_digest: String,
    /// Whether a process writes to it now.
    pub in_use: bool,
    /// The sets, newest first.
    pub sets: Vec<SetFacts>,
    /// The set that was looked at.
    pub set: Option<String>,
    /// What is wrong with newer ones.
    pub damaged: Vec<String>,
    /// The best set.
    pub best: Option<BestFacts>,
    /// The last logged row.
    pub last_metrics: Option<MetricsRow>,
    /// The last row with an evaluation loss.
    pub last_evaluation: Option<MetricsRow>,
    /// The last row of judged samples.
    pub last_judged: Option<MetricsRow>,
    /// Lines of the metrics that are no rows.
    pub bad_metrics_lines: usize,
}

/// A checkpoint set.
#[derive(Debug, Clone, Serialize)]
pub struct SetFacts {
    /// Its name.
    pub name: String,
    /// Its step.
    pub step: u64,
    /// Its bytes.
    pub bytes: u64,
    /// Number of its files.
    pub files: usize,
}

/// The best set.
#[derive(Debug, Clone, Serialize)]
pub struct BestFacts {
    /// Its name.
    pub set: String,
    /// What it is best in.
    pub metric: String,
    /// The value.
    pub value: f64,
}

/// An adapter.
#[derive(Debug, Clone, Serialize)]
pub struct AdapterFacts {
    /// The base it names.
    pub base_model: Option<String>,
    /// Rank, unless a module's says otherwise.
    pub rank: usize,
    /// Alpha, unless a module's says otherwise.
    pub alpha: f64,
    /// Dropout of its training.
    pub dropout: f64,
    /// Whether it is scaled by the root of the rank.
    pub use_rslora: bool,
    /// `target_modules` as written.
    pub target_modules: Vec<String>,
    /// Number of trained values.
    pub parameters: u64,
    /// Frobenius norm of the whole update.
    pub update_norm: f64,
    /// The same for each decoder layer, by its number.
    pub layers: BTreeMap<usize, LayerFacts>,
    /// Every module, by name.
    pub modules: BTreeMap<String, ModuleFacts>,
}

/// The modules of one decoder layer.
#[derive(Debug, Clone, Default, Serialize)]
pub struct LayerFacts {
    /// Number of adapted modules.
    pub modules: usize,
    /// Frobenius norm of their updates together.
    pub update_norm: f64,
}

/// An adapted module.
#[derive(Debug, Clone, Serialize)]
pub struct ModuleFacts {
    /// Width of the update.
    pub rank: usize,
    /// What the product of its matrices is multiplied with.
    pub scaling: f64,
    /// Rows and columns of the weight.
    pub shape: [usize; 2],
    /// Norm of A.
    pub a_norm: f64,
    /// Norm of B; 0 before training.
    pub b_norm: f64,
    /// Frobenius norm of the update.
    pub update_norm: f64,
}

/// A model's files.
#[derive(Debug, Clone, Serialize)]
pub struct ModelFacts {
    /// `model_type`.
    pub model_type: String,
    /// Width.
    pub hidden_size: usize,
    /// Decoder layers.
    pub num_hidden_layers: usize,
    /// Rows of the embedding.
    pub vocab_size: usize,
    /// Longest sequence.
    pub max_position_embeddings: usize,
    /// Number of tensors.
    pub tensors: usize,
    /// Number of elements.
    pub parameters: u64,
    /// Element types and how many tensors have them.
    pub dtypes: BTreeMap<String, usize>,
    /// Safetensors files.
    pub shards: usize,
}

/// A GGUF file.
#[derive(Debug, Clone, Serialize)]
pub struct GgufFacts {
    /// Metadata; long lists are given by their length.
    pub metadata: BTreeMap<String, Value>,
    /// Number of tensors.
    pub tensors: usize,
    /// Element types and how many tensors have them.
    pub types: BTreeMap<String, usize>,
}

/// Gathers the facts.
///
/// # Errors
/// A file that cannot be read or is damaged.
pub fn inspect(path: &Path, subject: &Subject) -> Result<Inspection, AdapterError> {
    let mut found = Inspection {
        path: path.display().to_string(),
        kind: subject.kind(),
        run: None,
        adapter: None,
        model: None,
        gguf: None,
        files: Vec::new(),
        total_bytes: 0,
    };
    match subject {
        Subject::Run { view, set, damaged } => {
            let name = set.as_ref().map(|set| set.name().to_owned());
            let damaged = damaged.iter().map(ToString::to_string).collect();
            found.run = Some(run_facts(view, name, damaged)?);
        }
        Subject::Gguf(file) => {
            found.gguf = Some(gguf_facts(&GgufFile::open(file)?));
            let bytes = std::fs::metadata(file).map_err(AdapterError::read(file))?.len();
            let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
            found.files.push(FileFacts { purpose: files::purpose(&name), name, bytes });
        }
        Subject::Adapter(_) | Subject::Model(_) => {}
    }
    if let Some(folder) = subject.weights_folder() {
        if subject.is_adapter() {
            found.adapter = Some(adapter_facts(&Adapter::read(folder)?)?);
        } else if folder.join("config.json").is_file() {
            found.model = Some(model_facts(folder)?);
        }
        found.files = files::list(folder)?;
    }
    found.total_bytes = found.files.iter().map(|file| file.bytes).sum();
    Ok(found)
}

fn run_facts(
    view: &RunView,
    set: Option<String>,
    damaged: Vec<String>,
) -> Result<RunFacts, AdapterError> {
    let record = view.record()?;
    let metrics = view.metrics()?;
    let judged = view.read_file("evaluations.jsonl")?.unwrap_or_default();
    let judged = sigil_run::MetricsFile::parse(&judged).rows.pop();
    let sets = view.sets()?.into_iter().map(|set| SetFacts {
        name: set.name().to_owned(),
        step: set.step(),
        bytes: set.manifest().files.iter().map(|file| file.bytes).sum(),
        files: set.manifest().files.len(),
    });
    // A marker that cannot be read is no reason to show nothing.
    let best = view.best().ok().flatten();
    Ok(RunFacts {
        created_by: record.created_by,
        seed: record.seed,
        config_digest: record.config_digest,
        in_use: view.has_writer()?,
        sets: sets.collect(),
        set,
        damaged,
        best: best.map(|best| BestFacts { set: best.set, metric: best.metric, value: best.value }),
        last_metrics: metrics.rows.iter().rev().find(|row| row.loss.is_some()).cloned(),
        last_evaluation: metrics.last_evaluation().cloned(),
        last_judged: judged,
        bad_metrics_lines: metrics.bad_lines.len(),
    })
}

/// The facts about an adapter.
///
/// # Errors
/// Its configuration does not fit its tensors.
pub fn adapter_facts(adapter: &Adapter) -> Result<AdapterFacts, AdapterError> {
    let names: Vec<&String> = adapter.modules.keys().collect();
    let targets = resolve_targets(&adapter.config, &names)?.modules;
    let mut facts = AdapterFacts {
        base_model: adapter.config.base_model_name_or_path.clone(),
        rank: adapter.config.rank,
        alpha: adapter.config.alpha,
        dropout: adapter.config.dropout,
        use_rslora: adapter.config.use_rslora,
        target_modules: match &adapter.config.target_modules {
            TargetModules::Names(names) => names.clone(),
            TargetModules::Pattern(pattern) => vec![pattern.clone()],
            TargetModules::AllLinear => vec!["all-linear".to_owned()],
        },
        parameters: 0,
        update_norm: 0.0,
        layers: BTreeMap::new(),
        modules: BTreeMap::new(),
    };
    for ((name, pair), target) in adapter.modules.iter().zip(targets) {
        let scaling = target.map_or(0.0, |target| target.scaling);
        let module = module_facts(pair, scaling);
        facts.parameters += (pair.a.len() + pair.b.len()) as u64;
        facts.update_norm += module.update_norm.powi(2);
        if let Some(layer) = layer_of(name) {
            let layer = facts.layers.entry(layer).or_default();
            layer.modules += 1;
            layer.update_norm += module.update_norm.powi(2);
        }
        facts.modules.insert(name.clone(), module);
    }
    facts.update_norm = facts.update_norm.sqrt();
    for layer in facts.layers.values_mut() {
        layer.update_norm = layer.update_norm.sqrt();
    }
    Ok(facts)
}

fn module_facts(pair: &LoraPair, scaling: f64) -> ModuleFacts {
    ModuleFacts {
        rank: pair.rank,
        scaling,
        shape: [pair.out_features, pair.in_features],
        a_norm: norm(&pair.a),
        b_norm: norm(&pair.b),
        update_norm: Update { pair, scaling }.norm(),
    }
}

/// The number of the decoder layer in a module's name.
pub(crate) fn layer_of(module: &str) -> Option<usize> {
    module.split('.').find_map(|part| part.parse().ok())
}

fn model_facts(folder: &Path) -> Result<ModelFacts, AdapterError> {
    let config = DecoderConfig::read(folder)?;
    let weights = WeightFiles::open(folder)?;
    let mut dtypes = BTreeMap::new();
    let (mut tensors, mut parameters) = (0, 0);
    for name in weights.names() {
        let view = weights.get(name)?;
        *dtypes.entry(view.dtype.to_string()).or_insert(0) += 1;
        tensors += 1;
        parameters += view.len() as u64;
    }
    Ok(ModelFacts {
        model_type: config.family.model_type().to_owned(),
        hidden_size: config.hidden_size,
        num_hidden_layers: config.num_layers,
        vocab_size: config.vocab_size,
        max_position_embeddings: config.max_position_embeddings,
        tensors,
        parameters,
        dtypes,
        shards: weights.files().count(),
    })
}

fn gguf_facts(file: &GgufFile) -> GgufFacts {
    let mut types = BTreeMap::new();
    for tensor in file.tensors() {
        *types.entry(tensor.kind.name().to_owned()).or_insert(0) += 1;
    }
    let metadata =
        file.metadata().iter().map(|(key, value)| (key.clone(), value.to_json(8))).collect();
    GgufFacts { metadata, tensors: file.tensors().len(), types }
}
