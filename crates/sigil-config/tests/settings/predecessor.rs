//! The predecessor's own files load unchanged, with one note for each key that means another.

use expect_test::{Expect, expect};
use sigil_config::{CheckpointPolicy, ComputeDtype, Layers, Loaded, Optimizer, Schedule};

const PHASE_1: &str =
    include_str!("../../../../tests/fixtures/predecessor-configs/llama8b-phase1.yml");
const PHASE_2: &str =
    include_str!("../../../../tests/fixtures/predecessor-configs/llama8b-phase2.yml");

fn load(text: &str) -> Loaded {
    let loaded = Layers::new().file("config.yml", text).load();
    loaded.unwrap_or_else(|errors| panic!("{errors}"))
}

fn notes(text: &str, expected: Expect) {
    let notes: Vec<String> = load(text).notes.iter().map(ToString::to_string).collect();
    expected.assert_eq(&notes.join("\n"));
}

#[test]
fn phase_1_has_one_note_for_each_key() {
    notes(
        PHASE_1,
        expect![[r#"
            `model_name` is called `model.name` here (config.yml:3:1)
            `max_seq_len` is called `sequence.max_length` here (config.yml:23:1)
            `pack` is called `sequence.pack` here (config.yml:24:1)
            `train.lr` is called `train.learning_rate` here (config.yml:42:3)
            `train.bf16` is `quantization.compute_dtype = "bfloat16"` here (config.yml:48:3)
            `train.grad_checkpointing` is `train.checkpoint_policy = "auto"` here (config.yml:49:3)
            `train.optimizer = paged_adamw_8bit` means `adamw` here: it is the same AdamW; its moments stay in float32, a few bytes for each adapter weight (config.yml:53:14)
            `train.use_flash_attention` has no meaning here: attention never stores the square of the sequence length, with this switch or without (config.yml:55:3)
            `train.dataloader_num_workers` has no meaning here: rows are tokenized once into a cache that is read faster than a step takes, so there are no data-loading processes (`run.threads` sets the threads) (config.yml:57:3)
            `train.dataloader_pin_memory` has no meaning here: rows are tokenized once into a cache that is read faster than a step takes, so there are no data-loading processes (`run.threads` sets the threads) (config.yml:58:3)
            `train.dataloader_prefetch_factor` has no meaning here: rows are tokenized once into a cache that is read faster than a step takes, so there are no data-loading processes (`run.threads` sets the threads) (config.yml:59:3)
            `train.clear_cache_every_n_steps` has no meaning here: memory is planned before the run and reused, so there is no cache to clear between steps (config.yml:60:3)
            `bnb_4bit.quant_type` is called `quantization.quant_type` here (config.yml:63:3)
            `bnb_4bit.compute_dtype` is called `quantization.compute_dtype` here (config.yml:64:3)
            `bnb_4bit.use_double_quant` is called `quantization.use_double_quant` here (config.yml:65:3)
            `misc.output_dir` is called `run.output_dir` here (config.yml:68:3)
            `misc.logging_dir` is called `run.logging_dir` here (config.yml:69:3)
            `misc.seed` is called `run.seed` here (config.yml:70:3)
            `misc.deterministic` is called `run.deterministic` here (config.yml:71:3)"#]],
    );
    let mut keys: Vec<String> = load(PHASE_1).notes.into_iter().map(|note| note.key).collect();
    let all = keys.len();
    keys.sort();
    keys.dedup();
    assert_eq!(keys.len(), all);
}

#[test]
fn phase_2_has_one_note_for_each_key() {
    notes(
        PHASE_2,
        expect![[r#"
            `model_name` is called `model.name` here (config.yml:3:1)
            `max_seq_len` is called `sequence.max_length` here (config.yml:25:1)
            `pack` is called `sequence.pack` here (config.yml:26:1)
            `train.lr` is called `train.learning_rate` here (config.yml:44:3)
            `train.bf16` is `quantization.compute_dtype = "bfloat16"` here (config.yml:50:3)
            `train.grad_checkpointing` is `train.checkpoint_policy = "auto"` here (config.yml:51:3)
            `train.optimizer = paged_adamw_8bit` means `adamw` here: it is the same AdamW; its moments stay in float32, a few bytes for each adapter weight (config.yml:55:14)
            `train.use_flash_attention` has no meaning here: attention never stores the square of the sequence length, with this switch or without (config.yml:57:3)
            `train.dataloader_num_workers` has no meaning here: rows are tokenized once into a cache that is read faster than a step takes, so there are no data-loading processes (`run.threads` sets the threads) (config.yml:59:3)
            `train.dataloader_pin_memory` has no meaning here: rows are tokenized once into a cache that is read faster than a step takes, so there are no data-loading processes (`run.threads` sets the threads) (config.yml:60:3)
            `train.dataloader_prefetch_factor` has no meaning here: rows are tokenized once into a cache that is read faster than a step takes, so there are no data-loading processes (`run.threads` sets the threads) (config.yml:61:3)
            `train.clear_cache_every_n_steps` has no meaning here: memory is planned before the run and reused, so there is no cache to clear between steps (config.yml:62:3)
            `bnb_4bit.quant_type` is called `quantization.quant_type` here (config.yml:65:3)
            `bnb_4bit.compute_dtype` is called `quantization.compute_dtype` here (config.yml:66:3)
            `bnb_4bit.use_double_quant` is called `quantization.use_double_quant` here (config.yml:67:3)
            `misc.output_dir` is called `run.output_dir` here (config.yml:70:3)
            `misc.logging_dir` is called `run.logging_dir` here (config.yml:71:3)
            `misc.seed` is called `run.seed` here (config.yml:72:3)
            `misc.deterministic` is called `run.deterministic` here (config.yml:73:3)"#]],
    );
}

#[test]
fn phase_1_keeps_its_values() {
    let settings = load(PHASE_1).settings;
    assert_eq!(settings.model.name, "meta-llama/Meta-Llama-3.1-8B-Instruct");
    assert_eq!(settings.dataset.names, ["ammarnasr/the-stack-rust-clean"]);
    assert_eq!(settings.dataset.cache_dir, None);
    assert_eq!((settings.dataset.min_length, settings.dataset.max_length), (64, 200_000));
    assert_eq!(settings.dataset.shuffle_seed, Some(42));
    assert_eq!((settings.sequence.max_length, settings.sequence.pack), (4096, true));
    assert_eq!((settings.lora.r, settings.lora.alpha, settings.lora.dropout), (16, 16, 0.05));
    assert_eq!(settings.lora.target_modules.len(), 7);
    assert_eq!(settings.train.sequences_per_step(), 64);
    assert_eq!(settings.train.learning_rate, 1e-4);
    assert_eq!(settings.train.num_steps, Some(12_000));
    assert_eq!(settings.train.warmup_steps, Some(250));
    assert_eq!(settings.train.save_every, 1000);
    assert_eq!(settings.train.optimizer, Optimizer::Adamw);
    assert_eq!(settings.train.lr_scheduler_type, Schedule::Cosine);
    assert_eq!(settings.train.checkpoint_policy, CheckpointPolicy::Auto);
    assert_eq!(settings.quantization.compute_dtype, ComputeDtype::Bfloat16);
    assert_eq!(settings.run.output_dir.to_str(), Some("out/llama8b-rust-qlora-phase1"));
}

#[test]
fn phase_2_continues_from_phase_1_as_its_comment_says() {
    let text = format!("{PHASE_2}  load_from: out/llama8b-rust-qlora-phase1/checkpoint-12000\n");
    let settings = load(&text).settings;
    let adapter = Some("out/llama8b-rust-qlora-phase1/checkpoint-12000");
    assert_eq!(settings.model.load_from.as_deref(), adapter);
    assert!(settings.dataset.prefer_idiomatic && settings.dataset.prefer_documented);
    assert_eq!(settings.train.learning_rate, 5e-5);
}

#[test]
fn every_key_of_the_predecessors_schema_is_accepted() {
    // All of section by section, with a value that its schema takes, the ones it dropped included.
    let text = "
model_name: a/b
max_seq_len: 4096
pack: true
dataset:
  names: [a/b]
  use_cache: true
  min_length: 64
  max_length: 200000
  exclude_tests: true
  exclude_examples: false
  exclude_benches: true
  prefer_idiomatic: false
  prefer_documented: false
  idiomatic_quality_ratio: 2.0
  shuffle_seed: null
  interleave_mode: weighted
  dataset_weights: {a/b: 1.0}
  task_weights: {code_generation: 2.5}
  cache_dir: null
lora: {r: 16, alpha: 16, dropout: 0.05, target_modules: 'q_proj;v_proj'}
train:
  micro_batch_size: 8
  gradient_accumulation: 6
  lr: 1e-4
  weight_decay: 0.0
  num_steps: 12000
  warmup_steps: 0
  logging_steps: 10
  save_every: 1000
  bf16: true
  grad_checkpointing: true
  max_grad_norm: 1.0
  log_backend: tensorboard
  lr_scheduler_type: cosine
  optimizer: paged_adamw_8bit
  save_total_limit: 3
  load_best_model_at_end: false
  use_flash_attention: true
  dataloader_num_workers: 48
  dataloader_pin_memory: true
  dataloader_prefetch_factor: 4
  clear_cache_every_n_steps: 500
bnb_4bit: {quant_type: nf4, compute_dtype: bfloat16, use_double_quant: true}
misc:
  output_dir: out/x
  logging_dir: null
  seed: 42
  load_from: null
  log_file: null
  deterministic: false
  model_card_frequency: 1
  sweep_metadata: {run_id: run_001, params: {lr: 1.0e-4, r: 8}, note: null}
";
    let settings = load(text).settings;
    assert_eq!(settings.lora.target_modules, ["q_proj", "v_proj"]);
    assert_eq!(settings.train.warmup_steps, Some(0));
    assert_eq!(settings.run.sweep_metadata["params"]["r"].as_integer(), Some(8));
}

#[test]
fn switches_of_the_predecessor_become_values() {
    let text = "
model_name: a/b
train: {bf16: false, grad_checkpointing: false}
";
    let settings = load(text).settings;
    assert_eq!(settings.quantization.compute_dtype, ComputeDtype::Float32);
    assert_eq!(settings.train.checkpoint_policy, CheckpointPolicy::None);
    // A finer value beside the switch stays, as long as the two agree.
    let text = "
model_name: a/b
train: {checkpoint_policy: inputs, grad_checkpointing: true}
";
    assert_eq!(load(text).settings.train.checkpoint_policy, CheckpointPolicy::Inputs);
}

#[test]
fn a_dataset_as_one_text_is_a_list_of_one() {
    let settings = load("model_name: a/b\ndataset_name: c/d\n").settings;
    assert_eq!(settings.dataset.names, ["c/d"]);
}
