//! What a run will hold in memory, counted from the architecture before anything is loaded.
//!
//! Counts are of tensors; an allocator's own overhead is not in them. Activations follow what
//! `sigil-model`'s layer keeps under each policy.

use sigil_config::{Settings, TrainingMode};
use sigil_kernels::cube::cross_entropy;
use sigil_model::CheckpointPolicy;
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
        let layer = LayerElements::of(config);
        let kept = match policy {
            CheckpointPolicy::None => layer.all,
            CheckpointPolicy::Minimal => layer.minimal,
            CheckpointPolicy::Inputs | CheckpointPolicy::Offload => layer.input,
        };
        let layers = config.num_layers as u64;
        let largest = modules.iter().map(elements).max().unwrap_or(0).max(table);
        let vocabulary = config.vocab_size as u64;
        let scratch = if element_bytes == 2 {
            // CUDA: a weight is decoded to bf16, and a chunk of logits is large.
            let logits = tokens * vocabulary * element_bytes;
            largest * element_bytes + logits.min(cross_entropy::CHUNK_BYTES as u64)
        } else {
            largest * 4 + tokens.min((1 << 22) / vocabulary.max(1)).max(1) * vocabulary * 4
        };
        let workspace_bytes = tokens * layer.all * element_bytes + scratch;
        Self {
            base_bytes,
            embedding_bytes,
            trained_parameters: trained,
            trained_bytes: trained * 4,
            gradient_bytes: trained * 4,
            moment_bytes: trained * 8,
            activation_bytes: tokens * kept * layers * element_bytes,
            workspace_bytes,
        }
    }

    /// All of it.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.parts().iter().map(|(_, bytes)| bytes).sum()
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

/// Numbers that a layer keeps for each token.
struct LayerElements {
    all: u64,
    minimal: u64,
    input: u64,
}

impl LayerElements {
    fn of(config: &DecoderConfig) -> Self {
        let (hidden, inner) = (config.hidden_size as u64, config.intermediate_size as u64);
        let (query, key) = (config.query_width() as u64, config.key_width() as u64);
        let raw_heads = if config.qk_norm { query + key } else { 0 };
        // x, q, k, v, attention's output, x2, gate, up; the rest is per head or per row.
        let minimal = 2 * hidden + 2 * query + 2 * key + 2 * inner + raw_heads;
        let all = minimal + 2 * hidden + inner;
        Self { all, minimal, input: hidden }
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
