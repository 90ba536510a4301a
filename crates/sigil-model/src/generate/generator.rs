//! The loop: slots with sequences, refilled as soon as one ends, one token each a pass.
//!
//! Requests are taken in their order. One whose prompt is that of the request before it begins with the
//! other's cached prompt, so several samples of a prompt cost one pass over it.

use std::time::Instant;

use burn::tensor::Tensor;
use sigil_kernels::{Decoding, Matrix, Pages, RowChoice, Span, layout::int_vector, pages::PAGE};

use super::{
    FinishReason, GenerateError, GenerationModel, Sampling, Stop,
    admission::{Admitted, Begins, Room},
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
    /// Positions that the cache holds for all sequences together, in whole pages of [`PAGE`] and at least
    /// one longest sequence; `None` for as many as all slots may need. A request waits until the positions
    /// that it may need are free; those of a prompt that several share count once.
    pub positions: Option<usize>,
}

impl GeneratorShape {
    /// Pages of the cache.
    fn pages(&self) -> usize {
        let longest = Pages::of_positions(self.capacity);
        let most = self.slots.max(1).saturating_mul(longest);
        self.positions.map_or(most, |positions| (positions / PAGE).clamp(longest, most))
    }
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

impl<B: Decoding> Generator<B> {
    /// Makes room for the sequences.
    ///
    /// A capacity beyond the model's positions is lowered to them.
    pub fn new(model: GenerationModel<B>, shape: GeneratorShape) -> Self {
        let capacity = shape.capacity.clamp(2, model.positions().max(2));
        let shape = GeneratorShape { slots: shape.slots.max(1), capacity, ..shape };
        let caches = model.caches(shape.slots, shape.capacity, shape.pages());
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
        let mut room = Room::new(self.shape.slots, self.shape.pages());
        let mut held = None;
        let capacity = self.shape.capacity;
        let most = |request: &Request| {
            // The last token is not read.
            let all = (request.prompt.len() - 1).saturating_add(settings.max_new_tokens);
            all.min(capacity)
        };
        while !observer.stops() {
            room.give_back(|slot| slots[slot].is_some(), requests, pending.start);
            let free = (0..slots.len()).filter(|&slot| slots[slot].is_none()).collect();
            let admitted = room.admit(free, &mut pending, requests, most);
            if !admitted.is_empty() {
                let begun = Instant::now();
                let logits = self.begin(requests, &admitted, room.pages(), &mut held);
                let vocabulary = self.model.config.vocab_size;
                for &Admitted { slot, request, .. } in &admitted {
                    let source = &requests[request];
                    slots[slot] =
                        Some(Sequence::new(request, source, settings, capacity, vocabulary));
                }
                let taken: Vec<usize> = admitted.iter().map(|one| one.slot).collect();
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
            let rows = self.model.rows(spans, room.pages());
            let logits = self.model.forward(&tokens, &rows, &mut self.caches, &wanted);
            self.choose(&mut slots, &taken, logits, settings, observer);
            self.timings.decode_secs += begun.elapsed().as_secs_f64();
            self.timings.decoded_tokens += taken.len() as u64;
        }
    }

    /// Brings prompts into their slots; returns the logits after each, in the order of `admitted`.
    ///
    /// `held` are the logits `[1, vocab]` after the prompt that was read last.
    fn begin(
        &mut self,
        requests: &[Request],
        admitted: &[Admitted],
        pages: &Pages,
        held: &mut Option<Matrix<B>>,
    ) -> Matrix<B> {
        let is_new = |one: &Admitted| one.begins == Begins::Anew;
        let early = admitted.iter().take_while(|one| !is_new(one)).count();
        let (early, rest) = admitted.split_at(early);
        // Copies of what is there come first: what is read may take its place.
        self.copy(early);
        // Of every prompt once, and which of them belongs to each of `admitted`.
        let mut logits: Vec<Matrix<B>> =
            held.iter().filter(|_| !early.is_empty()).cloned().collect();
        let leaders: Vec<(usize, usize)> =
            rest.iter().filter(|one| is_new(one)).map(|one| (one.slot, one.request)).collect();
        logits.extend(self.read_prompts(requests, &leaders, pages));
        self.copy(rest);
        let mut row = 0;
        let row_of = admitted.iter().enumerate().map(|(at, one)| {
            row += usize::from(at > 0 && is_new(one));
            row
        });
        let row_of: Vec<usize> = row_of.collect();
        let logits = if logits.len() == 1 { logits.remove(0) } else { Tensor::cat(logits, 0) };
        let prompts = logits.dims()[0];
        if !leaders.is_empty() {
            *held = Some(self.rows_of(&logits, &[prompts - 1]));
        }
        if (0..prompts).eq(row_of.iter().copied()) {
            return logits;
        }
        self.rows_of(&logits, &row_of)
    }

    /// Copies of the rows.
    fn rows_of(&self, logits: &Matrix<B>, rows: &[usize]) -> Matrix<B> {
        let rows = rows.iter().map(|&row| row as i32).collect();
        logits.clone().select(0, int_vector(rows, &logits.device()))
    }

    fn copy(&mut self, admitted: &[Admitted]) {
        for one in admitted {
            if let Begins::LikeTheLast(Some(copy)) = one.begins {
                self.caches.iter_mut().for_each(|cache| B::copy_slot(cache, copy));
            }
        }
    }

    /// Runs whole prompts through the model, `PROMPT_ROWS` rows at a time; returns the logits after them,
    /// those of a pass together.
    fn read_prompts(
        &mut self,
        requests: &[Request],
        admitted: &[(usize, usize)],
        pages: &Pages,
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
            let all_rows = self.model.rows(spans, pages);
            let logits = self.model.forward(&tokens, &all_rows, &mut self.caches, &rows);
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
        let mut all: Vec<Option<&mut Sequence>> = slots.iter_mut().map(Option::as_mut).collect();
        // In the order of `taken`, which is that of the logits.
        let mut sequences: Vec<&mut Sequence> =
            taken.iter().filter_map(|&slot| all[slot].take()).collect();
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
