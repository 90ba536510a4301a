//! The 30-step AdamW run of the fixtures: every loss, gradient norm and learning rate.
#![expect(clippy::print_stderr, reason = "a test prints what it measured")]

use std::path::{Path, PathBuf};

use burn::tensor::DType;
use serde_json::Value;
use sigil_config::Schedule;
use sigil_data::{Batch, Origin, RowRef};
use sigil_kernels::Cpu;
use sigil_model::{
    CheckpointPolicy, LoadOptions, Mode,
    adapter::{set_adapter, to_adapter},
    decoder::LayerPolicies,
    load::{Source, load},
};
use sigil_qlora::{
    optimizer::{AdamWSettings, Optimizer},
    ranks::Team,
    schedule::LearningRate,
    step::{StepSettings, take_step},
};
use sigil_weights::{Adapter, DecoderConfig, FourBit, WeightFiles};

fn root() -> PathBuf {
    match std::env::var_os("SIGIL_PARITY_DIR") {
        Some(folder) => folder.into(),
        None => Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures/parity"),
    }
}

/// Batch `index` of `train.batches [4, 2, 48]`; labels are the inputs, nothing is padded.
fn batch(expected: &WeightFiles, index: usize) -> Batch {
    let view = expected.get("train.batches").expect("there");
    let (rows, length) = (view.shape[1], view.shape[2]);
    let bytes = view.bytes.chunks_exact(4).skip(index * rows * length).take(rows * length);
    let tokens: Vec<u32> =
        bytes.map(|b| u32::from_le_bytes(b.try_into().expect("four bytes"))).collect();
    let targets = (0..rows * length)
        .map(|at| if (at + 1) % length == 0 { -1 } else { tokens[at + 1] as i32 })
        .collect();
    let origin = |row: usize| Origin::new("fixture", "train.batches", row as u64);
    Batch {
        targets,
        positions: (0..rows * length).map(|at| (at % length) as u32).collect(),
        document_starts: (0..=rows).map(|row| (row * length) as u32).collect(),
        rows: (0..rows).map(|row| RowRef { origin: origin(row), piece: 0 }).collect(),
        tokens,
    }
}

/// Norm of the difference over the norm.
fn relative_norm(actual: &[f32], expected: &[f32]) -> f64 {
    let pairs = actual.iter().zip(expected);
    let difference: f64 = pairs.map(|(&a, &b)| (f64::from(a) - f64::from(b)).powi(2)).sum();
    let norm: f64 = expected.iter().map(|&b| f64::from(b).powi(2)).sum();
    (difference / norm).sqrt()
}

#[test]
fn thirty_steps_agree_with_peft_and_bitsandbytes() {
    let mut table = String::from("family   loss      grad norm  learning rate  adapter\n");
    for family in ["llama2", "llama3", "mistral", "phi3", "qwen2", "qwen3"] {
        let folder = root().join(family);
        let expected = WeightFiles::open(&folder.join("expected.safetensors")).expect("opens");
        let text = std::fs::read(folder.join("expected.json")).expect("there");
        let json: Value = serde_json::from_slice(&text).expect("JSON");
        let numbers = |key: &str| -> Vec<f64> {
            let list = json[key].as_array().expect("a list");
            list.iter().map(|value| value.as_f64().expect("a number")).collect()
        };
        let settings = &json["train.settings"];
        let number = |key: &str| settings[key].as_f64().expect("a number");

        let adapter = Adapter::read(&folder.join("adapter")).expect("adapter reads");
        let config = DecoderConfig::read(&folder.join("base")).expect("config reads");
        let files = WeightFiles::open(&folder.join("base")).expect("weights open");
        let options = LoadOptions {
            mode: Mode::Qlora { kind: FourBit::Nf4, nested: true },
            adapter: Some(adapter.config.clone()),
            max_sequence_length: 64,
            compute: DType::F32,
            seed: 0,
        };
        let device = Default::default();
        let (decoder, mut parameters) =
            load::<Cpu>(&config, Source::Files(&files), &options, &device, &mut |_, _| ())
                .expect("base loads");
        set_adapter(&decoder, &mut parameters, &adapter).expect("adapter fits");
        let adamw = AdamWSettings {
            beta1: 0.9,
            beta2: 0.999,
            epsilon: number("eps"),
            weight_decay: number("weight_decay"),
        };
        let mut optimizer = Optimizer::new(adamw, &parameters);
        let rate = LearningRate {
            peak: number("lr"),
            total_steps: settings["num_steps"].as_u64().expect("a number"),
            warmup_steps: settings["warmup_steps"].as_u64().expect("a number"),
            schedule: Schedule::Cosine,
            min_ratio: 0.0,
            power: 1.0,
        };
        let (losses, norms, rates) =
            (numbers("train.losses"), numbers("train.grad_norms"), numbers("train.lrs"));
        let policies = LayerPolicies::uniform(CheckpointPolicy::Minimal, config.num_layers);
        let micro_batches = policies.into();
        let mut worst = [0.0f64; 3];
        for step in 0..losses.len() {
            let step_settings = StepSettings {
                index: step as u64,
                seed: 0,
                learning_rate: rate.at(step as u64),
                max_grad_norm: number("max_grad_norm"),
                neftune_alpha: None,
            };
            let batches = [batch(&expected, step % 4)];
            let report = take_step(
                &decoder,
                &mut parameters,
                &mut optimizer,
                &mut Team::default(),
                &batches,
                &micro_batches,
                &step_settings,
            )
            .expect("everything is finite");
            let rate_error = match rates[step] {
                0.0 => step_settings.learning_rate.abs(),
                wanted => (step_settings.learning_rate / wanted - 1.0).abs(),
            };
            let errors = [
                (report.loss - losses[step]).abs(),
                (report.grad_norm / norms[step] - 1.0).abs(),
                rate_error,
            ];
            assert!(errors[0] <= 1e-4, "{family} step {step}: loss off by {:e}", errors[0]);
            assert!(errors[1] <= 1e-4, "{family} step {step}: norm off by {:e}", errors[1]);
            assert!(errors[2] <= 1e-12, "{family} step {step}: rate off by {:e}", errors[2]);
            for (worst, error) in worst.iter_mut().zip(errors) {
                *worst = worst.max(error);
            }
        }
        let ours = to_adapter(&decoder, &parameters, adapter.config.clone());
        let theirs = Adapter::read(&folder.join("adapter_after_30_steps")).expect("adapter reads");
        let adapter_error = theirs.modules.iter().fold(0.0f64, |worst, (name, pair)| {
            let own = &ours.modules[name];
            worst.max(relative_norm(&own.a, &pair.a)).max(relative_norm(&own.b, &pair.b))
        });
        // Thirty steps of f32 against f32 in another order; about 1e-6 is seen.
        assert!(adapter_error <= 1e-4, "{family}: adapter off by {adapter_error:e}");
        table += &format!(
            "{family:8} {:8.1e}  {:8.1e}   {:8.1e}       {adapter_error:8.1e}\n",
            worst[0], worst[1], worst[2]
        );
    }
    eprintln!("{table}");
}
