//! Which source gives the next row.
//!
//! Is: `interleave_datasets` of Hugging Face `datasets` 5.2 over sources of unknown length, by
//! looking one row ahead. Where its two published behaviours differ (round robin without
//! probabilities: map-style datasets finish whole rounds, iterable ones stop inside a round) the
//! pipeline follows the map-style one, streamed or not. Is not: a reader. Next: `shuffle.rs`.

use serde::{Deserialize, Serialize};

use super::NumpyRandom;

/// Says when a mixture ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stop {
    /// As soon as one source has no further row.
    #[default]
    FirstExhausted,
    /// When every row of every source has come at least once; shorter sources start again.
    AllExhausted,
    /// When every row of every source has come exactly once.
    AllExhaustedWithoutReplacement,
}

/// Says where a round robin may stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum RoundRule {
    /// Between rounds only: `Dataset`.
    #[default]
    WholeRounds,
    /// Before any row: `IterableDataset`.
    AnyRow,
}

/// Says how sources are mixed.
#[derive(Debug, Clone, PartialEq, Default)]
pub enum Mixture {
    /// One source after the other.
    #[default]
    Sequential,
    /// One row of each in turn.
    RoundRobin {
        /// When the mixture ends.
        stop: Stop,
        /// Where it may stop.
        rounds: RoundRule,
    },
    /// Drawn by weight.
    Weighted {
        /// One weight per source, at least 0 and not all 0.
        weights: Vec<f64>,
        /// When the mixture ends.
        stop: Stop,
        /// Decides the draws.
        seed: u64,
    },
}

/// Says why sources cannot be mixed as asked.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum InterleaveError {
    /// Weights that are no weights.
    #[error(
        "{found} weights for {sources} sources: each needs one that is a number of at least 0, and one above 0"
    )]
    Weights {
        /// Weights given.
        found: usize,
        /// Sources to mix.
        sources: usize,
    },
    /// A source that would be drawn from has nothing.
    #[error("source {source_number} of the mixture has no row that is kept")]
    Empty {
        /// Which source, from 1.
        source_number: usize,
    },
    /// A source that is never drawn can never be exhausted.
    #[error("source {source_number} has weight 0, so `{stop:?}` would never be reached")]
    Unreachable {
        /// Which source, from 1.
        source_number: usize,
        /// When the mixture was to end.
        stop: Stop,
    },
}

impl InterleaveError {
    /// Returns what the user can do about it.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Weights { .. } => "see `dataset.dataset_weights`",
            Self::Empty { .. } => {
                "the account says which rule dropped its rows; remove the source or relax the rule"
            }
            Self::Unreachable { .. } => {
                "remove the source, give it a weight, or stop at the first exhausted source"
            }
        }
    }
}

/// Hands out rows of numbered sources.
pub trait Feed {
    /// What can go wrong while reading.
    type Error: From<InterleaveError>;

    /// Says whether a source has another row, without taking it.
    fn has_row(&mut self, source: usize) -> Result<bool, Self::Error>;

    /// Takes the row that [`Feed::has_row`] found.
    fn take(&mut self, source: usize) -> Result<(), Self::Error>;

    /// Starts a source again from its first row.
    fn rewind(&mut self, source: usize) -> Result<(), Self::Error>;
}

/// Draws from sources until the mixture ends.
#[derive(Debug, Clone)]
pub struct Interleaver {
    mixture: Mixture,
    cumulated: Vec<f64>,
    random: NumpyRandom,
    exhausted: Vec<bool>,
    /// Source whose turn it is, where turns are taken.
    turn: usize,
    started: bool,
}

impl Interleaver {
    /// Prepares a mixture of `sources` sources.
    ///
    /// # Errors
    /// Weights that do not fit, or a stopping rule that could never be met.
    pub fn new(mixture: Mixture, sources: usize) -> Result<Self, InterleaveError> {
        let (mut cumulated, mut seed) = (Vec::new(), 0);
        if let Mixture::Weighted { weights, stop, seed: chosen } = &mixture {
            let wrong = InterleaveError::Weights { found: weights.len(), sources };
            let good = |weight: &f64| weight.is_finite() && *weight >= 0.0;
            let total: f64 = weights.iter().sum();
            let usable = weights.len() == sources && weights.iter().all(good);
            if !(usable && total > 0.0 && total.is_finite()) {
                return Err(wrong);
            }
            if let Some(index) = weights.iter().position(|&weight| weight == 0.0)
                && *stop != Stop::FirstExhausted
            {
                return Err(InterleaveError::Unreachable { source_number: index + 1, stop: *stop });
            }
            seed = *chosen;
            // The order of these operations is numpy's: normalise, cumulate, normalise.
            let mut sum = 0.0;
            cumulated.extend(weights.iter().map(|weight| {
                sum += weight / total;
                sum
            }));
            cumulated.iter_mut().for_each(|bound| *bound /= sum);
        }
        let exhausted = vec![false; sources];
        let random = NumpyRandom::seeded(seed);
        Ok(Self { mixture, cumulated, random, exhausted, turn: 0, started: false })
    }

    /// Returns the source of the next row, which has been taken from `feed`; `None` at the end.
    ///
    /// # Errors
    /// Those of the feed, and a source without any row that the mixture needs.
    pub fn next<F: Feed>(&mut self, feed: &mut F) -> Result<Option<usize>, F::Error> {
        let (stop, rounds, weighted) = match &self.mixture {
            Mixture::Sequential => return self.next_in_sequence(feed),
            Mixture::RoundRobin { stop, rounds } => (*stop, *rounds, false),
            Mixture::Weighted { stop, .. } => (*stop, RoundRule::AnyRow, true),
        };
        if !self.started {
            self.refuse_empty(feed)?;
            self.started = true;
        }
        loop {
            if (self.turn == 0 || rounds == RoundRule::AnyRow) && self.is_over(stop) {
                return Ok(None);
            }
            let source = if weighted {
                self.random.choose(&self.cumulated)
            } else {
                let turn = self.turn;
                self.turn = (turn + 1) % self.exhausted.len();
                turn
            };
            let once = stop == Stop::AllExhaustedWithoutReplacement;
            if once && self.exhausted[source] {
                continue;
            }
            feed.take(source)?;
            if !feed.has_row(source)? {
                self.exhausted[source] = true;
                if !once {
                    feed.rewind(source)?;
                }
            }
            return Ok(Some(source));
        }
    }

    fn next_in_sequence<F: Feed>(&mut self, feed: &mut F) -> Result<Option<usize>, F::Error> {
        while self.turn < self.exhausted.len() {
            if feed.has_row(self.turn)? {
                feed.take(self.turn)?;
                return Ok(Some(self.turn));
            }
            self.turn += 1;
        }
        Ok(None)
    }

    fn refuse_empty<F: Feed>(&self, feed: &mut F) -> Result<(), F::Error> {
        for source in 0..self.exhausted.len() {
            let drawn = match &self.mixture {
                Mixture::Weighted { weights, .. } => weights[source] > 0.0,
                _ => true,
            };
            if drawn && !feed.has_row(source)? {
                return Err(InterleaveError::Empty { source_number: source + 1 }.into());
            }
        }
        Ok(())
    }

    fn is_over(&self, stop: Stop) -> bool {
        match stop {
            Stop::FirstExhausted => {
                self.exhausted.is_empty() || self.exhausted.iter().any(|&exhausted| exhausted)
            }
            _ => self.exhausted.iter().all(|&exhausted| exhausted),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Sources of given lengths whose rows are numbers.
    struct Lengths {
        lengths: Vec<usize>,
        next: Vec<usize>,
        taken: Vec<(usize, usize)>,
    }

    impl Feed for Lengths {
        type Error = InterleaveError;

        fn has_row(&mut self, source: usize) -> Result<bool, InterleaveError> {
            Ok(self.next[source] < self.lengths[source])
        }

        fn take(&mut self, source: usize) -> Result<(), InterleaveError> {
            self.taken.push((source, self.next[source]));
            self.next[source] += 1;
            Ok(())
        }

        fn rewind(&mut self, source: usize) -> Result<(), InterleaveError> {
            self.next[source] = 0;
            Ok(())
        }
    }

    fn mix(lengths: &[usize], mixture: Mixture) -> Result<Vec<(usize, usize)>, InterleaveError> {
        let mut interleaver = Interleaver::new(mixture, lengths.len())?;
        let next = vec![0; lengths.len()];
        let mut feed = Lengths { lengths: lengths.to_vec(), next, taken: Vec::new() };
        while interleaver.next(&mut feed)?.is_some() {}
        Ok(feed.taken)
    }

    #[test]
    fn round_robin_ends_between_rounds_or_inside_one() {
        for (stop, rounds, lengths, expected) in [
            (Stop::FirstExhausted, RoundRule::WholeRounds, [3, 4, 5], 9),
            (Stop::FirstExhausted, RoundRule::AnyRow, [3, 4, 5], 7),
            (Stop::FirstExhausted, RoundRule::WholeRounds, [10, 2, 7], 6),
            (Stop::FirstExhausted, RoundRule::AnyRow, [10, 2, 7], 5),
            (Stop::AllExhausted, RoundRule::WholeRounds, [10, 2, 7], 30),
            (Stop::AllExhausted, RoundRule::AnyRow, [10, 2, 7], 28),
        ] {
            let found = mix(&lengths, Mixture::RoundRobin { stop, rounds }).expect("rows");
            assert_eq!(found.len(), expected, "{stop:?} {rounds:?} {lengths:?}");
        }
    }

    #[test]
    fn mixtures_that_cannot_be_made_are_refused() {
        let weighted =
            |weights: &[f64], stop| Mixture::Weighted { weights: weights.to_vec(), stop, seed: 0 };
        for (mixture, lengths, expected) in [
            (weighted(&[1.0], Stop::FirstExhausted), [1, 1], "1 weights for 2 sources"),
            (weighted(&[0.0, 0.0], Stop::FirstExhausted), [1, 1], "one above 0"),
            (weighted(&[f64::NAN, 1.0], Stop::FirstExhausted), [1, 1], "2 weights"),
            (weighted(&[1.0, 1.0], Stop::AllExhausted), [1, 0], "source 2"),
            (weighted(&[0.0, 1.0], Stop::AllExhausted), [1, 1], "source 1 has weight 0"),
            (
                Mixture::RoundRobin { stop: Stop::FirstExhausted, rounds: RoundRule::AnyRow },
                [0, 1],
                "source 1 of the mixture has no row",
            ),
        ] {
            let error = mix(&lengths, mixture).expect_err(expected);
            assert!(error.to_string().contains(expected), "{error}");
        }
        // A source that is never drawn may be empty, and an empty one is skipped in sequence.
        let first = weighted(&[0.0, 1.0], Stop::FirstExhausted);
        assert_eq!(mix(&[0, 2], first).expect("rows"), [(1, 0), (1, 1)]);
        assert_eq!(mix(&[0, 1], Mixture::Sequential).expect("rows"), [(1, 0)]);
        assert_eq!(mix(&[], Mixture::Sequential).expect("rows"), []);
    }

    proptest! {
        #[test]
        fn without_replacement_every_row_comes_exactly_once(
            lengths in prop::collection::vec(1_usize..30, 1..5), seed: u64, weighted: bool,
        ) {
            let stop = Stop::AllExhaustedWithoutReplacement;
            let weights = (1..=lengths.len()).map(|weight| weight as f64).collect();
            let mixture = match weighted {
                true => Mixture::Weighted { weights, stop, seed },
                false => Mixture::RoundRobin { stop, rounds: RoundRule::WholeRounds },
            };
            let mut found = mix(&lengths, mixture).expect("every source has rows");
            found.sort_unstable();
            let all: Vec<(usize, usize)> = lengths
                .iter()
                .enumerate()
                .flat_map(|(source, &length)| (0..length).map(move |row| (source, row)))
                .collect();
            prop_assert_eq!(found, all);
        }
    }
}
