//! A whole model on lavapipe: what a step computes, and how much memory it takes of the device.

use std::path::Path;

use burn::tensor::{DType, backend::Backend};
use sigil_kernels::{Kernels, Matrix, cube::cross_entropy::chunk_rows};
use sigil_model::{
    CheckpointPolicy, Decoder, LoadOptions, Mode, Parameter, Parameters, Pass, TokenBatch,
    decoder::{Embedding, LayerPolicies},
    footprint::TokenFootprint,
    load::{Source, load},
};
use sigil_weights::{AdapterConfig, DecoderConfig, FourBit};

use crate::{Cpu, Vulkan, vulkan};

/// Burn times its products anew for every shape, which takes seconds each here: widths are few.
const CONFIG: &str = r#"{"model_type": "llama", "vocab_size": 256, "hidden_size": 64,
    "intermediate_size": 128, "num_hidden_layers": 3, "num_attention_heads": 2,
    "num_key_value_heads": 2, "tie_word_embeddings": true}"#;
const TOKENS: usize = 128;

/// A model with its LoRA, and the gradients so far.
struct Model<B: Kernels> {
    decoder: Decoder<B>,
    parameters: Parameters<B>,
}

impl<B: Kernels> Model<B> {
    fn new(device: &B::Device) -> Self {
        let config = DecoderConfig::parse(CONFIG.as_bytes(), Path::new("c")).expect("good");
        let options = LoadOptions {
            mode: Mode::Qlora { kind: FourBit::Nf4, nested: true },
            adapter: Some(AdapterConfig { rank: 8, ..AdapterConfig::default() }),
            max_sequence_length: TOKENS,
            compute: DType::F32,
            seed: 3,
        };
        let (decoder, mut parameters) =
            load::<B>(&config, Source::Fresh, &options, device, &mut |_, _| ()).expect("fresh");
        for parameter in parameters.iter_mut() {
            // A branch of zeros has no gradient by A.
            parameter.value = parameter.value.clone() + 0.01;
        }
        Self { decoder, parameters }
    }

    /// The losses of a micro-batch of two documents, the first of which begins with a prompt.
    fn pass(&mut self, prompt: usize, policy: CheckpointPolicy) -> Vec<f32> {
        let tokens: Vec<u32> = (0..TOKENS).map(|i| (i * 37 % 256) as u32).collect();
        let first = 3 * TOKENS / 4;
        let targets = (0..TOKENS).map(|i| match i {
            _ if i < prompt || i + 1 == first || i + 1 == TOKENS => -1,
            _ => tokens[i + 1] as i32,
        });
        let starts = vec![0, first as u32, TOKENS as u32];
        let policies = LayerPolicies::uniform(policy, self.decoder.layers.len());
        let pass = Pass { training: true, seed: 1, neftune_alpha: None };
        let device = self.decoder.device.clone();
        self.parameters.clear_gradients();
        B::with_exact_memory(&device, || {
            let batch = TokenBatch::new(&tokens, targets.collect(), starts, &device);
            self.decoder.train(&batch, &mut self.parameters, 0.01, &pass, &policies)
        })
    }
}

fn gradient<B: Kernels>(parameter: &Parameter<B>) -> Vec<f32> {
    let gradient = parameter.gradient.as_ref().expect("every parameter has one");
    gradient.to_data().iter::<f32>().collect()
}

/// Largest difference over the largest number.
fn error(found: &[f32], wanted: &[f32]) -> f32 {
    assert_eq!(found.len(), wanted.len());
    let largest = wanted.iter().fold(0.0f32, |most, x| most.max(x.abs()));
    let differences = found.iter().zip(wanted).map(|(found, wanted)| (found - wanted).abs());
    let worst =
        differences.fold(0.0, |most: f32, x| if x.is_nan() { f32::INFINITY } else { most.max(x) });
    worst / largest
}

/// The embedding that the CPU rounds to bf16, which this device does not have, in f32.
fn embedding<B: Kernels>(cpu: &Model<Cpu>, device: &B::Device) -> Embedding<B> {
    let Embedding::Frozen(table) = &cpu.decoder.embedding else { panic!("it is not trained") };
    let data = table.to_data().convert::<f32>();
    Embedding::Frozen(Matrix::from_data(data, (device, DType::F32)))
}

/// Bytes that a pass takes besides what is held anyway, as `sigil-train --plan` counts them.
fn counted(config: &DecoderConfig, policy: CheckpointPolicy) -> u64 {
    let each = TokenFootprint::new(config, policy);
    let layers = config.num_layers as u64;
    let widths = (config.vocab_size + 2 * config.hidden_size) as u64;
    let rows = chunk_rows(TOKENS, config.vocab_size, 4) as u64;
    let mut decoded: Vec<usize> =
        config.linear_modules().iter().map(|m| m.in_features * m.out_features).collect();
    decoded.sort_unstable();
    decoded.dedup();
    let decoded = decoded.iter().sum::<usize>() as u64;
    4 * (TOKENS as u64 * (each.kept * layers + each.working) + rows * widths + decoded)
}

#[test]
fn a_model_trains_as_on_the_cpu_in_memory_that_was_counted() {
    let Some(gpu) = vulkan() else { return };
    let memory = || Vulkan::memory(&gpu).expect("it has pools");
    let mut cpu = Model::<Cpu>::new(&Default::default());
    let mut model = Model::<Vulkan>::new(&gpu);
    model.decoder.embedding = embedding::<Vulkan>(&cpu, &gpu);
    for policy in [CheckpointPolicy::Inputs, CheckpointPolicy::None] {
        assert!(error(&model.pass(20, policy), &cpu.pass(20, policy)) < 1e-5);
        for (own, other) in model.parameters.iter().zip(cpu.parameters.iter()) {
            let error = error(&gradient(own), &gradient(other));
            assert!(error < 1e-3, "gradient of {}: {error}", own.name);
        }
        // Another number of targets, other rows of the head: the same memory.
        let first = memory();
        for prompt in [0, 90, 33] {
            assert!(error(&model.pass(prompt, policy), &cpu.pass(prompt, policy)) < 1e-5);
            assert_eq!(memory(), first, "{policy:?} grows");
        }
        let planned = first.in_use + counted(&model.decoder.config, policy);
        let off = first.reserved as f64 / planned as f64 - 1.0;
        eprintln!(
            "{policy:?}: {} bytes taken, {planned} counted, {:+.1} %",
            first.reserved,
            100.0 * off
        );
        assert!(off.abs() <= 0.1, "{policy:?}");
        Vulkan::memory_cleanup(&gpu);
        assert_eq!(memory().reserved, memory().in_use);
    }
}
