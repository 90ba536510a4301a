//! One family's folder of expected numbers, and a decoder loaded from its base.

use std::path::{Path, PathBuf};

use burn::tensor::DType;
use serde_json::Value;
use sigil_kernels::Cpu;
use sigil_model::{
    Decoder, LoadOptions, Mode, Parameters, TokenBatch,
    adapter::set_adapter,
    load::{Source, load},
};
use sigil_weights::{Adapter, DecoderConfig, Dtype, FourBit, WeightFiles};

pub(crate) const FAMILIES: [&str; 6] = ["llama2", "llama3", "mistral", "phi3", "qwen2", "qwen3"];
pub(crate) const QLORA: Mode = Mode::Qlora { kind: FourBit::Nf4, nested: true };

pub(crate) fn root() -> PathBuf {
    match std::env::var_os("SIGIL_PARITY_DIR") {
        Some(folder) => folder.into(),
        None => Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures/parity"),
    }
}

pub(crate) struct Fixture {
    pub(crate) folder: PathBuf,
    expected: WeightFiles,
    json: Value,
}

impl Fixture {
    pub(crate) fn of(family: &str) -> Self {
        let folder = root().join(family);
        let expected = WeightFiles::open(&folder.join("expected.safetensors"))
            .expect("expected.safetensors opens");
        let text = std::fs::read(folder.join("expected.json")).expect("expected.json is there");
        let json = serde_json::from_slice(&text).expect("expected.json is JSON");
        Self { folder, expected, json }
    }

    pub(crate) fn floats(&self, name: &str) -> Vec<f32> {
        self.expected.read_f32(name).expect("expected tensor")
    }

    pub(crate) fn ints(&self, name: &str) -> Vec<i32> {
        let view = self.expected.get(name).expect("expected tensor");
        assert_eq!(view.dtype, Dtype::I32, "{name}");
        let bytes = view.bytes.chunks_exact(4);
        bytes.map(|b| i32::from_le_bytes(b.try_into().expect("four bytes"))).collect()
    }

    pub(crate) fn shape(&self, name: &str) -> Vec<usize> {
        self.expected.get(name).expect("expected tensor").shape.to_vec()
    }

    pub(crate) fn names(&self, prefix: &str) -> Vec<String> {
        let names = self.expected.names().filter(|name| name.starts_with(prefix));
        names.map(str::to_owned).collect()
    }

    pub(crate) fn number(&self, key: &str) -> f64 {
        self.json[key].as_f64().expect("a number")
    }

    pub(crate) fn adapter(&self, folder: &str) -> Adapter {
        Adapter::read(&self.folder.join(folder)).expect("adapter reads")
    }

    /// The base in `mode`, with the fixture's adapter where LoRA is wanted.
    pub(crate) fn decoder(&self, mode: Mode, lora: bool) -> (Decoder<Cpu>, Parameters<Cpu>) {
        self.long_decoder(mode, lora, 64)
    }

    /// The same for sequences of so many positions.
    pub(crate) fn long_decoder(
        &self,
        mode: Mode,
        lora: bool,
        positions: usize,
    ) -> (Decoder<Cpu>, Parameters<Cpu>) {
        let adapter = lora.then(|| self.adapter("adapter"));
        let config = DecoderConfig::read(&self.folder.join("base")).expect("config reads");
        let files = WeightFiles::open(&self.folder.join("base")).expect("weights open");
        let options = LoadOptions {
            mode,
            adapter: adapter.as_ref().map(|adapter| adapter.config.clone()),
            max_sequence_length: positions,
            compute: DType::F32,
            seed: 0,
        };
        let device = Default::default();
        let source = Source::Files(&files);
        let (decoder, mut parameters) =
            load(&config, source, &options, &device, &mut |_, _| ()).expect("base loads");
        if let Some(adapter) = adapter {
            set_adapter(&decoder, &mut parameters, &adapter).expect("adapter fits");
        }
        (decoder, parameters)
    }

    /// `input_ids` and `labels` without their padding, with the rows of logits that remain.
    pub(crate) fn batch(&self) -> (TokenBatch<Cpu>, Vec<usize>) {
        let mask = self.ints("attention_mask");
        let shape = self.shape("input_ids");
        flat(&self.ints("input_ids"), &self.ints("labels"), &mask, shape[1])
    }
}

/// Rows of `length` tokens as a flat batch; `labels` become next-token targets.
pub(crate) fn flat(
    ids: &[i32],
    labels: &[i32],
    mask: &[i32],
    length: usize,
) -> (TokenBatch<Cpu>, Vec<usize>) {
    let (mut tokens, mut targets, mut starts, mut kept) = (vec![], vec![], vec![0u32], vec![]);
    for row in 0..ids.len() / length {
        for column in 0..length {
            let at = row * length + column;
            if mask[at] == 0 {
                continue;
            }
            tokens.push(ids[at] as u32);
            targets.push(if column + 1 < length { labels[at + 1].max(-1) } else { -1 });
            kept.push(at);
        }
        starts.push(tokens.len() as u32);
    }
    (TokenBatch::new(&tokens, targets, starts, &Default::default()), kept)
}

/// Largest difference over the largest expected magnitude.
pub(crate) fn relative(actual: &[f32], expected: &[f32]) -> f64 {
    assert_eq!(actual.len(), expected.len());
    let largest = expected.iter().fold(0.0f64, |a, &b| a.max(f64::from(b.abs())));
    let difference = actual.iter().zip(expected).map(|(a, b)| f64::from((a - b).abs()));
    difference.fold(0.0, f64::max) / largest
}

/// Norm of the difference over the norm.
pub(crate) fn relative_norm(actual: &[f32], expected: &[f32]) -> f64 {
    assert_eq!(actual.len(), expected.len());
    let pairs = actual.iter().zip(expected);
    let difference: f64 = pairs.map(|(&a, &b)| (f64::from(a) - f64::from(b)).powi(2)).sum();
    let norm: f64 = expected.iter().map(|&b| f64::from(b).powi(2)).sum();
    (difference / norm).sqrt()
}
