//! Generation: cached logits against those of the whole text, greedy tokens against transformers',
//! and samples that do not depend on what else is generated.

use std::collections::BTreeSet;

use burn::tensor::DType;
use sigil_kernels::{Cpu, Pages, pages::PAGE};
use sigil_model::{
    Mode,
    generate::{
        AdapterUse, FinishReason, GenerateError, GenerationModel, Generator, GeneratorShape,
        Observer, Request, Sample, Sampling, Settings, Stop, sample_stream,
    },
};

use crate::fixture::{FAMILIES, Fixture, QLORA, flat, relative};

const LOGITS: f64 = 2e-5;

/// The modes whose logits the fixtures hold, with and without the adapter.
fn variants() -> [(&'static str, Mode, bool); 3] {
    [("full", Mode::Lora, false), ("nf4", QLORA, false), ("qlora", QLORA, true)]
}

fn model(fixture: &Fixture, mode: Mode, lora: bool, adapter: AdapterUse) -> GenerationModel<Cpu> {
    let (decoder, parameters) = fixture.decoder(mode, lora);
    GenerationModel::new(decoder, &parameters, adapter, DType::F32)
}

fn settings<'a>(sampling: Sampling, max_new_tokens: usize) -> Settings<'a> {
    Settings { sampling, max_new_tokens, stop: Stop::default() }
}

#[derive(Default)]
struct Collected(Vec<Option<Sample>>);

impl Observer for Collected {
    fn finished(&mut self, request: usize, sample: Sample) {
        self.0.resize(self.0.len().max(request + 1), None);
        assert!(self.0[request].replace(sample).is_none(), "request {request} ended twice");
    }
}

/// The samples of all requests, generated `slots` at a time.
fn generate(
    model: GenerationModel<Cpu>,
    slots: usize,
    requests: &[Request],
    settings: &Settings<'_>,
) -> (Vec<Sample>, Generator<Cpu>) {
    let shape = GeneratorShape { slots, capacity: 64, positions: None };
    let mut generator = Generator::new(model, shape);
    let mut collected = Collected::default();
    generator.generate(requests, settings, &mut collected).expect("requests are sound");
    let samples = collected.0.into_iter().map(|sample| sample.expect("every request ends"));
    (samples.collect(), generator)
}

#[test]
fn greedy_tokens_are_those_of_transformers() {
    for family in FAMILIES {
        let fixture = Fixture::of(family);
        let wanted: Vec<u32> = fixture.ints("full.greedy").iter().map(|&t| t as u32).collect();
        let request = Request { prompt: wanted[..12].to_vec(), stream: 0 };
        let model = model(&fixture, Mode::Lora, false, AdapterUse::Beside);
        let settings = settings(Sampling::default(), wanted.len() - 12);
        let (samples, _) = generate(model, 2, &[request], &settings);
        assert_eq!(samples[0].tokens, wanted[12..], "{family}");
        assert_eq!(samples[0].finish, FinishReason::MaxTokens);
    }
}

#[test]
fn logits_with_a_cache_are_those_without() {
    for family in FAMILIES {
        let fixture = Fixture::of(family);
        let (ids, mask) = (fixture.ints("input_ids"), fixture.ints("attention_mask"));
        let length = fixture.shape("input_ids")[1];
        let rows: Vec<Vec<u32>> = ids
            .chunks(length)
            .zip(mask.chunks(length))
            .map(|(ids, mask)| {
                let kept = ids.iter().zip(mask).filter(|(_, mask)| **mask != 0);
                kept.map(|(&id, _)| id as u32).collect()
            })
            .collect();
        let (_, kept) = flat(&ids, &fixture.ints("labels"), &mask, length);
        for (name, mode, lora) in variants() {
            let vocab = fixture.shape(&format!("{name}.logits"))[2];
            let all = fixture.floats(&format!("{name}.logits"));
            let wanted: Vec<f32> =
                kept.iter().flat_map(|&row| all[row * vocab..(row + 1) * vocab].to_vec()).collect();
            for adapter in [AdapterUse::Beside, AdapterUse::Merged] {
                let model = model(&fixture, mode, lora, adapter);
                // The prompt at once, then token by token, all rows of the batch together.
                for prompt in [1, 5, usize::MAX] {
                    let found = model.logits_in_pieces(&rows, prompt);
                    let error = relative(&found, &wanted);
                    assert!(error <= LOGITS, "{family} {name} {adapter:?} {prompt}: {error:e}");
                }
            }
        }
    }
}

/// Prompts of several lengths from the fixture's rows, three samples of each.
fn requests(fixture: &Fixture) -> Vec<Request> {
    let ids: Vec<u32> = fixture.ints("input_ids").iter().map(|&id| id as u32).collect();
    let lengths = [1, 9, 4, 23, 9, 2, 17, 30, 3, 12, 5];
    let prompts = lengths.iter().enumerate().map(|(i, &length)| ids[i..i + length].to_vec());
    prompts
        .flat_map(|prompt| {
            (0..3).map(move |sample| {
                let stream = sample_stream(7, &prompt, sample);
                Request { prompt: prompt.clone(), stream }
            })
        })
        .collect()
}

#[test]
fn a_sample_does_not_depend_on_the_batch() {
    let sampling =
        Sampling { temperature: 0.9, top_k: 40, top_p: 0.95, min_p: 0.01, repetition_penalty: 1.1 };
    for (family, mode, lora) in
        [("llama3", Mode::Lora, false), ("qwen3", QLORA, true), ("phi3", QLORA, false)]
    {
        let fixture = Fixture::of(family);
        let load = || model(&fixture, mode, lora, AdapterUse::Beside);
        let requests = requests(&fixture);
        let settings = settings(sampling, 20);
        let (alone, _) = generate(load(), 1, &requests, &settings);
        for slots in [3, 32] {
            let (together, _) = generate(load(), slots, &requests, &settings);
            assert_eq!(together, alone, "{family}, {slots} at a time");
        }
        let mut order: Vec<usize> = (0..requests.len()).collect();
        order.sort_by_key(|&i| (i * 7919) % 33);
        let shuffled: Vec<Request> = order.iter().map(|&i| requests[i].clone()).collect();
        let (found, _) = generate(load(), 5, &shuffled, &settings);
        for (&i, sample) in order.iter().zip(&found) {
            assert_eq!(sample, &alone[i], "{family}, request {i} in another order");
        }
        let (again, _) = generate(load(), 1, &requests[20..21], &settings);
        assert_eq!(again[0], alone[20], "{family}, one sample alone");
        let distinct = alone.iter().enumerate().all(|(i, a)| !alone[..i].contains(a));
        assert!(distinct, "{family}: every sample has random numbers of its own");
    }
}

/// Samples, and how many sequences had begun and not ended at most.
#[derive(Default)]
struct Counted {
    samples: Collected,
    running: BTreeSet<usize>,
    most: usize,
}

impl Observer for Counted {
    fn token(&mut self, request: usize, _token: u32) {
        self.running.insert(request);
        self.most = self.most.max(self.running.len());
    }

    fn finished(&mut self, request: usize, sample: Sample) {
        self.running.remove(&request);
        self.samples.finished(request, sample);
    }
}

#[test]
fn a_small_cache_gives_the_same_samples_a_few_at_a_time() {
    let fixture = Fixture::of("llama3");
    let positions = 400;
    let load = || {
        let (decoder, parameters) = fixture.long_decoder(Mode::Lora, false, positions);
        GenerationModel::new(decoder, &parameters, AdapterUse::Beside, DType::F32)
    };
    let ids: Vec<u32> = fixture.ints("input_ids").iter().map(|&id| id as u32).collect();
    let text = |length: usize| ids.iter().copied().cycle().take(length).collect::<Vec<u32>>();
    let sampling = Sampling { temperature: 0.9, top_k: 40, ..Sampling::default() };
    // Three pages each, of which the prompt fills one and a half, and two pages.
    let lengths = [209, 200, 3, 209];
    let requests: Vec<Request> = lengths
        .into_iter()
        .flat_map(|length| (0..4).map(move |sample| (length, sample)))
        .map(|(length, sample)| {
            let prompt = text(length);
            Request { stream: sample_stream(7, &prompt, sample), prompt }
        })
        .collect();
    let settings = settings(sampling, 130);
    let run = |slots, positions| {
        let shape = GeneratorShape { slots, capacity: usize::MAX, positions };
        let mut counted = Counted::default();
        let mut generator = Generator::new(load(), shape);
        generator.generate(&requests, &settings, &mut counted).expect("requests are sound");
        let read = generator.timings().prompt_tokens;
        assert!(counted.running.is_empty());
        (counted.samples.0, counted.most, read)
    };
    let longest = Pages::of_positions(positions) * PAGE;
    let (alone, most, read) = run(1, None);
    assert_eq!((most, alone.len()), (1, requests.len()));
    assert_eq!(read as usize, lengths.iter().sum::<usize>(), "every prompt is read once");
    let (together, most, _) = run(8, None);
    assert_eq!((&together, most), (&alone, 8));
    // Less than one longest sequence, four pages, is as much as that: two of the short ones. Seven pages hold
    // three of the long ones, because they share one.
    for (bound, wanted) in [(0, 2), (longest, 2), (longest + 3 * PAGE, 3)] {
        let (found, most, read) = run(8, Some(bound));
        assert_eq!(found, alone, "{bound} positions");
        assert_eq!(most, wanted, "{bound} positions");
        assert_eq!(read as usize, lengths.iter().sum::<usize>());
    }
}

#[test]
fn samples_of_one_prompt_read_it_once() {
    let fixture = Fixture::of("llama2");
    let prompt: Vec<u32> = (3..23).collect();
    let requests: Vec<Request> =
        (0..9).map(|sample| Request { prompt: prompt.clone(), stream: sample }).collect();
    let model = model(&fixture, Mode::Lora, false, AdapterUse::Beside);
    let sampling = Sampling { temperature: 1.0, ..Sampling::default() };
    let (_, generator) = generate(model, 2, &requests, &settings(sampling, 5));
    assert_eq!(generator.timings().prompt_tokens, 20);
}

#[test]
fn what_ends_a_sample() {
    let fixture = Fixture::of("llama2");
    let load = || model(&fixture, Mode::Lora, false, AdapterUse::Beside);
    let request = [Request { prompt: vec![5, 6, 7], stream: 0 }];
    let greedy = settings(Sampling::default(), 30);
    let (free, _) = generate(load(), 1, &request, &greedy);
    let tokens = &free[0].tokens;
    assert_eq!((tokens.len(), free[0].finish), (30, FinishReason::MaxTokens));

    let first_of_fifth = tokens.iter().position(|token| *token == tokens[4]).expect("it is there");
    let stop = Stop { tokens: &tokens[4..5], ..Stop::default() };
    let (ended, _) = generate(load(), 1, &request, &Settings { stop, ..greedy });
    let wanted =
        Sample { tokens: tokens[..first_of_fifth].to_vec(), finish: FinishReason::StopToken };
    assert_eq!(ended[0], wanted);

    let decode =
        |tokens: &[u32]| -> String { tokens.iter().map(|token| format!("{token},")).collect() };
    let texts = [format!("{},{},", tokens[6], tokens[7])];
    let stop = Stop { texts: &texts, decode: Some(&decode), ..Stop::default() };
    let (ended, _) = generate(load(), 1, &request, &Settings { stop, ..greedy });
    assert_eq!(ended[0].finish, FinishReason::StopText);
    assert!(decode(&ended[0].tokens).ends_with(&texts[0]));
    assert!(ended[0].tokens.len() <= 8);

    let (full, _) = generate(load(), 1, &request, &settings(Sampling::default(), 1000));
    assert_eq!((full[0].tokens.len(), full[0].finish), (61, FinishReason::ContextFull));
}

#[test]
fn requests_that_cannot_be_are_refused() {
    let fixture = Fixture::of("llama2");
    let mut generator = Generator::new(
        model(&fixture, Mode::Lora, false, AdapterUse::Beside),
        GeneratorShape { slots: 2, capacity: 16, positions: None },
    );
    let mut refused = |prompt: Vec<u32>, settings: Settings<'_>| {
        let mut collected = Collected::default();
        let requests = [Request { prompt: vec![1], stream: 0 }, Request { prompt, stream: 0 }];
        let error = generator.generate(&requests, &settings, &mut collected);
        assert!(collected.0.is_empty(), "nothing is generated before all is checked");
        error.expect_err("refused")
    };
    let good = settings(Sampling::default(), 4);
    assert_eq!(refused(vec![], good), GenerateError::EmptyPrompt { request: 1 });
    let long = GenerateError::PromptTooLong { request: 1, tokens: 16, most: 15 };
    assert_eq!(refused(vec![1; 16], good), long);
    assert!(matches!(refused(vec![1 << 30], good), GenerateError::UnknownToken { request: 1, .. }));
    let bad = |sampling| refused_setting(settings(sampling, 4));
    fn refused_setting(settings: Settings<'_>) -> &'static str {
        match settings.sampling.check().expect_err("refused") {
            GenerateError::Setting { setting, .. } => setting,
            _ => "another error",
        }
    }
    let base = Sampling::default();
    assert_eq!(bad(Sampling { temperature: f32::NAN, ..base }), "temperature");
    assert_eq!(bad(Sampling { top_p: 0.0, ..base }), "top_p");
    assert_eq!(bad(Sampling { min_p: 1.5, ..base }), "min_p");
    assert_eq!(bad(Sampling { repetition_penalty: 0.0, ..base }), "repetition_penalty");
    assert!(matches!(refused(vec![1], settings(base, 0)), GenerateError::Setting { .. }));
}
