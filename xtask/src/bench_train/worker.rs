//! Our side of a case: builds the decoder with fresh weights and times the parts of a step.
//!
//! The same calls as `sigil_qlora::step::take_step`, with a clock between them. It speaks
//! `protocol.rs` on its own pipes and is started by `command.rs` only.

use std::io::{BufRead, Write};
use std::path::Path;
use std::time::Instant;

use sigil_kernels::{Cpu, DType, Kernels, Matrix};
use sigil_model::{
    CheckpointPolicy, Decoder, LoadOptions, Parameters, Pass, TokenBatch,
    decoder::LayerPolicies,
    load::{Source, load},
};
use sigil_qlora::{
    memory::peak_resident_bytes,
    optimizer::{AdamWSettings, Optimizer},
};
use sigil_weights::{AdapterConfig, DecoderConfig};

use super::protocol::{Hello, StepTime, Timed};
use super::shape::{CONFIG, Case, SHAPE};

/// Answers requests for steps until `input` ends.
///
/// # Errors
/// The model cannot be built, a request is no number, or the pipes break.
pub(crate) fn serve(
    case: Case,
    threads: usize,
    input: impl BufRead,
    mut output: impl Write,
) -> miette::Result<()> {
    rayon::ThreadPoolBuilder::new()
        .num_threads(threads)
        .build_global()
        .map_err(|error| miette::miette!("{threads} threads: {error}"))?;
    let mut run = Run::new(case)?;
    let hello = Hello {
        implementation: concat!("sigil ", env!("CARGO_PKG_VERSION")).to_owned(),
        trained: run.parameters.count() as u64,
        unavailable: None,
    };
    say(&mut output, &hello)?;
    for line in input.lines() {
        let line = line.map_err(|error| miette::miette!("input: {error}"))?;
        let steps: usize = line
            .trim()
            .parse()
            .map_err(|error| miette::miette!("`{line}` is no number of steps: {error}"))?;
        let mut timed = Timed { steps: vec![], loss: f64::NAN, peak_resident_bytes: 0 };
        for _ in 0..steps {
            let (time, loss) = run.step();
            timed.steps.push(time);
            timed.loss = loss;
        }
        timed.peak_resident_bytes = peak_resident_bytes().unwrap_or(0);
        say(&mut output, &timed)?;
    }
    Ok(())
}

fn say(output: &mut impl Write, answer: &impl serde::Serialize) -> miette::Result<()> {
    let line = serde_json::to_string(answer).expect("numbers and strings serialize");
    writeln!(output, "{line}")
        .and_then(|()| output.flush())
        .map_err(|error| miette::miette!("output: {error}"))
}

/// A model in training.
struct Run {
    decoder: Decoder<Cpu>,
    parameters: Parameters<Cpu>,
    optimizer: Optimizer<Cpu>,
    policies: LayerPolicies,
    tokens: Vec<u32>,
    targets: Vec<i32>,
    starts: Vec<u32>,
}

impl Run {
    fn new(case: Case) -> miette::Result<Self> {
        let config = DecoderConfig::parse(CONFIG.as_bytes(), Path::new("the built-in config"))
            .map_err(|error| miette::miette!("{error}"))?;
        let adapter =
            AdapterConfig { rank: SHAPE.rank, alpha: SHAPE.alpha, ..AdapterConfig::default() };
        let options = LoadOptions {
            mode: case.mode(),
            adapter: Some(adapter),
            max_sequence_length: SHAPE.sequence_tokens,
            compute: DType::F32,
            seed: 42,
        };
        let device = Default::default();
        let (decoder, parameters) =
            load::<Cpu>(&config, Source::Fresh, &options, &device, &mut |_, _| ())
                .map_err(|error| miette::miette!("{error}"))?;
        let adamw = AdamWSettings {
            beta1: 0.9,
            beta2: 0.999,
            epsilon: 1e-8,
            weight_decay: SHAPE.weight_decay,
        };
        let tokens: Vec<u32> = (0..SHAPE.step_tokens()).map(|i| SHAPE.token(i)).collect();
        let targets = (1..=tokens.len()).map(|next| {
            // The last token of a sequence predicts nothing.
            if next.is_multiple_of(SHAPE.sequence_tokens) { -1 } else { tokens[next] as i32 }
        });
        Ok(Self {
            optimizer: Optimizer::new(adamw, &parameters),
            policies: LayerPolicies::uniform(CheckpointPolicy::None, config.num_layers),
            targets: targets.collect(),
            starts: (0..=SHAPE.sequences).map(|i| (i * SHAPE.sequence_tokens) as u32).collect(),
            decoder,
            parameters,
            tokens,
        })
    }

    /// One optimizer step; returns its parts and its loss.
    fn step(&mut self) -> (StepTime, f64) {
        let begun = Instant::now();
        let batch = TokenBatch::new(
            &self.tokens,
            self.targets.clone(),
            self.starts.clone(),
            &self.decoder.device,
        );
        let targets = batch.target_count();
        let pass = Pass { training: true, seed: self.optimizer.steps(), neftune_alpha: None };
        let scale = 1.0 / targets as f32;
        let nll = self.decoder.train(&batch, &mut self.parameters, scale, &pass, &self.policies);
        let with_gradients = Instant::now();
        let gradients: Vec<Matrix<Cpu>> =
            self.parameters.iter().filter_map(|parameter| parameter.gradient.clone()).collect();
        let norm = Cpu::sum_of_squares(&gradients).sqrt();
        drop(gradients);
        let clipped = Instant::now();
        let factor = (SHAPE.max_grad_norm / (norm + 1e-6)).min(1.0);
        self.optimizer.step(&mut self.parameters, SHAPE.learning_rate, factor);
        let ended = Instant::now();
        let milliseconds = |from: Instant, to: Instant| (to - from).as_secs_f64() * 1e3;
        let time = StepTime {
            forward_backward_ms: milliseconds(begun, with_gradients),
            clip_ms: milliseconds(with_gradients, clipped),
            optimizer_ms: milliseconds(clipped, ended),
        };
        (time, nll.iter().map(|&loss| f64::from(loss)).sum::<f64>() / targets as f64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_cases_learn_their_batch() -> miette::Result<()> {
        for case in Case::ALL {
            let mut run = Run::new(case)?;
            let losses: Vec<f64> = (0..3).map(|_| run.step().1).collect();
            let uniform = (SHAPE.vocabulary as f64).ln();
            assert!((losses[0] - uniform).abs() < 0.5, "{case:?}: {losses:?}");
            assert!(losses[2] < losses[0], "{case:?}: {losses:?}");
        }
        Ok(())
    }
}
