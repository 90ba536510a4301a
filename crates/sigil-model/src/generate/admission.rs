//! Which requests begin in which slots: in their order, as soon as a slot and the pages that it may need
//! are free.
//!
//! A request whose prompt is that of the one before it begins with that one's pages. The last prompt stays
//! where it is as long as the next request has the same, though its own sequence may have ended.

use std::ops::Range;

use sigil_kernels::{Beginning, Pages, SlotCopy};

use super::generator::Request;

/// The pages of all slots, and the prompt that the next request may begin with.
pub(super) struct Room {
    pages: Pages,
    slots: usize,
    held: Option<Held>,
}

/// A prompt that lies in a slot.
#[derive(Clone, Copy, Debug)]
struct Held {
    request: usize,
    slot: usize,
}

/// A request that begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Admitted {
    pub(super) slot: usize,
    pub(super) request: usize,
    pub(super) begins: Begins,
}

/// How a sequence comes to its prompt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Begins {
    /// It is read.
    Anew,
    /// It is that of the request before; what is to be copied for it, if anything.
    LikeTheLast(Option<SlotCopy>),
}

impl Room {
    /// Nothing is held; one longest sequence must fit.
    pub(super) fn new(slots: usize, pages: usize) -> Self {
        Self { pages: Pages::new(slots, pages), slots, held: None }
    }

    pub(super) fn pages(&self) -> &Pages {
        &self.pages
    }

    /// Frees the pages of slots that nobody runs in, but for a prompt that the request `next` has too.
    pub(super) fn give_back(
        &mut self,
        runs: impl Fn(usize) -> bool,
        requests: &[Request],
        next: usize,
    ) {
        let next = requests.get(next).map(|request| &request.prompt);
        self.held = self.held.filter(|held| next == Some(&requests[held.request].prompt));
        for slot in (0..self.slots).filter(|&slot| !runs(slot)) {
            let held = self.held.filter(|held| held.slot == slot);
            let kept = held.map_or(0, |held| requests[held.request].prompt.len());
            self.pages.shorten(slot, kept);
        }
    }

    /// Takes requests from the front of `pending` as long as there are slots of `free` and pages for the
    /// positions that each may need. Where nothing runs at least one is taken.
    pub(super) fn admit(
        &mut self,
        mut free: Vec<usize>,
        pending: &mut Range<usize>,
        requests: &[Request],
        positions: impl Fn(&Request) -> usize,
    ) -> Vec<Admitted> {
        // The slot of the held prompt first: what goes on there needs no page for a copy, so that a
        // sequence that is alone always fits.
        if let Some(held) = self.held {
            free.sort_by_key(|&slot| slot != held.slot);
        }
        let mut admitted = vec![];
        for slot in free {
            if Range::is_empty(pending) {
                break;
            }
            let request = pending.start;
            let own = &requests[request];
            let held = self.held.filter(|held| requests[held.request].prompt == own.prompt);
            let beginning =
                held.map(|held| Beginning { slot: held.slot, positions: own.prompt.len() });
            let Some(copy) = self.pages.begin(slot, beginning, positions(own)) else { break };
            pending.start += 1;
            let begins = if held.is_some() {
                Begins::LikeTheLast(copy)
            } else {
                self.held = Some(Held { request, slot });
                Begins::Anew
            };
            admitted.push(Admitted { slot, request, begins });
        }
        // A slot that runs holds the prompt anyway.
        if let (Some(held), Some(last)) = (self.held.as_mut(), admitted.last()) {
            held.slot = last.slot;
        }
        admitted
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn requests(prompts: &[(u32, usize)]) -> Vec<Request> {
        let prompt =
            |&(token, length): &(u32, usize)| Request { prompt: vec![token; length], stream: 0 };
        prompts.iter().map(prompt).collect()
    }

    /// Slots and requests of those that begin, and whether each reads its prompt.
    fn taken(admitted: &[Admitted]) -> Vec<(usize, usize, bool)> {
        let anew = |one: &Admitted| one.begins == Begins::Anew;
        admitted.iter().map(|one| (one.slot, one.request, anew(one))).collect()
    }

    #[test]
    fn a_request_waits_for_its_pages() {
        let requests = requests(&[(1, 200), (2, 100), (3, 1)]);
        let mut room = Room::new(3, 4);
        let mut pending = 0..3;
        let positions = |request: &Request| request.prompt.len() + 128;
        // Three pages and two do not fit at once, and nobody overtakes.
        let first = room.admit(vec![0, 1, 2], &mut pending, &requests, positions);
        assert_eq!(taken(&first), [(0, 0, true)]);
        room.give_back(|slot| slot == 0, &requests, pending.start);
        assert_eq!(room.admit(vec![1, 2], &mut pending, &requests, positions), []);
        room.give_back(|_| false, &requests, pending.start);
        let rest = room.admit(vec![0, 1, 2], &mut pending, &requests, positions);
        assert_eq!(taken(&rest), [(0, 1, true), (1, 2, true)]);
        assert_eq!((pending, room.pages().free()), (3..3, 0));
    }

    #[test]
    fn samples_of_a_prompt_share_its_whole_pages() {
        let requests = requests(&[(1, 260); 5]);
        let mut room = Room::new(4, 5);
        let mut pending = 0..5;
        let positions = |request: &Request| request.prompt.len() + 50;
        // Three pages, and one more for each other sample.
        let first = room.admit(vec![0, 1, 2, 3], &mut pending, &requests, positions);
        assert_eq!(taken(&first), [(0, 0, true), (1, 1, false), (2, 2, false)]);
        // All end: the prompt stays, and the next sample goes on where it lies.
        room.give_back(|_| false, &requests, pending.start);
        assert_eq!(room.pages().free(), 2);
        let rest = room.admit(vec![0, 1, 2, 3], &mut pending, &requests, positions);
        assert_eq!(taken(&rest), [(2, 3, false), (0, 4, false)]);
        assert_eq!(rest[0].begins, Begins::LikeTheLast(None));
        // Nobody asks for it any more.
        room.give_back(|_| false, &requests, pending.start);
        assert_eq!(room.pages().free(), 5);
    }

    #[test]
    fn a_sequence_that_is_alone_fits() {
        let requests = requests(&[(1, 130), (1, 130), (2, 150), (2, 150), (1, 130)]);
        let mut room = Room::new(2, 2);
        let mut pending = 0..5;
        for request in 0..5 {
            room.give_back(|_| false, &requests, pending.start);
            let admitted = room.admit(vec![0, 1], &mut pending, &requests, |_| 256);
            assert_eq!(admitted.len(), 1);
            let anew = [true, false, true, false, true][request];
            assert_eq!(taken(&admitted), [(0, request, anew)]);
        }
    }
}
