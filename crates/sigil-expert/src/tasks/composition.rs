//! Which functions there are, and on which side each one is.
//!
//! A composition is a family, at most one operation that keeps, at most one that changes, their order,
//! and an end. What decides its side is the *pair* of its two operations, whatever the family, the
//! order and the end: a pair that is held out is never seen, asked or trained on in any form.

use super::numbers::{CHANGES, KEEPS};
use super::sources::{COMBINES, End, Family};
use super::texts::{CHARACTER_CHANGES, CHARACTER_KEEPS, WORD_CHANGES, WORD_KEEPS};

/// Of a hundred pairs, those whose solutions the base sees.
const SEEN: u64 = 10;
/// Of a hundred pairs, those that rounds ask for besides.
const PRACTISED: u64 = 52;
/// Of a hundred pairs, those that decide when rounds end. The rest is held out.
const DEVELOPMENT: u64 = 12;

/// Of a hundred branches that rounds ask for, those whose solutions the base sees.
const SHOWN_BRANCHES: u64 = 10;

/// The side of a composition.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum Split {
    /// The base is trained on solutions of these.
    Seen,
    /// Rounds ask for these; no solution of them is ever shown.
    Practice,
    /// Rounds are compared on these, and never trained on them.
    Development,
    /// Judged before and after, and for nothing else.
    HeldOut,
}

impl Split {
    /// All sides, the strictest last.
    pub const ALL: [Self; 4] = [Self::Seen, Self::Practice, Self::Development, Self::HeldOut];

    /// Whether samples of these are never trained on.
    pub fn is_evaluation(self) -> bool {
        matches!(self, Self::Development | Self::HeldOut)
    }

    /// Its name in files.
    pub fn name(self) -> &'static str {
        match self {
            Self::Seen => "seen",
            Self::Practice => "practice",
            Self::Development => "development",
            Self::HeldOut => "held_out",
        }
    }
}

/// A function without its names and constants.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Composition {
    pub(super) family: Family,
    /// Place in the family's list of what keeps.
    pub(super) keep: Option<usize>,
    /// Place in the family's list of what changes.
    pub(super) change: Option<usize>,
    /// The second branch, or how two slices are combined.
    pub(super) other: Option<usize>,
    pub(super) change_first: bool,
    pub(super) end: End,
}

impl Composition {
    /// The names of a family's operations.
    fn names(family: Family) -> (Vec<&'static str>, Vec<&'static str>) {
        match family {
            Family::Characters => (
                CHARACTER_KEEPS.iter().map(|keep| keep.name).collect(),
                CHARACTER_CHANGES.iter().map(|change| change.name).collect(),
            ),
            Family::Words => (
                WORD_KEEPS.iter().map(|keep| keep.name).collect(),
                WORD_CHANGES.iter().map(|change| change.name).collect(),
            ),
            Family::Pairs => (KEEPS.iter().map(|keep| keep.name).collect(), Vec::new()),
            _ => (
                KEEPS.iter().map(|keep| keep.name).collect(),
                CHANGES.iter().map(|change| change.name).collect(),
            ),
        }
    }

    /// Its operations in the order of the code.
    pub fn operations(&self) -> Vec<&'static str> {
        let (keeps, changes) = Self::names(self.family);
        let keep = self.keep.map(|at| keeps[at]);
        let change = self.change.map(|at| changes[at]);
        let other = self.other.map(|at| match self.family {
            Family::Branch => changes[at],
            _ => COMBINES[at].0,
        });
        let steps = match self.family {
            Family::Branch => [keep, change, other],
            _ if self.change_first => [other, change, keep],
            _ => [other, keep, change],
        };
        steps.into_iter().flatten().collect()
    }

    /// Its name: the family, the operations in order, the end.
    pub fn name(&self) -> String {
        format!("{}:{}:{}", self.family.name(), self.operations().join(">"), self.end.name())
    }

    /// The family's name.
    pub fn family(&self) -> &'static str {
        self.family.name()
    }

    /// The pairs of operations that meet in it, each in the order of the alphabet.
    pub fn pairs(&self) -> Vec<String> {
        let (keeps, changes) = Self::names(self.family);
        let kind = match self.family {
            Family::Characters => "characters",
            Family::Words => "words",
            _ => "numbers",
        };
        let pair = |left: &str, right: &str| {
            let (first, second) = if left < right { (left, right) } else { (right, left) };
            format!("{kind}:{first}+{second}")
        };
        let keep = self.keep.map(|at| keeps[at]);
        let change = self.change.map(|at| changes[at]);
        let other = self.other.map(|at| match self.family {
            Family::Branch => changes[at],
            _ => COMBINES[at].0,
        });
        let joined = |a: Option<&'static str>, b: Option<&'static str>| Some(pair(a?, b?));
        [joined(keep, change), joined(keep, other)].into_iter().flatten().collect()
    }

    /// Its side: the strictest of its pairs'. A single operation is seen. A branch always has two
    /// pairs, so the base is shown some of those that rounds ask for: it has to know the form.
    pub fn split(&self) -> Split {
        let side = self.pairs().iter().map(|pair| side(pair)).max().unwrap_or(Split::Seen);
        let shown = self.family == Family::Branch && side == Split::Practice;
        if shown && place(&self.name()) < SHOWN_BRANCHES { Split::Seen } else { side }
    }
}

/// A number below a hundred, by a name alone (FNV-1a and a final mix), so that it never moves.
fn place(name: &str) -> u64 {
    let hash = name.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    sigil_eval::score::SplitMix::new(hash).below(100)
}

/// The side of a pair.
fn side(pair: &str) -> Split {
    match place(pair) {
        place if place < SEEN => Split::Seen,
        place if place < SEEN + PRACTISED => Split::Practice,
        place if place < SEEN + PRACTISED + DEVELOPMENT => Split::Development,
        _ => Split::HeldOut,
    }
}

/// All compositions, in a fixed order.
pub fn compositions() -> Vec<Composition> {
    let mut all = Vec::new();
    for family in Family::ALL {
        let (keeps, changes) = Composition::names(family);
        let optional = |count: usize| std::iter::once(None).chain((0..count).map(Some));
        for keep in optional(keeps.len()) {
            for change in optional(changes.len()) {
                let others: Vec<Option<usize>> = match family {
                    Family::Branch => (0..changes.len()).map(Some).collect(),
                    Family::Pairs => (0..COMBINES.len()).map(Some).collect(),
                    _ => vec![None],
                };
                for other in others {
                    for &end in family.ends() {
                        for change_first in [false, true] {
                            let one =
                                Composition { family, keep, change, other, change_first, end };
                            if makes_sense(&one) {
                                all.push(one);
                            }
                        }
                    }
                }
            }
        }
    }
    all
}

/// Whether a form is a function worth asking for. What has no effect is found when tests are chosen.
fn makes_sense(one: &Composition) -> bool {
    let (keep, change) = (one.keep.is_some(), one.change.is_some());
    let both = keep && change;
    match one.family {
        Family::Branch => both && one.change != one.other && !one.change_first,
        Family::Pairs => !one.change_first,
        // Counting after a change counts what was there before it.
        _ if one.end == End::Count && change && !one.change_first => false,
        _ if one.change_first && !both => false,
        _ => keep || change,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use super::*;

    #[test]
    fn the_sides_are_large_enough_and_share_no_pair() {
        let mut by_split: BTreeMap<Split, Vec<Composition>> = BTreeMap::new();
        for one in compositions() {
            by_split.entry(one.split()).or_default().push(one);
        }
        let count = |split| by_split.get(&split).map_or(0, Vec::len);
        assert!(count(Split::Seen) >= 40, "{}", count(Split::Seen));
        assert!(count(Split::Practice) >= 200, "{}", count(Split::Practice));
        assert!(count(Split::Development) >= 60, "{}", count(Split::Development));
        assert!(count(Split::HeldOut) >= 300, "{}", count(Split::HeldOut));
        let pairs = |split: Split| -> BTreeSet<String> {
            by_split[&split].iter().flat_map(Composition::pairs).collect()
        };
        // A held-out composition may hold a seen pair besides, but nothing trained on holds a held-out one.
        let held_out: BTreeSet<String> =
            pairs(Split::HeldOut).into_iter().filter(|pair| side(pair) == Split::HeldOut).collect();
        for split in [Split::Seen, Split::Practice, Split::Development] {
            assert!(pairs(split).is_disjoint(&held_out), "{split:?}");
        }
    }

    #[test]
    fn names_are_unique() {
        let all = compositions();
        let names: BTreeSet<String> = all.iter().map(Composition::name).collect();
        assert_eq!(names.len(), all.len());
    }
}
