//! What a run will hold in memory, counted from the architecture before anything is loaded.
//!
//! Counts are of tensors; a driver's own memory is not in them. On CUDA every buffer has its own size and
//! is kept for the next of that size, so that what is counted is what is taken.

use std::collections::BTreeSet;

use sigil_config::{Settings, TrainingMode};
use sigil_kernels::cube::cross_entropy;
use sigil_model::{CheckpointPolicy, footprint::TokenFootprint};
use sigil_weights::{
    DecoderConfig, config::LinearModule, nf4::stored_bytes, peft::resolve_targets,
};

use crate::assemble::adapter_config;

/// Bytes by what they are for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemoryPlan {
    /// Frozen linear layers.
    pub base_bytes: u64,
    /// Embedding, head and norms.
    pub embedding_bytes: u64,
    /// Trained numbers (not bytes).
    pub trained_parameters: u64,
    /// Trained parameters in f32.
    pub trained_bytes: u64,
    /// Their gradients.
    pub gradient_bytes: u64,
    /// Both moments.
    pub moment_bytes: u64,
    /// What layers keep for the backward pass.
    pub activation_bytes: u64,
    /// One layer being computed, one decoded weight, one chunk of logits.
    pub workspace_bytes: u64,
}

impl MemoryPlan {
    /// Counts for the settings, with activations of `element_bytes` (4 on the CPU, 2 for bf16).
    pub fn new(
        settings: &Settings,
        config: &DecoderConfig,
        policy: CheckpointPolicy,
        element_bytes: u64,
    ) -> Self {
        let modules = config.linear_modules();
        let elements = |module: &LinearModule| (module.out_features * module.in_features) as u64;
        let linear: u64 = modules.iter().map(elements).sum();
        let hidden = config.hidden_size as u64;
        let table = config.vocab_size as u64 * hidden;
        let tables = if config.tie_word_embeddings { table } else { 2 * table };
        let nested = settings.quantization.use_double_quant;
        let (base_bytes, embedding_bytes, trained) = match settings.model.mode {
            TrainingMode::Full => (0, 0, linear + tables),
            TrainingMode::Lora => (linear * element_bytes, tables * 2, lora(settings, &modules)),
            TrainingMode::Qlora => {
                let stored = |m: &LinearModule| stored_bytes(elements(m) as usize, nested) as u64;
                (modules.iter().map(stored).sum(), tables * 2, lora(settings, &modules))
            }
        };
        let tokens = (settings.train.micro_batch_size * settings.sequence.max_length) as u64;
        // On the CPU host memory is the memory that is counted.
        let counted = match policy {
            CheckpointPolicy::Offload if element_bytes == 4 => CheckpointPolicy::Inputs,
            _ => policy,
        };
        let each = TokenFootprint::new(config, counted);
        let layers = config.num_layers as u64;
        let vocabulary = config.vocab_size as u64;
        let scratch = if element_bytes == 2 {
            // CUDA: weights are decoded to bf16, those of a size one after another, and a chunk of the
            // head's input, its gradient and its logits.
            let sizes: BTreeSet<u64> = modules.iter().map(elements).collect();
            let decoded =
                if settings.model.mode == TrainingMode::Qlora { sizes.iter().sum() } else { 0 };
            let rows = cross_entropy::chunk_rows(tokens as usize, config.vocab_size, 2) as u64;
            (decoded + rows * (vocabulary + 2 * hidden)) * element_bytes
        } else {
            let largest = modules.iter().map(elements).max().unwrap_or(0).max(table);
            largest * 4 + tokens.min((1 << 22) / vocabulary.max(1)).max(1) * vocabulary * 4
        };
        let workspace_bytes = tokens * each.working * element_bytes + scratch;
        Self {
            base_bytes,
            embedding_bytes,
            trained_parameters: trained,
            trained_bytes: trained * 4,
            gradient_bytes: trained * 4,
            moment_bytes: trained * 8,
            activation_bytes: tokens * each.kept * layers * element_bytes,
            workspace_bytes,
        }
    }

    /// All of it.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.parts().iter().map(|(_, bytes)| bytes).sum()
    }

    /// Whether it fits with a sixteenth to spare, for what is rounded up and what a driver takes.
    #[must_use]
    pub fn fits(&self, memory_bytes: u64) -> bool {
        let total = self.total();
        total + total / 16 <= memory_bytes
    }

    /// The parts with their names, for a table.
    pub fn parts(&self) -> [(&'static str, u64); 7] {
        [
            ("base weights", self.base_bytes),
            ("embedding and head", self.embedding_bytes),
            ("trained parameters", self.trained_bytes),
            ("gradients", self.gradient_bytes),
            ("optimizer moments", self.moment_bytes),
            ("activations", self.activation_bytes),
            ("workspace", self.workspace_bytes),
        ]
    }
}

/// Numbers in all LoRA matrices; none if the settings select nothing (reported elsewhere).
fn lora(settings: &Settings, modules: &[LinearModule]) -> u64 {
    let names: Vec<&str> = modules.iter().map(|module| module.name.as_str()).collect();
    let Ok(targets) = resolve_targets(&adapter_config(settings), &names) else { return 0 };
    let pairs = modules.iter().zip(targets.modules);
    pairs
        .filter_map(|(module, target)| {
            Some(target?.rank as u64 * (module.in_features + module.out_features) as u64)
        })
        .sum()
}
