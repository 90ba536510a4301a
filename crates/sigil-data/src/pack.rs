//! Which documents share a block.
//!
//! Is: best-fit-decreasing bin packing inside windows of the shuffled order; whole documents only,
//! so nothing is cut here. Is not: an order of blocks (`stream.rs` shuffles them). Next:
//! `stream.rs`.

use std::collections::BTreeSet;

/// Documents that are packed together: large enough to fill blocks, small enough that the
/// neighbours of a document change with every shuffle.
const WINDOW: usize = 2048;

/// A block at least this full is final; others are opened again in the next window.
const FULL_PERCENT: usize = 95;

/// Holds the blocks of one epoch, each a list of document indices.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Blocks {
    pub(crate) blocks: Vec<Vec<u32>>,
}

/// Puts every document of `order` in a block of its own.
pub(crate) fn one_per_block(order: &[u32]) -> Blocks {
    Blocks { blocks: order.iter().map(|&document| vec![document]).collect() }
}

/// Packs the documents of `order` into blocks of at most `capacity` tokens.
///
/// `length_of` gives a document's length, which must not exceed `capacity`. Inside a block the
/// documents keep their relative order.
pub(crate) fn pack(order: &[u32], capacity: usize, length_of: &dyn Fn(u32) -> usize) -> Blocks {
    let mut done = Vec::new();
    let mut waiting: Vec<u32> = Vec::new();
    for window in order.chunks(WINDOW) {
        // Documents that fit badly everywhere (0.6 of a block each) must not pile up.
        let give_up = waiting.len() >= WINDOW;
        waiting.extend_from_slice(window);
        let blocks = best_fit(&waiting, capacity, length_of);
        waiting.clear();
        for block in blocks {
            let filled: usize = block.iter().map(|&document| length_of(document)).sum();
            if give_up || filled * 100 >= capacity * FULL_PERCENT {
                done.push(block);
            } else {
                waiting.extend(block);
            }
        }
    }
    done.extend(best_fit(&waiting, capacity, length_of));
    Blocks { blocks: done }
}

/// Longest document first, each into the fullest block that still has room.
fn best_fit(items: &[u32], capacity: usize, length_of: &dyn Fn(u32) -> usize) -> Vec<Vec<u32>> {
    let mut by_length: Vec<usize> = (0..items.len()).collect();
    by_length.sort_by_key(|&position| std::cmp::Reverse(length_of(items[position])));
    let mut blocks: Vec<Vec<usize>> = Vec::new();
    let mut open: BTreeSet<(usize, usize)> = BTreeSet::new();
    for position in by_length {
        let length = length_of(items[position]);
        let fit = open.range((length, 0)..).next().copied();
        let (room, block) = match fit {
            Some(found) => {
                open.remove(&found);
                found
            }
            None => {
                blocks.push(Vec::new());
                (capacity, blocks.len() - 1)
            }
        };
        blocks[block].push(position);
        open.insert((room.saturating_sub(length), block));
    }
    let in_order = |mut block: Vec<usize>| {
        block.sort_unstable();
        block.into_iter().map(|position| items[position]).collect()
    };
    blocks.into_iter().map(in_order).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::random::Random;

    fn fill(blocks: &Blocks, capacity: usize, length_of: &dyn Fn(u32) -> usize) -> f64 {
        let tokens: usize = blocks.blocks.iter().flatten().map(|&index| length_of(index)).sum();
        tokens as f64 / (blocks.blocks.len() * capacity) as f64
    }

    #[test]
    fn blocks_of_pieces_of_source_files_are_nearly_full() {
        // Source files have log-normal lengths; cut at 1024 they become full pieces and rests.
        let mut random = Random::keyed(&[11]);
        let mut lengths = Vec::new();
        for _ in 0..6_000 {
            let normal = (0..12).map(|_| random.below(1000) as f64 / 1000.0).sum::<f64>() - 6.0;
            let mut length = (7.0 + 1.3 * normal).exp() as usize + 1;
            while length > 1024 {
                lengths.push(1024);
                length -= 1024;
            }
            lengths.push(length.max(1));
        }
        let mut order: Vec<u32> = (0..lengths.len() as u32).collect();
        random.shuffle(&mut order);
        let length_of = |document: u32| lengths[document as usize];
        let packed = pack(&order, 1024, &length_of);
        let filled = fill(&packed, 1024, &length_of);
        assert!(filled > 0.98, "blocks are {filled} full");
    }

    #[test]
    fn documents_that_never_share_are_not_carried_for_ever() {
        let order: Vec<u32> = (0..20_000).collect();
        let packed = pack(&order, 100, &|_| 60);
        assert_eq!(packed.blocks.len(), 20_000);
    }

    proptest! {
        #[test]
        fn every_document_is_in_exactly_one_block_that_is_not_too_full(
            lengths in prop::collection::vec(1_usize..=64, 0..300),
        ) {
            let order: Vec<u32> = (0..lengths.len() as u32).rev().collect();
            let packed = pack(&order, 64, &|document| lengths[document as usize]);
            let mut seen: Vec<u32> = packed.blocks.iter().flatten().copied().collect();
            seen.sort_unstable();
            prop_assert_eq!(seen, (0..lengths.len() as u32).collect::<Vec<_>>());
            for block in &packed.blocks {
                let filled: usize = block.iter().map(|&index| lengths[index as usize]).sum();
                prop_assert!(!block.is_empty() && filled <= 64);
            }
        }
    }
}
