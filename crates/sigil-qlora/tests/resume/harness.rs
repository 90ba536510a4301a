//! A tiny run in memory: two layers, QLoRA with dropout and noise, an evaluation split.

use std::{path::Path, sync::Arc};

use burn::tensor::DType;
use sigil_config::{OnNonFinite, Schedule};
use sigil_data::{BatchPlan, BatchStream, Document, DocumentSet, Origin};
use sigil_kernels::{Cpu, random};
use sigil_model::{
    CheckpointPolicy, Decoder, LoadOptions, Mode, Parameters,
    decoder::LayerPolicies,
    load::{Source, load},
};
use sigil_qlora::{
    Outcome, Reporter, Stop, TrainError, TrainPlan, Trainer,
    checkpoint::Trained,
    micro_batch::MicroBatches,
    optimizer::AdamWSettings,
    ranks::{Channel, Team},
    schedule::LearningRate,
};
use sigil_run::{
    RunFolder, RunIdentity, RunView,
    storage::{RealStorage, Storage},
};
use sigil_weights::{AdapterConfig, DecoderConfig, FourBit};

pub(crate) const STEPS: u64 = 6;

const CONFIG: &str = r#"{"model_type": "llama", "architectures": ["LlamaForCausalLM"],
  "vocab_size": 48, "hidden_size": 64, "intermediate_size": 64, "num_hidden_layers": 2,
  "num_attention_heads": 2, "num_key_value_heads": 1, "hidden_act": "silu",
  "max_position_embeddings": 64, "rms_norm_eps": 1e-5, "rope_theta": 10000.0,
  "tie_word_embeddings": true, "initializer_range": 0.2, "torch_dtype": "float32"}"#;

/// Documents of pseudo-random tokens.
fn documents(seed: u64, count: usize) -> DocumentSet {
    let token = |row: usize, at: usize| (random::bits(seed + row as u64, at as u64) % 48) as u32;
    (0..count)
        .map(|row| Document {
            tokens: (0..9 + row % 5).map(|at| token(row, at)).collect(),
            prompt_tokens: row % 3,
            masked: vec![],
            origin: Origin::new("test", "rows", row as u64 + 1),
            piece: 0,
            row: row as u32,
            weight: 1.0,
        })
        .collect()
}

/// What a test may change.
#[derive(Clone, Copy)]
pub(crate) struct Variant {
    pub(crate) full: bool,
    pub(crate) save_every: u64,
    pub(crate) keep: usize,
    pub(crate) learning_rate: f64,
    pub(crate) on_non_finite: OnNonFinite,
    pub(crate) poison: bool,
}

impl Default for Variant {
    fn default() -> Self {
        Self {
            full: false,
            save_every: 2,
            keep: 3,
            learning_rate: 5e-3,
            on_non_finite: OnNonFinite::Stop,
            poison: false,
        }
    }
}

fn config() -> DecoderConfig {
    DecoderConfig::parse(CONFIG.as_bytes(), Path::new("test")).expect("valid")
}

fn adapter() -> AdapterConfig {
    AdapterConfig { rank: 4, alpha: 8.0, dropout: 0.1, ..AdapterConfig::default() }
}

pub(crate) const ADAMW: AdamWSettings =
    AdamWSettings { beta1: 0.9, beta2: 0.99, epsilon: 1e-8, weight_decay: 0.01 };

pub(crate) fn micro_batches() -> MicroBatches {
    LayerPolicies::uniform(CheckpointPolicy::Inputs, config().num_layers).into()
}

/// The model at its first step.
pub(crate) fn fresh(full: bool) -> (Decoder<Cpu>, Parameters<Cpu>) {
    let options = LoadOptions {
        mode: if full { Mode::Full } else { Mode::Qlora { kind: FourBit::Nf4, nested: true } },
        adapter: Some(adapter()),
        max_sequence_length: 32,
        compute: DType::F32,
        seed: 3,
    };
    let device = Default::default();
    load::<Cpu>(&config(), Source::Fresh, &options, &device, &mut |_, _| ()).expect("fresh")
}

/// Opens the run in `path` and trains; `stop_after` asks to stop once that step is done.
pub(crate) fn train(
    path: &Path,
    storage: Arc<dyn Storage>,
    variant: Variant,
    resume: bool,
    stop_after: Option<u64>,
    notes: &mut Vec<String>,
) -> Result<Outcome, TrainError> {
    train_with(vec![], path, storage, variant, resume, stop_after, notes)
}

/// As `train`, with other ranks behind channels.
pub(crate) fn train_with(
    followers: Vec<Channel>,
    path: &Path,
    storage: Arc<dyn Storage>,
    variant: Variant,
    resume: bool,
    stop_after: Option<u64>,
    notes: &mut Vec<String>,
) -> Result<Outcome, TrainError> {
    let (decoder, mut parameters) = fresh(variant.full);
    if variant.poison {
        let first = sigil_model::ParameterId(0);
        let count = parameters.value(first).dims().iter().product();
        parameters.set_value(first, vec![f32::NAN; count]);
    }
    let stream = BatchStream::new(
        Arc::new(documents(1, 40)),
        BatchPlan {
            micro_batch_size: 2,
            accumulation: 2,
            max_seq_len: 32,
            packing: true,
            shuffle: true,
            seed: 5,
        },
    )?;
    let plan = TrainPlan {
        learning_rate: LearningRate {
            peak: variant.learning_rate,
            total_steps: STEPS,
            warmup_steps: 2,
            schedule: Schedule::Cosine,
            min_ratio: 0.0,
            power: 1.0,
        },
        adamw: ADAMW,
        max_grad_norm: 1.0,
        neftune_alpha: Some(5.0),
        seed: 7,
        micro_batches: micro_batches(),
        logging_steps: 3,
        save_every: variant.save_every,
        keep: variant.keep,
        evaluate_every: Some(3),
        patience: None,
        min_delta: 0.0,
        on_non_finite: variant.on_non_finite,
        max_skipped_steps: 2,
        writes_metrics: true,
        events_folder: None,
        ends_with_best: false,
        card_frequency: 1,
        trained: if variant.full { Trained::Full } else { Trained::Adapter(adapter()) },
        set_files: vec![("config.toml".to_owned(), b"# test\n".to_vec())],
        ledger: None,
        card: None,
    };
    let identity = RunIdentity { created_by: "test".into(), seed: 7, config_digest: "x".into() };
    let (run, opened) = RunFolder::create_or_open_with(path, &identity, storage)?;
    notes.extend(opened.iter().map(ToString::to_string));
    let stop = Stop::default();
    let mut listener = Listener { stop: stop.clone(), stop_after, notes };
    let held_out = Some(documents(900, 6));
    let mut trainer =
        Trainer::new(decoder, parameters, stream, held_out, run, plan, resume, &mut listener)?;
    trainer.share(Team::new(followers, None), &mut listener)?;
    trainer.train(&stop, &mut listener)
}

/// As `train`, on the real file system, resuming if there is something to resume.
pub(crate) fn train_here(path: &Path, variant: Variant, stop_after: Option<u64>) -> Outcome {
    let resume = newest_step(path).is_some();
    let storage = Arc::new(RealStorage);
    train(path, storage, variant, resume, stop_after, &mut vec![]).expect("the run goes on")
}

struct Listener<'a> {
    stop: Stop,
    stop_after: Option<u64>,
    notes: &'a mut Vec<String>,
}

impl Reporter for Listener<'_> {
    fn note(&mut self, message: &str) {
        self.notes.push(message.to_owned());
    }

    fn step(&mut self, row: &sigil_run::MetricsRow, _logged: bool) {
        if self.stop_after == Some(row.step) {
            self.stop.ask();
        }
    }
}

/// Step of the newest whole set.
pub(crate) fn newest_step(path: &Path) -> Option<u64> {
    let view = RunView::open(path).ok()?;
    Some(view.newest_whole_set().ok()?.set?.step())
}

/// What must be equal at a step: every file of its set but the clock, which is cut out.
pub(crate) fn fingerprint(path: &Path, step: u64) -> Vec<(String, String)> {
    let set = RunView::open(path).expect("a run").set(step).expect("the set is there");
    set.verify().expect("the set is whole");
    let files = set.manifest().files.iter().map(|file| file.name.clone());
    files
        .map(|name| {
            let mut bytes = set.read(&name).expect("whole");
            if name == "trainer_state.json" {
                let mut state: serde_json::Value = serde_json::from_slice(&bytes).expect("JSON");
                state["seconds"] = 0.into();
                bytes = state.to_string().into_bytes();
            }
            let digest = sigil_data::Digest::of(&bytes).to_string();
            (name, digest)
        })
        .collect()
}

/// Losses and norms of `metrics.jsonl`, as bits.
pub(crate) fn curve(path: &Path) -> Vec<(u64, Option<u64>, Option<u64>, Option<u64>)> {
    let metrics = RunView::open(path).expect("a run").metrics().expect("metrics");
    let bits = |value: Option<f64>| value.map(f64::to_bits);
    let rows = metrics.rows.iter();
    rows.map(|row| (row.step, bits(row.loss), bits(row.grad_norm), bits(row.eval_loss))).collect()
}
