//! `cargo xtask make-base train`: pre-trains the small base on the prepared tokens.
//!
//! The same loop as a fine-tune (`sigil-qlora`), with `mode = "full"` over fresh weights; resumable
//! at any set. It writes a run folder; `export` turns its newest set into the files that ship.
#![expect(clippy::print_stderr, reason = "a chore talks to the person who runs it")]

use std::{path::Path, sync::Arc, time::Instant};

use sigil_config::{OnNonFinite, Schedule};
use sigil_data::{BatchPlan, BatchStream, Document, DocumentSet, Origin};
use sigil_kernels::{Cpu, DType};
use sigil_model::{
    CheckpointPolicy, LoadOptions, Mode,
    decoder::LayerPolicies,
    load::{Source, load},
};
use sigil_qlora::{
    Reporter, Stop, TrainPlan, Trainer,
    checkpoint::Trained,
    evaluate::{Comparison, Evaluation},
    optimizer::AdamWSettings,
    schedule::LearningRate,
};
use sigil_run::{MetricsRow, RunFolder, RunIdentity, RunView};
use sigil_weights::{DecoderConfig, WeightFiles};

/// The architecture, as `config.json` spells it; 2.4 M parameters.
pub(crate) const CONFIG: &str = r#"{
  "architectures": ["LlamaForCausalLM"], "model_type": "llama", "vocab_size": 4096,
  "hidden_size": 192, "intermediate_size": 512, "num_hidden_layers": 4,
  "num_attention_heads": 6, "num_key_value_heads": 3, "head_dim": 32, "hidden_act": "silu",
  "max_position_embeddings": 1024, "rms_norm_eps": 1e-5, "rope_theta": 10000.0,
  "tie_word_embeddings": true, "attention_bias": false, "mlp_bias": false,
  "initializer_range": 0.02, "bos_token_id": null, "eos_token_id": 0, "pad_token_id": 7,
  "torch_dtype": "bfloat16"
}"#;

/// Tokens of a sequence.
const SEQUENCE: usize = 256;
/// Sequences of a step.
const SEQUENCES: usize = 16;
/// Held-out documents that are scored.
const SCORED: usize = 40;
const SEED: u64 = 42;

/// What the verb is told.
pub(crate) struct Plan<'a> {
    /// Folder with `tokens.bin`, `held_out.bin` and, after this, `run/`.
    pub(crate) work: &'a Path,
    /// Optimizer steps of the whole run.
    pub(crate) steps: u64,
    /// Peak learning rate.
    pub(crate) learning_rate: f64,
    /// Run whose newest set it begins with, or model folder; fresh weights if none.
    pub(crate) from: Option<&'a Path>,
    /// Continue the run in the folder.
    pub(crate) resume: bool,
}

/// Trains until the last step or until `stop` is asked.
///
/// # Errors
/// Token files that cannot be read, or what the loop reports.
pub(crate) fn run(plan: &Plan<'_>, stop: &Stop) -> miette::Result<()> {
    let documents = read_tokens(&plan.work.join("tokens.bin"), usize::MAX)?;
    let held_out = read_tokens(&plan.work.join("held_out.bin"), SCORED)?;
    eprintln!("{} training tokens, {} held-out", documents.token_count(), held_out.token_count());
    let config = DecoderConfig::parse(CONFIG.as_bytes(), Path::new("the built-in config"))
        .map_err(|error| miette::miette!("{error}"))?;
    let options = LoadOptions {
        mode: Mode::Full,
        adapter: None,
        max_sequence_length: SEQUENCE,
        compute: DType::F32,
        seed: SEED,
    };
    let device = Default::default();
    let files = plan.from.map(newest_weights).transpose()?;
    let source = files.as_ref().map_or(Source::Fresh, Source::Files);
    let (decoder, parameters) = load::<Cpu>(&config, source, &options, &device, &mut |_, _| ())
        .map_err(|error| miette::miette!("{error}"))?;
    eprintln!("{} parameters", parameters.count());
    let stream = BatchStream::new(
        Arc::new(documents),
        BatchPlan {
            micro_batch_size: SEQUENCES,
            accumulation: 1,
            max_seq_len: SEQUENCE,
            packing: true,
            shuffle: true,
            seed: SEED,
        },
    )
    .map_err(|error| miette::miette!("{error}"))?;
    let learning_rate = LearningRate {
        peak: plan.learning_rate,
        total_steps: plan.steps,
        warmup_steps: (plan.steps / 50).min(200),
        schedule: Schedule::CosineWithMinLr,
        min_ratio: 0.05,
        power: 1.0,
    };
    let adamw = AdamWSettings { beta1: 0.9, beta2: 0.95, epsilon: 1e-8, weight_decay: 0.1 };
    let train = TrainPlan {
        learning_rate,
        adamw,
        max_grad_norm: 1.0,
        neftune_alpha: None,
        seed: SEED,
        micro_batches: LayerPolicies::uniform(CheckpointPolicy::None, config.num_layers).into(),
        logging_steps: 25,
        save_every: 250,
        keep: 2,
        evaluate_every: Some(1000),
        patience: None,
        min_delta: 0.0,
        on_non_finite: OnNonFinite::Skip,
        max_skipped_steps: 10,
        writes_metrics: true,
        events_folder: None,
        ends_with_best: false,
        card_frequency: 1,
        trained: Trained::Full,
        set_files: vec![],
        card: None,
        ledger: None,
    };
    let identity = RunIdentity {
        created_by: concat!("make-base ", env!("CARGO_PKG_VERSION")).to_owned(),
        seed: SEED,
        config_digest: format!(
            "{} steps, peak {}{}",
            plan.steps,
            plan.learning_rate,
            if plan.from.is_some() { ", second phase" } else { "" }
        ),
    };
    let (folder, notes) = RunFolder::create_or_open(plan.work.join("run"), &identity)
        .map_err(|error| miette::miette!("{error}"))?;
    notes.iter().for_each(|note| eprintln!("{note}"));
    let mut reporter = Lines { started: Instant::now() };
    let mut trainer = Trainer::new(
        decoder,
        parameters,
        stream,
        Some(held_out),
        folder,
        train,
        plan.resume,
        &mut reporter,
    )
    .map_err(|error| miette::miette!("{error}"))?;
    let outcome = trainer.train(stop, &mut reporter).map_err(|error| miette::miette!("{error}"))?;
    eprintln!("step {}: {}", outcome.step, outcome.set.display());
    Ok(())
}

/// The weights of a run's newest set, or of a model folder.
fn newest_weights(run: &Path) -> miette::Result<WeightFiles> {
    let model = run.join("model.safetensors");
    if model.is_file() {
        eprintln!("begins with {}", model.display());
        return WeightFiles::open(&model).map_err(|error| miette::miette!("{error}"));
    }
    let view = RunView::open(run).map_err(|error| miette::miette!("{error}"))?;
    let newest = view.newest_whole_set().map_err(|error| miette::miette!("{error}"))?;
    let set = newest
        .set
        .ok_or_else(|| miette::miette!("`{}` has no whole checkpoint set", run.display()))?;
    eprintln!("begins with {}", set.folder().display());
    WeightFiles::open(&set.folder().join("model.safetensors"))
        .map_err(|error| miette::miette!("{error}"))
}

/// Plain lines on stderr.
struct Lines {
    started: Instant,
}

impl Reporter for Lines {
    fn note(&mut self, message: &str) {
        eprintln!("{message}");
    }

    fn step(&mut self, row: &MetricsRow, logged: bool) {
        if logged {
            eprintln!(
                "step {} loss {:.4} lr {:.2e} norm {:.2} {:.0} tok/s, {} M tokens, {:.0} s",
                row.step,
                row.loss.unwrap_or(f64::NAN),
                row.learning_rate.unwrap_or(f64::NAN),
                row.grad_norm.unwrap_or(f64::NAN),
                row.tokens_per_second.unwrap_or(f64::NAN),
                row.tokens_seen.unwrap_or(0) / 1_000_000,
                self.started.elapsed().as_secs_f64(),
            );
        }
    }

    fn evaluated(&mut self, step: u64, evaluation: &Evaluation, _since: Option<Comparison>) {
        eprintln!("step {step}: held-out loss {:.4}", evaluation.loss());
    }

    fn saved(&mut self, step: u64, path: &Path) {
        eprintln!("step {step}: saved {}", path.display());
    }
}

/// The documents of a token file, at most `most` of them, cut into sequences.
fn read_tokens(path: &Path, most: usize) -> miette::Result<DocumentSet> {
    let bytes = std::fs::read(path)
        .map_err(|error| miette::miette!("cannot read `{}`: {error}", path.display()))?;
    let tokens: Vec<u32> = bytes
        .chunks_exact(2)
        .map(|pair| u32::from(u16::from_le_bytes([pair[0], pair[1]])))
        .collect();
    let name: Arc<str> =
        path.file_name().map_or("tokens", |n| n.to_str().unwrap_or("tokens")).into();
    let source: Arc<str> = "make-base".into();
    let documents = tokens.split_inclusive(|&token| token == 0).take(most).enumerate();
    Ok(documents
        .flat_map(|(row, document)| {
            let pieces = document.chunks(SEQUENCE).enumerate();
            let (source, name) = (Arc::clone(&source), Arc::clone(&name));
            pieces.map(move |(piece, tokens)| Document {
                tokens: tokens.to_vec(),
                prompt_tokens: 0,
                masked: vec![],
                origin: Origin {
                    source: Arc::clone(&source),
                    file: Arc::clone(&name),
                    row: row as u64 + 1,
                },
                piece: piece as u32,
                row: row as u32,
                weight: 1.0,
            })
        })
        .collect())
}
