//! The sequences that are being generated, one a slot, and the tokens that they get.

use rayon::prelude::*;
use sigil_kernels::RowChoice;

use super::{
    generator::{Request, Sample, Settings},
    sampling::draw,
    stop::FinishReason,
};

/// One sequence in a slot.
pub(super) struct Sequence {
    pub(super) request: usize,
    pub(super) prompt: usize,
    /// Generated tokens.
    pub(super) tokens: Vec<u32>,
    /// Tokens it may have in all, and why it ends then.
    most: (usize, FinishReason),
    stream: u64,
    seen: Seen,
    finish: Option<FinishReason>,
}

/// The tokens of a text, each once; kept only where a penalty reads them.
struct Seen {
    list: Vec<u32>,
    bits: Vec<u64>,
}

impl Seen {
    fn add(&mut self, token: u32) {
        if self.bits.is_empty() {
            return;
        }
        let (word, bit) = (token as usize / 64, 1 << (token % 64));
        if self.bits[word] & bit == 0 {
            self.bits[word] |= bit;
            self.list.push(token);
        }
    }
}

impl Sequence {
    pub(super) fn new(
        index: usize,
        request: &Request,
        settings: &Settings<'_>,
        capacity: usize,
        vocabulary: usize,
    ) -> Self {
        let room = capacity - request.prompt.len();
        let most = if settings.max_new_tokens <= room {
            (settings.max_new_tokens, FinishReason::MaxTokens)
        } else {
            (room, FinishReason::ContextFull)
        };
        let words =
            if settings.sampling.repetition_penalty == 1.0 { 0 } else { vocabulary.div_ceil(64) };
        let mut seen = Seen { list: vec![], bits: vec![0; words] };
        request.prompt.iter().for_each(|&token| seen.add(token));
        Self {
            request: index,
            prompt: request.prompt.len(),
            tokens: vec![],
            most,
            stream: request.stream,
            seen,
            finish: None,
        }
    }

    /// What its next token depends on besides logits.
    pub(super) fn row(&self) -> RowChoice<'_> {
        RowChoice { random: draw(self.stream, self.tokens.len()), seen: &self.seen.list }
    }

    /// Chooses the next token from its logits; returns it unless it ends the text.
    fn advance(&mut self, logits: &mut [f32], settings: &Settings<'_>) -> Option<u32> {
        let RowChoice { random, seen } = self.row();
        let token = settings.sampling.choose(logits, seen, random);
        self.accept(token, settings)
    }

    /// Takes the next token; returns it unless it ends the text.
    fn accept(&mut self, token: u32, settings: &Settings<'_>) -> Option<u32> {
        if settings.stop.tokens.contains(&token) {
            self.finish = Some(FinishReason::StopToken);
            return None;
        }
        self.tokens.push(token);
        self.seen.add(token);
        if settings.stop.is_met_by(&self.tokens) {
            self.finish = Some(FinishReason::StopText);
        } else if self.tokens.len() >= self.most.0 {
            self.finish = Some(self.most.1);
        }
        Some(token)
    }

    /// The sample, once it has ended.
    pub(super) fn sample(&self) -> Option<Sample> {
        self.finish.map(|finish| Sample { tokens: self.tokens.clone(), finish })
    }
}

/// Gives every sequence the token that was chosen for it.
pub(super) fn accept(
    sequences: &mut [&mut Sequence],
    tokens: &[u32],
    settings: &Settings<'_>,
) -> Vec<Option<u32>> {
    let pairs = sequences.iter_mut().zip(tokens);
    pairs.map(|(sequence, &token)| sequence.accept(token, settings)).collect()
}

/// Gives every sequence its next token, each from its row of `logits [sequences, vocabulary]`.
pub(super) fn advance(
    sequences: &mut [&mut Sequence],
    logits: &mut [f32],
    vocabulary: usize,
    settings: &Settings<'_>,
) -> Vec<Option<u32>> {
    let rows = logits.par_chunks_exact_mut(vocabulary);
    sequences
        .par_iter_mut()
        .zip(rows)
        .map(|(sequence, logits)| sequence.advance(logits, settings))
        .collect()
}
