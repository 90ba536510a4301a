//! The stage `train`: optimizer steps of a whole model with drawn weights.
//!
//! A case is a micro-batch and a checkpoint policy. The same calls as in training; the peer's script
//! times the same steps.

use std::path::Path;
use std::time::Instant;

use miette::miette;
use serde_json::json;
use sigil_config::{Settings, TrainingMode};
use sigil_kernels::{
    DType, Kernels, Matrix,
    trial::{release, wait},
};
use sigil_model::{
    CheckpointPolicy, Decoder, LoadOptions, Mode, Parameters, Pass, TokenBatch,
    decoder::LayerPolicies,
    load::{Source, load},
};
use sigil_qlora::{
    memory_plan::MemoryPlan,
    optimizer::{AdamWSettings, Optimizer},
};
use sigil_weights::{AdapterConfig, DecoderConfig, FourBit};

use super::{
    command::{Device, RunArguments, Shape},
    model::{config_text, sequence_tokens, step_operations},
    stages::{Found, Speaker, used_bytes},
};

/// Steps before the timed ones: kernels are compiled and chosen in them.
const WARMUP: usize = 2;
/// Timed steps at most, and the time after which they are enough.
const STEPS: usize = 6;
const ENOUGH_SECONDS: f64 = 20.0;

/// Sequences of a micro-batch and the policy, in the order of interest.
const CASES: [(usize, CheckpointPolicy); 6] = [
    (4, CheckpointPolicy::Inputs),
    (4, CheckpointPolicy::Minimal),
    (4, CheckpointPolicy::None),
    (1, CheckpointPolicy::Inputs),
    (8, CheckpointPolicy::Inputs),
    (4, CheckpointPolicy::Offload),
];

/// Runs the cases; the model is made once.
pub(crate) fn run<B: Kernels>(
    speaker: &mut Speaker<'_>,
    device: &B::Device,
    dtype: DType,
    arguments: &RunArguments,
) -> miette::Result<()> {
    let mut model = None;
    for (sequences, policy) in CASES {
        let name = format!("{sequences} sequences, policy {}", policy.name());
        speaker.case(&name, || {
            if model.is_none() {
                model = Some(Model::<B>::new(arguments.shape, device, dtype)?);
            }
            let Some(model) = &mut model else { return Err(miette!("it was just made")) };
            let found = model.time(sequences, policy, arguments)?;
            release::<B>(device);
            Ok(found)
        })?;
    }
    Ok(())
}

struct Model<B: Kernels> {
    decoder: Decoder<B>,
    parameters: Parameters<B>,
    optimizer: Optimizer<B>,
    sequence: usize,
    made_in_seconds: f64,
}

impl<B: Kernels> Model<B> {
    fn new(shape: Shape, device: &B::Device, dtype: DType) -> miette::Result<Self> {
        let begun = Instant::now();
        let text = config_text(shape);
        let config = DecoderConfig::parse(text.as_bytes(), Path::new("the built-in config"))
            .map_err(|error| miette!("{error}"))?;
        let adapter = AdapterConfig { rank: 16, alpha: 32.0, ..AdapterConfig::default() };
        let sequence = sequence_tokens(shape);
        let options = LoadOptions {
            mode: Mode::Qlora { kind: FourBit::Nf4, nested: true },
            adapter: Some(adapter),
            max_sequence_length: sequence,
            compute: dtype,
            seed: 42,
        };
        let (decoder, parameters) =
            load::<B>(&config, Source::Repeated, &options, device, &mut |_, _| ())
                .map_err(|error| miette!("{error}"))?;
        let adamw = AdamWSettings { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weight_decay: 0.0 };
        let optimizer = Optimizer::new(adamw, &parameters);
        wait::<B>(device).map_err(|error| miette!("{error}"))?;
        let made_in_seconds = begun.elapsed().as_secs_f64();
        Ok(Self { decoder, parameters, optimizer, sequence, made_in_seconds })
    }

    fn time(
        &mut self,
        sequences: usize,
        policy: CheckpointPolicy,
        arguments: &RunArguments,
    ) -> miette::Result<Found> {
        let tokens = sequences * self.sequence;
        let mut losses = vec![];
        for _ in 0..WARMUP {
            losses.push(self.step(sequences, policy)?);
        }
        let used_before = used_bytes(arguments.device);
        let begun = Instant::now();
        let mut steps = 0;
        while steps < STEPS && (steps == 0 || begun.elapsed().as_secs_f64() < ENOUGH_SECONDS) {
            losses.push(self.step(sequences, policy)?);
            steps += 1;
        }
        let seconds = begun.elapsed().as_secs_f64() / steps as f64;
        let used = used_bytes(arguments.device);
        let planned = self.planned(sequences, policy);
        let own = B::memory(&self.decoder.device);
        let grown = used.unwrap_or(0).saturating_sub(used_before.unwrap_or(0));
        // A card's pools hold what they need after the first steps; the peak of a process may rise.
        let steady = arguments.device == Device::Cpu || grown <= planned / 100;
        let gibibytes = |bytes: u64| bytes as f64 / f64::from(1 << 30);
        let rate = tokens as f64 / seconds;
        let work = step_operations(&self.decoder.config, tokens, self.sequence);
        let finite = losses.iter().all(|loss| loss.is_finite());
        Ok(Found {
            ok: finite && steady && losses.last() < losses.first(),
            text: format!(
                "{rate:>9.0} tok/s  {:>9.1} ms  {:>6.1} model TFLOP/s  {:>6.2} GiB \
                 ({:.2} planned, {:.2} more than after {WARMUP} steps)  loss {:.4} to {:.4}",
                seconds * 1e3,
                work / seconds / 1e12,
                gibibytes(used.unwrap_or(0)),
                gibibytes(planned),
                gibibytes(grown),
                losses.first().copied().unwrap_or(f64::NAN),
                losses.last().copied().unwrap_or(f64::NAN),
            ),
            figures: json!({
                "tokens_per_second": rate, "step_ms": seconds * 1e3, "steps": steps,
                "tokens": tokens, "policy": policy.name(), "model_operations": work,
                "used_bytes": used, "planned_bytes": planned, "grown_bytes": grown,
                "reserved_bytes": own.map(|memory| memory.reserved),
                "in_use_bytes": own.map(|memory| memory.in_use),
                "losses": losses, "made_in_seconds": self.made_in_seconds,
            }),
        })
    }

    /// What `sigil-train --plan` says for such a run.
    fn planned(&self, sequences: usize, policy: CheckpointPolicy) -> u64 {
        let mut settings = Settings::default();
        settings.model.mode = TrainingMode::Qlora;
        settings.lora.r = 16;
        settings.train.micro_batch_size = sequences;
        settings.sequence.max_length = self.sequence;
        let element_bytes = self.decoder.compute.size() as u64;
        MemoryPlan::new(&settings, &self.decoder.config, policy, element_bytes).total()
    }

    /// One optimizer step over sequences that are the same in every step; returns the loss.
    fn step(&mut self, sequences: usize, policy: CheckpointPolicy) -> miette::Result<f64> {
        let vocabulary = self.decoder.config.vocab_size;
        let count = sequences * self.sequence;
        let tokens: Vec<u32> =
            (0..count).map(|position| ((position * 7919 + 13) % vocabulary) as u32).collect();
        let targets = (1..=count).map(|next| {
            // The last token of a sequence predicts nothing.
            if next.is_multiple_of(self.sequence) { -1 } else { tokens[next] as i32 }
        });
        let targets: Vec<i32> = targets.collect();
        let starts = (0..=sequences).map(|i| (i * self.sequence) as u32).collect();
        let device = self.decoder.device.clone();
        let batch = TokenBatch::new(&tokens, targets, starts, &device);
        let wanted = batch.target_count();
        let pass = Pass { training: true, seed: self.optimizer.steps(), neftune_alpha: None };
        let policies = LayerPolicies::uniform(policy, self.decoder.config.num_layers);
        let scale = 1.0 / wanted as f32;
        // As in training, where every micro-batch of a run has the same shapes.
        let nll = B::with_exact_memory(&device, || {
            self.decoder.train(&batch, &mut self.parameters, scale, &pass, &policies)
        });
        let gradients: Vec<Matrix<B>> =
            self.parameters.iter().filter_map(|parameter| parameter.gradient.clone()).collect();
        let norm = B::sum_of_squares(&gradients).sqrt();
        drop(gradients);
        let factor = (1.0 / (norm + 1e-6)).min(1.0);
        self.optimizer.step(&mut self.parameters, 1e-3, factor);
        wait::<B>(&device).map_err(|error| miette!("{error}"))?;
        Ok(nll.iter().map(|&loss| f64::from(loss)).sum::<f64>() / wanted as f64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sigil_kernels::Cpu;

    #[test]
    fn drawn_weights_learn_their_batch() -> miette::Result<()> {
        let mut model = Model::<Cpu>::new(Shape::Toy, &Default::default(), DType::F32)?;
        let first = model.step(2, CheckpointPolicy::Inputs)?;
        let second = model.step(2, CheckpointPolicy::Inputs)?;
        assert!((first - 1000f64.ln()).abs() < 0.5, "{first}");
        assert!(second < first, "{first} then {second}");
        Ok(())
    }
}
