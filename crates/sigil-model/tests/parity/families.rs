//! Logits, losses and gradients of all six families; `generation.rs` has the greedy tokens.

use std::fmt::Write;

use sigil_kernels::{Cpu, Matrix};
use sigil_model::{
    CheckpointPolicy, Decoder, Mode, Parameters, Pass, TokenBatch, decoder::LayerPolicies,
};
use sigil_weights::DecoderConfig;

use crate::fixture::{FAMILIES, Fixture, QLORA, relative, relative_norm};

const LOGITS: f64 = 2e-5;
const LOSS: f64 = 1e-5;
const GRADIENT: f64 = 1e-4;

fn floats(matrix: Matrix<Cpu>) -> Vec<f32> {
    matrix.into_data().iter::<f32>().collect()
}

/// The rows of `name` at the kept positions.
fn expected_rows(fixture: &Fixture, name: &str, kept: &[usize]) -> Vec<f32> {
    let vocab = fixture.shape(name)[2];
    let all = fixture.floats(name);
    kept.iter().flat_map(|&row| all[row * vocab..(row + 1) * vocab].to_vec()).collect()
}

fn mean_loss(decoder: &Decoder<Cpu>, parameters: &Parameters<Cpu>, batch: &TokenBatch<Cpu>) -> f64 {
    let nll = decoder.evaluate(batch, parameters);
    nll.iter().map(|&x| f64::from(x)).sum::<f64>() / batch.target_count() as f64
}

#[test]
fn every_family_agrees() {
    let mut table = String::from(
        "family   full.logits full.loss  nf4.logits  nf4.loss   qlora.logits qlora.loss gradient\n",
    );
    for family in FAMILIES {
        let fixture = Fixture::of(family);
        let (batch, kept) = fixture.batch();
        write!(table, "{family:8}").expect("strings take everything");
        for (mode, lora, name) in
            [(Mode::Lora, false, "full"), (QLORA, false, "nf4"), (QLORA, true, "qlora")]
        {
            let (decoder, parameters) = fixture.decoder(mode, lora);
            let logits = floats(decoder.logits(&batch, &parameters));
            let wanted = expected_rows(&fixture, &format!("{name}.logits"), &kept);
            let logits_error = relative(&logits, &wanted);
            let loss = mean_loss(&decoder, &parameters, &batch);
            let loss_error = (loss - fixture.number(&format!("{name}.loss"))).abs();
            write!(table, " {logits_error:10.1e} {loss_error:10.1e}").expect("as above");
            assert!(logits_error <= LOGITS, "{family} {name}: logits off by {logits_error:e}");
            assert!(loss_error <= LOSS, "{family} {name}: loss off by {loss_error:e}");
        }
        let worst = gradients(&fixture, &batch, CheckpointPolicy::None);
        writeln!(table, " {worst:10.1e}").expect("as above");
    }
    eprintln!("{table}");
}

/// The worst relative error of any LoRA gradient.
fn gradients(fixture: &Fixture, batch: &TokenBatch<Cpu>, policy: CheckpointPolicy) -> f64 {
    let (decoder, mut parameters) = fixture.decoder(QLORA, true);
    let policies = LayerPolicies::uniform(policy, decoder.layers.len());
    let pass = Pass { training: true, ..Pass::default() };
    let scale = 1.0 / batch.target_count() as f32;
    decoder.train(batch, &mut parameters, scale, &pass, &policies);
    assert_eq!(fixture.names("grad.").len(), parameters.len(), "every gradient is expected");
    let mut worst = 0.0f64;
    for parameter in parameters.iter() {
        let wanted = fixture.floats(&format!("grad.{}", parameter.name));
        let gradient = parameter.gradient.clone().expect("every parameter has a gradient");
        let error = relative_norm(&floats(gradient), &wanted);
        assert!(error <= GRADIENT, "{}: gradient off by {error:e}", parameter.name);
        worst = worst.max(error);
    }
    worst
}

#[test]
fn gradients_are_the_same_under_every_policy() {
    for family in ["llama3", "qwen3", "phi3"] {
        let fixture = Fixture::of(family);
        let (batch, _) = fixture.batch();
        let errors = CheckpointPolicy::ALL.map(|policy| gradients(&fixture, &batch, policy));
        assert!(errors.iter().all(|&error| error == errors[0]), "{family}: {errors:?}");
    }
}

#[test]
fn both_spellings_of_the_config_agree() {
    for family in FAMILIES {
        let base = Fixture::of(family).folder.join("base");
        let new = DecoderConfig::read(&base.join("config.json")).expect("new spelling reads");
        let old = DecoderConfig::read(&base.join("config.legacy.json")).expect("old one reads");
        assert_eq!(new, old, "{family}");
    }
}

#[test]
fn packing_does_not_change_a_loss() {
    let fixture = Fixture::of("mistral");
    let (decoder, parameters) = fixture.decoder(QLORA, true);
    let (packed, _) = fixture.batch();
    let nll = decoder.evaluate(&packed, &parameters);
    let tokens: Vec<u32> =
        packed.tokens.clone().into_data().iter::<i32>().map(|token| token as u32).collect();
    for (start, end) in packed.layout.documents() {
        let targets = packed.targets[start..end].to_vec();
        let alone = TokenBatch::new(
            &tokens[start..end],
            targets,
            vec![0, (end - start) as u32],
            &Default::default(),
        );
        for (a, b) in decoder.evaluate(&alone, &parameters).iter().zip(&nll[start..end]) {
            assert!((a - b).abs() <= 1e-5 * b.abs().max(1.0), "{a} alone, {b} packed");
        }
    }
}
