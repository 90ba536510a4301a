//! Full-mode gradients against LoRA-free numbers: every weight's gradient by finite differences,
//! since the fixtures hold LoRA gradients only.

use sigil_kernels::{Cpu, random};
use sigil_model::{
    CheckpointPolicy, Decoder, Mode, ParameterId, Parameters, Pass, TokenBatch,
    decoder::LayerPolicies,
};

use crate::fixture::Fixture;

fn total(decoder: &Decoder<Cpu>, parameters: &Parameters<Cpu>, batch: &TokenBatch<Cpu>) -> f64 {
    let nll = decoder.evaluate(batch, parameters);
    nll.iter().map(|&x| f64::from(x)).sum::<f64>() / batch.target_count() as f64
}

/// Directional derivative along a random direction of each parameter, by central differences.
///
/// f32 losses carry errors of about 1e-6, so with a step that moves the loss by about 1e-2 the
/// quotient is good to a few parts in a thousand.
#[test]
fn full_mode_gradients_match_finite_differences() {
    for family in ["llama2", "qwen2", "qwen3", "phi3"] {
        let fixture = Fixture::of(family);
        let (decoder, mut parameters) = fixture.decoder(Mode::Full, false);
        let (batch, _) = fixture.batch();
        let policies = LayerPolicies::uniform(CheckpointPolicy::Minimal, decoder.layers.len());
        let scale = 1.0 / batch.target_count() as f32;
        let pass = Pass { training: true, ..Pass::default() };
        decoder.train(&batch, &mut parameters, scale, &pass, &policies);
        for index in 0..parameters.len() {
            let id = ParameterId(index);
            let parameter = parameters.iter().nth(index).expect("in range").clone();
            let values: Vec<f32> = parameter.value.to_data().iter::<f32>().collect();
            let gradient = parameter.gradient.expect("every parameter has a gradient");
            let gradient: Vec<f32> = gradient.into_data().iter::<f32>().collect();
            let norm = gradient.iter().map(|&g| f64::from(g).powi(2)).sum::<f64>().sqrt();
            // Along the gradient, tilted at random so that other directions count too.
            let direction: Vec<f64> = (0..gradient.len())
                .map(|i| f64::from(gradient[i]) / norm)
                .zip((0..gradient.len()).map(|i| f64::from(random::normal(5, i as u64))))
                .map(|(g, r)| g + 0.3 * r / (gradient.len() as f64).sqrt())
                .collect();
            let wanted: f64 = direction.iter().zip(&gradient).map(|(d, &g)| d * f64::from(g)).sum();
            let step = 4e-3 / norm.max(1e-2);
            let mut at = |sign: f64| {
                let moved = values.iter().zip(&direction);
                let moved = moved.map(|(&v, d)| (f64::from(v) + sign * step * d) as f32).collect();
                parameters.set_value(id, moved);
                total(&decoder, &parameters, &batch)
            };
            let slope = (at(1.0) - at(-1.0)) / (2.0 * step);
            parameters.set_value(id, values);
            let error = (slope - wanted).abs() / wanted.abs().max(1e-3);
            assert!(error < 2e-2, "{family} {}: {wanted} but {slope}", parameter.name);
        }
    }
}
