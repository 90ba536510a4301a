//! Sampling against transformers' own processors (`tests/peers/sampling_golden.py` wrote the file).

use std::path::Path;

use serde_json::Value;
use sigil_model::generate::Sampling;

fn numbers(case: &Value, key: &str) -> Vec<f64> {
    let list = case[key].as_array().expect("a list");
    list.iter().map(|value| value.as_f64().expect("a number")).collect()
}

fn cases() -> Vec<(Sampling, Vec<f32>, Vec<u32>, Vec<f64>)> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../tests/fixtures/sampling/transformers.json");
    let text = std::fs::read(path).expect("the fixture is there");
    let cases: Vec<Value> = serde_json::from_slice(&text).expect("it is JSON");
    let cases = cases.into_iter().map(|case| {
        let number = |key: &str| case[key].as_f64().expect("a number");
        let sampling = Sampling {
            temperature: number("temperature") as f32,
            top_k: number("top_k") as usize,
            top_p: number("top_p") as f32,
            min_p: number("min_p") as f32,
            repetition_penalty: number("repetition_penalty") as f32,
        };
        let logits = numbers(&case, "logits").into_iter().map(|x| x as f32).collect();
        let mut seen: Vec<u32> = numbers(&case, "seen").into_iter().map(|x| x as u32).collect();
        seen.sort_unstable();
        seen.dedup();
        (sampling, logits, seen, numbers(&case, "probabilities"))
    });
    cases.collect()
}

#[test]
fn probabilities_are_those_of_transformers() {
    for (sampling, mut logits, seen, wanted) in cases() {
        let kept = sampling.probabilities(&mut logits, &seen);
        let mut found = vec![0.0f64; wanted.len()];
        kept.iter().for_each(|&(token, p)| found[token as usize] = f64::from(p));
        for (token, (a, b)) in found.iter().zip(&wanted).enumerate() {
            assert_eq!(*a > 0.0, *b > 0.0, "{sampling:?}: token {token}: {a} and {b}");
            assert!((a - b).abs() <= 2e-6, "{sampling:?}: token {token}: {a} and {b}");
        }
        assert!(kept.is_sorted_by(|a, b| a.1 >= b.1));
    }
}

#[test]
fn draws_follow_the_probabilities() {
    for (sampling, logits, seen, wanted) in cases() {
        let draws = 4000;
        let mut counts = vec![0.0; wanted.len()];
        for i in 0..draws {
            let random = (f64::from(i) + 0.5) / f64::from(draws);
            counts[sampling.choose(&mut logits.clone(), &seen, random) as usize] += 1.0;
        }
        // Evenly spaced numbers hit every token as often as its probability says, up to the ends.
        for (count, probability) in counts.iter().zip(&wanted) {
            assert!((count - probability * f64::from(draws)).abs() < 1.1, "{sampling:?}");
        }
    }
}

#[test]
fn a_broken_model_is_no_panic() {
    let sampling = Sampling { temperature: 0.8, top_k: 3, top_p: 0.9, ..Sampling::default() };
    for value in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        for sampling in [sampling, Sampling::default(), Sampling { top_k: 0, ..sampling }] {
            assert!(sampling.choose(&mut [value; 7], &[], 0.99) < 7);
        }
    }
}
