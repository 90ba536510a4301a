//! Which pages of a cache hold which positions of which sequence.
//!
//! A page is [`PAGE`] positions of one sequence in every layer. A sequence is given all pages that it may
//! ever need when it begins, so one that runs never waits for room. Sequences that begin with the same text
//! share its whole pages: only the one that was given them writes there, when it reads that text, because
//! each goes on behind it. What the text fills of its last page is copied.
//!
//! No memory here, only numbers: what lies in the pages is the cache's ([`crate::Decoding::Cache`]).

use crate::Span;

/// Positions of a page: those of a block of `attention_decode.cu`.
pub const PAGE: usize = 128;

/// The pages of every slot, and which are free.
#[derive(Clone, Debug)]
pub struct Pages {
    /// Pages of every slot in the order of its positions.
    slots: Vec<Vec<u32>>,
    /// Slots that hold each page.
    users: Vec<u32>,
    /// The slot that each page was given to, the only one that writes there; none once it gave it back.
    writers: Vec<Option<usize>>,
    /// Pages that nobody holds; the last one is given next.
    free: Vec<u32>,
}

/// The beginning of a sequence that another slot holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Beginning {
    /// The slot that holds it.
    pub slot: usize,
    /// Its length in positions.
    pub positions: usize,
}

/// What must be copied where a sequence begins like another: nothing for those that need no copy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SlotCopy {
    /// The slot that holds the beginning, and its length.
    pub from: Beginning,
    /// The slot that begins.
    pub to: usize,
    /// The page that the beginning fills in part, and the one that it is copied to; whole pages are shared.
    pub page: Option<[u32; 2]>,
}

impl Pages {
    /// `pages` free pages for so many slots.
    pub fn new(slots: usize, pages: usize) -> Self {
        let count = u32::try_from(pages).expect("a cache has fewer than 2^32 pages");
        Self {
            slots: vec![vec![]; slots],
            users: vec![0; pages],
            writers: vec![None; pages],
            free: (0..count).rev().collect(),
        }
    }

    /// Pages that hold so many positions.
    pub fn of_positions(positions: usize) -> usize {
        positions.div_ceil(PAGE)
    }

    /// Pages that nobody holds.
    pub fn free(&self) -> usize {
        self.free.len()
    }

    /// Gives a slot, instead of what it holds, room for `positions`, of which `beginning` is there already.
    /// `None` where there are not so many pages; nothing has changed then. Otherwise what is to be copied,
    /// if anything, before anybody writes to a page that `slot` held.
    pub fn begin(
        &mut self,
        slot: usize,
        beginning: Option<Beginning>,
        positions: usize,
    ) -> Option<Option<SlotCopy>> {
        let beginning = beginning.filter(|beginning| beginning.positions > 0);
        // A slot that goes on from its own beginning keeps the page that it fills in part.
        let kept = beginning.map_or(0, |from| {
            if from.slot == slot {
                Self::of_positions(from.positions)
            } else {
                from.positions / PAGE
            }
        });
        let kept: Vec<u32> =
            beginning.map_or(vec![], |from| self.slots[from.slot][..kept].to_vec());
        let needed = Self::of_positions(positions).saturating_sub(kept.len());
        let held = &self.slots[slot];
        let freed = held.iter().filter(|&&page| self.is_alone(page) && !kept.contains(&page));
        if needed > self.free.len() + freed.count() {
            return None;
        }
        let partly = beginning
            .filter(|from| from.slot != slot && from.positions % PAGE > 0)
            .map(|from| self.slots[from.slot][kept.len()]);
        let writers: Vec<_> = kept.iter().map(|&page| self.writers[page as usize]).collect();
        // Held once more, so that what the slot has already is not free in between.
        kept.iter().for_each(|&page| self.users[page as usize] += 1);
        self.shorten(slot, 0);
        if beginning.is_some_and(|from| from.slot == slot) {
            let pairs = kept.iter().zip(writers);
            pairs.for_each(|(&page, writer)| self.writers[page as usize] = writer);
        }
        self.slots[slot] = kept;
        let at = self.slots[slot].len();
        for _ in 0..needed {
            let page = self.free.pop().expect("counted above");
            self.users[page as usize] = 1;
            self.writers[page as usize] = Some(slot);
            self.slots[slot].push(page);
        }
        let copied = beginning.filter(|from| from.slot != slot).map(|from| SlotCopy {
            from,
            to: slot,
            page: partly.map(|page| [page, self.slots[slot][at]]),
        });
        Some(copied)
    }

    /// Gives back the pages of a slot behind its first `positions`.
    pub fn shorten(&mut self, slot: usize, positions: usize) {
        let kept = Self::of_positions(positions).min(self.slots[slot].len());
        for page in self.slots[slot].split_off(kept) {
            let at = page as usize;
            self.writers[at] = self.writers[at].filter(|&writer| writer != slot);
            self.users[at] -= 1;
            if self.users[at] == 0 {
                self.free.push(page);
            }
        }
    }

    /// The pages of a slot in the order of its positions.
    pub fn of_slot(&self, slot: usize) -> &[u32] {
        &self.slots[slot]
    }

    /// Where the rows of a span lie in the cache: `page * PAGE + position in the page`.
    ///
    /// # Panics
    /// When the slot has no page for a row, or one that was given to another: the generator's own
    /// book-keeping.
    pub fn places(&self, span: Span) -> impl Iterator<Item = usize> {
        let pages = self.of_slot(span.slot);
        (span.first..span.first + span.rows).map(move |position| {
            let page = pages.get(position / PAGE).expect("the sequence is longer than its room");
            let writer = self.writers[*page as usize];
            assert_eq!(writer, Some(span.slot), "only the slot that was given a page writes there");
            *page as usize * PAGE + position % PAGE
        })
    }

    fn is_alone(&self, page: u32) -> bool {
        self.users[page as usize] == 1
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::random;

    /// Every page is free or held as often as it says, and nothing is written twice.
    fn check(pages: &Pages) {
        let mut users: BTreeMap<u32, u32> = BTreeMap::new();
        for slot in &pages.slots {
            slot.iter().for_each(|&page| *users.entry(page).or_default() += 1);
        }
        for &page in &pages.free {
            assert!(users.insert(page, 0).is_none(), "page {page} is free and held, or free twice");
        }
        let held: Vec<u32> = users.into_values().collect();
        assert_eq!(held, pages.users, "no page is lost");
    }

    fn places(pages: &Pages, slot: usize, first: usize, rows: usize) -> Vec<usize> {
        pages.places(Span { slot, first, rows }).collect()
    }

    #[test]
    fn a_beginning_is_shared_but_for_its_last_page() {
        let mut pages = Pages::new(3, 8);
        assert_eq!(pages.begin(0, None, 400), Some(None));
        assert_eq!((pages.of_slot(0), pages.free()), (&[0, 1, 2, 3][..], 4));
        let beginning = Beginning { slot: 0, positions: 300 };
        let copied = pages.begin(2, Some(beginning), 390).expect("there is room");
        assert_eq!(copied, Some(SlotCopy { from: beginning, to: 2, page: Some([2, 4]) }));
        assert_eq!((pages.of_slot(2), pages.free()), (&[0, 1, 4, 5][..], 2));
        assert_eq!(places(&pages, 2, 300, 1), [4 * PAGE + 44]);
        assert_eq!(places(&pages, 0, 383, 2), [3 * PAGE - 1, 3 * PAGE]);
        // Whole pages need no copy.
        let whole = Beginning { slot: 0, positions: 256 };
        let copied = pages.begin(1, Some(whole), 257).expect("there is room");
        assert_eq!(copied, Some(SlotCopy { from: whole, to: 1, page: None }));
        check(&pages);
        // They are free when the last of the three is gone.
        pages.shorten(0, 0);
        pages.shorten(2, 0);
        assert_eq!(pages.free(), 5);
        pages.shorten(1, 130);
        assert_eq!(pages.free(), 6);
        pages.shorten(1, 0);
        assert_eq!(pages.free(), 8);
        check(&pages);
    }

    #[test]
    fn what_does_not_fit_changes_nothing() {
        let mut pages = Pages::new(2, 3);
        assert_eq!(pages.begin(0, None, 200), Some(None));
        assert_eq!(pages.begin(1, None, 129), None);
        assert_eq!(pages.begin(0, None, 385), None);
        assert_eq!((pages.of_slot(0), pages.of_slot(1), pages.free()), (&[0, 1][..], &[][..], 1));
        // A slot's own pages count, as does what it shares.
        assert_eq!(pages.begin(0, None, 384), Some(None));
        let own = Beginning { slot: 0, positions: 140 };
        assert_eq!(pages.begin(0, Some(own), 300), Some(None));
        assert_eq!(pages.begin(0, Some(own), 150), Some(None));
        assert_eq!((pages.of_slot(0)[..2].to_vec(), pages.free()), (vec![1, 0], 1));
        assert!(pages.begin(1, Some(own), 256).is_some());
        check(&pages);
    }

    #[test]
    #[should_panic(expected = "only the slot that was given a page")]
    fn a_page_of_another_is_not_written() {
        let mut pages = Pages::new(2, 4);
        pages.begin(0, None, 256).expect("there is room");
        let beginning = Beginning { slot: 0, positions: 128 };
        pages.begin(1, Some(beginning), 200).expect("there is room");
        // Who was given it reads the text that both begin with.
        assert_eq!(places(&pages, 0, 127, 1), [127]);
        places(&pages, 1, 127, 1);
    }

    #[test]
    #[should_panic(expected = "only the slot that was given a page")]
    fn a_page_that_was_given_back_is_not_written() {
        let mut pages = Pages::new(2, 4);
        pages.begin(0, None, 256).expect("there is room");
        let beginning = Beginning { slot: 0, positions: 128 };
        pages.begin(1, Some(beginning), 200).expect("there is room");
        pages.shorten(0, 0);
        let back = Beginning { slot: 1, positions: 128 };
        pages.begin(0, Some(back), 200).expect("there is room");
        places(&pages, 0, 127, 1);
    }

    #[test]
    fn a_slot_that_goes_on_from_its_own_beginning_writes_there() {
        let mut pages = Pages::new(1, 2);
        pages.begin(0, None, 200).expect("there is room");
        let own = Beginning { slot: 0, positions: 140 };
        pages.begin(0, Some(own), 256).expect("there is room");
        assert_eq!(places(&pages, 0, 140, 2), [140, 141]);
    }

    #[test]
    #[should_panic(expected = "longer than its room")]
    fn a_slot_has_no_more_than_its_room() {
        let mut pages = Pages::new(1, 4);
        pages.begin(0, None, 128).expect("there is room");
        places(&pages, 0, 127, 2);
    }

    #[test]
    fn pages_are_kept_through_any_turns() {
        for seed in 0..40 {
            let slots = 1 + seed as usize % 6;
            let mut pages = Pages::new(slots, 10);
            // Positions of every slot, and from where on it writes.
            let mut texts = vec![(0usize, 0usize); slots];
            for turn in 0..300u64 {
                let number = |which: u64, below: usize| {
                    random::bits(seed, turn * 4 + which) as usize % below
                };
                let slot = number(0, slots);
                match number(1, 5) {
                    0 => {
                        pages.shorten(slot, 0);
                        texts[slot] = (0, 0);
                    }
                    1 => {
                        let (positions, written) = texts[slot];
                        let left = written + number(2, positions - written + 1);
                        pages.shorten(slot, left);
                        texts[slot].0 = left;
                    }
                    kind => {
                        let source = number(2, slots);
                        let written = texts[source].1;
                        let beginning = (kind > 2 && written > 0)
                            .then_some(Beginning { slot: source, positions: written });
                        let first = beginning.map_or(0, |from| from.positions);
                        let positions = first + 1 + number(3, 600);
                        let before = (pages.of_slot(slot).to_vec(), pages.free());
                        match pages.begin(slot, beginning, positions) {
                            None => {
                                assert_eq!(before, (pages.of_slot(slot).to_vec(), pages.free()));
                            }
                            Some(_) => texts[slot] = (positions, first.max(positions / 2)),
                        }
                    }
                }
                check(&pages);
                let mut written: Vec<usize> = vec![];
                for (slot, (positions, from)) in texts.iter().enumerate() {
                    written.extend(places(&pages, slot, *from, positions - from));
                }
                let count = written.len();
                written.sort_unstable();
                written.dedup();
                assert_eq!(written.len(), count, "a place is written by one");
            }
            (0..slots).for_each(|slot| pages.shorten(slot, 0));
            check(&pages);
            assert_eq!(pages.free(), 10);
        }
    }
}
