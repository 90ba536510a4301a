//! Our side: loads the model and answers batches of made-up prompts greedily.
//!
//! Prompts differ, so that none is copied from another, and nothing ends a sample early. It speaks
//! `side.rs` on its own pipes and is started by `command.rs` only.

use std::collections::BTreeMap;
use std::io::{BufRead, Write};
use std::path::Path;

use sigil_kernels::{Cpu, DType};
use sigil_model::{
    LoadOptions, Mode,
    generate::{
        AdapterUse, GenerationModel, Generator, GeneratorShape, Observer, Request, Sample,
        Sampling, Settings, Stop,
    },
    load::{Source, load},
};
use sigil_qlora::memory::peak_resident_bytes;
use sigil_weights::{DecoderConfig, FourBit, WeightFiles};

use super::side::{Hello, Round};

/// What both sides do.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Work<'a> {
    pub(crate) model: &'a Path,
    pub(crate) nf4: bool,
    pub(crate) prompt_tokens: usize,
    pub(crate) new_tokens: usize,
}

impl Work<'_> {
    /// The token at a position of a prompt; the peer computes the same.
    fn token(self, sequence: usize, position: usize, vocabulary: usize) -> u32 {
        ((sequence * 31 + position * 7919 + 13) % vocabulary) as u32
    }
}

struct Ignore;

impl Observer for Ignore {
    fn finished(&mut self, _request: usize, _sample: Sample) {}
}

/// Answers requests for rounds until `input` ends.
///
/// # Errors
/// The model cannot be loaded, a request is no number, or the pipes break.
pub(crate) fn serve(
    work: Work<'_>,
    threads: usize,
    input: impl BufRead,
    mut output: impl Write,
) -> miette::Result<()> {
    rayon::ThreadPoolBuilder::new()
        .num_threads(threads)
        .build_global()
        .map_err(|error| miette::miette!("{threads} threads: {error}"))?;
    let model = |error: sigil_model::ModelError| miette::miette!("{error}");
    let config = DecoderConfig::read(work.model).map_err(|error| miette::miette!("{error}"))?;
    let files = WeightFiles::open(work.model).map_err(|error| miette::miette!("{error}"))?;
    let mut generators: BTreeMap<usize, Generator<Cpu>> = BTreeMap::new();
    let generator = |batch: usize| -> miette::Result<Generator<Cpu>> {
        let capacity = work.prompt_tokens + work.new_tokens;
        let options = LoadOptions {
            mode: if work.nf4 {
                Mode::Qlora { kind: FourBit::Nf4, nested: true }
            } else {
                Mode::Lora
            },
            adapter: None,
            max_sequence_length: capacity,
            compute: DType::F32,
            seed: 0,
        };
        let source = Source::Files(&files);
        let device = Default::default();
        let (decoder, parameters) =
            load::<Cpu>(&config, source, &options, &device, &mut |_, _| ()).map_err(model)?;
        let model = GenerationModel::new(decoder, &parameters, AdapterUse::Beside, DType::F32);
        Ok(Generator::new(model, GeneratorShape { slots: batch, capacity, positions: None }))
    };
    let hello = Hello {
        implementation: concat!("sigil ", env!("CARGO_PKG_VERSION")).to_owned(),
        unavailable: None,
    };
    say(&mut output, &hello)?;
    for line in input.lines() {
        let line = line.map_err(|error| miette::miette!("input: {error}"))?;
        let batch: usize = line
            .trim()
            .parse()
            .map_err(|error| miette::miette!("`{line}` is no batch size: {error}"))?;
        if !generators.contains_key(&batch) {
            // One cache at a time, so that the peak is that of the largest batch so far.
            generators.clear();
            generators.insert(batch, generator(batch)?);
        }
        let generator = generators.get_mut(&batch).expect("inserted above");
        say(&mut output, &round(generator, work, config.vocab_size, batch)?)?;
    }
    Ok(())
}

fn round(
    generator: &mut Generator<Cpu>,
    work: Work<'_>,
    vocabulary: usize,
    batch: usize,
) -> miette::Result<Round> {
    let prompt = |sequence: usize| -> Vec<u32> {
        (0..work.prompt_tokens).map(|at| work.token(sequence, at, vocabulary)).collect()
    };
    let requests: Vec<Request> =
        (0..batch).map(|sequence| Request { prompt: prompt(sequence), stream: 0 }).collect();
    let settings = Settings {
        sampling: Sampling::default(),
        max_new_tokens: work.new_tokens,
        stop: Stop::default(),
    };
    let before = generator.timings();
    generator
        .generate(&requests, &settings, &mut Ignore)
        .map_err(|error| miette::miette!("{error}"))?;
    let after = generator.timings();
    Ok(Round {
        prompt_tokens: after.prompt_tokens - before.prompt_tokens,
        prompt_secs: after.prompt_secs - before.prompt_secs,
        decoded_tokens: after.decoded_tokens - before.decoded_tokens,
        decode_secs: after.decode_secs - before.decode_secs,
        peak_resident_bytes: peak_resident_bytes().unwrap_or(0),
    })
}

fn say(output: &mut impl Write, answer: &impl serde::Serialize) -> miette::Result<()> {
    let line = serde_json::to_string(answer).expect("numbers and strings serialize");
    writeln!(output, "{line}")
        .and_then(|()| output.flush())
        .map_err(|error| miette::miette!("output: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_round_counts_what_was_asked_for() -> miette::Result<()> {
        let model = Path::new(env!("CARGO_MANIFEST_DIR")).join("../configs/sigil-base");
        let work = Work { model: &model, nf4: true, prompt_tokens: 9, new_tokens: 4 };
        let mut output = vec![];
        serve(work, 2, "2\n2\n1\n".as_bytes(), &mut output)?;
        let text = String::from_utf8(output).expect("JSON is UTF-8");
        let rounds: Vec<Round> =
            text.lines().skip(1).map(|line| serde_json::from_str(line).expect("a round")).collect();
        let counts: Vec<_> = rounds.iter().map(|r| (r.prompt_tokens, r.decoded_tokens)).collect();
        assert_eq!(counts, [(18, 6), (18, 6), (9, 3)]);
        assert!(rounds.iter().all(|r| r.decode_secs > 0.0 && r.peak_resident_bytes > 1 << 20));
        Ok(())
    }
}
