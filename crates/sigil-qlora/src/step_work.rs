//! How much arithmetic an optimizer step is, counted from the architecture.
//!
//! Floating-point operations, a multiply-add being two (the usual count: Kaplan et al. 2020, section
//! 2.1). Element-wise work is not in it: how far a machine stays below its peak covers that. Divide
//! by a rate to get a time; no clock is read here.

use sigil_config::{Settings, TrainingMode};
use sigil_model::CheckpointPolicy;
use sigil_weights::{
    DecoderConfig,
    config::{LinearModule, Projection},
};

use crate::memory_plan::MemoryPlan;

/// Floating-point operations of one optimizer step, by what they are for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct StepWork {
    /// Linear layers of the base.
    pub linear: f64,
    /// LoRA branches.
    pub adapters: f64,
    /// Scores and weighted sums, as if every document filled its sequence.
    pub attention: f64,
    /// Output head.
    pub head: f64,
}

impl StepWork {
    /// Counts for the settings.
    pub fn new(settings: &Settings, config: &DecoderConfig, policy: CheckpointPolicy) -> Self {
        let length = settings.sequence.max_length as f64;
        let tokens = settings.train.sequences_per_step() as f64 * length;
        let modules = config.linear_modules();
        let elements = |m: &LinearModule| (m.in_features * m.out_features) as f64;
        let weights: f64 = modules.iter().map(elements).sum();
        let down: f64 =
            modules.iter().filter(|m| m.projection == Projection::Down).map(elements).sum();
        let full = settings.model.mode == TrainingMode::Full;
        let trained = MemoryPlan::new(settings, config, policy, 4).trained_parameters as f64;
        let again = match policy {
            CheckpointPolicy::None | CheckpointPolicy::Minimal => 0.0,
            CheckpointPolicy::Inputs | CheckpointPolicy::Offload => 1.0,
        };
        // Forward, backward by the input, by the weight where it is trained; then forward again, but for
        // a layer's last product.
        let passes = if full { 3.0 } else { 2.0 };
        // A causal row sees half of the others; two products forward, five backward.
        let products = 2.0 + 5.0 + 2.0 * again;
        let pairs = tokens * length / 2.0;
        let head = (config.vocab_size * config.hidden_size) as f64;
        Self {
            linear: 2.0 * tokens * (weights * passes + (weights - down) * again),
            adapters: if full { 0.0 } else { 2.0 * trained * tokens * (3.0 + again) },
            attention: 2.0 * pairs * (config.query_width() * config.num_layers) as f64 * products,
            head: 2.0 * head * tokens * if full { 3.0 } else { 2.0 },
        }
    }

    /// All of it.
    #[must_use]
    pub fn total(&self) -> f64 {
        self.linear + self.adapters + self.attention + self.head
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    const CONFIG: &str = r#"{"model_type": "llama", "vocab_size": 1000, "hidden_size": 64,
        "intermediate_size": 128, "num_hidden_layers": 2, "num_attention_heads": 4,
        "num_key_value_heads": 4, "tie_word_embeddings": true}"#;

    #[test]
    fn a_full_step_is_six_operations_for_each_weight_and_token() {
        let config = DecoderConfig::parse(CONFIG.as_bytes(), Path::new("c")).expect("good");
        let mut settings = Settings::default();
        settings.model.mode = TrainingMode::Full;
        settings.sequence.max_length = 32;
        settings.train.micro_batch_size = 2;
        settings.train.gradient_accumulation = 3;
        let work = StepWork::new(&settings, &config, CheckpointPolicy::None);
        let weights = 2.0 * (4.0 * 64.0 * 64.0 + 3.0 * 64.0 * 128.0);
        let tokens = 2.0 * 3.0 * 32.0;
        assert_eq!(work.linear, 6.0 * weights * tokens);
        assert_eq!(work.head, 6.0 * 64_000.0 * tokens);
        // 2 layers, 64 wide, 16 visible keys a query on average, 7 products of 2 operations.
        assert_eq!(work.attention, 2.0 * 64.0 * tokens * 16.0 * 7.0 * 2.0);
        let again = StepWork::new(&settings, &config, CheckpointPolicy::Inputs);
        let down = 2.0 * 64.0 * 128.0;
        assert_eq!(again.linear, work.linear + 2.0 * (weights - down) * tokens);
        settings.model.mode = TrainingMode::Qlora;
        let adapters = StepWork::new(&settings, &config, CheckpointPolicy::None);
        assert_eq!(adapters.linear, work.linear * 2.0 / 3.0);
        assert!(adapters.adapters > 0.0 && adapters.total() < work.total());
    }
}
