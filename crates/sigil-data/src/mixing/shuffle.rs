//! Shuffles, of everything or inside a buffer.
//!
//! Is: `Dataset.shuffle` (one permutation) and the buffer of `IterableDataset.shuffle` as
//! `datasets` 5.2 has it: fill, permute, hand out half, keep half. Is not: a choice between them.
//! Next: `stream.rs`, which applies one to each epoch.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use super::NumpyRandom;

/// Says how rows are shuffled in each epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Shuffle {
    /// Rows stay in the order of their mixture.
    None,
    /// One permutation of all rows; needs them all at once.
    Full {
        /// Seed of the first epoch; each later one adds 1.
        seed: u64,
    },
    /// A rolling buffer; the memory it needs is that of `rows` rows.
    Buffer {
        /// Rows in the buffer.
        rows: usize,
        /// Seed of the first epoch; each later one adds 1.
        seed: u64,
    },
}

/// Puts all items in the order of `Dataset.shuffle(seed)`.
pub fn full_shuffle<T>(items: Vec<T>, seed: u64) -> Vec<T> {
    let count = u32::try_from(items.len()).expect("a run holds fewer than 2^32 rows");
    let mut items: Vec<Option<T>> = items.into_iter().map(Some).collect();
    let order = NumpyRandom::seeded(seed).permutation(count);
    order.into_iter().filter_map(|index| items[index as usize].take()).collect()
}

/// Holds the items of a rolling shuffle.
#[derive(Debug, Clone)]
pub struct BufferShuffle<T> {
    waiting: Vec<T>,
    ready: VecDeque<T>,
    size: usize,
    random: NumpyRandom,
    ended: bool,
}

impl<T> BufferShuffle<T> {
    /// Makes an empty buffer for `size` items; 0 counts as 1, which keeps the order.
    pub fn new(size: usize, seed: u64) -> Self {
        Self {
            waiting: Vec::new(),
            ready: VecDeque::new(),
            size: size.max(1),
            random: NumpyRandom::seeded(seed),
            ended: false,
        }
    }

    /// Returns the next item, pulling as many as it needs; `None` when all have come out.
    ///
    /// # Errors
    /// Those of `pull`.
    pub fn next<E>(
        &mut self,
        mut pull: impl FnMut() -> Result<Option<T>, E>,
    ) -> Result<Option<T>, E> {
        while self.ready.is_empty() && !self.ended {
            match pull()? {
                Some(item) => self.waiting.push(item),
                None => {
                    self.ended = true;
                    self.hand_out(0);
                }
            }
            if self.waiting.len() >= self.size {
                self.hand_out(self.size / 2);
            }
        }
        Ok(self.ready.pop_front())
    }

    /// Permutes what waits, and keeps the last `keep` of it.
    fn hand_out(&mut self, keep: usize) {
        let order = self.random.permutation(self.waiting.len() as u32);
        let mut items: Vec<Option<T>> = self.waiting.drain(..).map(Some).collect();
        let out = order.len() - keep;
        for (place, index) in order.into_iter().enumerate() {
            let item = items[index as usize].take();
            if place < out {
                self.ready.extend(item);
            } else {
                self.waiting.extend(item);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn shuffled(count: u32, size: usize, seed: u64) -> Vec<u32> {
        let mut numbers = 0..count;
        let mut buffer = BufferShuffle::new(size, seed);
        let mut next = || buffer.next(|| Ok::<_, std::convert::Infallible>(numbers.next()));
        std::iter::from_fn(|| next().expect("numbers cannot fail")).collect()
    }

    #[test]
    fn small_buffers_keep_the_order_and_large_ones_shuffle_everything() {
        assert_eq!(shuffled(9, 1, 3), (0..9).collect::<Vec<_>>());
        assert_eq!(shuffled(50, 100, 3), full_shuffle((0..50).collect(), 3));
        assert!(shuffled(0, 10, 1).is_empty());
    }

    proptest! {
        #[test]
        fn every_item_comes_once_and_none_before_its_buffer(
            count in 0_u32..300, size in 1_usize..50, seed: u64,
        ) {
            let found = shuffled(count, size, seed);
            for (place, &item) in found.iter().enumerate() {
                prop_assert!((item as usize) < place + size);
            }
            let mut sorted = found;
            sorted.sort_unstable();
            prop_assert_eq!(sorted, (0..count).collect::<Vec<_>>());
        }
    }
}
