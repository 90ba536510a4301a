//! The stage `generate`: tokens a second of a model with drawn weights, prompts and decoding apart.
//!
//! A case is a form of the weights and a number of sequences. Greedy, nothing ends a sequence early;
//! prompts differ, so that none is copied from another. The peer's script does the same.

use std::path::Path;
use std::time::Instant;

use miette::miette;
use serde_json::json;
use sigil_kernels::{
    DType, Decoding,
    trial::{release, wait},
};
use sigil_model::{
    LoadOptions, Mode,
    generate::{
        AdapterUse, GenerationModel, Generator, GeneratorShape, Observer, Request, Sample,
        Sampling, Settings, Stop,
    },
    load::{Source, load},
};
use sigil_weights::{DecoderConfig, FourBit};

use super::{
    command::{RunArguments, Shape},
    model::config_text,
    stages::{Found, Speaker, used_bytes},
};

/// Whether the linear layers are NF4, and sequences at the same time, in the order of interest.
const CASES: [(bool, usize); 6] =
    [(true, 1), (true, 32), (true, 256), (false, 1), (false, 32), (false, 256)];
/// Sequences that the cache has room for.
const SLOTS: usize = 256;
/// Tokens after the first that are generated before the clock runs: kernels are compiled in them.
const WARMUP: usize = 3;

/// Tokens of a prompt, and new tokens of a sequence.
pub(crate) fn lengths(shape: Shape) -> [usize; 2] {
    if shape == Shape::Toy { [16, 8] } else { [128, 128] }
}

/// Runs the cases; the model is made once for each form of its weights.
pub(crate) fn run<B: Decoding>(
    speaker: &mut Speaker<'_>,
    device: &B::Device,
    dtype: DType,
    arguments: &RunArguments,
) -> miette::Result<()> {
    let mut made: Option<(bool, Timed<B>)> = None;
    for (quantized, sequences) in CASES {
        let form = if quantized { "NF4".to_owned() } else { format!("{dtype:?}") };
        speaker.case(&format!("{sequences} sequences, {form}"), || {
            if made.as_ref().is_none_or(|(form, _)| *form != quantized) {
                // The old one is given back first: both may not fit.
                made = None;
                release::<B>(device);
                made = Some((quantized, Timed::new(quantized, device, dtype, arguments.shape)?));
            }
            let Some((_, timed)) = &mut made else { return Err(miette!("it was just made")) };
            timed.time(sequences, arguments)
        })?;
    }
    Ok(())
}

struct Timed<B: Decoding> {
    generator: Generator<B>,
    lengths: [usize; 2],
    device: B::Device,
    made_in_seconds: f64,
}

struct Counted {
    tokens: usize,
}

impl Observer for Counted {
    fn finished(&mut self, _request: usize, sample: Sample) {
        self.tokens += sample.tokens.len();
    }
}

impl<B: Decoding> Timed<B> {
    fn new(
        quantized: bool,
        device: &B::Device,
        dtype: DType,
        shape: Shape,
    ) -> miette::Result<Self> {
        let begun = Instant::now();
        let text = config_text(shape);
        let config = DecoderConfig::parse(text.as_bytes(), Path::new("the built-in config"))
            .map_err(|error| miette!("{error}"))?;
        let lengths = lengths(shape);
        let capacity = lengths.iter().sum();
        let nf4 = Mode::Qlora { kind: FourBit::Nf4, nested: true };
        let options = LoadOptions {
            mode: if quantized { nf4 } else { Mode::Lora },
            adapter: None,
            max_sequence_length: capacity,
            compute: dtype,
            seed: 42,
        };
        let (decoder, parameters) =
            load::<B>(&config, Source::Repeated, &options, device, &mut |_, _| ())
                .map_err(|error| miette!("{error}"))?;
        let model = GenerationModel::new(decoder, &parameters, AdapterUse::Beside, dtype);
        let generator =
            Generator::new(model, GeneratorShape { slots: SLOTS, capacity, positions: None });
        wait::<B>(device).map_err(|error| miette!("{error}"))?;
        let made_in_seconds = begun.elapsed().as_secs_f64();
        Ok(Self { generator, lengths, device: device.clone(), made_in_seconds })
    }

    fn generate(&mut self, sequences: usize, new_tokens: usize) -> miette::Result<usize> {
        let vocabulary = self.generator.model().config().vocab_size;
        let prompt = |sequence: usize| -> Vec<u32> {
            (0..self.lengths[0])
                .map(|at| ((sequence * 31 + at * 7919 + 13) % vocabulary) as u32)
                .collect()
        };
        let requests: Vec<Request> =
            (0..sequences).map(|i| Request { prompt: prompt(i), stream: 0 }).collect();
        let settings = Settings {
            sampling: Sampling::default(),
            max_new_tokens: new_tokens,
            stop: Stop::default(),
        };
        let mut counted = Counted { tokens: 0 };
        self.generator
            .generate(&requests, &settings, &mut counted)
            .map_err(|error| miette!("{error}"))?;
        wait::<B>(&self.device).map_err(|error| miette!("{error}"))?;
        Ok(counted.tokens)
    }

    fn time(&mut self, sequences: usize, arguments: &RunArguments) -> miette::Result<Found> {
        let [prompt, new] = self.lengths;
        self.generate(sequences, 1 + WARMUP)?;
        let before = self.generator.timings();
        let tokens = self.generate(sequences, new)?;
        let after = self.generator.timings();
        let prompts = (after.prompt_tokens - before.prompt_tokens) as f64
            / (after.prompt_secs - before.prompt_secs);
        let seconds = after.decode_secs - before.decode_secs;
        let decoded = (after.decoded_tokens - before.decoded_tokens) as f64;
        let used = used_bytes(arguments.device);
        Ok(Found {
            ok: tokens == sequences * new,
            text: format!(
                "decode {:>9.1} tok/s  {:>8.3} ms a token  prompts {prompts:>9.0} tok/s  {:>6.2} GiB",
                decoded / seconds,
                seconds * 1e3 / (new - 1) as f64,
                used.unwrap_or(0) as f64 / f64::from(1 << 30),
            ),
            figures: json!({
                "decode_tokens_per_second": decoded / seconds,
                "prompt_tokens_per_second": prompts,
                "prompt_tokens": prompt, "new_tokens": new, "sequences": sequences,
                "slots": SLOTS, "used_bytes": used, "made_in_seconds": self.made_in_seconds,
            }),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sigil_kernels::Cpu;

    #[test]
    fn every_sequence_gets_all_its_tokens() -> miette::Result<()> {
        for quantized in [true, false] {
            let device = Default::default();
            let mut timed = Timed::<Cpu>::new(quantized, &device, DType::F32, Shape::Toy)?;
            assert_eq!(timed.generate(3, 5)?, 15);
            assert_eq!(timed.generator.timings().decoded_tokens, 12);
        }
        Ok(())
    }
}
