//! The loop: slots with sequences, refilled as soon as one ends, one token each a pass.
//!
//! Requests are taken in their order. One whose prompt is that of the request before it gets a copy
//! of the other's cached prompt, so several samples of a prompt cost one pass over it.

use std::time::Instant;

use burn::tensor::Tensor;
use sigil_kernels::{Decoding, Matrix, RowChoice, Span, layout::int_vector};

use super::{
    FinishReason, GenerateError, GenerationModel, Sampling, Stop,
    slots::{Sequence, accept, advance},
};

/// Rows of a pass over prompts.
const PROMPT_ROWS: usize = 512;

/// Sizes of a generator, fixed while it lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GeneratorShape {
    /// Sequences at the same time, at least 1.
    pub slots: usize,
    /// Longest sequence, prompt included; no longer than the model's positions.
    pub capacity: usize,
}

/// One sample to generate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// The prompt, as the model reads it: BOS and template included.
    pub prompt: Vec<u32>,
    /// Random stream, see [`super::sample_stream`].
    pub stream: u64,
}

/// What all samples of a call share.
#[derive(Clone, Copy, Debug)]
pub struct Settings<'a> {
    /// How tokens are chosen.
    pub sampling: Sampling,
    /// Longest sample, in tokens, at least 1.
    pub max_new_tokens: usize,
    /// What ends a sample.
    pub stop: Stop<'a>,
}

/// A generated text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sample {
    /// Its tokens, without the prompt and without the token that ended it.
    pub tokens: Vec<u32>,
    /// Why it ended.
    pub finish: FinishReason,
}

/// Sees samples while they come.
pub trait Observer {
    /// A sample has a new token.
    fn token(&mut self, request: usize, token: u32) {
        let _ = (request, token);
    }

    /// A sample has ended.
    fn finished(&mut self, request: usize, sample: Sample);

    /// Asked before every pass; after true no more samples come.
    fn stops(&mut self) -> bool {
        false
    }
}

/// Where time went since the generator was made.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Timings {
    /// Prompt tokens that were computed (copied ones are not).
    pub prompt_tokens: u64,
    /// Seconds of the passes over prompts, choosing the first tokens included.
    pub prompt_secs: f64,
    /// Tokens generated after the first of each sample.
    pub decoded_tokens: u64,
    /// Seconds of the passes that generated them, choosing included.
    pub decode_secs: f64,
}

/// Generates many samples at a time.
#[derive(Debug)]
pub struct Generator<B: Decoding> {
    model: GenerationModel<B>,
    shape: GeneratorShape,
    caches: Vec<B::Cache>,
    timings: Timings,
}

/// A prompt that lies in a slot's cache, with the logits after it.
struct CachedPrompt<B: Decoding> {
    request: usize,
    slot: usize,
    /// `[1, vocab]`.
    logits: Matrix<B>,
}

impl<B: Decoding> Generator<B> {
    /// Makes room for the sequences.
    ///
    /// A capacity beyond the model's positions is lowered to them.
    pub fn new(model: GenerationModel<B>, shape: GeneratorShape) -> Self {
        let capacity = shape.capacity.clamp(2, model.positions().max(2));
        let shape = GeneratorShape { slots: shape.slots.max(1), capacity };
        let caches = model.caches(shape.slots, shape.capacity);
        Self { model, shape, caches, timings: Timings::default() }
    }

    /// The sizes it was made with.
    pub fn shape(&self) -> GeneratorShape {
        self.shape
    }

    /// The model.
    pub fn model(&self) -> &GenerationModel<B> {
        &self.model
    }

    /// Where time went.
    pub fn timings(&self) -> Timings {
        self.timings
    }

    /// Generates a sample for every request; they end in any order.
    ///
    /// # Errors
    /// A request or setting that cannot be; nothing was generated then.
    pub fn generate(
        &mut self,
        requests: &[Request],
        settings: &Settings<'_>,
        observer: &mut (dyn Observer + Send),
    ) -> Result<(), GenerateError> {
        self.check(requests, settings)?;
        B::in_pool(|| self.run(requests, settings, observer));
        Ok(())
    }

    fn check(&self, requests: &[Request], settings: &Settings<'_>) -> Result<(), GenerateError> {
        settings.sampling.check()?;
        if settings.max_new_tokens == 0 {
            let (setting, rule) = ("max_new_tokens", "it must be at least 1");
            return Err(GenerateError::Setting { setting, value: "0".to_owned(), rule });
        }
        let (most, vocabulary) = (self.shape.capacity - 1, self.model.config.vocab_size);
        for (request, Request { prompt, .. }) in requests.iter().enumerate() {
            if prompt.is_empty() {
                return Err(GenerateError::EmptyPrompt { request });
            }
            if prompt.len() > most {
                return Err(GenerateError::PromptTooLong { request, tokens: prompt.len(), most });
            }
            if let Some(&token) = prompt.iter().find(|&&token| token as usize >= vocabulary) {
                return Err(GenerateError::UnknownToken { request, token, vocabulary });
            }
        }
        Ok(())
    }

    fn run(
        &mut self,
        requests: &[Request],
        settings: &Settings<'_>,
        observer: &mut (dyn Observer + Send),
    ) {
        let mut slots: Vec<Option<Sequence>> = (0..self.shape.slots).map(|_| None).collect();
        let mut pending = 0..requests.len();
        let mut cached = None;
        while !observer.stops() {
            let free = (0..slots.len()).filter(|&slot| slots[slot].is_none());
            // The slot is asked for first, so that no request is taken without one.
            let admitted: Vec<(usize, usize)> = free.zip(pending.by_ref()).collect();
            if !admitted.is_empty() {
                let begun = Instant::now();
                let logits = self.admit(requests, &admitted, &mut cached);
                for &(slot, request) in &admitted {
                    let (capacity, vocabulary) =
                        (self.shape.capacity, self.model.config.vocab_size);
                    let source = &requests[request];
                    slots[slot] =
                        Some(Sequence::new(request, source, settings, capacity, vocabulary));
                }
                let taken: Vec<usize> = admitted.iter().map(|&(slot, _)| slot).collect();
                self.choose(&mut slots, &taken, logits, settings, observer);
                self.timings.prompt_secs += begun.elapsed().as_secs_f64();
            }
            let taken: Vec<usize> =
                (0..slots.len()).filter(|&slot| slots[slot].is_some()).collect();
            if taken.is_empty() {
                if pending.is_empty() {
                    return;
                }
                continue;
            }
            let begun = Instant::now();
            let sequences = taken.iter().map(|&slot| (slot, slots[slot].as_ref()));
            let (tokens, spans): (Vec<u32>, Vec<Span>) = sequences
                .map(|(slot, sequence)| {
                    let sequence = sequence.expect("slots without one were left out");
                    let token = *sequence.tokens.last().expect("it has its first token");
                    let first = sequence.prompt + sequence.tokens.len() - 1;
                    (token, Span { slot, first, rows: 1 })
                })
                .unzip();
            let wanted: Vec<usize> = (0..tokens.len()).collect();
            let logits = self.model.forward(&tokens, &spans, &mut self.caches, &wanted);
            self.choose(&mut slots, &taken, logits, settings, observer);
            self.timings.decode_secs += begun.elapsed().as_secs_f64();
            self.timings.decoded_tokens += taken.len() as u64;
        }
    }

    /// Brings prompts into their slots; returns the logits after each, in the order of `admitted`.
    fn admit(
        &mut self,
        requests: &[Request],
        admitted: &[(usize, usize)],
        cached: &mut Option<CachedPrompt<B>>,
    ) -> Matrix<B> {
        // Samples of the prompt that is cached come first, before its slot may be given to others.
        let same = |a: usize, b: usize| requests[a].prompt == requests[b].prompt;
        let copies = admitted
            .iter()
            .take_while(|(_, request)| cached.as_ref().is_some_and(|c| same(c.request, *request)))
            .count();
        // Of every prompt once, and which of them belongs to each of `admitted`.
        let (mut logits, mut row_of) = (vec![], vec![0; copies]);
        if let (Some(cached), 1..) = (cached.as_ref(), copies) {
            let positions = requests[cached.request].prompt.len();
            for &(slot, _) in &admitted[..copies] {
                self.copy(cached.slot, slot, positions);
            }
            logits.push(cached.logits.clone());
        }
        let rest = &admitted[copies..];
        let leads = |at: usize| at == 0 || !same(rest[at - 1].1, rest[at].1);
        let leaders: Vec<(usize, usize)> =
            (0..rest.len()).filter(|&at| leads(at)).map(|at| rest[at]).collect();
        let before = logits.len();
        logits.extend(self.read_prompts(requests, &leaders));
        let mut leader = 0;
        for (at, &(slot, request)) in rest.iter().enumerate() {
            if leads(at) {
                leader += 1;
            } else {
                self.copy(leaders[leader - 1].0, slot, requests[request].prompt.len());
            }
            row_of.push(before + leader - 1);
        }
        let logits = if logits.len() == 1 { logits.remove(0) } else { Tensor::cat(logits, 0) };
        if let Some(&(slot, request)) = leaders.last() {
            let last = logits.dims()[0] - 1;
            let logits = self.rows_of(&logits, &[last]);
            *cached = Some(CachedPrompt { request, slot, logits });
        } else if let (Some(cached), Some(&(slot, _))) = (cached.as_mut(), admitted.last()) {
            cached.slot = slot;
        }
        if (0..logits.dims()[0]).eq(row_of.iter().copied()) {
            return logits;
        }
        self.rows_of(&logits, &row_of)
    }

    /// Copies of the rows.
    fn rows_of(&self, logits: &Matrix<B>, rows: &[usize]) -> Matrix<B> {
        let rows = rows.iter().map(|&row| row as i32).collect();
        logits.clone().select(0, int_vector(rows, &logits.device()))
    }

    fn copy(&mut self, from: usize, to: usize, positions: usize) {
        if from != to {
            self.caches.iter_mut().for_each(|cache| B::copy_slot(cache, from, to, positions));
        }
    }

    /// Runs whole prompts through the model, `PROMPT_ROWS` rows at a time; returns the logits after them,
    /// those of a pass together.
    fn read_prompts(
        &mut self,
        requests: &[Request],
        admitted: &[(usize, usize)],
    ) -> Vec<Matrix<B>> {
        let mut all = vec![];
        let (mut next, mut first) = (0, 0);
        while next < admitted.len() {
            let (mut tokens, mut spans, mut wanted) = (vec![], vec![], vec![]);
            while next < admitted.len() && tokens.len() < PROMPT_ROWS {
                let (slot, request) = admitted[next];
                let prompt = &requests[request].prompt;
                let rows = (prompt.len() - first).min(PROMPT_ROWS - tokens.len());
                tokens.extend_from_slice(&prompt[first..first + rows]);
                spans.push(Span { slot, first, rows });
                first += rows;
                if first == prompt.len() {
                    wanted.push(tokens.len() - 1);
                    (next, first) = (next + 1, 0);
                }
            }
            self.timings.prompt_tokens += tokens.len() as u64;
            // The part of a prompt that goes on in the next pass has no logits to read.
            let rows = if wanted.is_empty() { vec![tokens.len() - 1] } else { wanted.clone() };
            let logits = self.model.forward(&tokens, &spans, &mut self.caches, &rows);
            if !wanted.is_empty() {
                all.push(logits);
            }
        }
        all
    }

    /// Gives the sequences in `taken` their next tokens, chosen from `logits [taken, vocab]`, and empties
    /// the slots of those that end.
    fn choose(
        &self,
        slots: &mut [Option<Sequence>],
        taken: &[usize],
        logits: Matrix<B>,
        settings: &Settings<'_>,
        observer: &mut (dyn Observer + Send),
    ) {
        let rows: Vec<RowChoice<'_>> =
            taken.iter().filter_map(|&slot| slots[slot].as_ref()).map(Sequence::row).collect();
        match B::choose(logits, &settings.sampling.on_device(), &rows) {
            Ok(tokens) => {
                let next = |sequences: &mut [&mut Sequence]| accept(sequences, &tokens, settings);
                self.give(slots, taken, observer, next);
            }
            Err(logits) => {
                let mut logits: Vec<f32> = logits.into_data().into_vec().expect("logits are f32");
                let vocabulary = self.model.config.vocab_size;
                self.give(slots, taken, observer, |sequences| {
                    advance(sequences, &mut logits, vocabulary, settings)
                });
            }
        }
    }

    /// Gives the sequences in `taken` the tokens that `next` finds for them, and empties the slots of
    /// those that end.
    fn give(
        &self,
        slots: &mut [Option<Sequence>],
        taken: &[usize],
        observer: &mut (dyn Observer + Send),
        next: impl FnOnce(&mut [&mut Sequence]) -> Vec<Option<u32>>,
    ) {
        let mut sequences: Vec<&mut Sequence> = slots
            .iter_mut()
            .enumerate()
            .filter(|(slot, _)| taken.contains(slot))
            .filter_map(|(_, sequence)| sequence.as_mut())
            .collect();
        let tokens = next(&mut sequences);
        for (&slot, token) in taken.iter().zip(tokens) {
            let Some(sequence) = &slots[slot] else { continue };
            if let Some(token) = token {
                observer.token(sequence.request, token);
            }
            if let Some(sample) = sequence.sample() {
                observer.finished(sequence.request, sample);
                slots[slot] = None;
            }
        }
    }
}
