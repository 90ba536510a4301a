//! Settings to the plain data that loader and loop take. No file is opened here.

use burn::tensor::DType;
use sigil_config::{
    CheckpointPolicy as PolicySetting, Length, LogBackend, QuantType, Settings, Targets,
    TrainingMode,
};
use sigil_data::{BatchPlan, BatchStream};
use sigil_model::{CheckpointPolicy, LoadOptions, Mode, decoder::LayerPolicies};
use sigil_weights::{AdapterConfig, DecoderConfig, FourBit, peft::TargetModules};

use crate::{
    TrainError, checkpoint::Trained, memory_plan::MemoryPlan, micro_batch::MicroBatches,
    optimizer::AdamWSettings, plan::TrainPlan, schedule::LearningRate,
};

/// The adapter that the settings describe.
pub fn adapter_config(settings: &Settings) -> AdapterConfig {
    let lora = &settings.lora;
    let target_modules = match lora.targets() {
        Targets::AllLinear => TargetModules::AllLinear,
        _ => TargetModules::Names(lora.target_modules.clone()),
    };
    let pairs = |(key, value): (&String, &usize)| (key.clone(), *value);
    AdapterConfig {
        base_model_name_or_path: Some(settings.model.name.clone()),
        revision: settings.model.revision.clone(),
        rank: lora.r,
        alpha: lora.alpha as f64,
        dropout: lora.dropout,
        use_rslora: lora.use_rslora,
        target_modules,
        layers_to_transform: lora.layers_to_transform.clone(),
        rank_pattern: lora.rank_pattern.iter().map(pairs).collect(),
        alpha_pattern: lora
            .alpha_pattern
            .iter()
            .map(|(key, value)| (key.clone(), *value as f64))
            .collect(),
        ..AdapterConfig::default()
    }
}

/// How the base is held.
pub fn mode(settings: &Settings) -> Mode {
    match settings.model.mode {
        TrainingMode::Qlora => Mode::Qlora {
            kind: match settings.quantization.quant_type {
                QuantType::Nf4 => FourBit::Nf4,
                QuantType::Fp4 => FourBit::Fp4,
            },
            nested: settings.quantization.use_double_quant,
        },
        TrainingMode::Lora => Mode::Lora,
        TrainingMode::Full => Mode::Full,
    }
}

/// How the decoder is loaded; `compute` is the dtype of activations on the device.
pub fn load_options(settings: &Settings, compute: DType) -> LoadOptions {
    LoadOptions {
        mode: mode(settings),
        adapter: (settings.model.mode != TrainingMode::Full).then(|| adapter_config(settings)),
        max_sequence_length: settings.sequence.max_length,
        compute,
        seed: settings.run.seed,
    }
}

/// How batches are made.
pub fn batch_plan(settings: &Settings) -> BatchPlan {
    sigil_data::recipe::batch_plan(settings)
}

/// Optimizer steps of the whole run.
///
/// # Errors
/// Epochs of a stream, whose length is not known; rows that cannot be encoded.
pub fn total_steps(settings: &Settings, stream: &BatchStream) -> Result<u64, TrainError> {
    Ok(match settings.train.length() {
        Length::Steps(steps) => steps as u64,
        Length::Epochs(epochs) if epochs.fract() == 0.0 => {
            stream.steps_for_epochs(epochs as u64)?
        }
        Length::Epochs(epochs) => (epochs * stream.steps_per_epoch()? as f64).ceil() as u64,
    })
}

/// What every layer keeps; `auto` takes the fastest policy whose plan fits into `memory_bytes` with some to
/// spare, with activations of `element_bytes`.
pub fn policies(
    settings: &Settings,
    config: &DecoderConfig,
    memory_bytes: Option<u64>,
    element_bytes: u64,
) -> LayerPolicies {
    let uniform = |policy| LayerPolicies::uniform(policy, config.num_layers);
    match settings.train.checkpoint_policy {
        PolicySetting::None => uniform(CheckpointPolicy::None),
        PolicySetting::Minimal => uniform(CheckpointPolicy::Minimal),
        PolicySetting::Inputs => uniform(CheckpointPolicy::Inputs),
        PolicySetting::Offload => uniform(CheckpointPolicy::Offload),
        PolicySetting::Auto => {
            let fits = |policy: &CheckpointPolicy| {
                let plan = MemoryPlan::new(settings, config, *policy, element_bytes);
                memory_bytes.is_none_or(|memory| plan.fits(memory))
            };
            let chosen = CheckpointPolicy::ALL.into_iter().find(fits);
            uniform(chosen.unwrap_or(CheckpointPolicy::Offload))
        }
    }
}

/// Refuses a run whose plan does not fit into `memory_bytes`, before anything is loaded.
///
/// # Errors
/// [`TrainError::Memory`] with what would fit.
pub fn check_memory(
    settings: &Settings,
    config: &DecoderConfig,
    policies: &LayerPolicies,
    memory_bytes: Option<u64>,
    element_bytes: u64,
) -> Result<(), TrainError> {
    let (Some(available), Some(policy)) = (memory_bytes, policies.0.first()) else { return Ok(()) };
    let plan = MemoryPlan::new(settings, config, *policy, element_bytes);
    if plan.total() <= available {
        return Ok(());
    }
    let mut smallest = settings.clone();
    smallest.train.micro_batch_size = 1;
    let least = MemoryPlan::new(&smallest, config, CheckpointPolicy::Offload, element_bytes);
    Err(TrainError::Memory {
        plan: Box::new(plan),
        policy: policy.name(),
        available,
        least: least.total(),
    })
}

/// AdamW's constants.
pub fn adamw(settings: &Settings) -> AdamWSettings {
    let train = &settings.train;
    AdamWSettings {
        beta1: train.adam_beta1,
        beta2: train.adam_beta2,
        epsilon: train.adam_epsilon,
        weight_decay: train.weight_decay,
    }
}

/// Everything the loop is told, without files and card.
pub fn train_plan(
    settings: &Settings,
    total_steps: u64,
    policies: LayerPolicies,
    trained: Trained,
) -> TrainPlan {
    let train = &settings.train;
    let evaluation = &settings.evaluation;
    TrainPlan {
        learning_rate: LearningRate {
            peak: train.learning_rate,
            total_steps,
            warmup_steps: train.warmup().steps(total_steps as usize) as u64,
            schedule: train.lr_scheduler_type,
            min_ratio: train.min_lr_ratio,
            power: train.polynomial_power,
        },
        adamw: adamw(settings),
        max_grad_norm: train.max_grad_norm,
        neftune_alpha: train.neftune_noise_alpha,
        seed: settings.run.seed,
        micro_batches: MicroBatches::new(settings, policies),
        logging_steps: train.logging_steps as u64,
        save_every: train.save_every as u64,
        keep: train.save_total_limit.unwrap_or(usize::MAX),
        evaluate_every: evaluation.every_steps.map(|steps| steps as u64),
        patience: evaluation.early_stopping_patience.map(|patience| patience as u64),
        min_delta: evaluation.early_stopping_min_delta,
        on_non_finite: train.on_non_finite,
        max_skipped_steps: train.max_skipped_steps as u64,
        writes_metrics: train.log_backend != LogBackend::None,
        events_folder: settings.run.logging_dir.clone(),
        ends_with_best: train.load_best_model_at_end,
        card_frequency: settings.run.model_card_frequency as u64,
        trained,
        set_files: vec![("config.toml".to_owned(), settings.to_toml().into_bytes())],
        card: None,
        ledger: None,
    }
}
